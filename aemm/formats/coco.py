"""COCO's json files: keypoints and instance masks read into flat arrays, results and whole sets written.

Letters: I images, N instances of one image, A annotations of a file, K keypoints, ``H, W`` pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from aemm.formats.coco_checks import (
    CategoryChoice,
    check_instance_file,
    check_keypoint_file,
    keypoint_categories,
)
from aemm.formats.files import read_json, write_json
from aemm.formats.image_folder import ImageFolder
from aemm.formats.segmentation import Regions, plain_counts, region_mask
from aemm.ops.boxes import head_sizes
from aemm.ops.masks import decode_masks, mask_areas, mask_boxes
from aemm.records import DatasetInfo, ImageId, Instances, Mask, Truth
from aemm.skeletons import Skeleton

LISTS = ("images", "annotations", "categories")


class ImageEntry(NamedTuple):
    """One image of a file.

    Attributes:
        image_id: as the file names it.
        file_name: relative to the folder of the images.
        size: ``(height, width)``.
        crowd_index: 0 to 1, where the file gives it.
    """

    image_id: ImageId
    file_name: str
    size: tuple[int, int]
    crowd_index: float | None = None


def image_entry(image: Mapping[str, Any]) -> ImageEntry:
    """A checked entry of the list of images."""
    size = (int(image["height"]), int(image["width"]))
    return ImageEntry(image["id"], image["file_name"], size, image.get("crowdIndex"))


class _Grouped:
    """The annotations of a file, image by image, each image's in the order of the file.

    Args:
        images: entries of the images.
        annotations: those that take part.
    """

    def __init__(self, images: Sequence[Mapping[str, Any]], annotations: Sequence[Mapping[str, Any]]) -> None:
        self.images = [
            ImageEntry(i["id"], i["file_name"], (int(i["height"]), int(i["width"])), i.get("crowdIndex"))
            for i in images
        ]
        place = {image["id"]: n for n, image in enumerate(images)}
        of_image = np.array([place[a["image_id"]] for a in annotations], np.int64)
        order = np.argsort(of_image, kind="stable")
        self.rows = [annotations[n] for n in order.tolist()]
        self.first = np.searchsorted(of_image[order], np.arange(len(images) + 1))


class KeypointFile:
    """The people (or other objects with keypoints) of a COCO-format file, checked and laid out flat.

    Args:
        path: of the file, for messages and ``Truth.part``.
        grouped: its images and the annotations that take part.
        info: keypoint set and category.
        area_per_box: area of an instance for which the file gives none, as a share of its box.

    Attributes:
        images: I entries.
        info: keypoint set and category.
        keypoints: ``(A, K, 2)``.
        visible: ``(A, K) uint8``.
        area: ``(A,)``.
        boxes: ``(A, 4)`` xyxy.
        crowd: ``(A,) bool``.
        head_sizes: ``(A,)`` pixels, NaN for a person without a head box; None where nobody has one.
        ids: A identifiers of annotations.
    """

    def __init__(self, path: str, grouped: _Grouped, info: DatasetInfo, area_per_box: float = 1.0) -> None:
        self.path, self.images, self.info = path, grouped.images, info
        self._first = grouped.first
        count, rows = len(info.need_skeleton(path)), grouped.rows
        points = np.zeros((len(rows), count, 3))
        for row, annotation in zip(points, rows, strict=True):
            if annotation.get("keypoints"):
                row[:] = np.reshape(annotation["keypoints"], (count, 3))
        self.keypoints, self.visible = _compact(points[..., :2]), points[..., 2].astype(np.uint8)
        self.crowd = np.array([bool(a.get("iscrowd")) for a in rows], bool)
        self.boxes = np.array([_box(a, p) for a, p in zip(rows, points, strict=True)], float).reshape(-1, 4)
        sides = self.boxes[:, 2:] - self.boxes[:, :2]
        given = [a.get("area") or None for a in rows]
        boxed = (area_per_box * sides.prod(1)).tolist()
        self.area = np.array([b if a is None else a for a, b in zip(given, boxed, strict=True)], float)
        heads = np.array([a.get("head_box") or [np.nan] * 4 for a in rows], float).reshape(-1, 4)
        self.head_sizes = head_sizes(heads) if np.isfinite(heads).any() else None
        self.ids = [a["id"] for a in rows]
        self._regions = Regions(
            None if known else a.get("segmentation") for a, known in zip(rows, self.annotated, strict=True)
        )

    @property
    def annotated(self) -> np.ndarray:
        """Which of the A annotations have keypoints of their own to learn from."""
        return ~self.crowd & (self.visible > 0).any(1)

    def rows(self, i: int) -> slice:
        """The annotations of image ``i``."""
        return slice(int(self._first[i]), int(self._first[i + 1]))

    def region(self, row: int, size: tuple[int, int]) -> np.ndarray:
        """Where an annotation without keypoints lies, ``(H, W) bool``: its polygons, its run lengths, or its box."""
        return decode_masks([region_mask(self._regions[row], self.boxes[row], size)], size)[0]

    def truth(self, i: int) -> Truth:
        """What the file says of image ``i``."""
        image, rows = self.images[i], self.rows(i)
        return Truth(
            image_id=image.image_id,
            image_size=image.size,
            part=self.path,
            keypoints=self.keypoints[rows],
            visible=self.visible[rows],
            labels=np.zeros(rows.stop - rows.start, np.int64),
            area=self.area[rows],
            boxes=self.boxes[rows],
            crowd=self.crowd[rows],
            head_sizes=None if self.head_sizes is None else self.head_sizes[rows],
            crowd_index=image.crowd_index,
        )


def _compact(values: np.ndarray) -> np.ndarray:
    """The same values in float32 where nothing is lost by it, as with whole numbers of pixels."""
    small = values.astype(np.float32)
    return small if np.array_equal(small, values) else values


def _box(annotation: Mapping[str, Any], points: np.ndarray) -> list[float]:
    """Box xyxy of an annotation; that of its keypoints where it has none of its own."""
    if annotation.get("bbox"):
        x, y, width, height = annotation["bbox"]
        return [x, y, x + width, y + height]
    seen = points[points[:, 2] > 0, :2]
    return [*seen.min(0), *seen.max(0)] if len(seen) else [0.0] * 4


def read_keypoints(
    path: str,
    folder: ImageFolder,
    skeleton: Skeleton,
    choice: CategoryChoice | None = None,
    area_per_box: float | None = None,
) -> KeypointFile:
    """A keypoint file, checked as a whole.

    Args:
        path: of the json file.
        folder: where the images are.
        skeleton: the keypoint set it must hold.
        choice: which category is meant, and what to do about the order of its keypoints.
        area_per_box: take this share of the box for the area where the file gives none; None = the file
            must give areas.

    Raises:
        FileNotFoundError: there is no such file.
        AnnotationError: listing every fault.
    """
    return select_keypoints(path, read_json(path, LISTS), folder, skeleton, choice, area_per_box)[0]


def select_keypoints(
    path: str,
    data: dict[str, Any],
    folder: ImageFolder,
    skeleton: Skeleton,
    choice: CategoryChoice | None = None,
    area_per_box: float | None = None,
) -> tuple[KeypointFile, list[Mapping[str, Any]]]:
    """As :func:`read_keypoints`, of a file that is read already, and its annotations in the order of the arrays."""
    choice = choice or CategoryChoice()
    check_keypoint_file(path, data, skeleton, folder, choice, needs_area=area_per_box is None)
    found = keypoint_categories(data, skeleton, choice)
    if found.order is not None:
        for annotation in data["annotations"]:
            if annotation["category_id"] in found.ids and annotation.get("keypoints"):
                points = np.reshape(annotation["keypoints"], (-1, 3))
                annotation["keypoints"] = points[found.order].ravel().tolist()
    grouped = _Grouped(data["images"], [a for a in data["annotations"] if a["category_id"] in found.ids])
    info = DatasetInfo(Path(path).stem, skeleton, (found.name,), (found.ids[0],))
    return KeypointFile(path, grouped, info, 1.0 if area_per_box is None else area_per_box), grouped.rows


class InstanceFile:
    """The instance masks of a COCO-format file, checked and laid out flat.

    Args:
        path: of the file, for messages and ``Truth.part``.
        grouped: its images and the annotations that take part.
        info: classes and categories.

    Attributes:
        images: I entries.
        info: classes and categories.
        labels: ``(A,) int64``.
        crowd: ``(A,) bool``.
        area: ``(A,)``; NaN where the file gives none.
    """

    def __init__(self, path: str, grouped: _Grouped, info: DatasetInfo) -> None:
        self.path, self.images, self.info = path, grouped.images, info
        self._first = grouped.first
        label_of = {key: label for label, key in enumerate(info.category_ids)}
        self.labels = np.array([label_of[a["category_id"]] for a in grouped.rows], np.int64)
        self.crowd = np.array([bool(a.get("iscrowd")) for a in grouped.rows], bool)
        self.area = np.array([np.nan if a.get("area") is None else a["area"] for a in grouped.rows], float)
        boxes = np.array([a.get("bbox") or [0.0] * 4 for a in grouped.rows], float).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        self.boxes = boxes
        self._regions = Regions(a["segmentation"] for a in grouped.rows)

    def rows(self, i: int) -> slice:
        """The annotations of image ``i``."""
        return slice(int(self._first[i]), int(self._first[i + 1]))

    def masks(self, i: int) -> list[Mask]:
        """The masks of image ``i``, crowds included."""
        rows, size = self.rows(i), self.images[i].size
        return [region_mask(self._regions[row], self.boxes[row], size) for row in range(rows.start, rows.stop)]

    def truth(self, i: int) -> Truth:
        """What the file says of image ``i``."""
        image, rows, masks = self.images[i], self.rows(i), self.masks(i)
        area = self.area[rows]
        return Truth(
            image_id=image.image_id,
            image_size=image.size,
            part=self.path,
            masks=masks,
            labels=self.labels[rows],
            area=np.where(np.isnan(area), mask_areas(masks), area),
            boxes=self.boxes[rows],
            crowd=self.crowd[rows],
        )


def read_instances(
    path: str, folder: ImageFolder, choose: Callable[[Sequence[str]], Sequence[str]] = lambda names: names
) -> InstanceFile:
    """A file of instance masks, checked as a whole.

    Args:
        path: of the json file.
        folder: where the images are.
        choose: from the names of all categories to those that take part, in the order of the labels.

    Raises:
        FileNotFoundError: there is no such file.
        AnnotationError: listing every fault.
    """
    data = read_json(path, LISTS)
    check_instance_file(path, data, folder)
    ids = {category["name"]: category["id"] for category in data["categories"]}
    names = list(choose(list(ids)))
    info = DatasetInfo(Path(path).stem, None, tuple(names), tuple(ids[name] for name in names))
    taking_part = [a for a in data["annotations"] if a["category_id"] in info.category_ids]
    return InstanceFile(path, _Grouped(data["images"], taking_part), info)


def write_results(path: str | Path, found: Iterable[Instances], info: DatasetInfo) -> None:
    """Write predictions in COCO's result format, keypoints or masks.

    Args:
        path: of the json file; missing folders are made.
        found: of every image.
        info: of the data set.

    Raises:
        ValueError: a label is none of the classes.
        OSError: the file cannot be written.
    """
    rows: list[dict[str, Any]] = []
    for image in found:
        keypoints = None if image.keypoints is None else image.keypoint_rows()
        for n, score in enumerate(image.scores.tolist()):
            row: dict[str, Any] = {"image_id": image.image_id, "category_id": _category(info, image, n)}
            if keypoints is not None:
                row["keypoints"] = keypoints[n]
            if image.masks is not None:
                row["segmentation"] = image.masks[n]
            rows.append(row | {"score": score})
    write_json(path, rows)


def _category(info: DatasetInfo, image: Instances, n: int) -> ImageId:
    label = 0 if image.labels is None else int(image.labels[n])
    if not info.category_ids:
        return label + 1
    if not 0 <= label < len(info.category_ids):
        raise ValueError(
            f"image {image.image_id}: labels must be in 0..{len(info.category_ids) - 1}, the classes of {info.name}, "
            f"got {label}"
        )
    return info.category_ids[label]


def describe_truth(truth: Truth, before: int, info: DatasetInfo) -> list[dict[str, Any]]:
    """COCO annotations of the instances of one image.

    Args:
        truth: of the image, with boxes and areas, or masks from which these follow.
        before: annotations of earlier images; identifiers count on from there, starting at 1, since COCO's
            evaluation takes an annotation 0 for no match.
        info: of the data set.
    """
    boxes = mask_boxes(truth.masks or []) if truth.boxes is None else truth.boxes
    areas = mask_areas(truth.masks or []) if truth.area is None else truth.area
    rows = []
    for n, (x1, y1, x2, y2) in enumerate(boxes.tolist()):
        label = 0 if truth.labels is None else int(truth.labels[n])
        row: dict[str, Any] = {"id": before + n + 1, "image_id": truth.image_id}
        row["category_id"] = info.category_ids[label] if info.category_ids else label + 1
        if truth.keypoints is not None:
            row |= _describe_keypoints(truth, n)
        if truth.masks is not None:
            row["segmentation"] = plain_counts(truth.masks[n])
        row |= {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": float(areas[n])}
        row["iscrowd"] = int(truth.crowd is not None and truth.crowd[n])
        rows.append(row)
    return rows


def _describe_keypoints(truth: Truth, n: int) -> dict[str, Any]:
    keypoints, visible = truth.need_keypoints()
    flat: list[float] = []
    for (x, y), seen in zip(keypoints[n].astype(float).round(3).tolist(), visible[n].tolist(), strict=True):
        flat += [x, y, int(seen)]
    return {"keypoints": flat, "num_keypoints": int((visible[n] > 0).sum())}


def describe_categories(info: DatasetInfo) -> list[dict[str, Any]]:
    """The categories of a COCO file; a keypoint set names its keypoints and limbs, counted from 1."""
    if info.skeleton is None:
        return [{"id": key, "name": name} for key, name in zip(info.category_ids, info.classes, strict=True)]
    limbs = [[a + 1, b + 1] for a, b in info.skeleton.limbs]
    keypoints = list(info.skeleton.keypoints)
    return [
        {"id": key, "name": name, "supercategory": name, "keypoints": keypoints, "skeleton": limbs}
        for key, name in zip(info.category_ids or (1,), info.classes or ("person",), strict=True)
    ]


def describe_set(truths: Iterable[Truth], info: DatasetInfo) -> dict[str, Any]:
    """A whole set as a COCO file holds it, in plain types; images are ``NUMBER.png``.

    Args:
        truths: one for each image, with numbers for identifiers.
        info: of the data set.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for truth in truths:
        height, width = truth.image_size
        name = f"{truth.image_id:06d}.png"
        images.append({"id": truth.image_id, "file_name": name, "height": height, "width": width})
        annotations += describe_truth(truth, len(annotations), info)
    return {"images": images, "annotations": annotations, "categories": describe_categories(info)}


def write_set(folder: str | Path, data: Mapping[str, Any], draw: Callable[[int], np.ndarray]) -> None:
    """Write ``images/*.png`` and ``annotations.json``, which any COCO reader takes.

    Args:
        folder: where to; it is made.
        data: from :func:`describe_set`.
        draw: from the identifier of an image to the image, RGB.

    Raises:
        OSError: a file cannot be written.
    """
    folder = Path(folder)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for image in data["images"]:
        path = folder / "images" / image["file_name"]
        if not cv2.imwrite(str(path), draw(image["id"])[..., ::-1]):
            raise OSError(f"cannot write {path}")
    write_json(folder / "annotations.json", data)
