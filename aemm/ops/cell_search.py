"""A search for the cells of maps that fit best, without a look at every cell, on plain arrays and without torch.

Letters: N instances, K keypoints, T tag channels, L tag dimensions, M likely cells per channel, Q look-ups,
G blocks of a map, ``h, w`` map cells.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import cv2
import numpy as np

TagCost = Literal["rounded", "squared"]

_SIDE = 8  # of the blocks of a look-up in cells, a power of two
_ROUNDS = 4  # in which a look-up opens one block each; they cost time, not exactness
_CELLS_WORTH_THREADS = 1 << 16  # of a map; below, threads cost more than they bring
_BLOCKS_AT_ONCE = (1 << 20) // _SIDE**2  # bounds the memory of a look-up


def search_blocks(
    heatmaps: np.ndarray,
    tags: np.ndarray,
    reference: np.ndarray,
    absent: np.ndarray,
    first: np.ndarray,
    cost: TagCost = "rounded",
    threads: int = 1,
) -> np.ndarray:
    """Flat cells ``(N, K)`` where absent keypoints fit best, 0 elsewhere; the first cell wins a tie.

    What fits best is the cell whose ``heatmap - cost of its tag's distance to the reference tag`` is largest. See
    :class:`_Lookup` for how it is found.

    Args:
        heatmaps: ``(K, h, w) float32`` of one image.
        tags: ``(T, L, h, w) float32``, T = K or 1.
        reference: ``(N, L) float32`` reference tag of each instance.
        absent: ``(N, K) bool``, what to look up.
        first: ``(K, M, 2) int64`` cells x, y of each map that are likely answers, such as its peaks.
        cost: the distance 'rounded' to a whole number, or half of it 'squared'.
        threads: among which the look-ups in a large map are shared.
    """
    index = np.zeros(absent.shape, np.int64)
    if not absent.any():
        return index
    height, width = heatmaps.shape[1:]
    padding = ((0, -height % _SIDE), (0, -width % _SIDE))
    heat, planes = heatmaps, tags
    if height % _SIDE or width % _SIDE:
        heat = np.pad(heatmaps, ((0, 0), *padding), constant_values=-np.inf)
        planes = np.pad(tags, ((0, 0), (0, 0), *padding), mode="edge")
    stretched = heat.shape[2]
    near = first[..., 1] * stretched + first[..., 0]
    channel, row = np.nonzero(absent.T)

    def search(rows: np.ndarray) -> np.ndarray:
        """Cells of consecutive look-ups, in the maps of their keypoints alone."""
        at = slice(int(channel[rows[0]]), int(channel[rows[-1]]) + 1)
        own = planes[at] if len(planes) > 1 else planes
        return _Lookup(heat[at], own, channel[rows] - at.start, reference[row[rows]], cost).run(near[at])

    parts = 1 if height * width < _CELLS_WORTH_THREADS else min(threads, len(channel))
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
        cost: see :func:`search_blocks`.
    """

    def __init__(
        self, heat: np.ndarray, tags: np.ndarray, channel: np.ndarray, reference: np.ndarray, cost: TagCost
    ) -> None:
        self.cost = _COSTS[cost]
        self.heat = heat
        self.tags = tags
        self.reference = np.ascontiguousarray(reference.T)  # (L, Q)
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
            self._keep(rows, *self._best_of(rows, block))
            bound[rows, block] = -np.inf
        part = bound[rows]
        left = np.flatnonzero(part >= self.best[rows, None])  # far faster than nonzero
        entry, block = np.divmod(left, bound.shape[1])
        most, rows = part[entry, block], rows[entry]
        ahead = (most > self.best[rows]) | (self._first_cell(block) < self.index[rows])  # the first cell wins a tie
        rows, block = rows[ahead], block[ahead]
        for start in range(0, len(rows), _BLOCKS_AT_ONCE):
            self._open_all(rows[start : start + _BLOCKS_AT_ONCE], block[start : start + _BLOCKS_AT_ONCE])
        return self.index

    def _bounds(self) -> np.ndarray:
        """What no cell of a block can exceed, ``(Q, G)``."""
        least, most = _reduce(cv2.min, self.tags), _reduce(cv2.max, self.tags)  # (T, L, G)
        gaps = []
        for axis, value in enumerate(self.reference[..., None]):
            gap = least[:, axis].take(self.plane, axis=0)
            gap -= value
            beyond = most[:, axis].take(self.plane, axis=0)
            np.maximum(gap, np.subtract(value, beyond, out=beyond), out=gap)
            gaps.append(np.maximum(gap, 0, out=gap))
        bound = _reduce(cv2.max, self.heat).take(self.channel, axis=0)
        bound -= self.cost(gaps)
        return bound

    def _look_at(self, rows: np.ndarray, cells: np.ndarray) -> None:
        """Look at single cells ``(rows, M)``; no row comes twice."""
        heat, plane = self.channel[rows, None] * self.area, self.plane[rows, None] * self.tags.shape[1]
        gaps = [
            self.tags.take(cells + (plane + axis) * self.area) - value[rows, None]
            for axis, value in enumerate(self.reference)
        ]
        value = self.heat.take(cells + heat) - self.cost(gaps)
        most = value.max(1)
        self._keep(rows, most, np.where(value == most[:, None], cells, self.area).min(1))

    def _best_of(self, rows: np.ndarray, block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The best value in one block for each entry of ``rows``, and the first cell that has it."""
        strip = (block // self.across * (_SIDE * self.across) + block % self.across)[:, None]
        strip = strip + np.arange(_SIDE) * self.across  # (entries, side), each strip a row of the block's cells
        strips, plane = self.area // _SIDE, self.plane[rows, None] * self.tags.shape[1]
        gaps = []
        for axis, value in enumerate(self.reference):
            gap = self.tags.reshape(-1, _SIDE).take(strip + (plane + axis) * strips, axis=0)
            gap -= value[rows, None, None]
            gaps.append(gap)
        heat = self.heat.reshape(-1, _SIDE).take(strip + self.channel[rows, None] * strips, axis=0)
        heat -= self.cost(gaps)
        heat = heat.reshape(len(rows), _SIDE**2)
        top = heat.argmax(1)
        return heat[np.arange(len(rows)), top], self._first_cell(block) + top // _SIDE * self.width + top % _SIDE

    def _open_all(self, rows: np.ndarray, block: np.ndarray) -> None:
        """Look at all cells of one block for each entry of ``rows``, which may come several times in a row."""
        value, cell = self._best_of(rows, block)
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


def _reduce(extreme: Callable[..., np.ndarray], maps: np.ndarray) -> np.ndarray:
    """Minimum or maximum ``(..., G)`` of each block of maps ``(..., h, w)``, by OpenCV's function of two arrays."""
    *lead, height, width = maps.shape
    rows = maps.reshape(-1, width)
    for _ in range(_SIDE.bit_length() - 1):  # halving is several times faster than reducing short rows
        pairs = rows.reshape(-1, 2 * width)
        rows = extreme(pairs[:, :width], pairs[:, width:])
    columns = cv2.transpose(rows)  # (w, rows), so that halves are whole rows once more
    for _ in range(_SIDE.bit_length() - 1):
        pairs = columns.reshape(-1, 2 * len(rows))
        columns = extreme(pairs[:, : len(rows)], pairs[:, len(rows) :])
    return cv2.transpose(columns).reshape(*lead, height * width // _SIDE**2)


def _square(gaps: list[np.ndarray]) -> np.ndarray:
    """Sum of squares; the addends in the order given. Overwrites ``gaps``."""
    square = gaps[0]
    square *= square
    for gap in gaps[1:]:
        gap *= gap
        square += gap
    return square


def _rounded_distance(gaps: list[np.ndarray]) -> np.ndarray:
    """Root of the sum of squares, rounded half to even."""
    square = _square(gaps)
    return np.rint(np.sqrt(square, out=square), out=square)


def _half_square(gaps: list[np.ndarray]) -> np.ndarray:
    """Half the sum of squares."""
    square = _square(gaps)
    square *= np.float32(0.5)
    return square


_COSTS: dict[TagCost, Callable[[list[np.ndarray]], np.ndarray]] = dict(rounded=_rounded_distance, squared=_half_square)
