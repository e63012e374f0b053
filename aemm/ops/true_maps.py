"""Maps as a perfect network would draw them, for analyses and tests: heatmaps and tags from what is annotated.

Letters: N instances, K keypoints, C classes, ``h, w`` map cells.
"""

from __future__ import annotations

import numpy as np

from aemm.geometry import is_mirrored, to_map
from aemm.ops.heatmap import TargetStyle, draw_gaussians
from aemm.ops.image import coverage
from aemm.structures import Sample

APART = 10.0  # between the tags of two people: far beyond any threshold of grouping
NOBODY = -100.0  # further from everybody than they are from each other


def true_heatmaps(
    sample: Sample, size: tuple[int, int], sigma: float | None = None, style: TargetStyle = "unbiased"
) -> np.ndarray:
    """Heatmaps ``(K, h, w)`` of the people of a sample.

    Args:
        sample: with keypoints.
        size: ``(h, w)`` of the maps in cells.
        sigma: of the Gaussians in cells; None = longer side of the map / 64.
        style: see :func:`aemm.ops.heatmap.draw_gaussians`.
    """
    points, valid = on_map(sample, size)
    return draw_gaussians(points, valid, size, max(size) / 64 if sigma is None else sigma, style)


def true_tags(sample: Sample, size: tuple[int, int]) -> np.ndarray:
    """Tags ``(K, h, w)``: at every cell that of the person whose keypoint is nearest, :data:`APART` times its row.

    Where no person has the keypoint, all cells are nobody's.

    Args:
        sample: with keypoints.
        size: ``(h, w)`` of the maps in cells.
    """
    points, valid = on_map(sample, size)
    if not len(points):
        return np.full((points.shape[1], *size), NOBODY, np.float32)
    y, x = (np.arange(cells, dtype=np.float32) + 0.5 for cells in size)
    square = ((y - points[..., 1:]) ** 2)[..., None] + ((x - points[..., :1]) ** 2)[:, :, None]  # (N, K, h, w)
    square[~valid] = np.inf
    known = np.any(valid, axis=0).reshape(-1, 1, 1)
    return np.where(known, square.argmin(0) * APART, NOBODY).astype(np.float32)


def tag_spots(tag_index: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Tags ``(T, h, w)``: three cells around each place where a tag is read that of its owner, else nobody's.

    Args:
        tag_index: ``(N, P)`` flat into ``shape``, -1 = absent; row n has the tag :data:`APART` times n.
        shape: ``(T, h, w)``.
    """
    tags = np.full(shape, NOBODY, np.float32)
    rows, places = np.nonzero(tag_index >= 0)
    channels, down, across = np.unravel_index(tag_index[rows, places], shape)
    for reach in (3, 1, 0):  # where people meet, the nearer place has the cell
        for n, k, y, x in zip(rows, channels, down, across, strict=True):
            tags[k, max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1] = APART * n
    return tags


def true_coverage(masks: np.ndarray, labels: np.ndarray, num_classes: int, stride: int) -> np.ndarray:
    """Heatmaps ``(C, h, w)``: the part of every cell that the instances of a class cover together.

    Args:
        masks: ``(N, H, W) bool``.
        labels: ``(N,)``.
        num_classes: C.
        stride: pixels per cell.
    """
    found = np.zeros((num_classes, masks.shape[1] // stride, masks.shape[2] // stride), np.float32)
    for label in np.unique(labels):
        found[label] = coverage(masks[labels == label].any(0), stride)
    return found


def true_mask_tags(
    masks: np.ndarray, labels: np.ndarray, tags: np.ndarray, num_classes: int, stride: int
) -> np.ndarray:
    """Tags ``(C, h, w)``: at every cell that of the instance of the class that covers most of it; 0 without any.

    Args:
        masks: ``(N, H, W) bool``.
        labels: ``(N,)``.
        tags: ``(N,)`` of the instances.
        num_classes: C.
        stride: pixels per cell.
    """
    found = np.zeros((num_classes, masks.shape[1] // stride, masks.shape[2] // stride), np.float32)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        shares = np.stack([coverage(masks[row], stride) for row in rows])
        found[label] = tags[rows[shares.argmax(0)]]
    return found


def on_map(sample: Sample, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Map coordinates ``(N, K, 2)`` of a sample's keypoints, and which are annotated, ``(N, K) bool``."""
    keypoints, visible = sample.need_keypoints()
    points = to_map(keypoints, sample.image.shape[:2], size, sample.convention, is_mirrored(sample.warp))
    return points, np.asarray(visible > 0)
