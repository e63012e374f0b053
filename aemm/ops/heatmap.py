"""Heatmaps in both directions: points drawn as Gaussians, and peaks read back from maps.

Letters: B batch, N instances, K keypoints, C heatmap channels, T tag channels, L tag dimensions,
M peaks per channel, ``h, w`` map cells. Map coordinates are continuous: cell ``j`` covers
``[j, j + 1)`` and its centre is ``j + 0.5``.
"""

from __future__ import annotations

import math
from typing import Literal

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from aemm.records import check_choice
from aemm.structures import Maps, Peaks

TargetStyle = Literal["newell", "higherhrnet", "udp", "unbiased"]
SubpixelKind = Literal["none", "quarter", "gaussian", "hessian"]
TieRule = Literal["stay", "back"]

_LEAST_HEAT = 1e-10  # stands for heat that is not positive and so has no logarithm
_HESSIAN_RANGE = (1e-3, 50.0)  # of heat before mmpose takes its logarithm


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
    height, width = size
    inside = valid & (cells >= 0).all(-1) & (cells < (width, height)).all(-1)
    person, channel = np.nonzero(inside)
    first, profile = _profiles(points[person, channel], cells[person, channel], sigma, style)

    length, margin = profile.shape[-1], math.ceil(3 * sigma) + 4  # no window reaches further out
    stamps = (profile[:, 1, :, None] * profile[:, 0, None, :]).astype(np.float32)  # (points, length, length)
    canvas = np.zeros((points.shape[1], height + 2 * margin, width + 2 * margin), np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(canvas, (length, length), axis=(1, 2), writeable=True)
    starts = first + margin
    for k, x, y, stamp in zip(channel.tolist(), *starts.T.tolist(), stamps, strict=True):
        window = windows[k, y, x]
        np.maximum(window, stamp, out=window)
    return np.ascontiguousarray(canvas[:, margin : margin + height, margin : margin + width])


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
    _check_window(window)
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
    _check_window(window)
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
    cells = torch.stack([index % width, torch.div(index, width, rounding_mode="floor")], -1)
    return Peaks(scores, cells, torch.where(scores[..., None] > 0, read, 0))


def _rank_all(heatmaps: Tensor, max_peaks: int, threshold: float, window: int) -> tuple[Tensor, Tensor]:
    """Scores and flat cells ``(B, C, M)`` of the peaks by operations of fixed shape."""
    kept = nms(heatmaps, window).flatten(2)
    kept = torch.where(kept > threshold, kept, 0)
    count = min(max_peaks, kept.shape[2])
    scores, index = kept.topk(count, dim=2)
    padding = (0, max_peaks - count)
    return F.pad(scores, padding), F.pad(torch.where(scores > 0, index, 0), padding)


def _rank_survivors(heatmaps: Tensor, max_peaks: int, threshold: float, window: int) -> tuple[Tensor, Tensor]:
    """The same on the CPU, many times faster: a dilation per channel in cache, and a sort of few cells."""
    batch, channels, height, width = heatmaps.shape
    planes = heatmaps.detach().numpy().reshape(-1, height, width)
    kernel = np.ones((window, window), np.uint8)
    found, heat = [], []
    for plane in planes:
        keep = plane == cv2.dilate(plane, kernel)  # OpenCV's border never wins
        keep &= plane > threshold
        found.append(np.flatnonzero(keep))
        heat.append(plane.reshape(-1)[found[-1]])
    counts = np.array([len(cells) for cells in found], dtype=np.int64)
    cells, values = np.concatenate(found), np.concatenate(heat)
    row = np.repeat(np.arange(len(planes)), counts)
    order = np.lexsort((-values, row))  # stable: equal scores stay in the order of the map
    place = np.arange(len(order)) - np.repeat(counts.cumsum() - counts, counts)
    order, place = order[place < max_peaks], place[place < max_peaks]

    scores = np.zeros((len(planes), max_peaks), planes.dtype)
    index = np.zeros((len(planes), max_peaks), np.int64)
    scores[row[order], place], index[row[order], place] = values[order], cells[order]
    shape = (batch, channels, max_peaks)
    return torch.from_numpy(scores).view(shape), torch.from_numpy(index).view(shape)


def subpixel(
    heatmaps: Tensor,
    cells: Tensor,
    kind: SubpixelKind = "quarter",
    tie: TieRule = "stay",
    last: tuple[int, int] | None = None,
) -> Tensor:
    """Continuous map coordinates of peaks, from the cells around each.

    Args:
        heatmaps: ``(K, h, w)``.
        cells: ``(N, K, 2) int64`` x, y inside the maps; cell ``[n, k]`` belongs to heatmap k.
        kind: 'none' is the centre of the cell; 'quarter' moves it a quarter cell towards the higher
            neighbour along each axis; 'gaussian' moves it to the top of the Gaussian through three
            cells, at most half a cell, and not at all where the three are no maximum; 'hessian' smooths
            the map by a window of 3 cells, takes the logarithm and makes one Newton step in both axes
            together, as long as it comes out.
        tie: what 'quarter' does when both neighbours are equal: 'stay' leaves the coordinate, 'back'
            moves it by -0.25. The originals go back, which shifts every keypoint of an exact ground
            truth map by a quarter cell; maps of a network have no ties.
        last: the last column and row a neighbour of 'quarter' can have, those behind count as this
            one; None = of the map. Where that makes both neighbours one cell, it goes back as well.

    Returns:
        ``(N, K, 2) float32``.

    Reference:
        princeton-vl/pose-ae-train utils/group.py, HeatmapParser.adjust ('quarter');
        Zhang et al. 2020, Distribution-aware coordinate representation ('gaussian' along each axis);
        open-mmlab/mmpose 0.29 core/evaluation/top_down_eval.py, post_dark_udp ('hessian').
    """
    check_choice("kind", kind, SubpixelKind)
    check_choice("tie", tie, TieRule)
    if kind == "none":
        return (cells + 0.5).float()
    if kind == "hessian":
        return (cells + 0.5 + _hessian_step(heatmaps, cells)).float()
    channels, height, width = heatmaps.shape
    flat = heatmaps.flatten()
    start = torch.arange(channels, device=cells.device) * (height * width)  # (K,)
    x, y = cells.unbind(-1)
    end = (width - 1, height - 1) if last is None else last
    if kind == "quarter":
        dx = _quarter(flat, start + y * width, x, 1, min(end[0], width - 1), tie)
        dy = _quarter(flat, start + x, y, width, min(end[1], height - 1), tie)
    else:
        dx = _gaussian_top(flat, start + y * width, x, 1, width)
        dy = _gaussian_top(flat, start + x, y, width, height)
    return (cells + 0.5 + torch.stack([dx, dy], -1)).float()


def _quarter(flat: Tensor, start: Tensor, at: Tensor, step: int, last: int, tie: TieRule) -> Tensor:
    """Quarter cell towards the higher neighbour of cells ``start + at * step``; all ``(N, K)``."""
    after, before = (at + 1).clamp(max=last), (at - 1).clamp(min=0)
    rise = flat[start + after * step] - flat[start + before * step]
    stays = (rise == 0) & (after != before) & (tie == "stay")
    return torch.where(rise > 0, 0.25, torch.where(stays, 0.0, -0.25))


def _gaussian_top(flat: Tensor, start: Tensor, at: Tensor, step: int, length: int) -> Tensor:
    """Way from the middle of cells ``start + at * step`` to the top of the Gaussian there; all ``(N, K)``."""
    middle = at.clamp(1, max(1, length - 2))  # at the border the three cells lie inwards
    reach = torch.stack([(middle + offset).clamp(0, length - 1) for offset in (-1, 0, 1)])
    heat = flat[start + reach * step].clamp(min=_LEAST_HEAT)
    # a few numbers: on the CPU NumPy's logarithm takes microseconds where torch's starts threads
    before, center, after = torch.from_numpy(np.log(heat.numpy())) if heat.device.type == "cpu" else heat.log()
    bend = before - 2 * center + after
    top = (0.5 * (before - after) / bend.clamp(max=-1e-6)).double() + (middle - at)
    return torch.where(bend < 0, top.clamp(-0.5, 0.5), 0).float()


def _hessian_step(heatmaps: Tensor, cells: Tensor) -> Tensor:
    """Newton's step ``(N, K, 2)`` from cells ``(N, K, 2)`` to the top of the logarithm of the smoothed maps.

    Smoothing mirrors the map at its border, the outer cell not repeated; the derivatives repeat it.
    """
    channels, height, width = heatmaps.shape
    near = torch.arange(-1, 2, device=cells.device)
    x, y = ((cells[..., i, None] + near).clamp(0, end - 1) for i, end in enumerate((width, height)))  # (N, K, 3)
    columns, rows = (_reflect(at[..., None] + near, end) for at, end in ((x, width), (y, height)))  # (N, K, 3, tap)
    start = torch.arange(channels, device=cells.device)[:, None, None, None, None] * (height * width)
    taps = heatmaps.flatten()[start + rows[..., :, None, :, None] * width + columns[..., None, :, None, :]]
    kernel = 0.5 - 0.25 * near.abs().to(taps.dtype)
    smooth = (taps * kernel[:, None] * kernel).sum((-2, -1))  # (N, K, 3 rows, 3 columns)
    heat = smooth.clamp(*_HESSIAN_RANGE).log().double()

    middle = heat[..., 1, 1]
    right = heat[..., 1, 2]
    below = heat[..., 2, 1]
    left, above = heat[..., 1, 0], heat[..., 0, 1]
    slope_x, slope_y = (right - left) / 2, (below - above) / 2
    least = torch.finfo(torch.float32).eps  # keeps a flat map from dividing by 0
    bend_x, bend_y = right - 2 * middle + left + least, below - 2 * middle + above + least
    twist = (heat[..., 2, 2] - right - below + 2 * middle - left - above + heat[..., 0, 0]) / 2
    area = bend_x * bend_y - twist**2
    step = torch.stack([twist * slope_y - bend_y * slope_x, twist * slope_x - bend_x * slope_y], -1)
    return torch.where(area[..., None] != 0, step / area[..., None], 0)


def _reflect(at: Tensor, length: int) -> Tensor:
    """Places beyond a row of cells by one, mirrored at the outer cells."""
    return torch.where(at < 0, -at, torch.where(at >= length, 2 * length - 2 - at, at)).clamp(0, length - 1)


def _check_window(window: int) -> None:
    if window < 1 or window % 2 == 0:
        raise ValueError(f"window must be an odd number of cells so that it has a middle, got {window}")
