"""Resampling of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from aemm.geometry import PixelConvention, resampling_warp

_STEPS = 32  # to a pixel; the originals' resampler knows no places in between
_FINE = 1024  # steps to a pixel of the sums from which it rounds
_BAND = 2**15  # places that are worked out at a time, so that they stay in the cache until they are used


class Grid(NamedTuple):
    """Where the pixels of a result ``(h, w)`` lie in a source: the sums of what a column and a row say.

    Attributes:
        columns: ``(2, w) float32``: x and y, in 1/1024 pixel.
        rows: ``(2, h) float32``: x and y, and half a step more, so that no place is halfway between two.
    """

    columns: np.ndarray
    rows: np.ndarray

    def places(self, band: slice = slice(None), nearest: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """The places of some rows.

        Args:
            band: of the rows.
            nearest: to whole pixels alone.

        Returns:
            ``(rows, w, 2) int16`` whole pixels x, y, and ``(rows, w) uint16`` what is left of both, in 1/32 pixel.
        """
        x, y = (np.add.outer(row[band], column) for row, column in zip(self.rows, self.columns, strict=True))
        return cv2.convertMaps(x, y, cv2.CV_16SC2, nninterpolation=nearest)

    def take(self, image: np.ndarray, fill: float = 0, interpolation: int = cv2.INTER_LINEAR) -> np.ndarray:
        """An image ``(H, W)`` or ``(H, W, channels)`` at these places; ``fill`` where it has no pixel."""
        return self.take_each([image], fill, interpolation)[0]

    def take_each(
        self, images: Sequence[np.ndarray], fill: float = 0, interpolation: int = cv2.INTER_LINEAR
    ) -> list[np.ndarray]:
        """Images of one size at these places, see :meth:`take`; the places are worked out once."""
        height, width = self.rows.shape[1], self.columns.shape[1]
        taken = [np.empty((height, width, *image.shape[2:]), image.dtype) for image in images]
        step = max(1, _BAND // max(1, width))
        for first in range(0, height, step):
            band = slice(first, first + step)
            cells, fractions = self.places(band, interpolation == cv2.INTER_NEAREST)
            for image, out in zip(images, taken, strict=True):
                cv2.remap(image, cells, fractions, interpolation, out[band], cv2.BORDER_CONSTANT, (fill,) * 4)
        return taken

    def outside(self, size: tuple[int, int]) -> np.ndarray:
        """Where a source of ``size``, height and width, has less than half a pixel: ``(h, w) bool``."""
        reach = 0.5 + 0.5 / _STEPS  # what rounds to half a pixel counts
        height, width = self.rows.shape[1], self.columns.shape[1]
        first, end = np.zeros(height, np.int64), np.full(height, width)
        for column, row, length in zip(self.columns, self.rows.astype(float), (size[1], size[0]), strict=True):
            low, high = _within(column, -reach - row, length - 1 + reach - row)
            first, end = np.maximum(first, low), np.minimum(end, high)
        if not first.any() and (end == width).all():
            return np.zeros((height, width), bool)
        kind = np.uint16 if width < 2**16 else np.uint32
        beyond = np.arange(width, dtype=kind) - first.astype(kind)[:, None]  # what lies before is counted from the top
        return beyond >= np.maximum(end - first, 0).astype(kind)[:, None]


def _within(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and end of the values that lie from ``low`` to ``high``, for each of these.

    Args:
        values: ``(w,)`` in ascending or descending order.
        low: ``(h,)``.
        high: ``(h,)``.
    """
    if len(values) and values[0] > values[-1]:
        first, end = _within(values[::-1], low, high)
        return len(values) - end, len(values) - first
    values = values.astype(low.dtype)
    return np.searchsorted(values, low), np.searchsorted(values, high, "right")


def resampling_grid(warp: np.ndarray, size: tuple[int, int], convention: PixelConvention = "continuous") -> Grid:
    """The places from which a warp takes the pixels of its result, in the fixed-point numbers of OpenCV 4.

    Its ``warpAffine``, by which published models were trained and tested, rounds places to 1/32 pixel;
    that of OpenCV 5 does not, and its pixels differ by a grey level in places. Places beyond 8192 pixels may be
    rounded to the next step.

    Args:
        warp: ``(3, 3)`` pixels of the source to pixels of the result.
        size: ``(height, width)`` of the result.
        convention: where the middles of pixels lie.
    """
    back = np.linalg.inv(resampling_warp(warp, convention))[:2]
    columns = np.rint(back[:, :1] * np.arange(size[1]) * _FINE)
    rows = np.rint((back[:, 1:2] * np.arange(size[0]) + back[:, 2:]) * _FINE) + 0.5
    return Grid((columns / _FINE).astype(np.float32), (rows / _FINE).astype(np.float32))


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
    return resampling_grid(warp, size, convention).take(image, fill, interpolation)


def look_up(pixels: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """What a table says of every value of images, in one pass.

    Args:
        pixels: ``(B, H, W, C) uint8``.
        levels: ``(C, 256)`` of any type, for each channel.

    Returns:
        ``(B, H, W, C)`` of the table's type.
    """
    rows = pixels.reshape(-1, pixels.shape[2], pixels.shape[3])  # OpenCV knows two axes and channels
    return cv2.LUT(rows, np.ascontiguousarray(levels.T)[None]).reshape(pixels.shape)


def coverage(mask: np.ndarray, stride: int) -> np.ndarray:
    """Share of every cell ``(H / stride, W / stride)`` that a mask ``(H, W) bool`` covers."""
    size = (mask.shape[1] // stride, mask.shape[0] // stride)
    return cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
