"""From peaks to instances: candidates assigned by their tags, and absent keypoints looked up in the maps.

Letters: N instances, K keypoints, T tag channels, L tag dimensions, M peaks per channel, Q look-ups,
G blocks of a map, ``h, w`` map cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from aemm.ops.assignment import assign
from aemm.records import AssignmentTie, EqualTags, TagDistance

_NEAREST = 1e-6  # weight of the true distance: it decides between equal costs and outweighs no visible score
_SIDE = 8  # of the blocks of a look-up in cells, a power of two
_ROUNDS = 4  # in which a look-up opens one block each; they cost time, not exactness
_CELLS_WORTH_THREADS = 1 << 16  # of a map; below, threads cost more than they bring
_VALUES_AT_ONCE = 1 << 20  # bounds the memory of a look-up
_BLOCKS_AT_ONCE = _VALUES_AT_ONCE // _SIDE**2


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


def fill_missing(
    heatmaps: Tensor, tags: Tensor, reference: Tensor, absent: Tensor, first: Tensor | None = None
) -> Tensor:
    """Look up absent keypoints where ``heatmap - round(distance of the tag to the reference tag)`` is largest.

    The first cell wins a tie. On the CPU the result of a search through every cell is found without
    one, see :class:`_Lookup`; on other devices the search is done as it stands.

    Args:
        heatmaps: ``(K, h, w) float32`` of one image.
        tags: ``(T, L, h, w) float32``, T = K or 1.
        reference: ``(N, L) float32`` reference tag of each instance.
        absent: ``(N, K) bool``, what to look up.
        first: ``(K, M, 2) int64`` cells x, y of each map that are likely answers, such as its peaks; the
            result is the same with and without them, but sooner there.

    Returns:
        ``(N, K, 2) int64`` cells x, y; -1 where nothing was asked.

    Reference:
        princeton-vl/pose-ae-train test.py, refine;
        HRNet/HigherHRNet-Human-Pose-Estimation lib/core/group.py, HeatmapParser.refine.
    """
    if heatmaps.device.type == "cpu":
        near = np.zeros((len(heatmaps), 1, 2), np.int64) if first is None else first.numpy()
        index = torch.from_numpy(_lookup_all(heatmaps, tags, reference.numpy(), absent.numpy(), near))
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


def _lookup_all(
    heatmaps: Tensor, tags: Tensor, reference: np.ndarray, absent: np.ndarray, first: np.ndarray
) -> np.ndarray:
    """Flat cells ``(N, K)`` of the absent keypoints, 0 elsewhere."""
    index = np.zeros(absent.shape, np.int64)
    if not absent.any():
        return index
    height, width = heatmaps.shape[1:]
    padding = (0, -width % _SIDE, 0, -height % _SIDE)
    if any(padding):
        heatmaps = F.pad(heatmaps, padding, value=-torch.inf)
        tags = F.pad(tags, padding, mode="replicate")
    heat, planes, stretched = heatmaps.numpy(), tags.numpy(), heatmaps.shape[2]
    near = first[..., 1] * stretched + first[..., 0]
    channel, row = np.nonzero(absent.T)

    def search(rows: np.ndarray) -> np.ndarray:
        """Cells of consecutive look-ups, in the maps of their keypoints alone."""
        at = slice(int(channel[rows[0]]), int(channel[rows[-1]]) + 1)
        own = planes[at] if len(planes) > 1 else planes
        return _Lookup(heat[at], own, channel[rows] - at.start, reference[row[rows]]).run(near[at])

    parts = 1 if height * width < _CELLS_WORTH_THREADS else min(torch.get_num_threads(), len(channel))
    shares = np.array_split(np.arange(len(channel)), parts)
    if parts == 1:
        found = [search(shares[0])]
    else:
        with ThreadPoolExecutor(parts) as pool:
            found = list(pool.map(search, shares))
    cells = np.concatenate(found)
    index[row, channel] = cells // stretched * width + cells % stretched
    return index


class _Lookup:
    """Answers look-ups in the maps of one image without a search through every cell for each.

    The largest heat in a block of cells and the range of the tags there bound what the block can
    hold. Each look-up opens its most promising block, a few times over, and then every block whose
    bound is not below the best value so far. Bounds and values come from the same float operations in
    the same order, each of them monotone, so that no rounding error can put a bound below a value it
    stands for.

    Args:
        heat: ``(K, h, w)``, h and w divisible by the side of the blocks.
        tags: ``(T, L, h, w)``.
        channel: ``(Q,)`` keypoint of each look-up.
        reference: ``(Q, L)`` tag of each look-up.
    """

    def __init__(self, heat: np.ndarray, tags: np.ndarray, channel: np.ndarray, reference: np.ndarray) -> None:
        self.heat, self.tags, self.reference = heat, tags, np.ascontiguousarray(reference.T)  # (L, Q)
        self.channel, self.plane = channel, channel if len(tags) > 1 else np.zeros_like(channel)
        self.area, self.width = heat.shape[1] * heat.shape[2], heat.shape[2]
        self.across = self.width // _SIDE  # blocks, and strips of a row of cells
        self.best = np.full(len(channel), -np.inf, np.float32)
        self.index = np.zeros(len(channel), np.int64)

    def run(self, first: np.ndarray) -> np.ndarray:
        """Flat cells ``(Q,)``; those of ``first`` ``(K, M)`` are looked at before all others."""
        bound = self._bounds()
        rows = np.arange(len(bound))
        self._look_at(rows, first[self.channel])
        for _ in range(_ROUNDS):
            part = bound[rows]
            block = part.argmax(1)
            worth = part[np.arange(len(rows)), block] >= self.best[rows]
            rows, block = rows[worth], block[worth]
            self._open(rows, block)
            bound[rows, block] = -np.inf
        part = bound[rows]
        left = np.flatnonzero(part >= self.best[rows, None])  # far faster than nonzero
        entry, block = np.divmod(left, bound.shape[1])
        most, rows = part[entry, block], rows[entry]
        ahead = (most > self.best[rows]) | (self._first_cell(block) < self.index[rows])  # the first cell wins a tie
        rows, block = rows[ahead], block[ahead]
        for start in range(0, len(rows), _BLOCKS_AT_ONCE):
            self._open(rows[start : start + _BLOCKS_AT_ONCE], block[start : start + _BLOCKS_AT_ONCE])
        return self.index

    def _bounds(self) -> np.ndarray:
        """What no cell of a block can exceed, ``(Q, G)``."""
        least, most = _reduce(np.minimum, self.tags), _reduce(np.maximum, self.tags)  # (T, L, G)
        gaps = []
        for axis, value in enumerate(self.reference[..., None]):
            gap = least[:, axis].take(self.plane, axis=0)
            gap -= value
            beyond = most[:, axis].take(self.plane, axis=0)
            np.maximum(gap, np.subtract(value, beyond, out=beyond), out=gap)
            gaps.append(np.maximum(gap, 0, out=gap))
        bound = _reduce(np.maximum, self.heat).take(self.channel, axis=0)
        bound -= _rounded_distance(gaps)
        return bound

    def _look_at(self, rows: np.ndarray, cells: np.ndarray) -> None:
        """Look at single cells ``(rows, M)``; no row comes twice."""
        heat, plane = self.channel[rows, None] * self.area, self.plane[rows, None] * self.tags.shape[1]
        gaps = [
            self.tags.take(cells + (plane + axis) * self.area) - value[rows, None]
            for axis, value in enumerate(self.reference)
        ]
        value = self.heat.take(cells + heat) - _rounded_distance(gaps)
        most = value.max(1)
        self._keep(rows, most, np.where(value == most[:, None], cells, self.area).min(1))

    def _open(self, rows: np.ndarray, block: np.ndarray) -> None:
        """Look at all cells of one block for each entry of ``rows``, which may come several times in a row."""
        if not len(rows):
            return
        strip = (block // self.across * (_SIDE * self.across) + block % self.across)[:, None]
        strip = strip + np.arange(_SIDE) * self.across  # (entries, side), each strip a row of the block's cells
        strips, plane = self.area // _SIDE, self.plane[rows, None] * self.tags.shape[1]
        gaps = []
        for axis, value in enumerate(self.reference):
            gap = self.tags.reshape(-1, _SIDE).take(strip + (plane + axis) * strips, axis=0)
            gap -= value[rows, None, None]
            gaps.append(gap)
        heat = self.heat.reshape(-1, _SIDE).take(strip + self.channel[rows, None] * strips, axis=0)
        heat -= _rounded_distance(gaps)
        heat = heat.reshape(len(rows), -1)
        top = heat.argmax(1)
        value = heat[np.arange(len(rows)), top]
        cell = self._first_cell(block) + top // _SIDE * self.width + top % _SIDE
        start = np.flatnonzero(np.diff(rows, prepend=-1))
        most = np.maximum.reduceat(value, start)
        cell[value < np.repeat(most, np.diff(start, append=len(rows)))] = self.area
        self._keep(rows[start], most, np.minimum.reduceat(cell, start))

    def _keep(self, rows: np.ndarray, value: np.ndarray, index: np.ndarray) -> None:
        """Note the values found by ``rows`` where they are better; no row comes twice."""
        best = self.best[rows]
        better = (value > best) | ((value == best) & (index < self.index[rows]))
        rows = rows[better]
        self.best[rows], self.index[rows] = value[better], index[better]

    def _first_cell(self, block: np.ndarray) -> np.ndarray:
        """Flat index of the first cell of blocks."""
        return (block // self.across * self.width + block % self.across) * _SIDE


def _reduce(extreme: np.ufunc, maps: np.ndarray) -> np.ndarray:
    """Minimum or maximum ``(..., G)`` of each block of maps ``(..., h, w)``."""
    *lead, height, width = maps.shape
    rows = extreme.reduce(maps.reshape(*lead, height // _SIDE, _SIDE, width), axis=-2)
    for _ in range(_SIDE.bit_length() - 1):  # halving is several times faster than reducing short rows
        rows = extreme(rows[..., 0::2], rows[..., 1::2])
    return rows.reshape(*lead, -1)


def _rounded_distance(gaps: list[np.ndarray]) -> np.ndarray:
    """Root of the sum of squares, rounded half to even; the addends in the order given. Overwrites ``gaps``."""
    square = gaps[0]
    square *= square
    for gap in gaps[1:]:
        gap *= gap
        square += gap
    return np.rint(np.sqrt(square, out=square), out=square)
