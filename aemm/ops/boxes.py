"""Boxes of keypoints, bodies, heads and groups of people, and the square a single-person network looks at."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

PERSON_HEIGHT = 200
"""Pixels that a scale of 1 stands for in MPII."""
HEAD_SCALE = 0.6
"""MPII's head size is this much of the diagonal of the head rectangle."""

# reach of a body around its position, in heights: 95 % of the fully annotated people of the 350 validation groups
_BODY = np.array([-0.36, -0.54, 0.37, 0.66])


def keypoint_box(keypoints: np.ndarray, present: np.ndarray) -> np.ndarray | None:
    """The smallest box around the keypoints that are present.

    Args:
        keypoints: ``(K, 2)``.
        present: ``(K,) bool``.

    Returns:
        ``(4,)`` xyxy; None if there is none.
    """
    points = keypoints[present]
    return np.concatenate([points.min(0), points.max(0)]).astype(float) if len(points) else None


def person_square(box: np.ndarray, padding: float = 1.3, min_side: float = 60.0) -> tuple[tuple[float, float], float]:
    """Middle and side of the square around a box.

    Args:
        box: ``(4,)`` xyxy, pixels.
        padding: side of the square over the longer side of the box.
        min_side: the longer side counts as at least this many pixels.

    Reference: princeton-vl/pose-ae-demo main.py, refinement.

    >>> person_square(np.array([10.0, 20, 30, 120]))
    ((20.0, 70.0), 130.0)
    """
    x1, y1, x2, y2 = box.tolist()
    return ((x1 + x2) / 2, (y1 + y2) / 2), padding * max(x2 - x1, y2 - y1, min_side)


def body_box(position: Sequence[float], scale: float) -> np.ndarray:
    """Where a person of known position and scale is, ``(4,)`` xyxy in pixels."""
    return np.tile(np.asarray(position, float), 2) + _BODY * PERSON_HEIGHT * scale


def box_mask(box: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The pixels ``(H, W) bool`` that a box xyxy touches.

    >>> box_mask(np.array([0.5, 0, 2, 1]), (2, 3)).sum(1)
    array([2, 0])
    """
    inside = np.zeros(size, bool)
    x1, y1, x2, y2 = box.tolist()
    inside[max(0, math.floor(y1)) : max(0, math.ceil(y2)), max(0, math.floor(x1)) : max(0, math.ceil(x2))] = True
    return inside


def group_box(
    rectangle: Sequence[float], scale: float, margin: float, size: tuple[int, int]
) -> tuple[int, int, int, int]:
    """The crop for a group: its rectangle and a margin, kept inside the image.

    Args:
        rectangle: xyxy of the members' positions, pixels.
        scale: mean of the members' scales.
        margin: to every side, in heights of a person.
        size: ``(height, width)`` of the image.

    Returns:
        xyxy in whole pixels, at least one wide and high.
    """
    reach = margin * PERSON_HEIGHT * scale
    left, top = (int(np.floor(v - reach)) for v in rectangle[:2])
    right, bottom = (int(np.ceil(v + reach)) for v in rectangle[2:])
    x, y = min(max(left, 0), size[1] - 1), min(max(top, 0), size[0] - 1)
    return x, y, min(max(right, x + 1), size[1]), min(max(bottom, y + 1), size[0])


def head_sizes(boxes: np.ndarray) -> np.ndarray:
    """Head sizes ``(N,)`` of head rectangles ``(N, 4)`` xyxy.

    >>> head_sizes(np.array([[10.0, 10, 40, 50]]))
    array([30.])
    """
    return HEAD_SCALE * np.hypot(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
