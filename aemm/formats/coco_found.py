"""What a model found as a COCO file: annotations for labelling tools to correct, or for aemm to read again."""

from __future__ import annotations

from typing import Any

import numpy as np

from aemm.formats.coco import describe_categories, describe_truth
from aemm.ops.boxes import keypoint_box
from aemm.records import DatasetInfo, Instances, Truth


class FoundSet:
    """Images and annotations of a COCO file, gathered one image after the other.

    Images are numbered from 1 as they come; ``file_name`` is what identified them, such as a path. Annotations carry
    a ``score`` beside COCO's keys. The box and area of a pose are those of its keypoints.

    Args:
        info: keypoint set, or classes.
    """

    def __init__(self, info: DatasetInfo) -> None:
        self.info = info
        self.images: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []

    def add(self, found: Instances) -> None:
        """Add the instances of an image."""
        number = len(self.images) + 1
        height, width = found.image_size
        self.images.append({"id": number, "file_name": str(found.image_id), "height": height, "width": width})
        rows = describe_truth(_as_truth(found, number), len(self.annotations), self.info)
        self.annotations += [row | {"score": score} for row, score in zip(rows, found.scores.tolist(), strict=True)]

    def to_dict(self) -> dict[str, Any]:
        """The whole file in plain types."""
        return {"images": self.images, "annotations": self.annotations, "categories": describe_categories(self.info)}


def _as_truth(found: Instances, number: int) -> Truth:
    if found.keypoints is None:
        return Truth(number, found.image_size, masks=found.masks, labels=found.labels)
    keypoints, scores = found.need_keypoints()
    nowhere = np.zeros(4)
    boxes = [keypoint_box(p, s > 0) for p, s in zip(keypoints, scores, strict=True)]
    corners = np.array([nowhere if box is None else box for box in boxes]).reshape(-1, 4)
    area = (corners[:, 2:] - corners[:, :2]).prod(1).clip(1)  # of one keypoint, too
    visible = np.where(scores > 0, 2, 0)
    return Truth(number, found.image_size, keypoints=keypoints, visible=visible, boxes=corners, area=area)
