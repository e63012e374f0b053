"""Masks as the run lengths that COCO's tools write, by NumPy alone."""

from __future__ import annotations

import numpy as np

from aemm.records import Mask


def encode_mask(mask: np.ndarray, first: tuple[int, int] = (0, 0), size: tuple[int, int] | None = None) -> Mask:
    """A mask ``(h, w)`` of any number type, 0 = outside, as run lengths.

    Runs go down the columns, and the first is outside. From the fourth on, each is written as its difference to the one
    two before, in groups of five bits, the lowest first, as characters from "0" on.

    Args:
        mask: of an image, or of a part of it outside which the mask is 0.
        first: row and column of the image at which the part begins.
        size: ``(H, W)`` of the image; None = of the mask.

    Reference: cocodataset/cocoapi common/maskApi.c, rleToString.

    >>> encode_mask(np.array([[0, 1], [0, 1]]))
    {'size': [2, 2], 'counts': '22'}
    >>> encode_mask(np.array([[1]]), (1, 0), (2, 3))
    {'size': [2, 3], 'counts': '114'}
    """
    rows, columns = mask.shape
    height, width = mask.shape if size is None else size
    apart = min(height - rows, 1)  # between a part's columns the image has cells that are outside
    flat = np.zeros(columns * (rows + apart) + 2, bool)
    flat[1:-1].reshape(columns, rows + apart)[:, :rows] = mask.T != 0
    column, row = np.divmod(np.flatnonzero(flat[1:] != flat[:-1]), rows + apart)
    starts = (column + first[1]) * height + row + first[0]
    runs = np.diff(starts[starts < height * width], prepend=0, append=height * width)
    steps = runs.copy()
    steps[3:] -= runs[1:-2]
    return {"size": [int(height), int(width)], "counts": _characters(steps)}


def _characters(values: np.ndarray) -> str:
    """Whole numbers ``(M,)`` of either sign, one after the other, as characters of five bits."""
    groups = []
    going = np.ones(len(values), bool)
    while going.any():
        low, values = values & 31, values >> 5
        more = values != -(low >> 4)  # the highest bit says the sign
        groups.append(np.where(going, 48 + low + 32 * more, 0))
        going &= more
    text = np.stack(groups, 1).astype(np.uint8)
    return text[text > 0].tobytes().decode("ascii")
