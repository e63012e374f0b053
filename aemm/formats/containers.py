"""What the outermost parts of a video file tell of frames that are missing, which OpenCV does not.

Reference: ISO/IEC 14496-12, 4.2, 8.2 and 8.3 (boxes of MP4); Microsoft, AVI RIFF file reference.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np

_CUT = "the file is cut off"
_MAX_INDEX = 2**28  # bytes of an index that are read
_VIDEO_CHUNKS = (b"dc", b"db")  # compressed and plain frames in AVI


def why_cut_off(path: str, kind: str) -> str:
    """What shows that a file ends too early; empty if nothing does, or its kind does not tell.

    Args:
        path: of the file.
        kind: name of its kind, as :func:`aemm.formats.kinds.kind_of` gives it.
    """
    size = os.path.getsize(path)
    if kind == "AVI":
        with open(path, "rb") as file:
            promised = 8 + int.from_bytes(file.read(8)[4:], "little")
        return f"{_CUT}: {size} of {promised} bytes are there" if size < promised else ""
    if kind != "MP4":
        return ""
    names = set()
    for name, _, end in _boxes_of_file(path):
        names.add(name)
        if end > size:
            return f"{_CUT}: {size} of {end} bytes or more are there"
    return "" if b"moov" in names else f"{_CUT}, or its recording was not finished: its index is missing"


def _boxes_of_file(path: str) -> Iterator[tuple[bytes, int, int]]:
    """Name, first byte of the content and end of the boxes of an MP4 file; an end may lie behind the file's."""
    size, at = os.path.getsize(path), 0
    with open(path, "rb") as file:
        while at + 8 <= size:
            file.seek(at)
            head = file.read(16)
            length, first = int.from_bytes(head[:4], "big"), 8
            if length == 1:
                length, first = int.from_bytes(head[8:], "big"), 16
            end = size if length == 0 else at + max(length, first)
            yield head[4:8], at + first, end
            at = end


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of the boxes within a box."""
    at = 0
    while at + 8 <= len(data):
        length = max(8, int.from_bytes(data[at : at + 4], "big"))
        yield data[at + 4 : at + 8], data[at + 8 : at + length]
        at += length


def mp4_duration(path: str) -> float | None:
    """How long the first video of an MP4 file is to be shown, seconds, edits included; None if it does not tell."""
    for name, first, end in _boxes_of_file(path):
        if name == b"moov" and end - first < _MAX_INDEX:
            with open(path, "rb") as file:
                file.seek(first)
                index = file.read(end - first)
            break
    else:
        return None
    units = 0
    for name, box in _boxes(index):
        if name == b"mvhd":
            units = int.from_bytes(box[20:24] if box[:1] == b"\1" else box[12:16], "big")
        track = dict(_boxes(box)) if name == b"trak" else {}
        if units and b"vide" in dict(_boxes(track.get(b"mdia", b""))).get(b"hdlr", b""):
            head = track.get(b"tkhd", b"")
            return int.from_bytes(head[28:36] if head[:1] == b"\1" else head[20:24], "big") / units or None
    return None


def lost_avi_frames(path: str) -> np.ndarray:
    """Numbers of the frames whose place in an AVI file no longer holds one, though its index lists them.

    A reader finds the next frame behind them and does not know how many it has passed.
    """
    data = np.memmap(path, np.uint8, "r")
    movie, index = _avi_parts(data)
    rows = index.view("S4,<u4,<u4,<u4") if len(index) else np.zeros(0, "S4,<u4,<u4,<u4")
    rows = rows[[name[2:4] in _VIDEO_CHUNKS for name in rows["f0"]]]
    if not len(rows):
        return np.zeros(0, np.int64)
    places = [start + rows["f2"].astype(np.int64) for start in (movie, 0)]  # some writers count from the file's start
    there = [_holds(data, at, rows["f0"]) for at in places]
    best = max(there, key=np.count_nonzero)
    return np.flatnonzero(~best) if best.any() else np.zeros(0, np.int64)


def _holds(data: np.ndarray, places: np.ndarray, names: np.ndarray) -> np.ndarray:
    """At which of the places the names stand."""
    inside = places + 4 <= len(data)
    found = data[np.where(inside, places, 0)[:, None] + np.arange(4)]
    return inside & (np.ascontiguousarray(found).view("S4")[:, 0] == names)


def _avi_parts(data: np.ndarray) -> tuple[int, np.ndarray]:
    """Where the list of frames starts, and the index as bytes; empty if there is none."""
    at, movie = 12, 0
    while at + 12 <= len(data):
        name, length = data[at : at + 4].tobytes(), int.from_bytes(data[at + 4 : at + 8].tobytes(), "little")
        if name == b"LIST" and data[at + 8 : at + 12].tobytes() == b"movi":
            movie = at + 8
        elif name == b"idx1":
            return movie, data[at + 8 : at + 8 + min(length, len(data) - at - 8) // 16 * 16]
        at += 8 + length + length % 2
    return movie, data[:0]
