"""Heatmaps in both directions: points drawn as Gaussians, and peaks read back from maps.

Letters: B batch, N instances, K keypoints, C heatmap channels, T tag channels, L tag dimensions,
M peaks per channel, ``h, w`` map cells. Map coordinates are continuous: cell ``j`` covers
``[j, j + 1)`` and its centre is ``j + 0.5``.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from functools import lru_cache
from itertools import repeat
from typing import Literal

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from aemm.ops.peaks import check_window, rank_survivors
from aemm.ops.subpixel import SubpixelKind, TieRule, subpixel
from aemm.records import check_choice
from aemm.structures import Maps, Peaks

__all__ = ["SubpixelKind", "TargetStyle", "TieRule", "draw_gaussians", "nms", "subpixel", "target_cells", "top_peaks"]

TargetStyle = Literal["newell", "higherhrnet", "udp", "unbiased"]


def target_cells(points: np.ndarray, style: TargetStyle) -> np.ndarray:
    """Cells that hold the points, as ``style`` counts them.

    The originals cut off the decimals, so a point less than one cell left of or above the map still
    lands in its first column or row; 'udp' does so from the middles of cells, so that a point lies up to a
    cell right of and below the middle of its own; 'unbiased' rounds down.

    Args:
        points: ``(..., 2)`` continuous map coordinates.
        style: one of :data:`TargetStyle`.

    Returns:
        ``(..., 2) int64`` x, y; outside the map where the point is.
    """
    check_choice("style", style, TargetStyle)
    if style == "unbiased":
        return np.floor(points).astype(np.int64)
    return np.trunc(points - 0.5 if style == "udp" else points).astype(np.int64)


def draw_gaussians(
    points: np.ndarray,
    valid: np.ndarray,
    size: tuple[int, int],
    sigma: float,
    style: TargetStyle = "newell",
) -> np.ndarray:
    """Draw every keypoint as a Gaussian of height 1; where they overlap the larger value stays.

    Args:
        points: ``(N, K, 2)`` continuous map coordinates.
        valid: ``(N, K) bool``; the others, and points outside the map, are not drawn.
        size: ``(h, w)`` of the maps in cells.
        sigma: standard deviation in cells.
        style: 'newell' and 'higherhrnet' centre the Gaussian on the cell that holds the point and
            differ in the window they cut out for a fractional ``sigma`` (decimals cut off, or
            rounded); 'unbiased' centres it on the point itself, and so does 'udp' in a window around another
            cell, see :func:`target_cells`.

    Returns:
        ``(K, h, w) float32``.

    Raises:
        ValueError: ``sigma`` is not positive or ``style`` is unknown.

    Reference:
        princeton-vl/pose-ae-train data/coco_pose/dp.py, GenerateHeatmap;
        HRNet/HigherHRNet-Human-Pose-Estimation lib/dataset/target_generators, HeatmapGenerator;
        open-mmlab/mmpose 0.29 datasets/pipelines/bottom_up_transform.py, HeatmapGenerator ('udp').

    >>> draw_gaussians(np.array([[[1.2, 0.7]]]), np.ones((1, 1), bool), (2, 3), 1.0).round(2)
    array([[[0.61, 1.  , 0.61],
            [0.37, 0.61, 0.37]]], dtype=float32)
    """
    if not sigma > 0:
        raise ValueError(f"sigma must be positive, got {sigma}; it is counted in map cells, not pixels")
    cells = target_cells(points, style)
    person, channel = np.nonzero(within(cells, valid, size))
    first, length, stamps = _stamps(points[person, channel], cells[person, channel], sigma, style)
    return _largest(channel, first, length, stamps, (points.shape[1], *size))


def _largest(
    channel: np.ndarray, first: np.ndarray, length: int, stamps: Iterable[np.ndarray], shape: tuple[int, int, int]
) -> np.ndarray:
    """Maps ``(K, h, w) float32`` that hold the largest of all stamps in every cell.

    With a margin around the maps no stamp is cut, and a view of all windows lets C loop over them.

    Args:
        channel: ``(points,)`` which map each stamp belongs to.
        first: ``(points, 2)`` x, y of its first cell, which may lie outside.
        length: of its sides.
        stamps: ``(length, length) float32`` each, as many as there are points or more.
        shape: of the maps.
    """
    channels, height, width = shape
    if not len(first):
        return np.zeros(shape, np.float32)
    margin = max(0, -int(first.min()), int((first.max(0) - (width, height)).max()) + length)
    maps = np.zeros((channels, height + 2 * margin, width + 2 * margin), np.float32)
    corners = channels, maps.shape[1] - length + 1, maps.shape[2] - length + 1
    windows = np.ndarray((*corners, length, length), maps.dtype, maps, strides=maps.strides + maps.strides[1:])
    x, y = (first + margin).T.tolist()
    own = list(map(windows.__getitem__, zip(channel.tolist(), y, x, strict=True)))
    deque(map(cv2.max, own, stamps, own), maxlen=0)  # runs through it
    return np.ascontiguousarray(maps[:, margin : margin + height, margin : margin + width])


def within(cells: np.ndarray, valid: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Which points are valid and in a cell of the map, ``(N, K) bool``.

    Args:
        cells: ``(N, K, 2) int64`` x, y.
        valid: ``(N, K) bool``.
        size: ``(h, w)`` of the map.
    """
    x, y = cells[..., 0], cells[..., 1]
    return valid & (x >= 0) & (y >= 0) & (x < size[1]) & (y < size[0])


def _stamps(
    points: np.ndarray, cells: np.ndarray, sigma: float, style: TargetStyle
) -> tuple[np.ndarray, int, Iterable[np.ndarray]]:
    """First cell ``(points, 2)`` of each window, its side, and the Gaussian ``(side, side) float32`` in each."""
    if style in ("newell", "higherhrnet") and float(3 * sigma).is_integer():
        stamp = _whole_stamp(sigma)
        return cells - (int(3 * sigma) + 1), len(stamp), repeat(stamp)
    first, profile = _profiles(points, cells, sigma, style)
    return first, profile.shape[-1], (profile[:, 1, :, None] * profile[:, 0, None, :]).astype(np.float32)


@lru_cache(maxsize=8)
def _whole_stamp(sigma: float) -> np.ndarray:
    """The Gaussian ``(length, length) float32`` of every point, where three sigma are whole cells."""
    profile = np.exp(-((np.arange(2 * int(3 * sigma) + 3) - (3 * sigma + 1)) ** 2) / (2 * sigma**2))
    return np.outer(profile, profile).astype(np.float32)


def _profiles(points: np.ndarray, cells: np.ndarray, sigma: float, style: TargetStyle) -> tuple[np.ndarray, np.ndarray]:
    """First cell ``(points, 2)`` of each window and the Gaussian along x and y ``(points, 2, length)`` in it."""
    if style in ("udp", "unbiased"):
        radius = math.ceil(3 * sigma) + 1
        first, length = cells - radius, 2 * radius + 1
        distance = first[..., None] + np.arange(length) + 0.5 - points[..., None]
        return first, np.exp(-(distance**2) / (2 * sigma**2))
    whole = np.trunc if style == "newell" else np.rint
    first = whole(cells - 3 * sigma - 1).astype(np.int64)
    end = whole(cells + 3 * sigma + 2).astype(np.int64)
    length = math.ceil(6 * sigma + 3)
    along = np.arange(length)
    profile = np.exp(-((along - (3 * sigma + 1)) ** 2) / (2 * sigma**2))
    return first, np.where(along < (end - first)[..., None], profile, 0.0)


def nms(heatmaps: Tensor, window: int) -> Tensor:
    """Zero every cell that is not the largest of the square window around it; plateaus remain.

    Args:
        heatmaps: ``(B, C, h, w)``.
        window: side of the window in cells, odd.

    Returns:
        ``(B, C, h, w)`` of the same type.

    Reference:
        princeton-vl/pose-ae-train utils/group.py, HeatmapParser.nms.
    """
    check_window(window)
    largest = F.max_pool2d(heatmaps, window, stride=1, padding=window // 2)
    return torch.where(heatmaps == largest, heatmaps, 0)


def top_peaks(maps: Maps, max_peaks: int, threshold: float, window: int) -> Peaks:
    """The strongest local maxima of every heatmap and the tags read there; the shapes are fixed.

    On the CPU only cells above the threshold are ranked, equal scores in the order of the map. On
    other devices, and in a graph that is traced or exported, it is max-pool, top-k and gather.

    Args:
        maps: heatmaps and tags.
        max_peaks: M, peaks kept per channel.
        threshold: a peak scores more than this; not negative.
        window: side of the window of the non-maximum suppression in cells, odd.

    Returns:
        Peaks, best first; rows are padded with score 0, cell 0 and tag 0.

    Raises:
        ValueError: the maps have no tags, or an argument is out of range.
    """
    check_window(window)
    heatmaps, tags = maps.heatmaps, maps.need_tags()
    if threshold < 0 or max_peaks < 1:
        raise ValueError(f"threshold must be at least 0 and max_peaks at least 1, got {threshold} and {max_peaks}")
    fixed = heatmaps.device.type != "cpu" or torch.compiler.is_compiling() or torch.jit.is_tracing()
    rank = _rank_all if fixed else _rank_survivors
    scores, index = rank(heatmaps, max_peaks, threshold, window)  # (B, C, M)

    flat = tags.flatten(3)  # (B, T, L, hw)
    flat = flat.expand(-1, heatmaps.shape[1], -1, -1)
    read = flat.gather(3, index[:, :, None].expand(-1, -1, flat.shape[2], -1)).transpose(2, 3)  # (B, C, M, L)
    width = heatmaps.shape[3]
    row = torch.div(index, width, rounding_mode="floor")
    cells = torch.stack([index - row * width, row], -1)  # exporters know no remainder of a size
    return Peaks(scores, cells, torch.where(scores[..., None] > 0, read, 0))


def _rank_all(heatmaps: Tensor, max_peaks: int, threshold: float, window: int) -> tuple[Tensor, Tensor]:
    """Scores and flat cells ``(B, C, M)`` of the peaks by operations of fixed shape."""
    kept = nms(heatmaps, window).flatten(2)
    kept = F.pad(torch.where(kept > threshold, kept, 0), (0, max_peaks))  # a graph knows no number of cells
    scores, index = kept.topk(max_peaks, dim=2)
    return scores, torch.where(scores > 0, index, 0)


def _rank_survivors(heatmaps: Tensor, max_peaks: int, threshold: float, window: int) -> tuple[Tensor, Tensor]:
    """The same on the CPU, many times faster."""
    scores, index = rank_survivors(heatmaps.detach().numpy(), max_peaks, threshold, window)
    return torch.from_numpy(scores), torch.from_numpy(index)
