"""COCO's json files as they are written: results, and whole sets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.logging import MMLogger

from aemm.formats.files import write_json
from aemm.formats.image import write_picture
from aemm.formats.segmentation import plain_counts
from aemm.formats.values import repeated
from aemm.ops.masks import mask_areas, mask_boxes
from aemm.records import DatasetInfo, ImageId, Instances, Truth


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
    found = list(found)
    if twice := repeated([image.image_id for image in found]):
        MMLogger.get_current_instance().warning(
            f"{len(twice)} image ids, such as {twice[0]!r}, stand for several images: results of several annotation "
            f"files cannot be told apart in {path}; evaluate one file at a time"
        )
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
        write_picture(folder / "images" / image["file_name"], draw(image["id"]))
    write_json(folder / "annotations.json", data)
