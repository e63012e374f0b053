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
    (a, b, x0), (c, d, y0) = np.linalg.inv(matrix)[:2]
    along, down = np.arange(size[1]), np.arange(size[0])[:, None]
    x = np.rint(a * along * 1024).astype(np.int64) + np.rint((b * down + x0) * 1024).astype(np.int64)
    y = np.rint(c * along * 1024).astype(np.int64) + np.rint((d * down + y0) * 1024).astype(np.int64)
    x, y = (x + 16) >> 5, (y + 16) >> 5  # 1/1024 to 1/32 pixel
    cells = np.stack([x >> 5, y >> 5], axis=-1).clip(-32768, 32767).astype(np.int16)
    return cells, ((y & 31) * 32 + (x & 31)).astype(np.uint16)
