"""Grouping of mask pixels by tag: modes of the tags' histogram, and the nearest mode of every pixel.

Letters: C classes, T tag channels, L tag dimensions, M pixels, N instances, U bins.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

_MAX_BINS = 2048  # the density of all bins at all bins is U x U; more bins make way for wider ones


class Bins(NamedTuple):
    """The occupied bins of a histogram in L dimensions.

    Attributes:
        pixels: ``(U,)`` how many are in each.
        mean: ``(U, L)`` mean tag of these pixels.
    """

    pixels: Tensor
    mean: Tensor


class PixelGroups(NamedTuple):
    """Instances as groups of map cells.

    Attributes:
        owner: ``(C, h, w) int64``: the instance of its class that a cell belongs to, as a row of the other
            fields; -1 = none.
        labels: ``(N,) int64`` class of each instance.
        tags: ``(N, L)`` mean tag of its cells.
        scores: ``(N,)`` mean heatmap over its cells.
    """

    owner: Tensor
    labels: Tensor
    tags: Tensor
    scores: Tensor


def histogram(tags: Tensor, width: float) -> Bins:
    """Occupied bins of tags, in L dimensions.

    Args:
        tags: ``(M, L)``, M >= 1.
        width: side of a bin; it is doubled until there are few enough of them to compare all with all.
    """
    while True:
        place = torch.div(tags - tags.amin(0), width, rounding_mode="floor").long()  # (M, L)
        sides = place.amax(0) + 1
        if float(sides.double().prod()) < 2**62:  # else the bins' numbers overflow
            step = torch.cat([sides.flip(0).cumprod(0).flip(0)[1:], sides.new_ones(1)])
            numbers, of_pixel, count = torch.unique((place * step).sum(1), return_inverse=True, return_counts=True)
            if len(numbers) <= _MAX_BINS:
                break
        width *= 2
    total = tags.new_zeros(len(numbers), tags.shape[1]).index_add_(0, of_pixel, tags)
    return Bins(count.to(tags.dtype), total / count[:, None])


def find_modes(tags: Tensor, radius: float, bandwidth: float) -> Tensor:
    """Tags around which the pixels gather: non-maximum suppression on their smoothed histogram.

    Args:
        tags: ``(M, L)``, M >= 1.
        radius: a mode is the densest bin within this distance, so no two are nearer to each other.
        bandwidth: deviation of the Gaussian that smooths the histogram; its bins are half as wide.

    Returns:
        ``(N, L)`` modes, the densest first. With L = 1 this is a histogram with 1-D suppression.
    """
    bins = histogram(tags, bandwidth / 2)
    apart = torch.cdist(bins.mean, bins.mean, compute_mode="donot_use_mm_for_euclid_dist")  # (U, U)
    density = torch.exp(apart.square() / (-2 * bandwidth**2)) @ bins.pixels
    order = torch.argsort(density, descending=True, stable=True)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=order.device)  # equal densities: the first bin wins
    best = torch.where(apart <= radius, rank, len(rank)).amin(1)
    modes = torch.nonzero(best == rank)[:, 0]
    return bins.mean[modes[torch.argsort(rank[modes])]]


def nearest_mode(tags: Tensor, modes: Tensor) -> Tensor:
    """Which of ``(N, L)`` modes is nearest to each of ``(M, L)`` tags, ``(M,) int64``."""
    if tags.shape[1] == 1 and len(modes) > 1:  # on a line the borders lie half-way
        line, order = modes[:, 0].sort()
        return order[torch.searchsorted((line[1:] + line[:-1]) / 2, tags[:, 0].contiguous())]
    return torch.cdist(tags, modes).argmin(1)


def group_tags(tags: Tensor, radius: float, bandwidth: float, min_cells: int) -> tuple[Tensor, int]:
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
    nobody = torch.full((len(tags),), -1, dtype=torch.int64, device=tags.device)
    if len(tags) < min_cells:
        return nobody, 0
    modes = find_modes(tags, radius, bandwidth)
    owner = nearest_mode(tags, modes)
    large = torch.bincount(owner, minlength=len(modes)) >= min_cells
    if not bool(large.any()):
        return nobody, 0
    if not bool(large.all()):
        modes = modes[large]
        owner = nearest_mode(tags, modes)
    return owner, len(modes)


def group_pixels(
    heatmaps: Tensor,
    tags: Tensor,
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
    owner = torch.full(heatmaps.shape, -1, dtype=torch.int64, device=heatmaps.device)
    inside = heatmaps > threshold
    labels: list[int] = []
    for label in torch.nonzero(inside.flatten(1).sum(1) >= min_cells)[:, 0].tolist():
        own = tags[label if tags.shape[0] > 1 else 0].flatten(1).T[inside[label].flatten()]  # (M, L)
        group, count = group_tags(own, radius, bandwidth, min_cells)
        owner[label][inside[label]] = torch.where(group >= 0, group + len(labels), group)
        labels += [label] * count
    count = len(labels)
    cells = owner >= 0
    rows = owner[cells]
    spread = tags.expand(channels, -1, -1, -1).transpose(1, 2).transpose(2, 3)[cells]  # (cells, L)
    size = torch.bincount(rows, minlength=count).clamp(min=1)
    heat = heatmaps.new_zeros(count).index_add_(0, rows, heatmaps[cells]) / size
    mean = tags.new_zeros(count, tags.shape[1]).index_add_(0, rows, spread) / size[:, None]
    return PixelGroups(owner, torch.tensor(labels, dtype=torch.int64, device=heatmaps.device), mean, heat)
