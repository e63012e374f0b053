"""EXIF orientation: how a viewer turns or mirrors the pixels that a file stores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import cv2
import numpy as np

Exif = Literal["apply", "ignore"]
ORIENTATION = 0x0112  # the tag's number

_MEANINGS = {
    1: "as stored",
    2: "mirrored left to right",
    3: "turned by half",
    4: "mirrored upside down",
    5: "mirrored and turned by a quarter",
    6: "turned by a quarter clockwise",
    7: "mirrored and turned by a quarter",
    8: "turned by a quarter counter-clockwise",
}
_TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda image: cv2.flip(image, 1),
    3: lambda image: cv2.flip(image, -1),
    4: lambda image: cv2.flip(image, 0),
    5: cv2.transpose,
    6: lambda image: cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE),
    7: lambda image: cv2.flip(cv2.transpose(image), -1),
    8: lambda image: cv2.rotate(image, cv2.ROTATE_90_COUNTERCLOCKWISE),
}
_BACK = {6: 8, 8: 6}  # every other one is its own opposite


def is_orientation(value: object) -> bool:
    """Whether a tag's value is one of the eight."""
    return value in _MEANINGS


def describe_orientation(orientation: int) -> str:
    """Number and meaning of an orientation, 1 to 8.

    >>> describe_orientation(3)
    'EXIF orientation 3 (turned by half)'
    """
    return f"EXIF orientation {orientation} ({_MEANINGS[orientation]})"


def swaps_sides(orientation: int) -> bool:
    """Whether height and width change places."""
    return orientation >= 5


def turn(image: np.ndarray, orientation: int) -> np.ndarray:
    """Stored pixels ``(H, W, ...)`` as a viewer shows them."""
    return _TURNS[orientation](image) if orientation in _TURNS else image


def turn_back(image: np.ndarray, orientation: int) -> np.ndarray:
    """The opposite of :func:`turn`."""
    return turn(image, _BACK.get(orientation, orientation))


def read_orientation(block: bytes) -> int:
    """The orientation that an EXIF block gives, 1 to 8; 1 where it gives none, or none that is defined.

    Args:
        block: from the byte order ``II`` or ``MM`` on.

    Reference: CIPA DC-008, Exchangeable image file format for digital still cameras, 4.6.
    """
    at = _place_of_value(block)
    value = int.from_bytes(block[at : at + 2], _order_of(block)) if at else 1
    return value if is_orientation(value) else 1


def clear_orientation(block: bytes) -> bytes:
    """An EXIF block, or a TIFF file, that says that pixels are shown as they are stored."""
    at = _place_of_value(block)
    return block[:at] + (1).to_bytes(2, _order_of(block)) + block[at + 2 :] if at else block


def _order_of(block: bytes) -> Literal["little", "big"]:
    return "little" if block[:2] == b"II" else "big"


def _place_of_value(block: bytes) -> int:
    """The byte at which the orientation stands; 0 where there is none."""
    order = _order_of(block)

    def number(at: int, size: int) -> int:
        return int.from_bytes(block[at : at + size], order)

    if block[:2] not in (b"II", b"MM") or number(2, 2) != 42:
        return 0
    first = number(4, 4)
    entries = range(first + 2, min(first + 2 + 12 * number(first, 2), len(block) - 11), 12)
    return next((entry + 8 for entry in entries if number(entry, 2) == ORIENTATION), 0)
