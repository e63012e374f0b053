"""CVAT for images 1.1: one xml file with skeletons, points and boxes.

Reference: https://docs.cvat.ai/docs/dataset_management/formats/format-cvat
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from aemm.formats.files import AnnotationError
from aemm.formats.labels.grouping import Mark, Region, group_marks
from aemm.formats.labels.records import HIDDEN, VISIBLE, Box, ImageSearch, Labelled, LabelledSet, ObjectKind, Point
from aemm.formats.labels.texts import parse_xml, read_xml
from aemm.formats.values import LARGEST, shown

_NAMELESS = "point {}"
_REGIONS = ("box", "polygon")


def read(path: str, images: str | None = None) -> LabelledSet:
    """An export of a task or project.

    Args:
        path: of ``annotations.xml``.
        images: folder of the images; None = that of the file, and ``images`` in it.

    Raises:
        AnnotationError: listing every fault.
        OSError: a file cannot be opened.
    """
    root = read_xml(path)
    if root.tag != "annotations":
        raise AnnotationError(path, [f"expected <annotations> of CVAT, got <{root.tag}>"])
    if root.find("track") is not None:
        raise AnnotationError(path, ["it holds tracks of a video; export the task as 'CVAT for images 1.1'"])
    found = LabelledSet()
    _declare(found, path, root)
    own = os.path.dirname(os.path.abspath(path))
    search = ImageSearch(found, [images] if images else [os.path.join(own, "images"), own])
    faults: list[str] = []
    for entry in root.iter("image"):
        where = f"image {shown(entry.get('name'))}"
        try:
            _add(search, entry)
        except ValueError as error:
            faults.append(f"{where}: {error}")
    if faults:
        raise AnnotationError(path, faults)
    return found


def _declare(found: LabelledSet, path: str, root: Element) -> None:
    """Categories and the order of their keypoints, as the labels of the task state them."""
    labels = list(root.iterfind("meta//labels/label"))
    for label in labels:
        name = label.findtext("name") or ""
        children = [one.findtext("name") or "" for one in labels if one.findtext("parent") == name]
        if name and children and not label.findtext("parent"):
            kind = ObjectKind(list(dict.fromkeys(children)), True)
            kind.limbs = list(_limbs(path, label.findtext("svg") or "", kind.keypoints))
            found.kinds[name] = kind


def _limbs(path: str, drawing: str, names: list[str]) -> Iterator[tuple[str, str]]:
    """Pairs of keypoints that the drawing of a skeleton joins."""
    if not drawing.strip():
        return
    nodes: dict[str | None, str | None] = {}
    shapes = list(parse_xml(path, f"<svg>{drawing}</svg>"))
    for shape in shapes:
        if shape.tag == "circle":
            nodes[shape.get("data-node-id")] = shape.get("data-label-name")
    for shape in shapes:
        ends = [nodes.get(shape.get(key)) for key in ("data-node-from", "data-node-to")]
        if shape.tag == "line" and ends[0] in names and ends[1] in names:
            yield str(ends[0]), str(ends[1])


def _add(search: ImageSearch, entry: Element) -> None:
    """Add an image.

    Raises:
        ValueError: a field of it is faulty.
    """
    found, name = search.found, entry.get("name") or ""
    size = (_whole(entry, "height"), _whole(entry, "width"))
    objects = [_skeleton(found, shape) for shape in entry.iterfind("skeleton")]
    marks, regions = [], []
    for shape in entry:
        group = shape.get("group_id") if shape.get("group_id") not in (None, "", "0") else None
        if shape.tag == "points":
            places = _places(shape)
            if len(places) > 1:
                objects.append(_nameless(found, shape, places))
            else:
                marks.append(Mark(_label(shape), Point(*places[0], _visible(shape)), group))
        elif shape.tag in _REGIONS:
            corners = _places(shape) if shape.tag == "polygon" else _corners(shape)
            outline = [value for corner in corners for value in corner] if shape.tag == "polygon" else None
            regions.append(Region(_label(shape), Box.around(corners), group, outline))
        elif shape.tag not in ("skeleton", "tag"):
            found.dropped[f"shapes of the kind {shape.tag}"] += 1
    image = search.open(name, size)
    if image is not None:
        image.objects = objects + group_marks(found, marks, regions)
        found.add_image(image)


def _skeleton(found: LabelledSet, shape: Element) -> Labelled:
    thing = Labelled(_label(shape))
    for point in shape.iterfind("points"):
        if point.get("outside") == "1":
            continue
        for x, y in _places(point)[:1]:
            found.add_point(thing, _label(point), Point(x, y, _visible(point)))
    return thing


def _nameless(found: LabelledSet, shape: Element, places: list[tuple[float, float]]) -> Labelled:
    """An object whose keypoints are known by their order alone."""
    thing = Labelled(_label(shape))
    found.changed["objects of points without names, which are named by their order"] += 1
    for n, (x, y) in enumerate(places, 1):
        found.add_point(thing, _NAMELESS.format(n), Point(x, y, _visible(shape)))
    return thing


def _visible(shape: Element) -> int:
    return HIDDEN if shape.get("occluded") == "1" else VISIBLE


def _label(shape: Element) -> str:
    if not (label := shape.get("label")):
        raise ValueError(f"a <{shape.tag}> has no label")
    return label


def _places(shape: Element) -> list[tuple[float, float]]:
    """Points as ``x,y;x,y``."""
    text = shape.get("points") or ""
    try:
        places = [(float(x), float(y)) for x, y in (pair.split(",") for pair in text.split(";"))]
    except ValueError:
        raise ValueError(f"points of a <{shape.tag}> must be x,y;x,y, got {shown(text)}") from None
    if not all(abs(value) <= LARGEST for place in places for value in place):
        raise ValueError(f"points of a <{shape.tag}> must be pixels, got {shown(text)}")
    return places


def _corners(shape: Element) -> list[tuple[float, float]]:
    try:
        left, top, right, bottom = (float(shape.get(key) or "") for key in ("xtl", "ytl", "xbr", "ybr"))
    except ValueError:
        raise ValueError("a <box> needs numbers xtl, ytl, xbr, ybr") from None
    if not all(abs(value) <= LARGEST for value in (left, top, right, bottom)):
        raise ValueError("xtl, ytl, xbr and ybr of a <box> must be pixels")
    return [(left, top), (right, bottom)]


def _whole(entry: Element, key: str) -> int:
    text = entry.get(key) or ""
    if not (text.isascii() and text.isdigit() and len(text) < 8):
        raise ValueError(f"{key} must be a whole number of pixels, got {shown(text)}")
    return int(text)
