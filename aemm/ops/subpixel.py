"""Coordinates of peaks between the cells of a map.

One code for NumPy's arrays and torch's tensors, on any device; torch is not imported. Map coordinates are continuous:
cell ``j`` covers ``[j, j + 1)`` and its centre is ``j + 0.5``.

Letters: N instances, K keypoints, ``h, w`` map cells.
"""

from __future__ import annotations

import sys
from typing import Any, Literal

import numpy as np

from aemm.records import check_choice

SubpixelKind = Literal["none", "quarter", "gaussian", "hessian"]
TieRule = Literal["stay", "back"]
Array = Any
"""An array of NumPy or a tensor of torch."""

_LEAST_HEAT = 1e-10  # stands for heat that is not positive and so has no logarithm
_HESSIAN_RANGE = (1e-3, 50.0)  # of heat before mmpose takes its logarithm


def subpixel(
    heatmaps: Array,
    cells: Array,
    kind: SubpixelKind = "quarter",
    tie: TieRule = "stay",
    last: tuple[int, int] | None = None,
) -> Array:
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
        return _single(cells + 0.5)
    if kind == "hessian":
        return _single(cells + 0.5 + _hessian_step(heatmaps, cells))
    channels, height, width = heatmaps.shape
    flat = heatmaps.reshape(-1)
    start = _arange(0, channels, cells) * (height * width)  # (K,)
    x, y = cells[..., 0], cells[..., 1]
    end = (width - 1, height - 1) if last is None else last
    if kind == "quarter":
        dx = _quarter(flat, start + y * width, x, 1, min(end[0], width - 1), tie)
        dy = _quarter(flat, start + x, y, width, min(end[1], height - 1), tie)
    else:
        dx = _gaussian_top(flat, start + y * width, x, 1, width)
        dy = _gaussian_top(flat, start + x, y, width, height)
    return _single(cells + 0.5 + library_of(cells).stack([dx, dy], -1))


def _quarter(flat: Array, start: Array, at: Array, step: int, last: int, tie: TieRule) -> Array:
    """Quarter cell towards the higher neighbour of cells ``start + at * step``; all ``(N, K)``."""
    where = library_of(flat).where
    after, before = (at + 1).clip(None, last), (at - 1).clip(0, None)
    rise = flat[start + after * step] - flat[start + before * step]
    stays = (rise == 0) & (after != before) & (tie == "stay")
    return where(rise > 0, 0.25, where(stays, 0.0, -0.25))


def _gaussian_top(flat: Array, start: Array, at: Array, step: int, length: int) -> Array:
    """Way from the middle of cells ``start + at * step`` to the top of the Gaussian there; all ``(N, K)``."""
    library = library_of(flat)
    middle = at.clip(1, max(1, length - 2))  # at the border the three cells lie inwards
    reach = library.stack([(middle + offset).clip(0, length - 1) for offset in (-1, 0, 1)])
    before, center, after = _log(flat[start + reach * step].clip(_LEAST_HEAT, None))
    bend = before - 2 * center + after
    top = _double(0.5 * (before - after) / bend.clip(None, -1e-6)) + (middle - at)
    return _single(library.where(bend < 0, top.clip(-0.5, 0.5), 0))


def _hessian_step(heatmaps: Array, cells: Array) -> Array:
    """Newton's step ``(N, K, 2)`` from cells ``(N, K, 2)`` to the top of the logarithm of the smoothed maps.

    Smoothing mirrors the map at its border, the outer cell not repeated; the derivatives repeat it.
    """
    channels, height, width = heatmaps.shape
    near = _arange(-1, 2, cells)
    x, y = ((cells[..., i, None] + near).clip(0, end - 1) for i, end in enumerate((width, height)))  # (N, K, 3)
    columns, rows = (_reflect(at[..., None] + near, end) for at, end in ((x, width), (y, height)))  # (N, K, 3, tap)
    start = _arange(0, channels, cells)[:, None, None, None, None] * (height * width)
    taps = heatmaps.reshape(-1)[start + rows[..., :, None, :, None] * width + columns[..., None, :, None, :]]
    kernel = 0.5 - 0.25 * _single(abs(near))
    smooth = (taps * kernel[:, None] * kernel).sum((-2, -1))  # (N, K, 3 rows, 3 columns)
    heat = _double(library_of(smooth).log(smooth.clip(*_HESSIAN_RANGE)))

    middle = heat[..., 1, 1]
    right = heat[..., 1, 2]
    below = heat[..., 2, 1]
    left, above = heat[..., 1, 0], heat[..., 0, 1]
    slope_x, slope_y = (right - left) / 2, (below - above) / 2
    least = float(np.finfo(np.float32).eps)  # keeps a flat map from dividing by 0
    bend_x, bend_y = right - 2 * middle + left + least, below - 2 * middle + above + least
    twist = (heat[..., 2, 2] - right - below + 2 * middle - left - above + heat[..., 0, 0]) / 2
    area = bend_x * bend_y - twist**2
    library = library_of(area)
    step = library.stack([twist * slope_y - bend_y * slope_x, twist * slope_x - bend_x * slope_y], -1)
    flat = area[..., None] == 0
    return library.where(flat, 0, step / library.where(flat, 1, area[..., None]))


def _reflect(at: Array, length: int) -> Array:
    """Places beyond a row of cells by one, mirrored at the outer cells."""
    return (length - 1 - abs(length - 1 - abs(at))).clip(0, length - 1)


def library_of(values: Array) -> Any:
    """NumPy or torch, whichever the values are of."""
    return np if isinstance(values, np.ndarray) else sys.modules["torch"]


def _arange(start: int, end: int, like: Array) -> Array:
    """Whole numbers where other values are."""
    if isinstance(like, np.ndarray):
        return np.arange(start, end)
    return library_of(like).arange(start, end, device=like.device)


def _single(values: Array) -> Array:
    """Values in float32."""
    return values.astype(np.float32) if isinstance(values, np.ndarray) else values.float()


def _double(values: Array) -> Array:
    """Values in float64."""
    return values.astype(np.float64) if isinstance(values, np.ndarray) else values.double()


def _log(values: Array) -> Array:
    """Logarithms of a few numbers; on the CPU NumPy takes microseconds where torch starts threads."""
    if isinstance(values, np.ndarray):
        return np.log(values)
    return library_of(values).from_numpy(np.log(values.numpy())) if values.device.type == "cpu" else values.log()
