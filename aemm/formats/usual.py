"""Which annotations of a large file are as nearly all are, so that they need no closer look.

Rules and messages are those of :mod:`aemm.formats.coco_checks`; what is not told apart here is looked at there.
Letters: A annotations, K keypoints.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from aemm.formats.packed import numbers
from aemm.formats.segmentation import MAX_NUMBERS, MAX_OUTLINE
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
    usual = _whole_among([row.get("image_id") for row in rows], images)
    usual &= _whole_among([row.get("category_id") for row in rows], categories)
    usual &= _whole_among([row.get("iscrowd") for row in rows], (0, 1))
    usual &= np.array([type(row.get("area")) in _NUMERIC for row in rows], bool)
    places = np.flatnonzero(usual)
    boxes = _number_lists([rows[n].get("bbox") for n in places.tolist()], 4)
    areas = _as_floats([rows[n]["area"] for n in places.tolist()])
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
    x, y, visible = (np.ascontiguousarray(points[..., axis]) for axis in range(3))
    right = _within_bounds(flat)
    right &= ((visible == 0) | (visible == 1) | (visible == 2)).all(1)
    right &= np.array([row.get("head_box") is None for row in chosen], bool)
    seen = visible > 0
    learnt = seen.any(1) & np.array([row["iscrowd"] == 0 for row in chosen], bool)
    somewhere = (seen & ((x != 0) | (y != 0))).any(1) | (np.count_nonzero(seen, 1) < 2)
    areas = np.array([row["area"] for row in chosen], float)
    labelled, unlabelled = np.zeros(len(rows), bool), np.zeros(len(rows), bool)
    labelled[places] = right & learnt & somewhere & (areas > 0)
    unlabelled[places] = right & ~learnt
    return Usual(fields, labelled, unlabelled)


def usual_polygons(segmentations: Sequence[Any]) -> np.ndarray:
    """Which segmentations are polygons that can be drawn: ``(A,) bool``; all others are to be looked at.

    Args:
        segmentations: A of them as they stand in the file.
    """
    usual = np.array([type(s) is list and bool(s) and all(map(_is_outline, s)) for s in segmentations], bool)
    places = np.flatnonzero(usual)
    polygons = [polygon for n in places.tolist() for polygon in segmentations[n]]
    if not polygons or not set(map(type, chain.from_iterable(polygons))) <= _NUMERIC:
        return np.zeros(len(usual), bool)
    lengths = np.array([len(polygon) for polygon in polygons])
    try:
        flat = np.fromiter(chain.from_iterable(polygons), float, int(lengths.sum()))
    except OverflowError:  # a number of hundreds of digits, somewhere
        return np.zeros(len(usual), bool)
    starts = np.cumsum(lengths) - lengths
    least, most = np.minimum.reduceat(flat, starts), np.maximum.reduceat(flat, starts)
    counts = np.array([len(segmentations[n]) for n in places.tolist()])
    first = np.cumsum(counts) - counts
    right = np.logical_and.reduceat((least >= -LARGEST) & (most <= LARGEST), first)
    right &= np.add.reduceat(lengths, first) <= MAX_NUMBERS
    right &= np.add.reduceat((most - least) * lengths, first) <= MAX_OUTLINE  # no outline is longer
    usual[places] = right
    return usual


def _is_outline(polygon: Any) -> bool:
    """Whether this can be the numbers of three points or more."""
    return type(polygon) is list and len(polygon) >= 6 and not len(polygon) % 2


def _whole_among(values: list[Any], known: Collection[Any]) -> np.ndarray:
    """Which values are whole numbers that are known: ``(A,) bool``."""
    if set(map(type, values)) == {int} and set(values) <= set(known):
        return np.ones(len(values), bool)
    return np.array([type(value) is int and value in known for value in values], bool)


def _within_bounds(values: np.ndarray) -> np.ndarray:
    """Which rows ``(A, width)`` hold nothing but numbers of pixels: ``(A,) bool``."""
    if values.size and values.min() >= -LARGEST and values.max() <= LARGEST:
        return np.ones(len(values), bool)
    return (values.min(1) >= -LARGEST) & (values.max(1) <= LARGEST)


def _number_lists(values: Sequence[Any], width: int) -> np.ndarray:
    """Lists of ``width`` numbers as ``(len(values), width)``; NaN for whatever is none."""
    good = list(range(len(values)))
    if not (
        set(map(type, values)) == {list}
        and set(map(len, values)) == {width}
        and set(map(type, chain.from_iterable(values))) <= _NUMERIC
    ):
        good = [n for n in good if _are_numbers(values[n], width)]
    try:
        right = numbers([values[n] for n in good], width)
    except (OverflowError, struct.error):  # a number of hundreds of digits, somewhere
        good, right = [], np.zeros((0, width))
    if len(good) == len(values):
        return right
    found = np.full((len(values), width), np.nan)
    found[good] = right
    return found


def _are_numbers(value: Any, width: int) -> bool:
    """Whether this is a list of so many numbers."""
    return type(value) is list and len(value) == width and set(map(type, value)) <= _NUMERIC


def _as_floats(values: Sequence[float]) -> np.ndarray:
    """Numbers ``(A,)``; infinite where one has hundreds of digits."""
    try:
        return np.array(values, float)
    except OverflowError:
        return np.array([float(value) if abs(value) <= LARGEST**2 else np.inf for value in values])
