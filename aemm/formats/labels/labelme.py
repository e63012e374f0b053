"""labelme: a json file for each image, whose shapes are points and rectangles joined by ``group_id``.

Reference: https://github.com/wkentaro/labelme
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aemm.formats.files import AnnotationError
from aemm.formats.labels.grouping import Mark, Region, group_marks
from aemm.formats.labels.records import HIDDEN, VISIBLE, Box, ImageSearch, LabelledSet, Point
from aemm.formats.labels.texts import read_json_text
from aemm.formats.values import are_numbers, is_id, is_text, is_whole, shown

_OF_REGIONS = {"rectangle": 2, "polygon": 3}
_HIDING = {"occluded", "hidden", "invisible", "difficult"}


def read(path: str, images: str | None = None) -> LabelledSet:
    """A folder of labelme's files, or one of them.

    Args:
        path: of the folder, which is searched with all below it, or of a json file.
        images: folder of the images; None = each is where its file says.

    Raises:
        AnnotationError: listing every fault.
        OSError: a file cannot be opened.
    """
    files = sorted(map(str, Path(path).rglob("*.json"))) if os.path.isdir(path) else [path]
    found, faults = LabelledSet(), []
    for file in files:
        data = read_json_text(file)
        if not isinstance(data, Mapping) or not isinstance(data.get("shapes"), list):
            if len(files) > 1:
                found.dropped["json files without shapes, which are not of labelme"] += 1
                continue
            raise AnnotationError(file, [f"expected an object with shapes and imagePath, got {shown(data)}"])
        faults += [f"{file}: {fault}" for fault in _add(found, file, data, images)]
    if not found.read["images"]:
        faults.append("no json file of labelme in it, an object with shapes and imagePath")
    if faults:
        raise AnnotationError(path, faults)
    return found


def _add(found: LabelledSet, file: str, data: Mapping[str, Any], images: str | None) -> list[str]:
    """Add an image, and say what is wrong with its file."""
    name, height, width = data.get("imagePath"), data.get("imageHeight"), data.get("imageWidth")
    if not is_text(name):
        return [f"imagePath must be text, got {shown(name)}"]
    faults = [fault for n, shape in enumerate(data["shapes"]) for fault in _shape_faults(n, shape)]
    if faults:
        return faults
    stated = (int(height), int(width)) if is_whole(height) and is_whole(width) else None
    image = ImageSearch(found, [images or os.path.dirname(os.path.abspath(file))]).open(name, stated)
    if image is None:
        return []
    marks, regions = [], []
    for shape in data["shapes"]:
        kind, points = shape.get("shape_type") or "polygon", shape["points"]
        group, label = shape.get("group_id"), shape["label"]
        if kind == "point":
            (x, y), flags = points[0], shape.get("flags")
            raised = {key.lower() for key, on in flags.items() if on is True} if isinstance(flags, Mapping) else set()
            marks.append(Mark(label, Point(x, y, HIDDEN if raised & _HIDING else VISIBLE), group))
        elif kind in _OF_REGIONS and len(points) >= _OF_REGIONS[kind]:
            outline = [value for point in points for value in point] if kind == "polygon" else None
            regions.append(Region(label, Box.around(points), group, outline))
        else:
            found.dropped[f"shapes of the kind {kind}"] += 1
    image.objects = group_marks(found, marks, regions)
    found.add_image(image)
    return []


def _shape_faults(n: int, shape: Any) -> list[str]:
    where = f"shapes[{n}]"
    if not isinstance(shape, Mapping):
        return [f"{where} must be an object, got {shown(shape)}"]
    points, group, faults = shape.get("points"), shape.get("group_id"), []
    if not is_text(shape.get("label")):
        faults.append(f"{where}: label must be text, got {shown(shape.get('label'))}")
    if not is_text(shape.get("shape_type") or "polygon"):
        faults.append(f"{where}: shape_type must be text, got {shown(shape.get('shape_type'))}")
    if group is not None and not is_id(group):
        faults.append(f"{where}: group_id must be a number, text or null, got {shown(group)}")
    pairs = isinstance(points, list) and bool(points) and all(are_numbers(p) and len(p) == 2 for p in points)
    if not pairs:
        faults.append(f"{where}: points must be pairs of numbers, got {shown(points)}")
    return faults
