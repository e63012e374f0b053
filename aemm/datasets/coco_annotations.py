"""Reading COCO-format keypoint files: every fault is found when the file is loaded, and all at once."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import mmengine
import numpy as np
from mmengine.fileio import get_file_backend
from mmengine.fileio.backends import LocalBackend
from pycocotools import mask as rle

from aemm.skeletons import Skeleton

_SHOWN = 20


class AnnotationError(ValueError):
    """An annotation file holds faults; the message lists them."""

    def __init__(self, path: str, faults: list[str]) -> None:
        self.faults = faults
        listed = "\n".join(f"  - {fault}" for fault in faults[:_SHOWN])
        more = f"\n  (and {len(faults) - _SHOWN} more)" if len(faults) > _SHOWN else ""
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        super().__init__(f"{path} has {count}:\n{listed}{more}")


def read_json(path: str, needed: Iterable[str]) -> dict[str, Any]:
    """A COCO-format json file as a dict.

    Args:
        path: read through mmengine's file backends.
        needed: keys it must hold, each a list.

    Raises:
        FileNotFoundError: there is no such file.
        AnnotationError: it is no json object, or lacks a key.
    """
    try:
        data = mmengine.load(path, file_format="json")
    except FileNotFoundError:
        raise FileNotFoundError(f"annotation file {path} does not exist; set ann_file (and data_root)") from None
    except ValueError as error:
        raise AnnotationError(path, [f"not valid json: {error}"]) from error
    if not isinstance(data, dict):
        raise AnnotationError(path, [f"expected a json object with {', '.join(needed)}, got a {type(data).__name__}"])
    if missing := [f"key {key!r} is missing, expected a list" for key in needed if not isinstance(data.get(key), list)]:
        raise AnnotationError(path, missing)
    return data


def segmentation_mask(annotation: Mapping[str, Any], size: tuple[int, int]) -> np.ndarray:
    """The region of an annotation, ``(H, W) bool``: its polygons, its RLE, or its box where it has neither.

    Args:
        annotation: with ``segmentation`` or ``bbox``.
        size: ``(height, width)`` of the image.
    """
    height, width = size
    segmentation = annotation.get("segmentation")
    if isinstance(segmentation, list):
        segmentation = [polygon for polygon in segmentation if len(polygon) >= 6]
    if not segmentation:
        mask = np.zeros(size, bool)
        x, y, w, h = annotation.get("bbox", (0, 0, 0, 0))
        rows = slice(max(0, math.floor(y)), max(0, math.ceil(y + h)))
        mask[rows, max(0, math.floor(x)) : max(0, math.ceil(x + w))] = True
        return mask
    if isinstance(segmentation, list):
        return rle.decode(rle.merge(rle.frPyObjects(segmentation, height, width))).astype(bool)
    if isinstance(segmentation["counts"], list):
        segmentation = rle.frPyObjects(segmentation, height, width)
    return rle.decode(segmentation).astype(bool)


def _numbers(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(v, int | float) and math.isfinite(v) for v in value)


def _repeated(ids: Iterable[Any]) -> list[Any]:
    return [key for key, count in Counter(ids).items() if count > 1]


def category_faults(categories: list[dict[str, Any]], skeleton: Skeleton) -> list[str]:
    """What keeps the categories from carrying keypoints of ``skeleton``."""
    named = [c for c in categories if c.get("keypoints")]
    if not named:
        names = [c.get("name") for c in categories[:5]]
        return [f"categories: none of {names} has 'keypoints', a list of {len(skeleton)} keypoint names"]
    return [
        f"category {c.get('id')}: it names {len(c['keypoints'])} keypoints, but the skeleton {skeleton.name!r} has "
        f"{len(skeleton)}; set skeleton to the set that was annotated"
        for c in named
        if len(c["keypoints"]) != len(skeleton)
    ]


def annotation_faults(annotation: Mapping[str, Any], count: int) -> list[str]:
    """What is wrong with one keypoint annotation.

    Args:
        annotation: as it stands in the file.
        count: K.
    """
    where, faults = f"annotation {annotation.get('id')}", []
    box = annotation.get("bbox")
    if box is not None and (not _numbers(box) or len(box) != 4):
        faults.append(f"{where}: bbox must be four finite numbers [x, y, width, height], got {box}")
    if annotation.get("iscrowd"):
        if box is None and not annotation.get("segmentation"):
            faults.append(f"{where}: a crowd needs a segmentation or a bbox, it has neither")
        return faults
    keypoints = annotation.get("keypoints")
    if not isinstance(keypoints, list) or len(keypoints) != 3 * count:
        got = f"{len(keypoints)} numbers" if isinstance(keypoints, list) else repr(keypoints)
        return [*faults, f"{where}: keypoints must hold 3 x {count} numbers (x, y, visibility), got {got}"]
    if not _numbers(keypoints):
        return [*faults, f"{where}: keypoints holds NaN, infinity or something that is no number"]
    if not set(keypoints[2::3]) <= {0, 1, 2}:
        faults.append(f"{where}: visibility must be 0, 1 or 2, got {sorted(set(keypoints[2::3]))}")
    if any(keypoints[2::3]):
        area = annotation.get("area")
        if not isinstance(area, int | float) or not math.isfinite(area) or area <= 0:
            faults.append(f"{where}: area must be a positive number of square pixels, got {area}; OKS divides by it")
    elif box is None and not annotation.get("segmentation"):
        faults.append(
            f"{where}: a person without keypoints needs a segmentation or a bbox to be ignored by, it has neither"
        )
    return faults


def image_faults(images: list[dict[str, Any]], folder: str) -> list[str]:
    """What is wrong with the image entries: ids, fields, and files that are not there."""
    faults = [f"images: id {key} stands there more than once" for key in _repeated(i.get("id") for i in images)]
    for image in images:
        lacking = [key for key in ("id", "file_name", "width", "height") if key not in image]
        if lacking:
            faults.append(f"image {image.get('id', image.get('file_name'))}: {', '.join(lacking)} missing")
    if isinstance(get_file_backend(folder), LocalBackend):
        paths = [os.path.join(folder, i["file_name"]) for i in images if "file_name" in i]
        parents = {os.path.dirname(path) for path in paths}
        present = {entry.path for parent in parents if os.path.isdir(parent) for entry in os.scandir(parent)}
        absent = [path for path in paths if path not in present]
        if absent:
            examples = ", ".join(Path(path).name for path in absent[:3])
            faults.append(f"images: {len(absent)} of {len(paths)} files are not in {folder}, such as {examples}")
    return faults


def check_keypoint_file(path: str, data: Mapping[str, Any], skeleton: Skeleton, folder: str) -> None:
    """Check a keypoint file against its skeleton and its image folder.

    Args:
        path: for the message.
        data: the file's contents.
        skeleton: the keypoint set it must hold.
        folder: where the images are.

    Raises:
        AnnotationError: with every fault found.
    """
    faults = category_faults(data["categories"], skeleton) + image_faults(data["images"], folder)
    known = {image.get("id") for image in data["images"]}
    skeletal = {c.get("id") for c in data["categories"] if c.get("keypoints")}
    ids = (a.get("id") for a in data["annotations"])
    faults += [f"annotations: id {key} stands there more than once" for key in _repeated(ids)]
    for annotation in data["annotations"]:
        if annotation.get("image_id") not in known:
            faults.append(
                f"annotation {annotation.get('id')}: image_id {annotation.get('image_id')} is not among the images"
            )
        if annotation.get("category_id") in skeletal:
            faults += annotation_faults(annotation, len(skeleton))
        elif any(annotation.get("keypoints") or ()):
            category = annotation.get("category_id")
            faults.append(f"annotation {annotation.get('id')}: it has keypoints, but category {category} names none")
    if faults:
        raise AnnotationError(path, faults)
