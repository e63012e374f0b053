"""Boxes of found or annotated keypoints, and the square a single-person network looks at."""

from __future__ import annotations

import numpy as np


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
