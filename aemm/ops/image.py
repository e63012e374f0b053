"""Resampling of images."""

from __future__ import annotations

import cv2
import numpy as np

from aemm.geometry import pixel_index_warp


def warp_image(
    image: np.ndarray,
    warp: np.ndarray,
    size: tuple[int, int],
    fill: float = 0,
    interpolation: int = cv2.INTER_LINEAR,
) -> np.ndarray:
    """Resample an image through a warp.

    Args:
        image: ``(H, W)`` or ``(H, W, channels)``.
        warp: ``(3, 3)`` pixels of ``image`` to pixels of the result.
        size: ``(height, width)`` of the result.
        fill: value where the source has no pixel.
        interpolation: an OpenCV flag.
    """
    matrix = pixel_index_warp(warp)[:2]
    height, width = size
    border = (fill,) * 4
    return cv2.warpAffine(
        image, matrix, (width, height), flags=interpolation, borderMode=cv2.BORDER_CONSTANT, borderValue=border
    )
