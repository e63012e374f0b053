"""COCO's segmentations, polygons or run lengths, and the one way to read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pycocotools import mask as rle

from aemm.formats.values import is_whole, shown, span_of
from aemm.ops.boxes import box_mask
from aemm.ops.masks import decode_masks, encode_mask
from aemm.records import Mask

MAX_NUMBERS = 1_000_000
"""Numbers of the polygons or run lengths of one annotation; COCO's largest has some thousands."""
MAX_OUTLINE = 1_000_000
"""Pixels that the outlines of one annotation may run over; what draws them takes 100 bytes for each."""


def has_region(segmentation: Any) -> bool:
    """Whether a segmentation says anything; exports write null, [], [[]] or {} for none."""
    return bool(segmentation) and segmentation != [[]]


def segmentation_faults(segmentation: Any, size: tuple[int, int]) -> list[str]:
    """What keeps a segmentation from being decoded; nothing else may be decoded.

    Args:
        segmentation: as it stands in a file.
        size: ``(height, width)`` of its image.
    """
    if isinstance(segmentation, list):
        return _polygon_faults(segmentation)
    if not isinstance(segmentation, Mapping) or not {"size", "counts"} <= segmentation.keys():
        return [f"segmentation must be a list of polygons or a dict of size and counts, got {shown(segmentation)}"]
    stated, counts = segmentation["size"], segmentation["counts"]
    if not isinstance(stated, list) or len(stated) != 2 or not all(map(is_whole, stated)):
        return [f"size of the run lengths must be [height, width], got {shown(stated)}"]
    if tuple(stated) != size:
        return [f"the run lengths are of size {stated}, but the image's height and width are {list(size)}"]
    if not isinstance(counts, list | str):
        return [f"counts must be a list of run lengths or COCO's compressed text, got {shown(counts)}"]
    if len(counts) > MAX_NUMBERS:
        return [f"counts holds {len(counts)} entries, up to {MAX_NUMBERS} are read"]
    return _count_faults(counts, size)


def _polygon_faults(polygons: list[Any]) -> list[str]:
    if not any(isinstance(polygon, list) for polygon in polygons):
        return [
            f"segmentation is one flat list of {len(polygons)}, expected a list of polygons: [[x1, y1, x2, y2, ...]]"
        ]
    total = sum(len(polygon) for polygon in polygons if isinstance(polygon, list))
    if total > MAX_NUMBERS:
        return [f"segmentation holds {total} numbers, up to {MAX_NUMBERS} are read"]
    faults, outline = [], 0.0
    for n, polygon in enumerate(polygons):
        if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
            got = f"{len(polygon)} numbers" if isinstance(polygon, list) else shown(polygon)
            faults.append(f"polygon {n} needs three points or more, x and y of each, got {got}")
        elif (span := span_of(polygon)) is None:
            faults.append(f"polygon {n} holds NaN, infinity, a number too large or something that is no number")
        elif span * len(polygon) <= MAX_OUTLINE:
            outline += span * len(polygon)
        else:
            outline += np.abs(np.diff(np.reshape(polygon, (-1, 2)), axis=0, append=[polygon[:2]])).sum()
    if outline > MAX_OUTLINE:
        faults.append(f"its polygons run over {outline:.0f} pixels, up to {MAX_OUTLINE} are drawn")
    return faults


def _count_faults(counts: list[Any] | str, size: tuple[int, int]) -> list[str]:
    """What is wrong with run lengths; a text that does not add up would decode to memory never written."""
    if isinstance(counts, str):
        runs = _decompressed(counts)
        if runs is None:
            return [f"counts {shown(counts)} is not COCO's compressed text"]
        least, total = int(runs.min(initial=0)), int(runs.sum())
    else:
        if strangers := [run for run in counts if type(run) is not int]:
            return [f"counts must hold whole numbers, but holds {shown(strangers[0])}"]
        least, total = min(counts, default=0), sum(counts)
    if least < 0:
        return [f"counts holds the run length {least}, expected 0 or more"]
    if total != size[0] * size[1]:
        return [f"the run lengths add up to {total}, expected {size[0]} x {size[1]} pixels"]
    return []


def _decompressed(text: str) -> np.ndarray | None:
    """Run lengths of a compressed text; None if it is none.

    Six bits a character from '0' on: five of a number, lowest first, and whether more follow; the last five carry the
    sign. From the fourth on a number is the difference to the run before the previous one.
    """
    if not text.isascii():
        return None
    codes = np.frombuffer(text.encode(), np.uint8).astype(np.int64) - 48
    if not len(codes) or codes.min() < 0 or codes.max() > 63 or codes[-1] & 32:
        return None
    last = np.flatnonzero(~codes & 32)
    lengths = np.diff(last, prepend=-1)
    if lengths.max() > 7:
        return None
    digit = np.arange(len(codes)) - np.repeat(last - lengths + 1, lengths)
    values = np.add.reduceat((codes & 31) << (5 * digit), last - lengths + 1)
    values -= np.where(codes[last] & 16, 1 << (5 * lengths), 0)
    values[2::2] = np.cumsum(values[2::2])
    values[1::2] = np.cumsum(values[1::2])
    return values


def plain_counts(mask: Mask) -> dict[str, Any]:
    """A mask with its run lengths as a list of numbers, which every COCO reader takes."""
    flat = decode_masks([mask], (mask["size"][0], mask["size"][1]))[0].ravel(order="F")  # COCO runs down the columns
    edges = np.flatnonzero(np.diff(flat, prepend=False))
    return {"counts": np.diff(edges, prepend=0, append=flat.size).tolist(), "size": list(mask["size"])}


def region_mask(segmentation: Any, box: np.ndarray, size: tuple[int, int]) -> Mask:
    """The region of an annotation: its polygons, its run lengths, or its box where it has neither.

    Args:
        segmentation: a list of polygons, or a dict of ``size`` and ``counts``, or nothing.
        box: ``(4,)`` xyxy.
        size: ``(height, width)`` of the image.
    """
    height, width = size
    if not has_region(segmentation):
        return encode_mask(box_mask(box, size))
    if isinstance(segmentation, list):
        encoded = rle.merge(rle.frPyObjects(segmentation, height, width))
    elif isinstance(segmentation["counts"], list):
        encoded = rle.frPyObjects(segmentation, height, width)
    else:
        encoded = segmentation
    counts = encoded["counts"]
    return {"size": [height, width], "counts": counts.decode() if isinstance(counts, bytes) else counts}
