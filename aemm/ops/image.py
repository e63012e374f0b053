"""Resampling of images."""

from __future__ import annotations

import cv2
import numpy as np

from aemm.geometry import PixelConvention, resampling_warp


def warp_image(
    image: np.ndarray,
    warp: np.ndarray,
    size: tuple[int, int],
    fill: float = 0,
    interpolation: int = cv2.INTER_LINEAR,
    convention: PixelConvention = "continuous",
) -> np.ndarray:
    """Resample an image through a warp.

    Args:
        image: ``(H, W)`` or ``(H, W, channels)``.
        warp: ``(3, 3)`` pixels of ``image`` to pixels of the result.
        size: ``(height, width)`` of the result.
        fill: value where the source has no pixel.
        interpolation: an OpenCV flag.
        convention: where the middles of pixels lie.
    """
    matrix = resampling_warp(warp, convention)
    height, width = size
    border = (fill,) * 4
    if convention in ("index", "newell"):
        cells, fractions = _fixed_point_grid(matrix, size)
        return cv2.remap(image, cells, fractions, interpolation, borderMode=cv2.BORDER_CONSTANT, borderValue=border)
    return cv2.warpAffine(
        image, matrix[:2], (width, height), flags=interpolation, borderMode=cv2.BORDER_CONSTANT, borderValue=border
    )


def coverage(mask: np.ndarray, stride: int) -> np.ndarray:
    """Share of every cell ``(H / stride, W / stride)`` that a mask ``(H, W) bool`` covers."""
    size = (mask.shape[1] // stride, mask.shape[0] // stride)
    return cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)


def _fixed_point_grid(matrix: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel of the result lies in the source, in the fixed-point numbers of OpenCV 4.

    Its ``warpAffine``, by which published models were trained and tested, rounds places to 1/32 pixel;
    that of OpenCV 5 does not, and its pixels differ by a grey level in places.

    Returns:
        ``(h, w, 2) int16`` pixels x, y and ``(h, w) uint16`` fractions, as ``cv2.remap`` takes them.
    """
    cells = np.empty((*size, 2), np.int16)
    fractions = np.zeros(size, np.uint16)
    along, down = np.arange(size[1]), np.arange(size[0])
    for axis, (by_x, by_y, start) in enumerate(np.linalg.inv(matrix)[:2]):
        columns, rows = np.rint(by_x * along * 1024), np.rint((by_y * down + start) * 1024) + 16
        far = np.abs(columns).max() + np.abs(rows).max()
        place = np.add.outer(
            rows.astype(np.int64), columns.astype(np.int64), dtype=np.int32 if far < 2**31 else np.int64
        )
        place >>= 5  # 1/1024 to 1/32 pixel
        fraction = (place & 31).astype(np.uint16)
        fractions += fraction if axis == 0 else fraction << 5
        place >>= 5
        if far >= 2**25:  # beyond what 16 bits hold
            np.clip(place, -32768, 32767, out=place)
        cells[..., axis] = place
    return cells, fractions
