"""From peaks to instances: candidates assigned by their tags, and absent keypoints looked up in the maps.

Letters: N instances, K keypoints, T tag channels, L tag dimensions, M peaks per channel, Q look-ups,
G blocks of a map, ``h, w`` map cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor

TagDistance = Literal["rms", "l2"]
AssignmentTie = Literal["solver", "nearest"]

_NEAREST = 1e-6  # weight of the true distance: it decides between equal costs and outweighs no visible score
_LEVELS = (0.3, 0.1, 0.03)  # falling heat at which a look-up sees who is done; they cost time, not exactness
_VALUES_IN_CACHE = 1 << 14
_VALUES_AT_ONCE = 1 << 22  # bounds the memory of a look-up


def group_by_tags(
    scores: np.ndarray,
    tags: np.ndarray,
    order: Sequence[int],
    tag_threshold: float = 1.0,
    distance: TagDistance = "l2",
    max_matched: int = 30,
    stop_when_full: bool = False,
    tie: AssignmentTie = "solver",
) -> np.ndarray:
    """Assign the peaks of one image to instances, keypoint by keypoint.

    The peaks of the first keypoint that has any start the instances. Every further keypoint is
    assigned as a whole, so that the sum of ``round(distance) * 100 - score`` is smallest. A peak
    without partner, or whose partner is ``tag_threshold`` away or more, starts a new instance. An
    instance's tag is the mean of the tags gathered so far.

    Args:
        scores: ``(K, M)``; entries that are not positive are no peaks.
        tags: ``(K, M, L)``.
        order: all K keypoints in the order in which they are taken up.
        tag_threshold: largest distance, exclusive, between a peak and the instance it joins.
        distance: 'rms' divides the squared distance by L under the root, 'l2' does not.
        max_matched: only this many instances, the first ones, can gain keypoints.
        stop_when_full: once that many exist, ignore every further keypoint instead of letting it
            start instances.
        tie: rounding makes different assignments cost the same. 'solver' takes the one that SciPy's
            solver finds, which agrees with the originals; 'nearest' the one whose true distances,
            none counted beyond ``tag_threshold``, have the smallest sum.

    Returns:
        ``(N, K) int64`` index of each instance's peak, -1 = absent; instances in the order in which
        they were started.

    Reference:
        princeton-vl/pose-ae-train and HRNet/HigherHRNet-Human-Pose-Estimation, match_by_tag. There
        instances with exactly the same tag overwrite each other; here they are rows.

    >>> group_by_tags(np.array([[0.9, 0.8], [0.7, 0.6]]), np.array([[[0.0], [5]], [[5.1], [0.2]]]), [0, 1])
    array([[0, 1],
           [1, 0]])
    """
    channels, peaks = scores.shape
    rows = channels * peaks  # no more instances than peaks
    pick = np.full((rows, channels), -1, np.int64)
    total = np.zeros((rows, tags.shape[2]), np.float32)  # sums of the tags gathered
    members = np.zeros((rows, 1), np.float32)
    share = tags.shape[2] if distance == "rms" else 1
    count = 0
    for k in order:
        at = np.flatnonzero(scores[k] > 0)
        open_rows = min(count, max_matched)
        if not len(at) or (stop_when_full and open_rows == max_matched):
            continue
        found = tags[k, at]  # (peaks, L)
        row = np.full(len(at), -1)
        if open_rows:
            reference = total[:open_rows] / members[:open_rows]
            square = ((found[:, None].astype(np.float64) - reference) ** 2).sum(2)
            gap = np.sqrt(square / share)  # (peaks, instances)
            # any constant stands for "no partner"; the originals' one decides which of equal solutions comes out
            cost = np.full((len(at), max(len(at), open_rows)), 1e10 if tie == "solver" else 0.0)
            cost[:, :open_rows] = np.rint(gap) * 100 - scores[k, at, None]  # ×100: the score decides among equals
            if tie == "nearest":
                cost[:, :open_rows] += _NEAREST * np.minimum(gap, tag_threshold)
            partner = linear_sum_assignment(cost)[1]
            known = np.flatnonzero(partner < open_rows)
            known = known[gap[known, partner[known]] < tag_threshold]
            row[known] = partner[known]
        fresh = row < 0
        started = int(fresh.sum())
        row[fresh] = np.arange(count, count + started)
        count += started
        pick[row, k] = at
        total[row] += found
        members[row] += 1
    return pick[:count]


def fill_missing(heatmaps: Tensor, tags: Tensor, reference: Tensor, absent: Tensor) -> Tensor:
    """Look up absent keypoints where ``heatmap - round(distance of the tag to the reference tag)`` is largest.

    The first cell wins a tie. On the CPU the result of a search through every cell is found without
    one, see :class:`_Lookup`; on other devices the search is done as it stands.

    Args:
        heatmaps: ``(K, h, w) float32`` of one image.
        tags: ``(T, L, h, w) float32``, T = K or 1.
        reference: ``(N, L) float32`` reference tag of each instance.
        absent: ``(N, K) bool``, what to look up.

    Returns:
        ``(N, K, 2) int64`` cells x, y; -1 where nothing was asked.

    Reference:
        princeton-vl/pose-ae-train test.py, refine;
        HRNet/HigherHRNet-Human-Pose-Estimation lib/core/group.py, HeatmapParser.refine.
    """
    if heatmaps.device.type == "cpu":
        index = torch.from_numpy(_lookup_all(heatmaps, tags, reference.numpy(), absent.numpy()))
    else:
        index = search_every_cell(heatmaps, tags, reference, absent)
    width = heatmaps.shape[2]
    cells = torch.stack([index % width, torch.div(index, width, rounding_mode="floor")], -1)
    return torch.where(absent[..., None], cells, -1)


def search_every_cell(heatmaps: Tensor, tags: Tensor, reference: Tensor, absent: Tensor) -> Tensor:
    """Flat cells ``(N, K)`` that :func:`fill_missing` asks for, by a pass over the map for each of them."""
    index = torch.zeros(absent.shape, dtype=torch.int64, device=heatmaps.device)
    for k in range(heatmaps.shape[0]):
        rows = absent[:, k].nonzero().flatten()
        for part in rows.split(max(1, _VALUES_AT_ONCE // heatmaps[k].numel())):
            square = torch.zeros((), device=heatmaps.device)
            for tag, value in zip(tags[k if len(tags) > 1 else 0], reference[part].T, strict=True):
                square = square + (tag.flatten() - value[:, None]) ** 2
            index[part, k] = (heatmaps[k].flatten() - square.sqrt().round()).max(1).indices  # first of equals
    return index


def _lookup_all(heatmaps: Tensor, tags: Tensor, reference: np.ndarray, absent: np.ndarray) -> np.ndarray:
    """Flat cells ``(N, K)`` of the absent keypoints, 0 elsewhere."""
    index = np.zeros(absent.shape, np.int64)
    height, width = heatmaps.shape[1:]
    side = 8 if height * width <= 1 << 15 else 16  # about as many blocks as cells in a block
    padding = (0, -width % side, 0, -height % side)
    if any(padding):
        heatmaps = F.pad(heatmaps, padding, value=-torch.inf)
        tags = F.pad(tags, padding, mode="replicate")
    most_heat = heatmaps.unflatten(1, (-1, side)).amax(2).unflatten(2, (-1, side)).amax(3).flatten(1)  # (K, G)
    rows = tags.unflatten(2, (-1, side))
    least_tag = rows.amin(3).unflatten(3, (-1, side)).amin(4).flatten(2)  # (T, L, G)
    most_tag = rows.amax(3).unflatten(3, (-1, side)).amax(4).flatten(2)
    for k in np.flatnonzero(absent.any(0)):
        plane = k if len(tags) > 1 else 0
        maps = (heatmaps[k], tags[plane], most_heat[k], least_tag[plane], most_tag[plane])
        lookup = _Lookup(*(part.numpy() for part in maps), reference[absent[:, k]])
        index[absent[:, k], k] = lookup.run(side)
    stretched = heatmaps.shape[2]
    return index // stretched * width + index % stretched


class _Lookup:
    """Finds the cells of one keypoint for several instances without looking at every cell for each.

    ``heat - round(distance)`` is at most ``heat``. So the cells of high heat are looked at first, and
    an instance whose best value is above the heat of all cells left is done. For the others, the
    largest heat left in a block of cells and the range of the tags there bound what the block can
    hold, and only the blocks whose bound is not below the best value are opened. Bounds and values
    come from the same float operations in the same order, each of them monotone, so that no rounding
    error can put a bound below a value it stands for.

    Args:
        heat: ``(h, w)``.
        tags: ``(L, h, w)``.
        most_heat: ``(G,)`` of each block.
        least_tag: ``(L, G)`` of each block.
        most_tag: ``(L, G)`` of each block.
        reference: ``(Q, L)`` tags of the instances.
    """

    def __init__(
        self,
        heat: np.ndarray,
        tags: np.ndarray,
        most_heat: np.ndarray,
        least_tag: np.ndarray,
        most_tag: np.ndarray,
        reference: np.ndarray,
    ) -> None:
        self.heat, self.tags = heat, tags
        self.most_heat, self.least_tag, self.most_tag = most_heat, least_tag, most_tag
        self.reference = reference
        self.best = np.full(len(reference), -np.inf, np.float32)
        self.index = np.zeros(len(reference), np.int64)

    def run(self, side: int) -> np.ndarray:
        """Flat cells ``(Q,)``, for blocks of ``side`` times ``side`` cells."""
        flat, tags = self.heat.reshape(-1), self.tags.reshape(len(self.tags), -1)
        hot = np.flatnonzero(flat > _LEVELS[-1])
        heat, tag = flat[hot], tags[:, hot]
        open_rows = np.arange(len(self.best))
        above = np.inf
        for level in _LEVELS:
            band = np.flatnonzero((heat > level) & (heat <= above))
            step = max(1, _VALUES_IN_CACHE // max(1, len(open_rows)))
            for start in range(0, len(band), step):
                part = band[start : start + step]
                self._look(open_rows, hot[part], heat[part], tag[:, part])
            open_rows = open_rows[self.best[open_rows] <= level]
            if not len(open_rows):
                return self.index
            above = level
        self._open_blocks(open_rows, side)
        return self.index

    def _look(self, rows: np.ndarray, cells: np.ndarray, heat: np.ndarray, tags: np.ndarray) -> None:
        """Every one of ``rows`` looks at the same cells, which are in ascending order."""
        value = heat - _rounded_distance([t - r[:, None] for t, r in zip(tags, self.reference[rows].T, strict=True)])
        top = value.argmax(1)
        self._keep(rows, value[np.arange(len(rows)), top], cells[top])

    def _keep(self, rows: np.ndarray, value: np.ndarray, index: np.ndarray) -> None:
        """Note the values found by ``rows`` where they are better; no row comes twice."""
        better = (value > self.best[rows]) | ((value == self.best[rows]) & (index < self.index[rows]))
        self.best[rows[better]], self.index[rows[better]] = value[better], index[better]

    def _open_blocks(self, rows: np.ndarray, side: int) -> None:
        """Look at the blocks that can hold something better; each row's most promising one goes first."""
        width = self.heat.shape[1]
        across = width // side
        block = np.arange(len(self.most_heat))
        first_cell = (block // across * width + block % across) * side
        gaps = []
        for least, most, value in zip(self.least_tag, self.most_tag, self.reference[rows].T, strict=True):
            gap = np.maximum(least - value[:, None], value[:, None] - most)
            gaps.append(np.maximum(gap, 0, out=gap))
        bound = np.minimum(self.most_heat, _LEVELS[-1]) - _rounded_distance(gaps)  # (rows, G)

        first = bound.argmax(1)
        self._open(rows, first, first_cell, side)
        bound[np.arange(len(rows)), first] = -np.inf
        best = self.best[rows, None]
        ahead = (bound == best) & (first_cell < self.index[rows, None])
        row, block = np.nonzero((bound > best) | ahead)
        step = max(1, _VALUES_AT_ONCE // side**2)
        for start in range(0, len(row), step):
            part = slice(start, start + step)
            self._open(rows[row[part]], block[part], first_cell, side)

    def _open(self, rows: np.ndarray, block: np.ndarray, first_cell: np.ndarray, side: int) -> None:
        """Look at all cells of one block for each entry of ``rows``, which may come several times."""
        width = self.heat.shape[1]
        down, across = np.divmod(block, width // side)
        heat = self.heat.reshape(-1, side, width // side, side).swapaxes(1, 2)  # (down, across, side, side)
        tags = self.tags.reshape(len(self.tags), -1, side, width // side, side).swapaxes(2, 3)
        gaps = [t[down, across] - r[:, None, None] for t, r in zip(tags, self.reference[rows].T, strict=True)]
        value = (heat[down, across] - _rounded_distance(gaps)).reshape(len(rows), side * side)
        inside = value.argmax(1)
        value = value[np.arange(len(rows)), inside]
        index = first_cell[block] + inside // side * width + inside % side
        order = np.lexsort((index, -value, rows))  # best first, then first cell
        order = order[np.diff(rows[order], prepend=-1) > 0]
        self._keep(rows[order], value[order], index[order])


def _rounded_distance(gaps: list[np.ndarray]) -> np.ndarray:
    """Root of the sum of squares, rounded half to even; the addends in the order given. Overwrites ``gaps``."""
    square = gaps[0]
    square *= square
    for gap in gaps[1:]:
        gap *= gap
        square += gap
    return np.rint(np.sqrt(square, out=square), out=square)
