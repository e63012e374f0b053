"""Masks in COCO's format: what is wrong with those of a file, and how a data set writes its own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from pycocotools import mask as rle

from aemm.datasets.coco_annotations import AnnotationError, image_faults
from aemm.ops.masks import encode_mask


def _polygon_faults(polygons: list[Any], where: str) -> list[str]:
    faults = []
    for n, polygon in enumerate(polygons):
        if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
            got = f"{len(polygon)} numbers" if isinstance(polygon, list) else repr(polygon)
            faults.append(f"{where}: polygon {n} needs three points or more, x and y of each, got {got}")
        elif not all(isinstance(v, int | float) and math.isfinite(v) for v in polygon):
            faults.append(f"{where}: polygon {n} holds NaN, infinity or something that is no number")
    return faults


def mask_faults(annotation: Mapping[str, Any], size: tuple[int, int]) -> list[str]:
    """What is wrong with the segmentation of one annotation.

    Args:
        annotation: as it stands in the file.
        size: ``(height, width)`` of its image.
    """
    where, segmentation = f"annotation {annotation.get('id')}", annotation.get("segmentation")
    if not segmentation:
        return [f"{where}: segmentation must be polygons or run lengths, got {segmentation!r}"]
    if isinstance(segmentation, list):
        return _polygon_faults(segmentation, where)
    if not isinstance(segmentation, Mapping) or not {"size", "counts"} <= segmentation.keys():
        return [f"{where}: segmentation must be a list of polygons or a dict of size and counts"]
    if tuple(segmentation["size"]) != size:
        return [
            f"{where}: the run lengths are of size {list(segmentation['size'])}, but the image's height and width are "
            f"{list(size)}"
        ]
    counts = segmentation["counts"]
    if isinstance(counts, list) and sum(counts) != size[0] * size[1]:
        return [f"{where}: the run lengths add up to {sum(counts)}, expected {size[0]} x {size[1]} pixels"]
    return []


def check_instance_file(path: str, data: Mapping[str, Any], folder: str) -> None:
    """Check images, categories and masks of a COCO-format file.

    Args:
        path: for the message.
        data: the file's contents.
        folder: where the images are.

    Raises:
        AnnotationError: with every fault found.
    """
    faults = image_faults(data["images"], folder)
    sizes = {i["id"]: (i["height"], i["width"]) for i in data["images"] if {"id", "height", "width"} <= i.keys()}
    categories = {category.get("id") for category in data["categories"]}
    if not categories:
        faults.append("categories: there is none, expected a list of id and name")
    seen: set[Any] = set()
    for annotation in data["annotations"]:
        key, image, category = (annotation.get(name) for name in ("id", "image_id", "category_id"))
        if key in seen:
            faults.append(f"annotations: id {key} stands there more than once")
        seen.add(key)
        if category not in categories:
            faults.append(f"annotation {key}: category_id {category} is not among the categories")
        if image not in sizes:
            faults.append(f"annotation {key}: image_id {image} is not among the images")
        else:
            faults += mask_faults(annotation, sizes[image])
    if faults:
        raise AnnotationError(path, faults)


def describe_masks(masks: np.ndarray, labels: np.ndarray, image_id: int | str, before: int) -> list[dict[str, Any]]:
    """COCO annotations of the instances of one image.

    Args:
        masks: ``(N, H, W) bool``.
        labels: ``(N,)``; class 0 has the category_id 1.
        image_id: of the image.
        before: annotations of earlier images; identifiers count on from there, starting at 1.
    """
    rows = []
    for n, (mask, label) in enumerate(zip(masks, labels.tolist(), strict=True), before + 1):
        encoded = encode_mask(mask)
        rows.append(
            dict(
                id=n,
                image_id=image_id,
                category_id=label + 1,
                segmentation=encoded,
                area=float(mask.sum()),
                bbox=[float(v) for v in rle.toBbox(encoded)],
                iscrowd=0,
            )
        )
    return rows
