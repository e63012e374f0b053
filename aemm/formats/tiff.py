"""TIFF files: their pages, and the pixels of each.

Reference: Adobe, TIFF revision 6.0.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import IO

import cv2
import numpy as np
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from aemm.formats.orientation import ORIENTATION, is_orientation, swaps_sides, turn_back
from aemm.formats.pixels import from_bgr, open_pillow, pillow_pixels

_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC = 256, 257, 258, 262  # tags
_SUBFILE, _SAMPLES, _FORMAT = 254, 277, 339
_NO_PICTURE = 0b101  # a smaller copy of another page, or a mask for one
_MAX_PAGES = 100_000


@dataclass(frozen=True)
class TiffPage:
    """What a page says of itself.

    Attributes:
        number: among all entries of the file, from 0.
        size: ``(height, width)`` as stored.
        depth: bits of a sample, the largest.
        plain: samples are whole numbers without a sign.
        samples: channels.
        white_is_zero: zeros are white, and stay so when the samples are read.
        orientation: 1 to 8.
    """

    number: int
    size: tuple[int, int]
    depth: int = 1
    plain: bool = True
    samples: int = 1
    white_is_zero: bool = False
    orientation: int = 1


def read_tiff_pages(file: IO[bytes]) -> list[TiffPage]:
    """The pages of a file, without the smaller copies and masks that some have beside them.

    Raises:
        ValueError: it has none, or its list of pages is damaged.
    """
    head = file.read(8)
    if b"+" in head[2:4]:  # BigTIFF, whose offsets take 8 bytes
        head += file.read(8)
    pages: list[TiffPage] = []
    seen: set[int] = set()
    try:
        entries = ImageFileDirectory_v2(head)
        while entries.next and entries.next not in seen and len(seen) < _MAX_PAGES:
            seen.add(entries.next)
            file.seek(entries.next)
            entries.load(file)
            if not entries.get(_SUBFILE, 0) & _NO_PICTURE:
                pages.append(_page(len(seen) - 1, entries))
    except Exception as error:  # Pillow raises whatever a damaged entry leads to
        if not pages:
            raise ValueError(f"its list of pages is damaged: {error}") from error
    if not pages:
        raise ValueError("it has no page")
    return pages


def _page(number: int, entries: ImageFileDirectory_v2) -> TiffPage:
    orientation, depth = entries.get(ORIENTATION, 1), max(entries.get(_BITS, (1,)))
    return TiffPage(
        number,
        (int(entries[_HEIGHT]), int(entries[_WIDTH])),
        depth,
        max(entries.get(_FORMAT, (1,))) == 1,
        entries.get(_SAMPLES, 1),
        entries.get(_PHOTOMETRIC) == 0 and depth > 8,  # Pillow turns fewer bits round
        orientation if is_orientation(orientation) else 1,
    )


def read_tiff_page(data: bytes, page: TiffPage) -> np.ndarray:
    """The samples of a page as stored: grey, grey and alpha, RGB or RGBA, of any type.

    Pillow knows every kind of 8 bits, OpenCV every depth.

    Args:
        data: the file.
        page: which one.

    Raises:
        ValueError: it is damaged, or cannot be shown as RGB.
        OSError: it is damaged.
    """
    if page.depth <= 8 and page.plain:
        with open_pillow(BytesIO(data)) as image:
            image.seek(page.number)
            pixels = pillow_pixels(image)
    else:
        pages = (page.number, page.number + 1)
        done, found = cv2.imdecodemulti(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED, range=pages)
        if not done or not found:
            raise ValueError(f"it is damaged, or its {page.samples} channels of {page.depth} bits cannot be decoded")
        pixels = from_bgr(found[0])
    turned = pixels.shape[:2] != page.size if swaps_sides(page.orientation) else page.orientation > 1
    return turn_back(pixels, page.orientation) if turned else pixels
