"""Results in COCO's format as they are read: what a model found, without the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from aemm.formats.coco_found import LISTS, SoughtImage, results_of
from aemm.formats.files import AnnotationError, read_rows
from aemm.formats.segmentation import region_mask, segmentation_faults
from aemm.formats.values import KnownIds, are_numbers, identifier, is_id, is_number, repeated, shown
from aemm.records import DatasetInfo, ImageId, Instances, Mask

_NOWHERE = np.zeros(4)  # a box that nobody asks for: every result has a segmentation


def read_results(
    path: str,
    sizes: Sequence[tuple[ImageId, tuple[int, int]]],
    info: DatasetInfo,
    files: Sequence[SoughtImage] | None = None,
) -> list[Instances]:
    """What a json file of results says of the images of a data set; an image that it does not name has no instance.

    A keypoint with score 0 is absent, as :func:`aemm.formats.coco.write_results` writes it.

    Args:
        path: of the file: a list of objects with image_id, category_id, score, and keypoints or segmentation; or a
            COCO file of predictions, see :class:`aemm.formats.coco_found.FoundSet`.
        sizes: identifier and ``(height, width)`` of every image.
        info: of the data set; with a skeleton the results are keypoints, without one masks.
        files: of the same images, by which a COCO file tells them; None where the data set has none.

    Returns:
        One entry for each image, in their order.

    Raises:
        FileNotFoundError: there is no such file.
        AnnotationError: it holds other things, or results of another data set.
        ValueError: an identifier stands for several images, so that results cannot be told apart.
    """
    if twice := repeated([key for key, _ in sizes]):
        raise ValueError(
            f"{len(twice)} image ids, such as {twice[0]!r}, stand for several images of the data set, whose results "
            f"cannot be told apart in {path}; evaluate one annotation file at a time"
        )
    known, rows = dict(sizes), read_rows(path, LISTS)
    if isinstance(rows, dict):
        if files is None:
            told = "it is a COCO file, whose images are told by their files, but the data set has no annotation file"
            raise AnnotationError(path, [f"{told}; aemm test --dump NAME.json writes results of it"])
        rows = results_of(path, rows, files, info)
    images = KnownIds("image_id", f"{len(known)} images of the data set", known)
    check = _Check(info, known)
    faults = []
    of_image: dict[ImageId, list[Mapping[str, Any]]] = {key: [] for key in known}
    for n, row in enumerate(rows):
        fault = images.fault(row) or check.fault(row)
        if fault:
            faults.append(f"results[{n}]: {fault}")
        else:
            of_image[identifier(row["image_id"])].append(row)
    if faults:
        raise AnnotationError(path, faults)
    return [check.instances(key, size, of_image[key]) for key, size in sizes]


class _Check:
    """What the rows of one data set may hold, and what they become.

    Args:
        info: of the data set.
        sizes: of its images.
    """

    def __init__(self, info: DatasetInfo, sizes: Mapping[ImageId, tuple[int, int]]) -> None:
        self.skeleton, self.sizes = info.skeleton, sizes
        ids = info.category_ids or tuple(range(1, max(1, len(info.classes)) + 1))
        self.labels = {key: label for label, key in enumerate(ids)}

    def fault(self, row: Mapping[str, Any]) -> str | None:
        """What is wrong with a row of an image that is known."""
        category = row.get("category_id")
        if not is_id(category) or identifier(category) not in self.labels:
            expected = ", ".join(map(repr, list(self.labels)[:6])) + (", …" if len(self.labels) > 6 else "")
            return f"category_id must be one of the data set's, {expected}, got {shown(category)}"
        if not is_number(row.get("score")):
            return f"score must be a finite number, got {shown(row.get('score'))}"
        return self._mask_fault(row) if self.skeleton is None else self._keypoint_fault(row)

    def _keypoint_fault(self, row: Mapping[str, Any]) -> str | None:
        assert self.skeleton is not None
        values, count = row.get("keypoints"), len(self.skeleton)
        if not are_numbers(values):
            return f"keypoints must be a list of finite numbers, got {shown(values)}"
        if len(values) != 3 * count:
            return (
                f"keypoints must be x, y, score of the {count} keypoints of skeleton {self.skeleton.name!r}, "
                f"{3 * count} numbers, got {len(values)}"
            )
        return None

    def _mask_fault(self, row: Mapping[str, Any]) -> str | None:
        if not row.get("segmentation"):
            return "segmentation is missing; results of masks hold run lengths or polygons"
        faults = segmentation_faults(row["segmentation"], self.sizes[identifier(row["image_id"])])
        return "; ".join(faults) or None

    def instances(self, key: ImageId, size: tuple[int, int], rows: Sequence[Mapping[str, Any]]) -> Instances:
        """The checked rows of one image."""
        scores = np.array([row["score"] for row in rows], float)
        labels = np.array([self.labels[identifier(row["category_id"])] for row in rows], np.int64)
        if self.skeleton is None:
            masks: list[Mask] = [region_mask(row["segmentation"], _NOWHERE, size) for row in rows]
            return Instances(key, size, scores, masks=masks, labels=labels)
        wide = np.array([row["keypoints"] for row in rows], float).reshape(len(rows), len(self.skeleton), 3)
        narrow = wide.astype(np.float32)  # as decoders compute them; then figures repeat to the last digit
        values = narrow if (narrow == wide).all() else wide
        present = values[..., 2:] != 0
        return Instances(key, size, scores, keypoints=values[..., :2] * present, keypoint_scores=values[..., 2])
