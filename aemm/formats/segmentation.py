"""COCO's segmentations, polygons or run lengths, and the one way to read them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
from pycocotools import mask as rle

from aemm.ops.boxes import box_mask
from aemm.ops.masks import decode_masks, encode_mask
from aemm.records import Mask


class Regions:
    """Segmentations kept as bytes in one piece: processes that share it after a fork never copy it.

    Args:
        segmentations: as they stand in a file; None where nobody will ask.
    """

    def __init__(self, segmentations: Iterable[Any]) -> None:
        parts = [b"" if s is None else json.dumps(s, separators=(",", ":")).encode() for s in segmentations]
        self._bytes = b"".join(parts)
        self._first = np.cumsum([0, *(len(part) for part in parts)])

    def __getitem__(self, row: int) -> Any:
        """The segmentation of an annotation, or None."""
        part = self._bytes[self._first[row] : self._first[row + 1]]
        return json.loads(part) if part else None


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
    if isinstance(segmentation, list):
        segmentation = [polygon for polygon in segmentation if len(polygon) >= 6]
    if not segmentation:
        return encode_mask(box_mask(box, size))
    if isinstance(segmentation, list):
        encoded = rle.merge(rle.frPyObjects(segmentation, height, width))
    elif isinstance(segmentation["counts"], list):
        encoded = rle.frPyObjects(segmentation, height, width)
    else:
        encoded = segmentation
    counts = encoded["counts"]
    return {"size": [height, width], "counts": counts.decode() if isinstance(counts, bytes) else counts}
