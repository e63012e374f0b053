"""Label Studio's json export: tasks with results in per cent of the image.

Reference: https://labelstud.io/guide/export
"""

from __future__ import annotations

import os
import re
from collections.abc import Hashable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from aemm.formats.files import AnnotationError
from aemm.formats.kinds import IMAGE_ENDINGS
from aemm.formats.labels.grouping import Mark, Region, group_marks
from aemm.formats.labels.records import HIDDEN, VISIBLE, Box, ImageSearch, LabelledSet, Point
from aemm.formats.labels.texts import read_json_text
from aemm.formats.values import are_numbers, is_id, is_number, is_text, is_whole, shown

_UPLOADED = re.compile(r"^[0-9a-f]{8}-")  # what the server puts before the name of an uploaded file
_HIDING = {"occluded", "hidden", "invisible", "not visible"}
_LABELS = ("keypointlabels", "rectanglelabels", "polygonlabels", "labels")


def read(path: str, images: str | None = None) -> LabelledSet:
    """An export in the form JSON.

    Args:
        path: of the json file.
        images: folder of the images; None = that of the file, and ``images`` in it.

    Raises:
        AnnotationError: listing every fault.
        OSError: a file cannot be opened.
    """
    tasks = read_json_text(path)
    if not isinstance(tasks, list) or not all(isinstance(task, Mapping) for task in tasks):
        raise AnnotationError(path, [f"expected a list of tasks, got {shown(tasks)}; export as JSON"])
    own = os.path.dirname(os.path.abspath(path))
    found, faults = LabelledSet(), []
    search = ImageSearch(found, [images] if images else [own, os.path.join(own, "images")])
    for n, task in enumerate(tasks):
        where = f"task {shown(task.get('id', n))}"
        faults += [f"{where}: {fault}" for fault in _add(search, task)]
    if faults:
        raise AnnotationError(path, faults)
    return found


def _add(search: ImageSearch, task: Mapping[str, Any]) -> list[str]:
    """Add the image of a task, and say what is wrong with it."""
    found, data = search.found, task.get("data")
    done = task.get("annotations", task.get("completions"))
    if not isinstance(data, Mapping) or not isinstance(done, list) or not all(isinstance(a, Mapping) for a in done):
        return ["expected data and a list of annotations; export as JSON, not as JSON-MIN"]
    address = next((v for v in data.values() if is_text(v) and _name(v).lower().endswith(IMAGE_ENDINGS)), None)
    if address is None:
        return [f"data names no image, got {shown(dict(data))}"]
    kept = [one for one in done if not one.get("was_cancelled")]
    found.dropped["annotations that were cancelled"] += len(done) - len(kept)
    found.dropped["further annotations of an image"] += max(0, len(kept) - 1)
    results = kept[0].get("result") if kept else []
    if not isinstance(results, list) or not all(isinstance(one, Mapping) for one in results):
        return [f"result must be a list of objects, got {shown(results)}"]
    if not kept:
        found.lose("images without an annotation", _name(address), "nobody has labelled it")
        return []
    faults = [fault for one in results for fault in _faults(one)]
    return faults or _add_results(search, address, results)


def _name(address: str) -> str:
    """The name of the file behind an address: an upload, local storage, or a web page."""
    parts = urlsplit(address)
    inner = parse_qs(parts.query).get("d")
    return unquote(inner[0] if inner else parts.path)


def _add_results(search: ImageSearch, address: str, results: Sequence[Mapping[str, Any]]) -> list[str]:
    found, name = search.found, _name(address)
    shapes = [one for one in results if _label(one)]
    sizes = {(int(one["original_height"]), int(one["original_width"])) for one in shapes}
    if len(sizes) > 1:
        return [f"its results state several sizes of the image, {sorted(sizes)}"]
    short = os.path.basename(name)
    known = [tried for tried in (name.lstrip("/"), short, _UPLOADED.sub("", short)) if search.has(tried)]
    image = search.open(known[0] if known else name, next(iter(sizes), None))
    if image is None:
        return []
    if any(one.get("image_rotation") for one in shapes):
        found.lose("images that were turned while labelling", name, "turn the file itself, and label it anew")
        return []
    hidden = {one.get("id") for one in results if _chosen(one) & _HIDING}
    owner = _owners(results)
    marks, regions = [], []
    for one in shapes:
        value, group = one["value"], owner.get(one.get("id"))
        x, y = value.get("x", 0) * image.size[1] / 100, value.get("y", 0) * image.size[0] / 100
        label = _label(one)
        if "points" in value:
            corners = [(px * image.size[1] / 100, py * image.size[0] / 100) for px, py in value["points"]]
            outline = [number for corner in corners for number in corner]
            regions.append(Region(label, Box.around(corners), group, outline))
        elif "height" in value:
            found.changed["turned boxes, taken as upright"] += bool(value.get("rotation"))
            box = Box(x, y, value["width"] * image.size[1] / 100, value["height"] * image.size[0] / 100)
            regions.append(Region(label, box, group))
        else:
            marks.append(Mark(label, Point(x, y, HIDDEN if one.get("id") in hidden else VISIBLE), group))
    found.dropped["results that are no keypoint, box or polygon"] += sum(_is_other(one) for one in results)
    image.objects = group_marks(found, marks, regions)
    found.add_image(image)
    return []


def _label(one: Mapping[str, Any]) -> str:
    """The label of a keypoint, box or polygon; empty where a result is none."""
    value = one.get("value")
    listed = next((value[key] for key in _LABELS if value.get(key)), None) if isinstance(value, Mapping) else None
    known = isinstance(value, Mapping) and ({"x", "y"} <= value.keys() or "points" in value)
    return listed[0] if known and isinstance(listed, list) and is_text(listed[0]) else ""


def _chosen(one: Mapping[str, Any]) -> set[str]:
    """What was chosen for a region, in lower case."""
    value = one.get("value")
    choices = value.get("choices") if isinstance(value, Mapping) else None
    return {choice.lower() for choice in choices if isinstance(choice, str)} if isinstance(choices, list) else set()


def _is_other(one: Mapping[str, Any]) -> bool:
    return not _label(one) and one.get("type") not in ("relation", "choices")


def _owners(results: Sequence[Mapping[str, Any]]) -> dict[Any, Hashable]:
    """For each region the one that it belongs to: its parent, or what a relation joins it to; a parent owns itself."""
    owner: dict[Any, Hashable] = {}
    points = {one.get("id") for one in results if _label(one) and not {"height", "points"} & one["value"].keys()}
    pairs = [(one.get("id"), one.get("parentID")) for one in results]
    pairs += [(one.get("from_id"), one.get("to_id")) for one in results if one.get("type") == "relation"]
    for child, parent in pairs:
        if not is_id(child) or not is_id(parent):
            continue
        child, parent = (parent, child) if parent in points and child not in points else (child, parent)
        owner[child] = owner[parent] = owner.get(parent, parent)
    return owner


def _faults(one: Mapping[str, Any]) -> list[str]:
    """What is wrong with a result that is a keypoint, box or polygon."""
    if not _label(one):
        return []
    value, where = one["value"], f"result {shown(one.get('id'))}"
    faults = []
    if not is_whole(one.get("original_width")) or not is_whole(one.get("original_height")):
        faults.append(f"{where}: original_width and original_height must be whole numbers")
    if "points" in value:
        points = value["points"]
        if not isinstance(points, list) or len(points) < 3 or not all(are_numbers(p) and len(p) == 2 for p in points):
            faults.append(f"{where}: points must be three pairs of numbers or more, got {shown(points)}")
        return faults
    keys = ("x", "y", "width", "height") if "height" in value else ("x", "y")
    faults += [f"{where}: {k} must be a number, got {shown(value.get(k))}" for k in keys if not is_number(value.get(k))]
    return faults
