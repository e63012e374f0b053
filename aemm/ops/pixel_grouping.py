"""Grouping of mask pixels by tag: modes of the tags' histogram, and the nearest mode of every pixel.

NumPy computes; torch's tensors on the CPU are read where they are, and answered by tensors. Torch is not imported.

Letters: C classes, T tag channels, L tag dimensions, M pixels, N instances, U bins.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np

from aemm.ops.subpixel import Array, library_of

_MAX_BINS = 2048  # the density of all bins at all bins is U x U; more bins make way for wider ones
_ROWS = 96  # of that table made at a time
_NEAR = 32  # squares of distances up to four times this one are exact enough in float32
_LEAST_POWER = -80.0  # of e, beside which a density, at least 1, does not change; below -87 it takes long to compute
_ROWS_AHEAD = 4  # of the densest bins, compared with all; most others are near one of these


class Bins(NamedTuple):
    """The occupied bins of a histogram in L dimensions.

    Attributes:
        pixels: ``(U,)`` how many are in each.
        mean: ``(U, L)`` mean tag of these pixels.
    """

    pixels: Array
    mean: Array


class PixelGroups(NamedTuple):
    """Instances as groups of map cells.

    Attributes:
        owner: ``(C, h, w) int64``: the instance of its class that a cell belongs to, as a row of the other
            fields; -1 = none.
        labels: ``(N,) int64`` class of each instance.
        tags: ``(N, L)`` mean tag of its cells.
        scores: ``(N,)`` mean heatmap over its cells.
    """

    owner: Array
    labels: Array
    tags: Array
    scores: Array


def histogram(tags: Array, width: float) -> Bins:
    """Occupied bins of tags, in L dimensions.

    Args:
        tags: ``(M, L)``, M >= 1.
        width: side of a bin; it is doubled until there are few enough of them to compare all with all.
    """
    values = np.asarray(tags)
    above = values - values.min(0)
    while True:
        place = np.floor(above / width)  # (M, L)
        sides = [int(side) + 1 for side in place.max(0).tolist()]
        if math.prod(sides) < 2**62:  # else the bins' numbers overflow
            steps = [math.prod(sides[axis + 1 :]) for axis in range(len(sides))]
            of_pixel, count = _count_equal(place.astype(np.int64) @ np.array(steps))
            if len(count) <= _MAX_BINS:
                break
        width *= 2
    return Bins(*(_answer(part, tags) for part in (count.astype(values.dtype), _means(of_pixel, values, count))))


def _count_equal(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which of the different numbers ``(U,)``, in ascending order, each of ``(M,)`` is, and how often each occurs."""
    order = np.argsort(numbers)
    ordered = numbers[order]
    new = np.ones(len(numbers) + 1, bool)
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:-1])
    which = np.empty(len(numbers), np.int64)
    which[order] = np.cumsum(new[:-1]) - 1
    starts = np.flatnonzero(new)
    return which, starts[1:] - starts[:-1]


def find_modes(tags: Array, radius: float, bandwidth: float) -> Array:
    """Tags around which the pixels gather: non-maximum suppression on their smoothed histogram.

    Args:
        tags: ``(M, L)``, M >= 1.
        radius: a mode is the densest bin within this distance, so no two are nearer to each other.
        bandwidth: deviation of the Gaussian that smooths the histogram; its bins are half as wide.

    Returns:
        ``(N, L)`` modes, the densest first. With L = 1 this is a histogram with 1-D suppression.
    """
    bins = histogram(np.asarray(tags), bandwidth / 2)
    best_first = bins.mean[np.argsort(-_densities(bins, bandwidth), kind="stable")]  # of equal ones the first bin wins
    return _answer(best_first[_leading(best_first, radius)], tags)


def _densities(bins: Bins, bandwidth: float) -> np.ndarray:
    """Pixels at and around each bin ``(U,)``, weighted by a Gaussian of their distance.

    Of the table of all bins and all bins the upper half alone is made, some rows at a time, which stay in the cache.
    """
    places = (bins.mean - bins.mean.mean(0)) / (2**0.5 * bandwidth)
    lengths = (places * places).sum(1)
    near = lengths.max() < _NEAR
    ones = np.ones_like(lengths)
    kind = np.float32 if near else np.float64
    left = np.stack([*(2 * places.T), -lengths, -ones], 1, dtype=kind)
    right = np.stack([*places.T, ones, lengths], dtype=kind)  # left @ right = -distances squared
    density = np.zeros_like(bins.pixels)
    for start in range(0, len(places), _ROWS):
        rows = slice(start, start + _ROWS)
        weight = left[rows] @ right[:, start:]
        if not near:
            weight = np.maximum(weight, _LEAST_POWER, out=weight).astype(np.float32)
        cv2.exp(weight, weight)  # four times as fast as NumPy's
        density[rows] += weight @ bins.pixels[start:]
        density[start + _ROWS :] += bins.pixels[rows] @ weight[:, _ROWS:]
    return density


def _leading(places: np.ndarray, radius: float) -> np.ndarray:
    """Which of ``(U, L)`` places, the best first, have no better one within the radius: ``(N,) int64``, ascending."""
    left = np.arange(len(places))
    leading = [left[:0]]
    ahead = _ROWS_AHEAD
    while len(left):
        chunk = left[:ahead]
        near = np.less_equal(_apart(places[chunk], places), radius)
        leading.append(chunk[near.argmax(1) == chunk])  # the first of those near is the place itself
        left = left[len(chunk) :]
        left = left[~near.any(0)[left]]
        ahead = min(2 * ahead, _ROWS)
    return np.concatenate(leading)


def nearest_mode(tags: Array, modes: Array) -> Array:
    """Which of ``(N, L)`` modes is nearest to each of ``(M, L)`` tags, ``(M,) int64``."""
    values, places = np.asarray(tags), np.asarray(modes)
    if len(places) == 1:
        nearest = np.zeros(len(values), np.int64)
    elif values.shape[1] == 1:  # on a line the borders lie half-way
        order = np.argsort(places[:, 0], kind="stable")
        line = places[order, 0]
        nearest = order[np.searchsorted((line[1:] + line[:-1]) / 2, values[:, 0])]
    else:
        nearest = _apart(values, places).argmin(1)
    return _answer(nearest, tags)


def group_tags(tags: Array, radius: float, bandwidth: float, min_cells: int) -> tuple[Array, int]:
    """The group of every pixel of one class.

    Modes to which fewer than ``min_cells`` pixels are nearest are given up, and their pixels go to the
    nearest of the others. If none is large enough, no pixel belongs to any.

    Args:
        tags: ``(M, L)``.
        radius: see :func:`find_modes`.
        bandwidth: see :func:`find_modes`.
        min_cells: smallest number of pixels of a group.

    Returns:
        ``(M,) int64``, -1 = none, and the number of groups.
    """
    values = np.asarray(tags)
    owner, count = np.full(len(values), -1, np.int64), 0
    if len(values) >= min_cells:
        modes = find_modes(values, radius, bandwidth)
        nearest = nearest_mode(values, modes)
        large = np.bincount(nearest, minlength=len(modes)) >= min_cells
        count = int(np.count_nonzero(large))
        if count:
            owner = nearest if count == len(modes) else nearest_mode(values, modes[large])
    return _answer(owner, tags), count


def group_pixels(
    heatmaps: Array,
    tags: Array,
    threshold: float = 0.4,
    radius: float = 1.0,
    bandwidth: float = 0.3,
    min_cells: int = 2,
) -> PixelGroups:
    """Instances of every class of one image.

    Args:
        heatmaps: ``(C, h, w)``.
        tags: ``(T, L, h, w)``, T = C or 1.
        threshold: a cell belongs to the mask of a class if its heatmap is above it.
        radius: instances of a class whose tags are nearer are one; see :func:`find_modes`.
        bandwidth: smoothing of the tags' histogram; see :func:`find_modes`.
        min_cells: smallest number of cells of an instance, at least 1.

    Returns:
        Groups, class by class.

    Raises:
        ValueError: heatmaps and tags do not fit each other.

    Reference: Newell et al. 2017, section 3.3.
    """
    channels = heatmaps.shape[0]
    if tags.ndim != 4 or tags.shape[0] not in (1, channels) or tags.shape[2:] != heatmaps.shape[1:]:
        raise ValueError(
            f"tags must be (T, L, h, w) with T=1 or T={channels} and the size of the heatmaps {tuple(heatmaps.shape)}, "
            f"got {tuple(tags.shape)}"
        )
    values, flat = np.asarray(heatmaps).reshape(-1), np.asarray(tags).reshape(-1)
    area, dims = heatmaps.shape[1] * heatmaps.shape[2], tags.shape[1]
    at = np.flatnonzero(values > threshold)  # (cells,) flat into the heatmaps, so class by class
    label, cell = np.divmod(at, area)
    plane = label * (dims * area) if tags.shape[0] > 1 else 0
    own = flat.take(plane + cell + (np.arange(dims) * area)[:, None]).T  # (cells, L); each dimension in one piece
    group = np.full(len(at), -1)
    labels: list[int] = []
    start = 0
    for of_class, cells in enumerate(np.bincount(label, minlength=channels).tolist()):
        end = start + cells
        if cells >= min_cells:
            found, count = group_tags(own[start:end], radius, bandwidth, min_cells)
            group[start:end] = np.where(found >= 0, found + len(labels), found)
            labels += [of_class] * count
        start = end
    owner = np.full(len(values), -1)
    owner[at] = group
    size = np.bincount(group + 1, minlength=len(labels) + 1).clip(1, None)  # first of what nobody has
    heat, mean = (_means(group + 1, each, size)[1:] for each in (values[at, None], own))
    parts = (owner.reshape(heatmaps.shape), np.array(labels, np.int64), mean, heat[:, 0])
    return PixelGroups(*(_answer(part, heatmaps) for part in parts))


def _answer(values: np.ndarray, like: Array) -> Array:
    """Values as they are, or as a tensor, and of the float type of others, where those are a tensor."""
    if isinstance(like, np.ndarray):
        return values
    tensor = library_of(like).from_numpy(values)
    return tensor.to(like.dtype) if tensor.is_floating_point() else tensor


def _apart(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Distances ``(A, B)`` of points ``(A, L)`` and ``(B, L)``."""
    from scipy.spatial.distance import cdist  # here, since it takes longer to import than all else of a runtime

    return cdist(first, second).astype(first.dtype)


def _means(rows: np.ndarray, values: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Means ``(N, L)`` of values ``(M, L)`` that belong to each row, of which there are ``size (N,)``."""
    dims, count = values.shape[1], len(size)
    places = rows + (np.arange(dims) * count)[:, None]
    sums = np.bincount(places.reshape(-1), values.T.reshape(-1), dims * count).astype(values.dtype)
    return sums.reshape(dims, count).T / size[:, None]
