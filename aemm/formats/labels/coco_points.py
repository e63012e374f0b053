"""COCO's json as some tools write it for keypoints: an annotation for each point, a category for each name."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping
from typing import Any

from aemm.formats.categories import shared_faults
from aemm.formats.files import AnnotationError, read_json
from aemm.formats.labels.grouping import Mark, Region, group_marks
from aemm.formats.labels.records import Box, ImageSearch, LabelledSet, Point
from aemm.formats.listed import LISTS
from aemm.formats.values import KnownIds, are_numbers, is_id, is_text, is_whole, shown

_GROUPS = ("group_id", "instance_id", "object_id", "person_id", "parent_id", "track_id")


def read(path: str, images: str | None = None) -> LabelledSet:
    """A file of points.

    An annotation of no extent, or with one keypoint, is a point, whose name is that of its category; any other is a
    box. What belongs together is told by ``group_id``, ``instance_id``, ``object_id``, ``person_id``, ``parent_id`` or
    ``track_id``, of the annotation or among its ``attributes``.

    Args:
        path: of the json file.
        images: folder of the images; None = that of the file, and ``images`` in it.

    Raises:
        AnnotationError: listing every fault.
        OSError: a file cannot be opened.
    """
    data = read_json(path, LISTS)
    faults = _faults(data)
    if faults:
        raise AnnotationError(path, faults)
    names = {category["id"]: category["name"] for category in data["categories"]}
    by_image: dict[Any, list[Mapping[str, Any]]] = {image["id"]: [] for image in data["images"]}
    for row in data["annotations"]:
        by_image[row["image_id"]].append(row)
    own = os.path.dirname(os.path.abspath(path))
    found = LabelledSet()
    search = ImageSearch(found, [images] if images else [own, os.path.join(own, "images")])
    for entry in data["images"]:
        height, width = entry.get("height"), entry.get("width")
        stated = (int(height), int(width)) if is_whole(height) and is_whole(width) else None
        image = search.open(entry["file_name"], stated)
        if image is None:
            continue
        marks, regions = [], []
        for row in by_image[entry["id"]]:
            name, place = names[row["category_id"]], _place(row)
            if place is not None:
                marks.append(Mark(name, place, _group(row)))
            elif row.get("bbox"):
                regions.append(Region(name, Box(*row["bbox"]), _group(row)))
        image.objects = group_marks(found, marks, regions)
        found.add_image(image)
    return found


def _place(row: Mapping[str, Any]) -> Point | None:
    """The point of an annotation; None where it is a box."""
    points, box = row.get("keypoints"), row.get("bbox")
    if points:
        x, y, visible = points
        return Point(x, y, int(visible)) if visible else Point(float("nan"), float("nan"))
    if box and not (box[2] and box[3]):
        return Point(box[0], box[1])
    return None


def _group(row: Mapping[str, Any]) -> Hashable:
    """What joins an annotation to others; None = nothing does."""
    inner = row.get("attributes")
    places = (row, inner) if isinstance(inner, Mapping) else (row,)
    groups = (place.get(key) for place in places for key in _GROUPS)
    return next((group for group in groups if is_id(group)), None)


def _faults(data: Mapping[str, Any]) -> list[str]:
    faults = shared_faults(data["categories"])
    for n, image in enumerate(data["images"]):
        if not is_id(image.get("id")) or not is_text(image.get("file_name")):
            faults.append(f"images[{n}]: expected id and file_name, got {shown(dict(image))}")
    images = KnownIds("image_id", "images", (image.get("id") for image in data["images"]))
    categories = KnownIds("category_id", "categories", (c.get("id") for c in data["categories"]))
    for n, row in enumerate(data["annotations"]):
        where, points, box = f"annotations[{n}]", row.get("keypoints"), row.get("bbox")
        faults += [f"{where}: {fault}" for known in (images, categories) if (fault := known.fault(row))]
        if points and not (are_numbers(points) and len(points) == 3 and points[2] in (0, 1, 2)):
            more = isinstance(points, list) and len(points) > 3
            hint = "; a file with all keypoints of an object in one annotation needs no conversion" if more else ""
            faults.append(f"{where}: keypoints must be x, y, visibility of one point, got {shown(points)}{hint}")
        elif not points and not (are_numbers(box) and len(box) == 4 and box[2] >= 0 and box[3] >= 0):
            faults.append(f"{where}: expected keypoints, or bbox [x, y, width, height], got {shown(box)}")
    return faults
