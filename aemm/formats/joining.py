"""Several COCO-format files made one, as CrowdPose's training and validation parts are to train on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from aemm.formats.files import AnnotationError, read_json
from aemm.formats.listed import LISTS


class Joined(NamedTuple):
    """Files brought together.

    Attributes:
        data: what a file of them all holds.
        renumbered: whether annotations got new identifiers, counted from 1.
    """

    data: dict[str, Any]
    renumbered: bool


def join_files(paths: Sequence[str]) -> Joined:
    """The images and annotations of several files, in their order, under the categories they share.

    Args:
        paths: of json files.

    Raises:
        FileNotFoundError: one is not there.
        AnnotationError: their categories differ, or an image stands in two of them.
    """
    files = {path: read_json(path, LISTS) for path in paths}
    first = paths[0]
    data: dict[str, Any] = {"categories": files[first]["categories"], "images": [], "annotations": []}
    seen: dict[Any, str] = {}
    for path, file in files.items():
        if file["categories"] != data["categories"]:
            raise AnnotationError(path, [f"its categories are not those of {first}, so that the two cannot be joined"])
        twice = [image["id"] for image in file["images"] if image.get("id") in seen]
        if twice:
            raise AnnotationError(path, [f"images: id {key} stands in {seen[key]}, too" for key in twice])
        seen |= {image.get("id"): path for image in file["images"]}
        data["images"] += file["images"]
        data["annotations"] += file["annotations"]
    return Joined(data, _renumber(data["annotations"]))


def _renumber(annotations: Sequence[dict[str, Any]]) -> bool:
    """Give annotations new identifiers where two have the same; whether that was so."""
    ids = [annotation.get("id") for annotation in annotations]
    if len(set(ids)) == len(ids):
        return False
    for number, annotation in enumerate(annotations, 1):
        annotation["id"] = number
    return True
