"""Which of several overlapping instances stay, or how much less they count; and how much poses overlap.

N instances of one image, K keypoints. An overlap is a number from 0 to 1 for every pair.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from aemm.records import Instances

POSES_OVERLAP = 0.7
"""Overlap of two poses above which they are taken for one person."""
SOFT_SIGMA = 0.5
"""Of Soft-NMS, as its authors chose it."""


def keep_apart(found: Instances, overlaps: np.ndarray, threshold: float, sigma: float | None = None) -> Instances:
    """Instances without those found twice, best score first.

    Args:
        found: N in one image.
        overlaps: ``(N, N)``; row i says how much every other one overlaps instance i.
        threshold: see :func:`suppress`.
        sigma: see :func:`soften`, by which none goes; None = the best alone stays.
    """
    if sigma is None:
        return found[suppress(overlaps, found.scores, threshold)]
    scores = soften(overlaps, found.scores, sigma).astype(found.scores.dtype)
    return replace(found, scores=scores)[np.argsort(-scores, kind="stable")]


def suppress(overlaps: np.ndarray, scores: np.ndarray, threshold: float) -> np.ndarray:
    """Which instances stay when each one removes those that overlap it and score less.

    Args:
        overlaps: ``(N, N)``; row i says how much every other one overlaps instance i.
        scores: ``(N,)``.
        threshold: an instance goes if its overlap with a better one that stays is above it.

    Returns:
        Rows that stay, ``int64``, best score first; equal scores keep their order.

    >>> suppress(np.array([[1, 0.9], [0.9, 1]]), np.array([0.3, 0.4]), 0.5)
    array([1])
    """
    order = np.argsort(-np.asarray(scores), kind="stable")
    near = overlaps > threshold
    alive, kept = np.ones(len(order), bool), []
    for row in order.tolist():
        if alive[row]:
            kept.append(row)
            alive &= ~near[row]
    return np.array(kept, np.int64)


def soften(overlaps: np.ndarray, scores: np.ndarray, sigma: float) -> np.ndarray:
    """Scores after each instance, the best one first, has lowered those that overlap it, and none removed them.

    Args:
        overlaps: ``(N, N)``; row i says how much every other one overlaps instance i.
        scores: ``(N,)``, not negative.
        sigma: a score is multiplied by exp(-overlap² / sigma).

    Returns:
        Scores ``(N,)`` in the order given.

    Reference: Bodla et al., Soft-NMS: improving object detection with one line of code (ICCV 2017), equation 3.
    """
    lowered = np.asarray(scores, float).copy()
    factors = np.exp(-np.square(overlaps) / sigma)
    waiting = np.ones(len(lowered), bool)
    for _ in range(len(lowered)):
        best = int(np.argmax(np.where(waiting, lowered, -np.inf)))
        waiting[best] = False
        lowered[waiting] *= factors[best, waiting]
    return lowered


def keypoint_areas(keypoints: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Areas ``(N,)`` of the boxes around keypoints ``(N, K, 2)`` that are ``present (N, K)``; 0 where none is."""
    shown = present[..., None]
    low = np.where(shown, keypoints, np.inf).min(1, initial=np.inf)
    high = np.where(shown, keypoints, -np.inf).max(1, initial=-np.inf)
    return np.where(present.any(1), np.prod(np.where(shown.any(1), high - low, 0.0), axis=1), 0.0)


def pose_overlaps(keypoints: np.ndarray, present: np.ndarray, sigmas: np.ndarray) -> np.ndarray:
    """How far every pose lies on every other one: object keypoint similarity between what was found.

    The mean goes over the keypoints of the pose that is compared; those that the other one lacks count as 0. A part of
    a person thus overlaps the whole by 1, and the whole the part by less. The area is the mean of both boxes.

    Args:
        keypoints: ``(N, K, 2)`` pixels.
        present: ``(N, K) bool``.
        sigmas: ``(K,)`` of the skeleton.

    Returns:
        ``(N, N)``; row i says how far every other pose lies on pose i, a pose without keypoints on none.

    Reference: cocodataset/cocoapi PythonAPI/pycocotools/cocoeval.py, computeOks; the areas of a pair as
    HRNet/deep-high-resolution-net lib/nms/nms.py, oks_iou, takes them.
    """
    areas = keypoint_areas(keypoints, present)
    pair_NN = (areas[:, None] + areas) / 2 + np.spacing(1)
    squared_NNK = np.square(keypoints[:, None] - keypoints).sum(3)
    near_NNK = np.exp(-squared_NNK / (2 * pair_NN[..., None] * np.square(2 * np.asarray(sigmas))))
    shared_NNK = present[:, None] & present
    return (near_NNK * shared_NNK).sum(2) / np.maximum(present.sum(1), 1)
