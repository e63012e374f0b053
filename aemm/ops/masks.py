"""Instance masks as run lengths, so that thousands of images fit into memory, and what is computed on them.

A mask is a dict ``{"size": [H, W], "counts": str}`` as pycocotools writes it, with text in place of
bytes, so that it can go into json as it is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pycocotools import mask as rle

from aemm.ops.run_lengths import encode_mask, encode_parts
from aemm.ops.suppression import suppress
from aemm.records import Instances, Mask

__all__ = [
    "decode_masks",
    "encode_mask",
    "encode_masks",
    "mask_areas",
    "mask_boxes",
    "mask_iou",
    "mask_nms",
    "merge_proposals",
]


def encode_masks(masks: np.ndarray) -> list[Mask]:
    """Masks ``(N, H, W)`` as run lengths."""
    return encode_parts([(mask, (0, 0)) for mask in masks], masks.shape[1:])


def decode_masks(masks: Sequence[Mask], size: tuple[int, int]) -> np.ndarray:
    """Run lengths as ``(N, H, W) bool``.

    Args:
        masks: N encodings.
        size: ``(H, W)``, which the result has also when there is no mask.
    """
    if not masks:
        return np.zeros((0, *size), bool)
    return np.moveaxis(rle.decode(list(masks)), 2, 0).astype(bool)


def decode_union(masks: Sequence[Mask], size: tuple[int, int]) -> np.ndarray:
    """Where any of the run lengths is, ``(H, W) bool``, decoded once.

    Args:
        masks: N encodings.
        size: ``(H, W)``, which the result has also when there is no mask.
    """
    return decode_masks([rle.merge(list(masks))], size)[0] if masks else np.zeros(size, bool)


def mask_areas(masks: Sequence[Mask]) -> np.ndarray:
    """Pixels ``(N,) int64`` of every mask."""
    return rle.area(list(masks)).astype(np.int64) if masks else np.zeros(0, np.int64)


def mask_boxes(masks: Sequence[Mask]) -> np.ndarray:
    """Boxes ``(N, 4)`` xyxy around every mask; an empty one has a box of zeros."""
    boxes = np.array([rle.toBbox(mask) for mask in masks], float).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return boxes


def mask_iou(found: Sequence[Mask], truth: Sequence[Mask]) -> np.ndarray:
    """Intersection over union ``(N, M)`` of all pairs; an empty list gives an empty side."""
    if not found or not truth:
        return np.zeros((len(found), len(truth)))
    return np.asarray(rle.iou(list(found), list(truth), np.zeros(len(truth), np.uint8)))


def mask_nms(
    masks: Sequence[Mask], scores: np.ndarray, labels: np.ndarray | None = None, threshold: float = 0.5
) -> np.ndarray:
    """Which masks stay when each one removes those that overlap it and score less.

    Args:
        masks: N masks of one image.
        scores: ``(N,)``.
        labels: ``(N,)``; masks of different classes leave each other alone. None = one class.
        threshold: a mask goes if its intersection over union with a better one is above it.

    Returns:
        Rows that stay, ``int64``, best score first; equal scores keep their order.
    """
    return suppress(mask_overlaps(masks, labels), scores, threshold)


def mask_overlaps(masks: Sequence[Mask], labels: np.ndarray | None = None) -> np.ndarray:
    """Intersection over union ``(N, N)`` of the masks of one image; 0 between classes, if ``labels (N,)`` are given."""
    overlaps = mask_iou(masks, masks)
    return overlaps if labels is None else overlaps * (labels[:, None] == labels)


def merge_proposals(views: Sequence[Instances], threshold: float = 0.5, max_instances: int | None = None) -> Instances:
    """Proposals of one image, found at several scales, without those that overlap better ones.

    Tags of different views cannot be compared, so the result has none.

    Args:
        views: what was found in each view, masks at the original image's size.
        threshold: of the intersection over union, see :func:`mask_nms`.
        max_instances: how many stay at most, the best by score; None = all.

    Raises:
        ValueError: there is no view, the views show different images, or one has no masks.

    Reference: Newell et al. 2017, section 4.2 (instance segmentation).
    """
    if not views:
        raise ValueError("views must hold at least one Instances, got none")
    if len({(view.image_id, tuple(view.image_size)) for view in views}) > 1:
        raise ValueError(f"views must show one image, got image_ids {[view.image_id for view in views]}")
    if any(view.masks is None or view.labels is None for view in views):
        raise ValueError(
            f"image {views[0].image_id}: views must have masks and labels; does InstanceDecoder make them?"
        )
    masks = [mask for view in views for mask in view.masks or ()]
    scores = np.concatenate([view.scores for view in views])
    labels = np.concatenate([view.labels for view in views])
    rows = mask_nms(masks, scores, labels, threshold)[:max_instances]
    kept = [masks[row] for row in rows]
    return Instances(views[0].image_id, views[0].image_size, scores[rows], masks=kept, labels=labels[rows])
