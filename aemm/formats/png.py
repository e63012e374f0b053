"""PNG files: what stands in their headers, whether they are whole, and the numbers that index images store.

Reference: W3C, Portable Network Graphics (third edition), 5 and 11.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from io import BytesIO

import numpy as np
from PIL import Image

from aemm.formats.decoders import check_pixels, decoding
from aemm.formats.kinds import PNG
from aemm.formats.paths import UnreadableImageError, read_bytes
from aemm.ops.orientation import read_orientation

_GREY, _PALETTE = 0, 3
_COLORS = {_GREY: "grey", 2: "RGB", _PALETTE: "palette", 4: "grey with alpha", 6: "RGBA"}


@dataclass(frozen=True)
class PngHeader:
    """What a PNG says of itself.

    Attributes:
        size: ``(height, width)`` as stored.
        depth: bits of a sample.
        color: 0 grey, 2 RGB, 3 palette, 4 grey with alpha, 6 RGBA.
        transparent: it has an alpha channel, or a colour or palette entries that are transparent.
        clear_grey: the grey that is transparent, as stored; None if there is none.
        orientation: of EXIF, 1 to 8.
        frames: number of pictures; several in an animation.
    """

    size: tuple[int, int]
    depth: int
    color: int
    transparent: bool = False
    clear_grey: int | None = None
    orientation: int = 1
    frames: int = 1


def read_png_header(data: bytes) -> PngHeader:
    """Size and kind of a PNG from its first 26 bytes.

    Raises:
        ValueError: it is no PNG.
    """
    if data[:8] != PNG or data[12:16] != b"IHDR" or len(data) < 26:
        raise ValueError("it is no PNG")
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    return PngHeader((height, width), data[24], data[25], transparent=data[25] in (4, 6))


def read_png(data: bytes) -> PngHeader:
    """All that a whole PNG says of itself.

    Raises:
        ValueError: it is no PNG, is cut off, or a part of it does not match its checksum.
    """
    header = read_png_header(data)
    at = len(PNG)
    while at + 12 <= len(data):
        name = data[at + 4 : at + 8]
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        if end + 4 > len(data):
            break
        whole = zlib.crc32(memoryview(data)[at + 4 : end]) == int.from_bytes(data[end : end + 4], "big")
        if not whole and not name[0] & 0x20:  # a capital: no decoder can do without this part
            raise ValueError(f"it is damaged: the checksum of the part at byte {at} is wrong; fetch it anew")
        if name == b"IEND":
            return header
        if name == b"tRNS":
            grey = int.from_bytes(data[at + 8 : at + 10], "big") if header.color == _GREY else None
            header = replace(header, transparent=True, clear_grey=grey)
        elif name == b"eXIf" and whole:
            header = replace(header, orientation=read_orientation(data[at + 8 : end]))
        elif name == b"acTL" and whole:
            header = replace(header, frames=max(1, int.from_bytes(data[at + 8 : at + 12], "big")))
        at = end + 4
    raise ValueError("it is cut off: its last part is missing; fetch it anew")


def index_fault(data: bytes) -> str:
    """Why a mask cannot hold the numbers of instances or classes, from its first 26 bytes; empty if it can.

    >>> index_fault(b"GIF89a")
    'is no PNG'
    """
    try:
        header = read_png_header(data)
    except ValueError:
        return "is no PNG"
    if header.color in (_GREY, _PALETTE):
        return ""
    return (
        f"stores {_COLORS.get(header.color, 'unknown')} colours, expected a palette PNG of instance or class "
        "numbers; it was probably converted, take the original file"
    )


def read_indices(path: str) -> np.ndarray:
    """The numbers ``(H, W)`` that a palette or grey PNG stores, not the colours or greys they are shown in.

    Returns:
        ``uint8`` for 1 to 8 bits a pixel, ``uint16`` for 16.

    Raises:
        UnreadableImageError: the file is missing or damaged, or stores colours.
    """
    data = read_bytes(path, "mask")
    if fault := index_fault(data):
        raise UnreadableImageError(f"mask {path} {fault}")
    try:
        header = read_png(data)
        check_pixels(header.size)
        with decoding(), Image.open(BytesIO(data), formats=("PNG",)) as image:
            pixels = np.asarray(image)
    except ValueError as error:
        raise UnreadableImageError(f"mask {path} cannot be decoded ({len(data)} bytes): {error}") from error
    if header.depth == 16:
        return pixels.astype(np.uint16)
    pixels = pixels.astype(np.uint8)
    if header.color == _GREY and 1 < header.depth < 8:  # Pillow spreads the greys of 2 and 4 bits over 0 to 255
        return pixels // np.uint8(255 // (2**header.depth - 1))
    return pixels
