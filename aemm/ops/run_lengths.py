"""Masks as the run lengths that COCO's tools write, by NumPy alone."""

from __future__ import annotations

import numpy as np

from aemm.records import Mask


def encode_mask(mask: np.ndarray) -> Mask:
    """A mask ``(H, W)`` of any number type, 0 = outside, as run lengths.

    Runs go down the columns, and the first is outside. From the fourth on, each is written as its difference to the one
    two before, in groups of five bits, the lowest first, as characters from "0" on.

    Reference: cocodataset/cocoapi common/maskApi.c, rleToString.

    >>> encode_mask(np.array([[0, 1], [0, 1]]))
    {'size': [2, 2], 'counts': '22'}
    """
    height, width = mask.shape
    flat = np.concatenate([[False], (mask != 0).ravel(order="F")])
    starts = np.flatnonzero(flat[1:] != flat[:-1])
    runs = np.diff(starts, prepend=0, append=height * width)
    steps = runs.copy()
    steps[3:] -= runs[1:-2]
    return {"size": [int(height), int(width)], "counts": "".join(map(_characters, steps.tolist()))}


def _characters(value: int) -> str:
    """A whole number of either sign as characters of five bits."""
    text = ""
    while True:
        low, value = value & 31, value >> 5
        more = value != (-1 if low & 16 else 0)
        text += chr(48 + low + 32 * more)
        if not more:
            return text
