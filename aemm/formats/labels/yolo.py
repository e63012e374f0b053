"""YOLO-pose: ``data.yaml`` and a text file for each image, a line for each object in shares of the image.

A line is ``class cx cy w h x1 y1 [v1] x2 y2 [v2] ...``.

Reference: https://docs.ultralytics.com/datasets/pose
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from aemm.formats.files import AnnotationError
from aemm.formats.kinds import IMAGE_ENDINGS
from aemm.formats.labels.records import Box, ImageSearch, Labelled, LabelledSet, ObjectKind, Point
from aemm.formats.labels.texts import read_text
from aemm.formats.values import is_number, is_text, is_whole, shown
from aemm.skeletons import SKELETONS

SPLITS = ("train", "val", "test")
_MOST = 2.0  # shares of the image; larger numbers are pixels
_NAMELESS = "keypoint {}"


class _Layout(NamedTuple):
    """What ``data.yaml`` says of every line.

    Attributes:
        names: of the classes.
        points: K.
        values: numbers for each keypoint, 2 or 3.
        keypoints: names for each class.
    """

    names: dict[int, str]
    points: int
    values: int
    keypoints: dict[int, list[str]]


def read(path: str, images: str | None = None) -> LabelledSet:
    """All parts of a set.

    Args:
        path: of the ``data.yaml``.
        images: folder that ``train`` and the like are relative to; None = what the file says, or its own folder.

    Raises:
        AnnotationError: listing every fault.
        OSError: a file cannot be opened.
    """
    text = read_text(path)
    try:
        data = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise AnnotationError(path, [f"not valid YAML: {' '.join(str(error).split())[:200]}"]) from error
    if not isinstance(data, Mapping):
        raise AnnotationError(path, [f"expected a mapping with names, kpt_shape, train and val, got {shown(data)}"])
    layout = _layout(path, data)
    found = LabelledSet(kinds={name: _kind(path, data, layout, key) for key, name in layout.names.items()})
    root = images or _root(path, data)
    faults: list[str] = []
    for split in SPLITS:
        for image in _images(path, data, split, root):
            _add(found, image, split, layout, faults)
    if faults:
        raise AnnotationError(path, faults)
    if not found.read["images"]:
        raise AnnotationError(path, [f"train, val and test name no image below {root}; set path, or --images"])
    return found


def _layout(path: str, data: Mapping[str, Any]) -> _Layout:
    names, shape, faults = data.get("names"), data.get("kpt_shape"), []
    listed = dict(enumerate(names)) if isinstance(names, list) else names
    if not isinstance(listed, Mapping) or not listed or not all(map(is_whole, listed)):
        faults.append(f"names must list the classes, got {shown(names)}")
    elif not all(map(is_text, listed.values())) or len(set(listed.values())) < len(listed):
        faults.append(f"names must hold different texts, got {shown(list(listed.values()))}")
    whole = isinstance(shape, list) and len(shape) == 2 and all(map(is_whole, shape))
    if not whole or not isinstance(shape, list) or not (0 < shape[0] < 1000 and shape[1] in (2, 3)):
        faults.append(f"kpt_shape must be [number of keypoints, 2 or 3], got {shown(shape)}; sets of boxes have none")
    if faults or not isinstance(listed, Mapping) or not isinstance(shape, list):
        raise AnnotationError(path, faults)
    count = int(shape[0])
    classes = {int(key): str(name) for key, name in listed.items()}
    named = {key: _keypoint_names(path, data, key, count) for key in classes}
    return _Layout(classes, count, int(shape[1]), named)


def _keypoint_names(path: str, data: Mapping[str, Any], key: int, count: int) -> list[str]:
    names = data.get("kpt_names")
    names = names.get(key) if isinstance(names, Mapping) else names
    if names is None and data.get("flip_idx") == list(SKELETONS["coco"].flip_index) and count == 17:
        return list(SKELETONS["coco"].keypoints)  # the only set of 17 that pairs like this in practice
    if names is None:
        return [_NAMELESS.format(k) for k in range(count)]
    if (
        not isinstance(names, list)
        or not all(map(is_text, names))
        or len(set(names)) != len(names)
        or len(names) != count
    ):
        raise AnnotationError(path, [f"kpt_names must be {count} different names for class {key}, got {shown(names)}"])
    return list(names)


def _kind(path: str, data: Mapping[str, Any], layout: _Layout, key: int) -> ObjectKind:
    """Keypoints of a class, with counterparts and OKS constants where they are stated."""
    names, flips, sigmas, faults = layout.keypoints[key], data.get("flip_idx"), data.get("kpt_oks_sigmas"), []
    if flips is not None and (
        not isinstance(flips, list)
        or not all(map(is_whole, flips))
        or sorted(flips) != list(range(layout.points))
        or any(flips[int(flips[k])] != k for k in range(layout.points))
    ):
        faults.append(f"flip_idx must swap 0 to {layout.points - 1} in pairs, got {shown(flips)}")
    if sigmas is not None and (
        not isinstance(sigmas, list) or len(sigmas) != layout.points or not all(is_number(s) and s > 0 for s in sigmas)
    ):
        faults.append(f"kpt_oks_sigmas must be {layout.points} positive numbers, got {shown(sigmas)}")
    if faults:
        raise AnnotationError(path, faults)
    pairs = None if flips is None else {names[k]: names[int(flips[k])] for k in range(layout.points)}
    return ObjectKind(list(names), True, flips=pairs, sigmas=None if sigmas is None else [float(s) for s in sigmas])


def _root(path: str, data: Mapping[str, Any]) -> str:
    """The folder that parts are relative to: what the file says, if it is there, or else the file's own."""
    own, stated = os.path.dirname(os.path.abspath(path)), data.get("path")
    tried = [os.path.join(own, stated), stated] if is_text(stated) else []
    parts = [part for split in SPLITS for part in _texts(data.get(split))]
    return next((root for root in tried if any(os.path.exists(os.path.join(root, part)) for part in parts)), own)


def _texts(value: Any) -> list[str]:
    return [entry for entry in (value if isinstance(value, list) else [value]) if is_text(entry)]


def _images(path: str, data: Mapping[str, Any], split: str, root: str) -> Iterator[str]:
    """Paths of the images of a part: a folder, a list in a text file, or several of these."""
    for part in _texts(data.get(split)):
        place = os.path.join(root, part)
        if os.path.isdir(place):
            files = sorted(str(file) for file in Path(place).rglob("*") if not file.name.startswith("."))
            yield from (file for file in files if file.lower().endswith(IMAGE_ENDINGS))
        elif os.path.isfile(place):
            lines = [line.strip() for line in read_text(place).splitlines() if line.strip()]
            yield from (os.path.join(os.path.dirname(place) if line.startswith("./") else root, line) for line in lines)
        else:
            raise AnnotationError(path, [f"{split}: {place} does not exist; set path in the file, or --images"])


def _label_file(image: str) -> str:
    """Where the labels of an image are: below ``labels`` in place of the last folder ``images``."""
    before, folder, behind = image.rpartition(f"{os.sep}images{os.sep}")
    moved = f"{before}{os.sep}labels{os.sep}{behind}" if folder else image
    return os.path.splitext(moved)[0] + ".txt"


def _add(found: LabelledSet, path: str, split: str, layout: _Layout, faults: list[str]) -> None:
    image = ImageSearch(found, [""]).open(path, split=split)
    if image is None:
        return
    labels = _label_file(path)
    if os.path.isfile(labels):
        for n, line in enumerate(read_text(labels).splitlines(), 1):
            if line.strip():
                try:
                    image.objects.append(_object(found, line.split(), image.size, layout))
                except ValueError as error:
                    faults.append(f"{labels}, line {n}: {error}")
    else:
        found.read["images without a label file, which show nothing"] += 1
    found.add_image(image)


def _object(found: LabelledSet, words: list[str], size: tuple[int, int], layout: _Layout) -> Labelled:
    """The object of one line.

    Raises:
        ValueError: the line is faulty.
    """
    expected = 5 + layout.points * layout.values
    if len(words) != expected:
        raise ValueError(
            f"expected {expected} numbers (class, box, {layout.points} keypoints of {layout.values}), got {len(words)}"
        )
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        raise ValueError(f"expected numbers, got {shown(' '.join(words))}") from None
    key, (height, width) = numbers[0], size
    if key not in layout.names:
        raise ValueError(f"class {words[0]} is none of names, {shown(list(layout.names))}")
    points = [numbers[5 + k : 5 + k + layout.values] for k in range(0, layout.points * layout.values, layout.values)]
    shares = numbers[1:5] + [value for point in points for value in point[:2]]
    if not all(abs(value) <= _MOST for value in shares):
        wrong = next(value for value in shares if not abs(value) <= _MOST)
        raise ValueError(f"coordinates must be shares of the image, 0 to 1, got {wrong:g}")
    if layout.values == 3 and (strange := [point[2] for point in points if point[2] not in (0, 1, 2)]):
        raise ValueError(f"visibility must be 0, 1 or 2, got {strange[0]:g}")
    cx, cy, w, h = numbers[1:5]
    box = Box((cx - w / 2) * width, (cy - h / 2) * height, abs(w) * width, abs(h) * height)
    thing = Labelled(layout.names[int(key)], box=box)
    for name, point in zip(layout.keypoints[int(key)], points, strict=True):
        visible = int(point[2]) if layout.values == 3 else 2
        if visible and (point[0], point[1]) == (0, 0):
            found.changed["points at (0, 0), which count as not annotated"] += layout.values == 3
        elif visible:
            found.add_point(thing, name, Point(point[0] * width, point[1] * height, visible))
    return thing
