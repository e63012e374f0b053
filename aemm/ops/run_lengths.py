"""Masks as the run lengths that COCO's tools write, by NumPy alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

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
    return encode_parts([(mask, first)], mask.shape if size is None else size)[0]


def encode_parts(parts: Sequence[tuple[np.ndarray, tuple[int, int]]], size: tuple[int, ...]) -> list[Mask]:
    """Masks of one image as run lengths, see :func:`encode_mask`.

    Args:
        parts: of each mask the part ``(h, w)`` outside which it is 0, and the row and column at which that begins.
        size: ``(H, W)`` of the image.
    """
    height, width = map(int, size)
    texts = _characters([_steps(mask, first, (height, width)) for mask, first in parts])
    return [{"size": [height, width], "counts": text} for text in texts]


def _steps(mask: np.ndarray, first: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """Run lengths ``(M,)``, from the fourth on less the one two before."""
    height, area = size[0], size[0] * size[1]
    rows, columns = mask.shape
    apart = min(height - rows, 1)  # between a part's columns the image has cells that are outside
    flat = np.zeros(columns * (rows + apart) + 2, bool)
    flat[1:-1].reshape(columns, rows + apart)[:, :rows] = mask.T
    column, row = np.divmod(np.flatnonzero(flat[1:] != flat[:-1]), rows + apart)
    starts = (column + first[1]) * height + row + first[0]
    starts = np.concatenate([[0], starts[starts < area], [area]])
    steps = starts[1:] - starts[:-1]
    steps[3:] -= steps[1:-2].copy()
    return steps


def _characters(lists: Sequence[np.ndarray]) -> list[str]:
    """Lists of whole numbers of either sign, none of them empty, as characters of five bits."""
    values = np.concatenate([np.zeros(0, np.int64), *lists])
    groups = []
    going = np.ones(len(values), bool)
    while going.any():
        low, values = values & 31, values >> 5
        more = values != -(low >> 4)  # the highest bit says the sign
        groups.append(np.where(going, 48 + low + 32 * more, 0))
        going &= more
    if not groups:
        return []
    characters = np.stack(groups, 1).astype(np.uint8)
    ends = np.cumsum([len(part) for part in lists])
    lengths = np.cumsum(np.count_nonzero(characters, 1))
    text = characters[characters > 0].tobytes().decode("ascii")
    marks = [0, *lengths[ends - 1].tolist()]
    return [text[start:end] for start, end in pairwise(marks)]
