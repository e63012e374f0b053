"""Resampling of images."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from aemm.geometry import PixelConvention, resampling_warp

_STEPS = 32  # to a pixel; the originals' resampler knows no places in between
_FINE = 1024  # steps to a pixel of the sums from which it rounds


class Grid(NamedTuple):
    """Where the pixels of a result ``(h, w)`` lie in a source, which several images of one size may share.

    Attributes:
        x: ``(h, w) float32`` columns, in 1/1024 pixel and half a step more, so that no place is halfway between two.
        y: ``(h, w) float32`` rows.
        cells: ``(h, w, 2) int16`` whole pixels x, y.
        fractions: ``(h, w) uint16``: what is left of x and y, in 1/32 pixel.
    """

    x: np.ndarray
    y: np.ndarray
    cells: np.ndarray
    fractions: np.ndarray

    def take(self, image: np.ndarray, fill: float = 0, interpolation: int = cv2.INTER_LINEAR) -> np.ndarray:
        """An image ``(H, W)`` or ``(H, W, channels)`` at these places; ``fill`` where it has no pixel."""
        cells, fractions = self.cells, self.fractions
        if interpolation == cv2.INTER_NEAREST:
            cells, fractions = cv2.convertMaps(self.x, self.y, cv2.CV_16SC2, nninterpolation=True)
        return cv2.remap(
            image, cells, fractions, interpolation, borderMode=cv2.BORDER_CONSTANT, borderValue=(fill,) * 4
        )

    def outside(self, size: tuple[int, int]) -> np.ndarray:
        """Where a source of ``size``, height and width, has less than half a pixel: ``(h, w) bool``."""
        reach = 0.5 + 0.5 / _STEPS  # what rounds to half a pixel counts
        across = cv2.inRange(self.x, -reach, size[1] - 1 + reach)
        down = cv2.inRange(self.y, -reach, size[0] - 1 + reach)
        return np.equal(cv2.bitwise_and(across, down), 0)


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
    along, down = np.arange(size[1]), np.arange(size[0])
    places = []
    for by_x, by_y, start in np.linalg.inv(resampling_warp(warp, convention))[:2]:
        columns, rows = np.rint(by_x * along * _FINE), np.rint((by_y * down + start) * _FINE) + 0.5
        places.append(np.add.outer((rows / _FINE).astype(np.float32), (columns / _FINE).astype(np.float32)))
    x, y = places
    cells, fractions = cv2.convertMaps(x, y, cv2.CV_16SC2)
    return Grid(x, y, cells, fractions)


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


def coverage(mask: np.ndarray, stride: int) -> np.ndarray:
    """Share of every cell ``(H / stride, W / stride)`` that a mask ``(H, W) bool`` covers."""
    size = (mask.shape[1] // stride, mask.shape[0] // stride)
    return cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
