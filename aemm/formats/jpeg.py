"""JPEG files: what stands in their headers, and whether the picture behind them is whole.

Decoders fill what is lost with grey and say nothing that reaches Python, so that damage is looked for here.

Reference: ITU-T T.81, annex B.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image

from aemm.formats.decoders import decoding
from aemm.ops.orientation import read_orientation

_END = b"\xff\xd9"
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # SOF0 to SOF15: size and kind of coding
_SEQUENTIAL = (0xC0, 0xC1)
_ALONE = {0x01, *range(0xD0, 0xD8)}  # markers without a segment
_TABLES = 0xC4
_SCAN = 0xDA
_INTERVAL = 0xDD
_APP1 = 0xE1
_BETWEEN_SCANS = {_TABLES, _SCAN, 0xDB, 0xDC, _INTERVAL, *range(0xE0, 0xF0), 0xFE}
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_GREY = 128  # what libjpeg shows where its data ended too early
_ZEROS = bytes(64)


@dataclass(frozen=True)
class JpegHeader:
    """What stands before the compressed data.

    Attributes:
        size: ``(height, width)`` as stored.
        depth: bits of a sample.
        orientation: of EXIF, 1 to 8.
        scan: where the compressed data starts.
        one_scan: all of the picture follows in one piece, coded from top to bottom.
        restarts: markers divide that piece.
        zeros_mean_flat: a run of zero bytes may be a flat region; otherwise no picture has one.
    """

    size: tuple[int, int] = (0, 0)
    depth: int = 8
    orientation: int = 1
    scan: int = 0
    one_scan: bool = False
    restarts: bool = False
    zeros_mean_flat: bool = True


def read_jpeg_header(data: bytes) -> JpegHeader:
    """What a JPEG says of itself.

    Raises:
        ValueError: it ends before its picture starts, or has none.
    """
    size, depth, components = (0, 0), 8, 0
    orientation: int | None = None
    sequential = restarts = False
    zeros_mean_flat = True
    at = 2
    while 0 <= at < len(data) - 3:
        marker = data[at + 1]
        if data[at] != 0xFF or marker == 0xFF:
            at = data.find(b"\xff", at + 1)  # padding between segments
            continue
        if marker in _ALONE:
            at += 2
            continue
        if marker == _END[1]:
            break
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        body = data[at + 4 : end]
        if marker in _FRAMES and len(body) >= 6:
            depth, components = body[0], body[5]
            size = (int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big"))
            sequential = marker in _SEQUENTIAL
        elif marker == _APP1 and body[:6] == b"Exif\0\0" and orientation is None:
            orientation = read_orientation(body[6:])
        elif marker == _TABLES:
            zeros_mean_flat = zeros_mean_flat and _zeros_mean_flat(body)
        elif marker == _INTERVAL:
            restarts = any(body[:2])
        elif marker == _SCAN and body:
            if size == (0, 0):
                break
            one_scan = sequential and body[0] == components
            return JpegHeader(size, depth, orientation or 1, end, one_scan, restarts, zeros_mean_flat)
        at = end
    raise ValueError("it is cut off: it ends before the picture starts; fetch it anew")


def _zeros_mean_flat(tables: bytes) -> bool:
    """Whether the code of zero bits alone says, in every Huffman table of a segment, that nothing changes."""
    at = 0
    while at + 17 <= len(tables):
        if tables[at + 17 : at + 18] != b"\0":
            return False
        at += 17 + sum(tables[at + 1 : at + 17])
    return True


def find_damage(data: bytes, header: JpegHeader) -> str:
    """How the compressed data is damaged; empty if nothing is to be seen.

    Found are files that were cut off, also if something was put behind them or a preview within them is
    whole; blocks of zeros; and most blocks of foreign bytes. Bytes behind the end of the picture are allowed,
    as cameras and telephones write them.
    """
    if not header.one_scan:
        return _damage_of_scans(data, header.scan)
    end = data.rfind(_END, header.scan)
    if end < 0:
        return "it is cut off: the marker of its end is missing"
    scan = np.frombuffer(data, np.uint8, end + 2 - header.scan, header.scan)
    marks = scan[:-1] == 0xFF
    np.minimum(marks.view(np.uint8), scan[1:], out=marks.view(np.uint8))  # and no zero behind it
    if np.count_nonzero(marks) > 1:  # the end alone is one
        places = np.flatnonzero(marks)
        kinds = scan[places + 1]
        places = places[: np.argmax(kinds == 0xD9) + 1]  # what follows the first end is no part of the picture
        kinds = kinds[: len(places) - 1]
        stray = (kinds != 0xFF) & ~(header.restarts & (kinds >= 0xD0) & (kinds <= 0xD7))
        if stray.any():
            return f"it is damaged: there is a stray marker at byte {header.scan + places[:-1][stray][0]}"
        end = header.scan + int(places[-1])
    if not header.zeros_mean_flat and (zeros := data.find(_ZEROS, header.scan, end)) >= 0:
        return f"it is damaged: there are zeros from byte {zeros} on"
    return ""


def _damage_of_scans(data: bytes, at: int) -> str:
    """How a picture of several scans is damaged, as far as its markers tell."""
    while found := _MARKER.search(data, at):
        at = found.start()
        if data[at + 1] == _END[1]:
            return ""
        if data[at + 1] not in _BETWEEN_SCANS:
            return f"it is damaged: there is a stray marker at byte {at}"
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return "it is cut off: the marker of its end is missing"


def ends_early(data: bytes, header: JpegHeader, image: np.ndarray) -> bool:
    """Whether the data ended before the picture did, so that the rest was filled with grey.

    Only a picture whose last corner is of that grey is looked at closely: with further data before the end
    marker, a picture that was short of data changes, and a whole one does not.

    Args:
        data: the file.
        header: of it.
        image: ``(H, W, 3) uint8``, decoded and as stored.
    """
    if not header.one_scan or not (image[-4:, -4:] == _GREY).all():
        return False
    end = data.find(_END, header.scan)
    further = np.random.default_rng(0).integers(0, 255, 4096).astype(np.uint8).tobytes()  # none is 0xFF, a marker
    return _small(data[: end + 2]) != _small(data[:end] + further + _END)


def _small(data: bytes) -> bytes:
    """The picture at an eighth of its size, grey."""
    try:
        with decoding(), Image.open(BytesIO(data), formats=("JPEG",)) as image:
            image.draft("L", (max(1, image.width // 8), max(1, image.height // 8)))
            return image.tobytes()
    except ValueError:
        return b""
