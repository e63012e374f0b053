"""The pixel convention and everything that follows from it.

Coordinates are continuous: pixel ``j`` covers ``[j, j + 1)`` and its centre is ``j + 0.5``. A map of
stride ``s`` therefore has ``cell = floor(x / s)`` and ``point = (cell + 0.5) * s``; a mirror image is
``W - x``; resizing is a pure scale. ``align_corners=False`` agrees with all of it. Geometry travels as
one 3x3 matrix, original pixels to network pixels: each transform multiplies from the left and the
decoder inverts the product once.
"""

from __future__ import annotations

import numpy as np

_HALF = np.array([[1.0, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
_BACK = np.array([[1.0, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])


def scaling(x: float, y: float | None = None) -> np.ndarray:
    """Warp that multiplies x and y; one number scales both."""
    return np.diag([x, x if y is None else y, 1.0])


def translation(x: float, y: float) -> np.ndarray:
    """Warp that moves points by ``(x, y)`` pixels."""
    return np.array([[1.0, 0, x], [0, 1, y], [0, 0, 1]])


def rotation(degrees: float) -> np.ndarray:
    """Warp that turns points about the origin, from the x axis towards the y axis."""
    angle = np.deg2rad(degrees)
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1.0]])


def mirror(width: float) -> np.ndarray:
    """Warp of a left-right flip of an image ``width`` pixels wide: ``x`` becomes ``width - x``.

    >>> apply_warp(np.array([[0.5, 3.0]]), mirror(10))
    array([[9.5, 3. ]])
    """
    return np.array([[-1.0, 0, width], [0, 1, 0], [0, 0, 1]])


def crop_warp(center: tuple[float, float], side: float, size: tuple[int, int], degrees: float = 0.0) -> np.ndarray:
    """Warp of a turned square crop to the middle of an output of ``size``.

    Args:
        center: middle of the crop, image pixels x, y.
        side: side of the square that is to fill the output's shorter side, image pixels.
        size: ``(height, width)`` of the output.
        degrees: rotation of the contents.
    """
    height, width = size
    zoom = scaling(min(height, width) / side)
    return translation(width / 2, height / 2) @ rotation(degrees) @ zoom @ translation(-center[0], -center[1])


def apply_warp(points: np.ndarray, warp: np.ndarray) -> np.ndarray:
    """Points ``(..., 2)`` taken through a ``(3, 3)`` warp; the float type of ``points`` is kept."""
    return (points @ warp[:2, :2].T + warp[:2, 2]).astype(points.dtype, copy=False)


def pixel_index_warp(warp: np.ndarray) -> np.ndarray:
    """A warp for resamplers that put pixel centres at whole numbers, as OpenCV does.

    Args:
        warp: ``(3, 3)`` in this module's convention, where centres lie at halves.
    """
    return _BACK @ warp @ _HALF


def to_cell(points: np.ndarray, stride: float) -> np.ndarray:
    """Integer cells ``(..., 2) int64`` that hold the points ``(..., 2)`` of the input image."""
    return np.floor(points / stride).astype(np.int64)


def to_map(points: np.ndarray, stride: float) -> np.ndarray:
    """Input pixels to continuous map coordinates, where cell ``j`` covers ``[j, j + 1)``."""
    return points / stride


def to_input(points: np.ndarray, input_size: tuple[int, int], map_size: tuple[int, int]) -> np.ndarray:
    """Continuous map coordinates ``(..., 2)`` to input pixels; sizes are ``(height, width)``."""
    scale = np.array([input_size[1] / map_size[1], input_size[0] / map_size[0]])
    return points * scale


def round_up(value: float, multiple: int) -> int:
    """The smallest multiple that is not below ``value``, up to a rounding error.

    >>> round_up(512, 64), round_up(513, 64)
    (512, 576)
    """
    return max(1, int(np.ceil(value / multiple - 1e-6))) * multiple
