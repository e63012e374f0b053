"""Texts on pictures that do not cover each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from aemm.visualization.palette import Color, shade

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_DARK = (20, 20, 20)
_BRIGHT = 330  # red, green and blue together, from which on a text stands out from the dark
# where a label is tried around its place, in its own heights and widths: on it, then beside, then further off
_UP = np.array([0, -1, 1, -2, 2, -3, 3])
_ALONG = np.array([0, -0.5, 0.5, -1, 1, -1.5, 1.5])


class Label(NamedTuple):
    """A text for a place.

    Attributes:
        text: what is written.
        at: x and y of its lower left corner, where there is room.
        color: of the text.
    """

    text: str
    at: tuple[float, float]
    color: Color


def write_labels(picture: np.ndarray, labels: Sequence[Label]) -> None:
    """Write labels on a dark ground, in place, the first ones nearest to their places.

    Args:
        picture: ``(H, W, 3) uint8`` RGB; the size of the text suits it.
        labels: the most important first.
    """
    scale = text_scale(picture.shape[:2])
    sizes = []
    for label in labels:
        (wide, tall), below = cv2.getTextSize(label.text, _FONT, scale, 1)
        sizes.append((wide + 2, tall + below + 1))
    boxes = place_labels([label.at for label in labels], sizes, picture.shape[:2])
    for label, (x1, y1, x2, y2) in zip(labels, boxes.tolist(), strict=True):
        _, below = cv2.getTextSize(label.text, _FONT, scale, 1)
        cv2.rectangle(picture, (x1, y1), (x2 - 1, y2 - 1), _DARK, cv2.FILLED)
        cv2.putText(picture, label.text, (x1 + 1, y2 - below), _FONT, scale, _legible(label.color), 1, cv2.LINE_AA)


def _legible(color: Color) -> Color:
    """The colour, or where it is dark a brighter one."""
    return color if sum(color) >= _BRIGHT else shade(color, 0.5)


def text_scale(size: tuple[int, int]) -> float:
    """Scale of OpenCV's letters that suits a picture of ``(height, width)``."""
    return max(0.4, max(size) / 1300)


def place_labels(
    places: Sequence[tuple[float, float]], sizes: Sequence[tuple[int, int]], size: tuple[int, int]
) -> np.ndarray:
    """Boxes ``(M, 4) int`` xyxy of labels inside a picture; where there is room, none covers an earlier one.

    Args:
        places: lower left corner that each would have, x and y.
        sizes: width and height of each.
        size: ``(height, width)`` of the picture.
    """
    boxes = np.zeros((len(places), 4), int)
    for n, ((x, y), (wide, tall)) in enumerate(zip(places, sizes, strict=True)):
        lefts, across = _tries(_ALONG * wide + x, wide, size[1], boxes[:n, 0::2])
        tops, down = _tries(_UP * tall + (y - tall), tall, size[0], boxes[:n, 1::2])
        row, column = divmod(int((down @ across.T).argmin()), len(_ALONG))  # the first one that covers least
        left, top = lefts[column], tops[row]
        boxes[n] = left, top, left + wide, top + tall
    return boxes


def _tries(starts: np.ndarray, length: int, end: int, taken: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Starts ``(T,)`` along one axis, moved into the picture, and how much of each of n boxes ``(T, n)`` is covered.

    Args:
        starts: ``(T,)`` pixels.
        length: of the label along the axis.
        end: of the picture along it.
        taken: ``(n, 2)`` starts and ends of the boxes.
    """
    starts = np.clip(starts, 0, max(end - length, 0)).round().astype(int)
    common = np.minimum(starts[:, None] + length, taken[:, 1]) - np.maximum(starts[:, None], taken[:, 0])
    return starts, np.maximum(common, 0)
