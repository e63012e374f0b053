"""What a model found as a COCO file: annotations for labelling tools to correct, or for aemm to read again."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from aemm.formats.coco import describe_categories, describe_truth
from aemm.formats.files import AnnotationError
from aemm.formats.values import KnownIds, is_id, is_text, is_whole, shown
from aemm.ops.boxes import keypoint_box
from aemm.records import DatasetInfo, ImageId, Instances, Truth

LISTS = ("images", "annotations", "categories")


class FoundSet:
    """Images and annotations of a COCO file, gathered one image after the other.

    Images are numbered from 1 as they come; ``file_name`` is what identified them, such as a path. Annotations carry
    a ``score`` beside COCO's keys, poses ``keypoint_scores``, too. The box and area of a pose are those of its
    keypoints.

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
        for n, (row, score) in enumerate(zip(rows, found.scores.tolist(), strict=True)):
            row["score"] = score
            if found.keypoint_scores is not None:
                row["keypoint_scores"] = found.keypoint_scores[n].tolist()
        self.annotations += rows

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


class SoughtImage(NamedTuple):
    """An image of a data set, as it is looked for in a file of :class:`FoundSet`.

    Attributes:
        image_id: of the data set.
        size: ``(height, width)``.
        folder: of the images.
        file_name: in it.
    """

    image_id: ImageId
    size: tuple[int, int]
    folder: str
    file_name: str


def results_of(path: str, data: Mapping[str, Any], sought: Sequence[SoughtImage], info: DatasetInfo) -> list[Any]:
    """The annotations of a file of :class:`FoundSet` as COCO's results of a data set.

    Its images are told by their files: those of the same path, or else of the same name in the folder of the images.

    Args:
        path: of the file, for messages.
        data: what it holds.
        sought: the images of the data set.
        info: of the data set; its categories are those of the file, in their order.

    Raises:
        AnnotationError: it is of other images, of some of them alone, or of other categories.
    """
    images, rows, categories = (data[key] for key in LISTS)
    faults = [f"images[{n}]: {fault}" for n, image in enumerate(images) if (fault := _image_fault(image))]
    wanted = info.category_ids or tuple(range(1, len(info.classes or ("person",)) + 1))
    if len(categories) != len(wanted):
        faults.append(f"categories: expected {len(wanted)}, as many as the data set has, got {len(categories)}")
    if faults:
        raise AnnotationError(path, faults)
    places = _Places(sought)
    found: dict[ImageId, ImageId] = {}
    for n, image in enumerate(images):
        one = places.find(image["file_name"])
        size = (image["height"], image["width"])
        if one is None:
            faults.append(f"images[{n}]: {image['file_name']!r} is no image of the data set; predict its images alone")
        elif size != one.size:
            told = f"{one.size[1]}x{one.size[0]} in the data set"
            faults.append(f"images[{n}]: {image['file_name']!r} is {size[1]}x{size[0]}, but {told}")
        else:
            found[image["id"]] = one.image_id
    met = set(found.values())
    if absent := [one.file_name for one in sought if one.image_id not in met]:
        listed = ", ".join(absent[:3]) + (", …" if len(absent) > 3 else "")
        faults.append(f"images: {len(absent)} of the data set's are not in it, such as {listed}; predict them, too")
    if len(met) < len(found):
        faults.append("images: some stand for the same image of the data set; predict each once")
    known = KnownIds("image_id", "images", (image["id"] for image in images))
    labels = {category.get("id"): key for category, key in zip(categories, wanted, strict=True)}
    faults += [f"annotations[{n}]: {fault}" for n, row in enumerate(rows) if (fault := known.fault(row))]
    if faults:
        raise AnnotationError(path, faults)
    return [_result(row, found[row["image_id"]], labels) for row in rows]


def _image_fault(image: Mapping[str, Any]) -> str | None:
    if not is_id(image.get("id")) or not is_text(image.get("file_name")):
        return f"expected id and file_name, got {shown(dict(image))}"
    if not is_whole(image.get("height")) or not is_whole(image.get("width")):
        return f"height and width must be whole numbers, got {shown(dict(image))}"
    return None


def _result(row: Mapping[str, Any], image_id: ImageId, labels: Mapping[Any, ImageId]) -> dict[str, Any]:
    """An annotation as a result of an image, the scores of its keypoints in the place of their visibility."""
    result = {**row, "image_id": image_id, "category_id": labels.get(row.get("category_id"), row.get("category_id"))}
    points, scores = row.get("keypoints"), row.get("keypoint_scores")
    if isinstance(points, list) and isinstance(scores, list) and len(points) == 3 * len(scores):
        result["keypoints"] = [value for k, s in enumerate(scores) for value in (points[3 * k], points[3 * k + 1], s)]
    return result


class _Places:
    """Images by their paths, and by their names in the folder of the images.

    Args:
        sought: the images.
    """

    def __init__(self, sought: Sequence[SoughtImage]) -> None:
        self.by_path = {os.path.realpath(os.path.join(one.folder, one.file_name)): one for one in sought}
        names = [_parts(one.file_name) for one in sought]
        often = Counter(names)
        self.by_name = {name: one for name, one in zip(names, sought, strict=True) if often[name] == 1}

    def find(self, name: str) -> SoughtImage | None:
        """The image that a path means; None where there is none, or several of this name."""
        if one := self.by_path.get(os.path.realpath(name)):
            return one
        parts = _parts(name)
        return next((one for n in range(len(parts)) if (one := self.by_name.get(parts[n:]))), None)


def _parts(name: str) -> tuple[str, ...]:
    return tuple(part for part in name.replace("\\", "/").split("/") if part not in ("", "."))
