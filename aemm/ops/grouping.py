"""From peaks to instances: candidates assigned by their tags, and absent keypoints looked up in the maps.

Letters: N instances, K keypoints, T tag channels, L tag dimensions, M peaks per channel, Q look-ups,
G blocks of a map, ``h, w`` map cells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from aemm.ops.assignment import assign

TagDistance = Literal["rms", "l2"]
AssignmentTie = Literal["solver", "munkres", "nearest"]
EqualTags = Literal["apart", "overwrite"]

_NEAREST = 1e-6  # weight of the true distance: it decides between equal costs and outweighs no visible score
_LEVELS = (0.3, 0.1, 0.03)  # falling heat at which a look-up sees who is done; they cost time, not exactness
_VALUES_IN_CACHE = 1 << 15
_CELLS_WORTH_THREADS = 1 << 16  # of a map; below, threads cost more than they bring
_VALUES_AT_ONCE = 1 << 20  # bounds the memory of a look-up


def group_by_tags(
    scores: np.ndarray,
    tags: np.ndarray,
    order: Sequence[int],
    tag_threshold: float = 1.0,
    distance: TagDistance = "l2",
    max_matched: int = 30,
    stop_when_full: bool = False,
    tie: AssignmentTie = "solver",
    equal_tags: EqualTags = "apart",
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
        tie: rounding makes different assignments cost the same. 'munkres' takes the one that the
            originals' solver finds, see :func:`aemm.ops.assignment.assign`; 'solver' the one of SciPy's,
            which is faster and nearly always the same; 'nearest' the one whose true distances, none
            counted beyond ``tag_threshold``, have the smallest sum.
        equal_tags: of peaks that start instances and agree in the first tag dimension to the last bit,
            such as those of a flat region: 'apart' keeps an instance for each; 'overwrite', as the
            originals do, keeps one, which forgets what was gathered before.

    Returns:
        ``(N, K) int64`` index of each instance's peak, -1 = absent; instances in the order in which
        they were started.

    Reference:
        princeton-vl/pose-ae-train and HRNet/HigherHRNet-Human-Pose-Estimation, match_by_tag.

    >>> group_by_tags(np.array([[0.9, 0.8], [0.7, 0.6]]), np.array([[[0.0], [5]], [[5.1], [0.2]]]), [0, 1])
    array([[0, 1],
           [1, 0]])
    """
    channels, peaks = scores.shape
    rows = channels * peaks  # no more instances than peaks
    pick = np.full((rows, channels), -1, np.int64)
    total = np.zeros((rows, tags.shape[2]), np.float32)  # sums of the tags gathered
    members = np.zeros((rows, 1), np.float32)
    started_by = np.zeros(rows, tags.dtype)  # first tag dimension of the peak that started an instance
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
            row = _partners(np.sqrt(square / share), scores[k, at], tag_threshold, tie)
        fresh = np.flatnonzero(row < 0)
        row[fresh] = np.arange(count, count + len(fresh))
        started_by[row[fresh]] = found[fresh, 0]
        if equal_tags == "overwrite" and _repeats(started_by[: count + len(fresh)]):
            count = _overwrite(pick[:, k], total, members, started_by, count, row, at, found)
            continue
        count += len(fresh)
        pick[row, k] = at
        total[row] += found
        members[row] += 1
    return pick[:count]


def _partners(gap: np.ndarray, scores: np.ndarray, tag_threshold: float, tie: AssignmentTie) -> np.ndarray:
    """The instance that each peak joins, -1 = none.

    Args:
        gap: ``(peaks, instances)`` distances of tags.
        scores: ``(peaks,)``.
        tag_threshold: see :func:`group_by_tags`.
        tie: see :func:`group_by_tags`.
    """
    peaks, instances = gap.shape
    # any constant stands for "no partner"; the originals' one decides which of equal solutions comes out
    cost = np.full((peaks, max(peaks, instances)), 0.0 if tie == "nearest" else 1e10)
    cost[:, :instances] = np.rint(gap) * 100 - scores[:, None]  # ×100: the score decides among equals
    if tie == "nearest":
        cost[:, :instances] += _NEAREST * np.minimum(gap, tag_threshold)
    partner = assign(cost) if tie == "munkres" else linear_sum_assignment(cost)[1]
    known = np.flatnonzero(partner < instances)
    known = known[gap[known, partner[known]] < tag_threshold]
    joined = np.full(peaks, -1)
    joined[known] = partner[known]
    return joined


def _repeats(values: np.ndarray) -> bool:
    return len(np.unique(values)) < len(values)


def _overwrite(
    pick: np.ndarray,
    total: np.ndarray,
    members: np.ndarray,
    started_by: np.ndarray,
    count: int,
    row: np.ndarray,
    at: np.ndarray,
    found: np.ndarray,
) -> int:
    """Hand out the peaks of one keypoint one after the other; of equal tags only the first starts an instance.

    Args:
        pick: ``(rows,)`` of this keypoint, changed in place as are the next three.
        total: ``(rows, L)``.
        members: ``(rows, 1)``.
        started_by: ``(rows,)``.
        count: instances there are.
        row: ``(peaks,)`` instance of each peak, ``count`` or more where it is to start one.
        at: ``(peaks,)``.
        found: ``(peaks, L)`` tags.

    Returns:
        How many instances there are then.
    """
    known = count
    for peak, (start, tag) in enumerate(zip(row.tolist(), found, strict=True)):
        to = start
        if start >= known:
            same = np.flatnonzero(started_by[:count] == tag[0])
            to = int(same[0]) if len(same) else count
            count = max(count, to + 1)
            started_by[to], total[to], members[to] = tag[0], 0, 0
        pick[to] = at[peak]
        total[to] += tag
        members[to] += 1
    return count


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
    if not absent.any():
        return index
    height, width = heatmaps.shape[1:]
    side = 4 if height * width <= 1 << 15 else 8  # smaller blocks are more work to bound and less to open
    padding = (0, -width % side, 0, -height % side)
    if any(padding):
        heatmaps = F.pad(heatmaps, padding, value=-torch.inf)
        tags = F.pad(tags, padding, mode="replicate")
    channel, row = np.nonzero(absent.T)
    cells = _Lookup(heatmaps.numpy(), tags.numpy(), channel, reference[row], side).run()
    stretched = heatmaps.shape[2]
    index[row, channel] = cells // stretched * width + cells % stretched
    return index


class _Lookup:
    """Answers look-ups in the maps of one image without a search through every cell for each.

    ``heat - round(distance)`` is at most ``heat``. So the cells of high heat are looked at first, and
    a look-up whose best value is above the heat of all cells left is done. For the others, the
    largest heat left in a block of cells and the range of the tags there bound what it can hold, and
    only the blocks whose bound is not below the best value are opened. Bounds and values come from
    the same float operations in the same order, each of them monotone, so that no rounding error can
    put a bound below a value it stands for.

    Args:
        heat: ``(K, h, w)``.
        tags: ``(T, L, h, w)``.
        channel: ``(Q,)`` keypoint of each look-up, ascending.
        reference: ``(Q, L)`` tag of each look-up.
        side: of the blocks in cells, a power of two; divides h and w.
    """

    def __init__(
        self, heat: np.ndarray, tags: np.ndarray, channel: np.ndarray, reference: np.ndarray, side: int
    ) -> None:
        self.heat, self.tags = heat.reshape(len(heat), -1), tags.reshape(*tags.shape[:2], -1)
        self.channel, self.reference, self.side, self.width = channel, reference, side, heat.shape[2]
        self.best = np.full(len(reference), -np.inf, np.float32)
        self.index = np.zeros(len(reference), np.int64)

    def run(self) -> np.ndarray:
        """Flat cells ``(Q,)``."""
        self._for_each_channel(self._look_at_hot, np.arange(len(self.best)))
        rows = np.flatnonzero(self.best <= _LEVELS[-1])
        if len(rows):
            self._open_blocks(rows)
        return self.index

    def _for_each_channel(self, call: Callable[[int, np.ndarray], np.ndarray | None], rows: np.ndarray) -> list:
        """Call with every keypoint and those of the ascending ``rows`` that are its; in threads for large maps."""
        start = np.flatnonzero(np.diff(self.channel[rows], prepend=-1))
        channels, parts = self.channel[rows[start]].tolist(), np.split(rows, start[1:])
        threads = min(torch.get_num_threads(), len(parts))
        if threads == 1 or self.heat.shape[1] < _CELLS_WORTH_THREADS:
            return [call(k, part) for k, part in zip(channels, parts, strict=True)]
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(call, channels, parts))

    def _plane(self, k: int) -> np.ndarray:
        """Tag maps ``(L, hw)`` of keypoint ``k``."""
        return self.tags[k if len(self.tags) > 1 else 0]

    def _look_at_hot(self, k: int, rows: np.ndarray) -> None:
        """Look at the cells above the lowest level, hottest first; rows drop out as soon as they are done."""
        hot = np.flatnonzero(self.heat[k] > _LEVELS[-1])
        heat, tags = self.heat[k].take(hot), self._plane(k).take(hot, axis=1)
        above = np.inf
        for level in _LEVELS if len(hot) * len(rows) > _VALUES_IN_CACHE else _LEVELS[-1:]:
            band = np.flatnonzero((heat > level) & (heat <= above)) if len(hot) else hot
            step = max(1, _VALUES_IN_CACHE // len(rows))
            for start in range(0, len(band), step):
                part = band[start : start + step]
                self._look(rows, hot.take(part), heat.take(part), tags.take(part, axis=1))
            rows, above = rows[self.best[rows] <= level], level
            if not len(rows):
                return

    def _look(self, rows: np.ndarray, cells: np.ndarray, heat: np.ndarray, tags: np.ndarray) -> None:
        """Every one of ``rows`` looks at the same cells, which are in ascending order."""
        value = heat - _rounded_distance([t - r[:, None] for t, r in zip(tags, self.reference[rows].T, strict=True)])
        top = value.argmax(1)
        self._keep(rows, value[np.arange(len(rows)), top], cells[top])

    def _keep(self, rows: np.ndarray, value: np.ndarray, index: np.ndarray) -> None:
        """Note the values found by ``rows`` where they are better; no row comes twice."""
        best = self.best[rows]
        better = (value > best) | ((value == best) & (index < self.index[rows]))
        rows = rows[better]
        self.best[rows], self.index[rows] = value[better], index[better]

    def _open_blocks(self, rows: np.ndarray) -> None:
        """Look at the blocks that can hold something better; each row's most promising one goes first."""
        bound = np.concatenate(self._for_each_channel(self._bounds, rows))  # (rows, G)
        first = bound.argmax(1)
        self._open(rows, first)
        bound[np.arange(len(rows)), first] = -np.inf
        best, index = self.best[rows], self.index[rows]
        row, block = np.divmod(np.flatnonzero(bound >= best[:, None]), bound.shape[1])  # far faster than nonzero
        ahead = (bound[row, block] > best[row]) | (self._first_cell(block) < index[row])  # the first cell wins a tie
        row, block = rows[row[ahead]], block[ahead]
        step = _VALUES_AT_ONCE // self.side**2
        for start in range(0, len(row), step):
            self._open(row[start : start + step], block[start : start + step])

    def _bounds(self, k: int, rows: np.ndarray) -> np.ndarray:
        """What no cell of a block that is not hot can exceed for rows of keypoint ``k``, ``(rows, G)``."""
        plane = self._plane(k)
        gaps = []
        ranges = self._reduce(np.minimum, plane), self._reduce(np.maximum, plane)  # (L, G) each
        for least, most, value in zip(*ranges, self.reference[rows].T[..., None], strict=True):
            gap = np.maximum(least - value, value - most)
            gaps.append(np.maximum(gap, 0, out=gap))
        heat = np.minimum(self._reduce(np.maximum, self.heat[k]), _LEVELS[-1])
        return heat - _rounded_distance(gaps)

    def _open(self, rows: np.ndarray, block: np.ndarray) -> None:
        """Look at all cells of one block for each entry of ``rows``, which may come several times in a row."""
        inside = np.arange(self.side)
        cells = self._first_cell(block)[:, None] + (inside[:, None] * self.width + inside).reshape(-1)
        area, channel = self.heat.shape[1], self.channel[rows, None]
        plane = channel * (len(self.tags) > 1) * (self.tags.shape[1] * area)
        gaps = [
            self.tags.take(cells + (plane + axis * area)) - value
            for axis, value in enumerate(self.reference[rows].T[..., None])
        ]
        value = self.heat.take(cells + channel * area) - _rounded_distance(gaps)
        entry, top = np.arange(len(rows)), value.argmax(1)
        value, cell = value[entry, top], cells[entry, top]
        start = np.flatnonzero(np.diff(rows, prepend=-1))
        most = np.maximum.reduceat(value, start)
        cell[value < np.repeat(most, np.diff(start, append=len(rows)))] = area
        self._keep(rows[start], most, np.minimum.reduceat(cell, start))

    def _first_cell(self, block: np.ndarray) -> np.ndarray:
        """Flat index of the first cell of blocks."""
        across = self.width // self.side
        return (block // across * self.width + block % across) * self.side

    def _reduce(self, extreme: np.ufunc, maps: np.ndarray) -> np.ndarray:
        """Minimum or maximum ``(..., G)`` of each block of flat maps ``(..., hw)``."""
        rows = extreme.reduce(maps.reshape(*maps.shape[:-1], -1, self.side, self.width), axis=-2)
        while rows.shape[-1] * self.side > self.width:  # halving is several times faster than reducing short rows
            rows = extreme(rows[..., 0::2], rows[..., 1::2])
        return rows.reshape(*maps.shape[:-1], -1)


def _rounded_distance(gaps: list[np.ndarray]) -> np.ndarray:
    """Root of the sum of squares, rounded half to even; the addends in the order given. Overwrites ``gaps``."""
    square = gaps[0]
    square *= square
    for gap in gaps[1:]:
        gap *= gap
        square += gap
    return np.rint(np.sqrt(square, out=square), out=square)
