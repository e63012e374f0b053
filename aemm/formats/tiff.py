"""TIFF files: their pages, and the samples of each.

Reference: Adobe, TIFF revision 6.0.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

import cv2
import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from aemm.formats.decoders import decoding, from_bgr, open_pillow, pillow_pixels
from aemm.ops.orientation import ORIENTATION, is_orientation, swaps_sides, turn_back

# numbers of tags
_WIDTH = 256
_HEIGHT = 257
_BITS = 258
_PHOTOMETRIC = 262
_SUBFILE = 254
_SAMPLES = 277
_FORMAT = 339
_WHOLE, _FLOAT = 1, 3  # values of the last one
_NO_PICTURE = 0b101  # a smaller copy of another page, or a mask for one
_MAX_PAGES = 100_000


@dataclass(frozen=True)
class TiffPage:
    """What a page says of itself.

    Attributes:
        number: among all entries of the file, from 0.
        size: ``(height, width)`` as stored.
        depth: bits of a sample, the largest.
        format: of a sample: 1 whole number, 2 with a sign, 3 float.
        samples: channels.
        white_is_zero: zeros are white, and stay so when the samples are read.
        orientation: 1 to 8.
    """

    number: int
    size: tuple[int, int]
    depth: int = 1
    format: int = _WHOLE
    samples: int = 1
    white_is_zero: bool = False
    orientation: int = 1

    @property
    def is_plain(self) -> bool:
        """Whether Pillow knows it: every kind of up to 8 bits, and grey of 16 bits or floats. OpenCV knows the rest."""
        deep = (self.samples, self.depth, self.format) in ((1, 16, _WHOLE), (1, 32, _FLOAT))
        return deep or (self.depth <= 8 and self.format == _WHOLE)


class TiffFile:
    """A TIFF file, opened.

    Args:
        data: the file.

    Attributes:
        pages: without the smaller copies and masks that some have beside them; one or more.
        fault: why there may be more than are listed; empty if there are not.

    Raises:
        ValueError: it has none, or its list of pages is damaged from the start.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.pages: list[TiffPage] = []
        self.fault = ""
        self._opened: Image.Image | None = None
        try:
            self._list_pages()
        except Exception as error:  # Pillow raises whatever a damaged entry leads to
            self.fault = f"its list of pages is damaged after page {len(self.pages)}: {error}"
        if not self.pages:
            raise ValueError(f"it has no page; {self.fault or 'fetch it anew'}")

    def _list_pages(self) -> None:
        file = BytesIO(self.data)
        head = file.read(8)
        if b"+" in head[2:4]:  # BigTIFF, whose offsets take 8 bytes
            head += file.read(8)
        entries, seen = ImageFileDirectory_v2(head), set[int]()
        while entries.next:
            if entries.next >= len(self.data) or entries.next in seen or len(seen) >= _MAX_PAGES:
                self.fault = f"its list of pages is damaged after page {len(self.pages)}, or the file is cut off"
                return
            seen.add(entries.next)
            file.seek(entries.next)
            entries.load(file)
            if not entries.get(_SUBFILE, 0) & _NO_PICTURE:
                self.pages.append(_page(len(seen) - 1, entries))

    def read(self, page: TiffPage) -> np.ndarray:
        """The samples of a page as stored: grey, grey and alpha, RGB or RGBA, of any type.

        Raises:
            ValueError: it is damaged, or cannot be shown as RGB.
        """
        pixels = self._by_pillow(page) if page.is_plain else self._by_opencv(page)
        # both have turned the page by its orientation, unless its sides say that they have not
        turned = not swaps_sides(page.orientation) or pixels.shape[:2] == page.size[::-1]
        return turn_back(pixels, page.orientation) if turned else pixels

    def _by_pillow(self, page: TiffPage) -> np.ndarray:
        if self._opened is None:  # kept, since Pillow walks to a page from those that it knows
            self._opened = open_pillow(BytesIO(self.data))
        with decoding():
            self._opened.seek(page.number)
        return pillow_pixels(self._opened)

    def _by_opencv(self, page: TiffPage) -> np.ndarray:
        pages = (page.number, page.number + 1)
        with decoding():
            done, found = cv2.imdecodemulti(np.frombuffer(self.data, np.uint8), cv2.IMREAD_UNCHANGED, range=pages)
        if not done or not found:
            raise ValueError(f"it is damaged, or its {page.samples} channels of {page.depth} bits cannot be decoded")
        return from_bgr(found[0])


def _page(number: int, entries: ImageFileDirectory_v2) -> TiffPage:
    orientation, depth = entries.get(ORIENTATION, 1), max(entries.get(_BITS, (1,)))
    return TiffPage(
        number,
        (int(entries[_HEIGHT]), int(entries[_WIDTH])),
        depth,
        max(entries.get(_FORMAT, (_WHOLE,))),
        entries.get(_SAMPLES, 1),
        entries.get(_PHOTOMETRIC) == 0 and depth > 8,  # Pillow turns fewer bits round
        orientation if is_orientation(orientation) else 1,
    )
