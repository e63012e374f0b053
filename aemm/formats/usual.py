"""Which annotations of a large file are as nearly all are, so that they need no closer look.

Rules and messages are those of :mod:`aemm.formats.coco_checks`; what is not told apart here is looked at there.
Letters: A annotations, K keypoints.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from aemm.formats.packed import numbers
from aemm.formats.values import LARGEST

_NUMERIC = {int, float}


class Usual(NamedTuple):
    """What was found out about annotations.

    Attributes:
        fields: ``(A,) bool``: identifiers, box, area and crowd are right.
        labelled: ``(A,) bool``: so is all else; keypoints to learn from.
        unlabelled: ``(A,) bool``: keypoints are right, but none is to be learnt; the region is still to be checked.
    """

    fields: np.ndarray
    labelled: np.ndarray
    unlabelled: np.ndarray


def usual_images(images: Sequence[Mapping[str, Any]], most: int) -> bool:
    """Whether all images have numbers for identifiers, plain names and sizes that can be read, and no more.

    Args:
        images: as they stand in the file.
        most: pixels of an image.
    """
    columns: list[list[Any]] = [
        [image.get(key) for image in images] for key in ("id", "file_name", "width", "height", "crowdIndex")
    ]
    kinds = [set(map(type, column)) for column in columns]
    if not images or kinds != [{int}, {str}, {int}, {int}, {type(None)}]:
        return False
    ids, names, widths, heights, _ = columns
    if min(widths) < 1 or min(heights) < 1 or max(widths) > LARGEST or max(heights) > LARGEST:
        return False
    pixels = np.array(widths, np.int64) * np.array(heights, np.int64)
    return bool(len(set(ids)) == len(ids) and pixels.max() <= most and "" not in names)


def usual_fields(rows: Sequence[Mapping[str, Any]], images: Collection[Any], categories: Collection[Any]) -> np.ndarray:
    """Whether identifiers, references, box, area and crowd of each annotation are right: ``(A,) bool``.

    Args:
        rows: A annotations as they stand in the file.
        images: identifiers of the images.
        categories: those of the categories.
    """
    ids = [row.get("id") for row in rows]
    if set(map(type, ids)) != {int}:
        return np.zeros(len(rows), bool)
    good = [
        type(row.get("image_id")) is int
        and row["image_id"] in images
        and type(row.get("category_id")) is int
        and row["category_id"] in categories
        and type(row.get("iscrowd")) is int
        and row["iscrowd"] in (0, 1)
        and type(row.get("area")) in _NUMERIC
        for row in rows
    ]
    usual = np.array(good, bool)
    places = np.flatnonzero(usual)
    boxes = _number_lists([rows[n].get("bbox") for n in places.tolist()], 4)
    areas = np.array([_as_float(rows[n]["area"]) for n in places.tolist()])
    right = (np.abs(boxes) <= LARGEST).all(1) & (boxes[:, 2:] >= 0).all(1) & (areas >= 0) & (areas <= LARGEST**2)
    usual[places] = right
    return usual


def usual_people(rows: Sequence[Mapping[str, Any]], fields: np.ndarray, count: int) -> Usual:
    """Which annotations have right keypoints.

    Args:
        rows: A annotations as they stand in the file.
        fields: ``(A,) bool`` of :func:`usual_fields`; the others are not looked at.
        count: K.
    """
    places = np.flatnonzero(fields)
    chosen = [rows[n] for n in places.tolist()]
    flat = _number_lists([row.get("keypoints") for row in chosen], 3 * count)
    points = flat.reshape(-1, count, 3)
    visible = np.ascontiguousarray(points[..., 2])
    right = (flat.min(1) >= -LARGEST) & (flat.max(1) <= LARGEST)
    right &= ((visible == 0) | (visible == 1) | (visible == 2)).all(1)
    right &= np.array([row.get("head_box") is None for row in chosen], bool)
    seen = visible > 0
    learnt = seen.any(1) & np.array([row["iscrowd"] == 0 for row in chosen], bool)
    somewhere = (seen[..., None] & (points[..., :2] != 0)).any((1, 2)) | (seen.sum(1) < 2)
    areas = np.array([row["area"] for row in chosen], float)
    labelled, unlabelled = np.zeros(len(rows), bool), np.zeros(len(rows), bool)
    labelled[places] = right & learnt & somewhere & (areas > 0)
    unlabelled[places] = right & ~learnt
    return Usual(fields, labelled, unlabelled)


def _number_lists(values: Sequence[Any], width: int) -> np.ndarray:
    """Lists of ``width`` numbers as ``(len(values), width)``; NaN for whatever is none."""
    good = [n for n, v in enumerate(values) if type(v) is list and len(v) == width and set(map(type, v)) <= _NUMERIC]
    try:
        right = numbers([values[n] for n in good], width)
    except (OverflowError, struct.error):  # a number of hundreds of digits, somewhere
        good, right = [], np.zeros((0, width))
    if len(good) == len(values):
        return right
    found = np.full((len(values), width), np.nan)
    found[good] = right
    return found


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return np.inf
