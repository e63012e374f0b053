"""Grouping of mask pixels by tag: modes of the tags' histogram, and the nearest mode of every pixel.

One code for NumPy's arrays and torch's tensors on the CPU; torch is not imported.

Letters: C classes, T tag channels, L tag dimensions, M pixels, N instances, U bins.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from aemm.ops.subpixel import Array, library_of

_MAX_BINS = 2048  # the density of all bins at all bins is U x U; more bins make way for wider ones
_ROWS = 64  # of that table made at a time
_ROWS_AHEAD = 16  # of the densest bins, compared with all; most others are near one of these


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
    library = library_of(tags)
    while True:
        place = (tags - library.amin(tags, 0)) // width  # (M, L), whole numbers
        sides = [int(side) + 1 for side in library.amax(place, 0).tolist()]
        if math.prod(sides) < 2**62:  # else the bins' numbers overflow
            steps = [math.prod(sides[axis + 1 :]) for axis in range(len(sides))]
            number = (_whole(place) * library.asarray(steps)).sum(1)
            numbers, of_pixel, count = library.unique(number, return_inverse=True, return_counts=True)
            if len(numbers) <= _MAX_BINS:
                break
        width *= 2
    return Bins(_like(count, tags), _sums(of_pixel, tags, len(numbers)) / count[:, None])


def find_modes(tags: Array, radius: float, bandwidth: float) -> Array:
    """Tags around which the pixels gather: non-maximum suppression on their smoothed histogram.

    Args:
        tags: ``(M, L)``, M >= 1.
        radius: a mode is the densest bin within this distance, so no two are nearer to each other.
        bandwidth: deviation of the Gaussian that smooths the histogram; its bins are half as wide.

    Returns:
        ``(N, L)`` modes, the densest first. With L = 1 this is a histogram with 1-D suppression.
    """
    bins = histogram(tags, bandwidth / 2)
    best_first = bins.mean[_order(-_densities(bins, bandwidth))]  # equal densities: the first bin wins
    return best_first[_leading(best_first, radius)]


def _densities(bins: Bins, bandwidth: float) -> Array:
    """Pixels at and around each bin ``(U,)``, weighted by a Gaussian of their distance.

    Of the table of all bins and all bins the upper half alone is made, some rows at a time, which stay in the cache.
    """
    library = library_of(bins.mean)
    places = _double(bins.mean - bins.mean.mean(0)) / (2**0.5 * bandwidth)
    lengths = (places * places).sum(1)
    ones = library.ones_like(lengths)
    left = library.concatenate([2 * places, -lengths[:, None], -ones[:, None]], 1)
    right = library.concatenate([places, ones[:, None], lengths[:, None]], 1)  # left @ right.T = -distances squared
    density = library.zeros_like(bins.pixels)
    for start in range(0, len(places), _ROWS):
        rows = slice(start, start + _ROWS)
        weight = _like(left[rows] @ right[start:].T, bins.pixels)
        library.exp(weight, out=weight)
        density[rows] += weight @ bins.pixels[start:]
        density[start + _ROWS :] += bins.pixels[rows] @ weight[:, _ROWS:]
    return density


def _leading(places: Array, radius: float) -> Array:
    """Which of ``(U, L)`` places, the best first, have no better one within the radius: ``(N,) int64``, ascending."""
    library = library_of(places)
    left = library.arange(len(places))
    leading = [left[:0]]
    while len(left):
        chunk = left[:_ROWS_AHEAD]
        near = _apart(places[chunk], places) <= radius
        leading.append(chunk[_whole(near).argmax(1) == chunk])  # the first of those near is the place itself
        left = left[len(chunk) :]
        left = left[~near[:, left].any(0)]
    return library.concatenate(leading)


def nearest_mode(tags: Array, modes: Array) -> Array:
    """Which of ``(N, L)`` modes is nearest to each of ``(M, L)`` tags, ``(M,) int64``."""
    if tags.shape[1] == 1 and len(modes) > 1:  # on a line the borders lie half-way
        order = _order(modes[:, 0])
        line = modes[:, 0][order]
        borders = (line[1:] + line[:-1]) / 2
        return order[library_of(tags).searchsorted(borders, library_of(tags).ravel(tags[:, 0]))]
    return _apart(tags, modes).argmin(1)


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
    library = library_of(tags)
    nobody = library.full((len(tags),), -1, dtype=library.int64)
    if len(tags) < min_cells:
        return nobody, 0
    modes = find_modes(tags, radius, bandwidth)
    owner = nearest_mode(tags, modes)
    large = library.bincount(owner, minlength=len(modes)) >= min_cells
    if not bool(large.any()):
        return nobody, 0
    if not bool(large.all()):
        modes = modes[large]
        owner = nearest_mode(tags, modes)
    return owner, len(modes)


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
    library = library_of(heatmaps)
    area = heatmaps.shape[1] * heatmaps.shape[2]
    at = _true_places(heatmaps.reshape(-1) > threshold)  # (cells,) flat into the heatmaps, so class by class
    label, cell = at // area, at % area
    plane = label if tags.shape[0] > 1 else 0 * label
    own = tags[plane, :, cell // heatmaps.shape[2], cell % heatmaps.shape[2]]  # (cells, L)
    group = library.full(at.shape, -1, dtype=library.int64)
    labels: list[int] = []
    start = 0
    for of_class, cells in enumerate(library.bincount(label, minlength=channels).tolist()):
        end = start + cells
        if cells >= min_cells:
            found, count = group_tags(own[start:end], radius, bandwidth, min_cells)
            group[start:end] = library.where(found >= 0, found + len(labels), found)
            labels += [of_class] * count
        start = end
    owner = library.full((channels * area,), -1, dtype=library.int64)
    owner[at] = group
    taken = group >= 0
    rows, count = group[taken], len(labels)
    size = library.bincount(rows, minlength=count).clip(1, None)
    heat = _sums(rows, heatmaps.reshape(-1)[at[taken]][:, None], count)[:, 0] / size
    mean = _sums(rows, own[taken], count) / size[:, None]
    return PixelGroups(owner.reshape(heatmaps.shape), library.asarray(labels, dtype=library.int64), mean, heat)


def _true_places(values: Array) -> Array:
    """Where ``(M,) bool`` are true."""
    return np.flatnonzero(values) if isinstance(values, np.ndarray) else values.nonzero()[:, 0]


def _double(values: Array) -> Array:
    """Values in float64."""
    return values.astype(np.float64) if isinstance(values, np.ndarray) else values.double()


def _whole(values: Array) -> Array:
    """Values in int64."""
    return values.astype(np.int64) if isinstance(values, np.ndarray) else values.long()


def _like(values: Array, other: Array) -> Array:
    """Values in the float type of others."""
    return values.astype(other.dtype) if isinstance(values, np.ndarray) else values.to(other.dtype)


def _order(values: Array) -> Array:
    """Places of values from the smallest to the largest; equal ones keep their order."""
    return np.argsort(values, kind="stable") if isinstance(values, np.ndarray) else values.argsort(stable=True)


def _apart(first: Array, second: Array) -> Array:
    """Distances ``(A, B)`` of points ``(A, L)`` and ``(B, L)``."""
    if isinstance(first, np.ndarray):
        from scipy.spatial.distance import cdist  # here, since it takes longer to import than all else of a runtime

        return cdist(first, second).astype(first.dtype)
    return library_of(first).cdist(first, second, compute_mode="donot_use_mm_for_euclid_dist")


def _sums(rows: Array, values: Array, count: int) -> Array:
    """Sums ``(count, L)`` of values ``(M, L)`` that belong to each row."""
    if isinstance(values, np.ndarray):
        parts: list[Any] = [np.bincount(rows, values[:, axis], count) for axis in range(values.shape[1])]
        return np.stack(parts, 1).astype(values.dtype)
    return values.new_zeros(count, values.shape[1]).index_add_(0, rows, values)
