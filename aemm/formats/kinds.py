"""What a file holds, by its first bytes: names lie, and many have none that tells."""

from __future__ import annotations

import os
import re
from typing import Literal, NamedTuple

from aemm.formats.web import fetch, is_web

Reads = Literal["image", "frames", "video", "nothing"]

PNG = b"\x89PNG\r\n\x1a\n"
HEAD = 512  # bytes by which a kind is told
IMAGE_ENDINGS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".gif", ".webp", ".avif", ".tif", ".tiff"),
    *(".bmp", ".dib", ".jp2", ".j2k", ".ppm", ".pgm", ".pbm", ".pnm", ".heic", ".heif", ".hif"),
)
VIDEO_ENDINGS = (
    *(".mp4", ".m4v", ".mov", ".3gp", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts"),
    *(".wmv", ".asf", ".flv", ".ogv", ".y4m"),
)
_RAW_ENDINGS = (
    *(".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".srf", ".sr2", ".dng", ".orf", ".pef", ".raf"),
    *(".rw2", ".rwl", ".srw", ".3fr", ".iiq", ".x3f"),
)
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_PNM = re.compile(rb"P[1-6]\s+[0-9#]")
_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")


class Kind(NamedTuple):
    """A kind of file.

    Attributes:
        name: of the format; empty if unknown.
        reads: what can be read from it: one image, the frames of an animation, those of a video, or nothing.
        remedy: what to do with a file that can't be read though it shows something.
    """

    name: str = ""
    reads: Reads = "nothing"
    remedy: str = ""


_HEIC = Kind("HEIC", remedy="convert it to JPEG: telephones export it as JPEG, or heif-convert does it")
_RAW = Kind("camera raw", remedy="develop it to JPEG or TIFF")
# FFmpeg would draw it, or open what it names
_TEXT = Kind(remedy="it is text: give an image or a video")
_NOT_IN_TEXT = re.compile(rb"[^\t\n\r\x1b\x20-\xff]")
PLAYLIST = Kind("list of other files", remedy="give the videos that it names")
_SIGNATURES: list[tuple[int, bytes, Kind]] = [
    (0, b"\xff\xd8\xff", Kind("JPEG", "image")),
    (0, PNG, Kind("PNG", "image")),
    (0, b"GIF87a", Kind("GIF", "frames")),
    (0, b"GIF89a", Kind("GIF", "frames")),
    (0, b"II*\0", Kind("TIFF", "frames")),
    (0, b"MM\0*", Kind("TIFF", "frames")),
    (0, b"II+\0", Kind("TIFF", "frames")),
    (0, b"MM\0+", Kind("TIFF", "frames")),
    (8, b"WEBP", Kind("WebP", "frames")),
    (8, b"AVI ", Kind("AVI", "video")),
    (4, b"ftypavif", Kind("AVIF", "frames")),
    (4, b"ftypavis", Kind("AVIF", "frames")),
    (4, b"ftypcrx ", _RAW),
    *((4, b"ftyp" + brand, _HEIC) for brand in _HEIC_BRANDS),
    (0, b"\x1a\x45\xdf\xa3", Kind("Matroska", "video")),
    (0, b"\0\0\x01\xba", Kind("MPEG", "video")),
    (0, b"\0\0\x01\xb3", Kind("MPEG", "video")),
    (0, b"FLV\x01", Kind("Flash video", "video")),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Kind("Windows Media", "video")),
    (0, b"YUV4MPEG2", Kind("Y4M", "video")),
    (0, b"\0\0\0\x0cjP  ", Kind("JPEG 2000", "image")),
    (0, b"\xff\x4f\xff\x51", Kind("JPEG 2000", "image")),
    (0, b"#?RADIANCE", Kind("Radiance HDR", remedy="convert it to 8 bits")),
    (0, b"#?RGBE", Kind("Radiance HDR", remedy="convert it to 8 bits")),
    (0, b"FUJIFILMCCD-RAW", _RAW),
    (0, b"IIRO", _RAW),
    (0, b"IIRS", _RAW),
    (0, b"IIU\0", _RAW),
    (0, b"#EXTM3U", PLAYLIST),
    (0, b"ffconcat version", PLAYLIST),
    (0, b"version https://git-lfs", Kind("Git LFS pointer", remedy="fetch the file itself: git lfs pull")),
    (0, b"<!DOCTYPE html", Kind("web page", remedy="download the file itself; its address may need a login")),
    (0, b"<html", Kind("web page", remedy="download the file itself; its address may need a login")),
]


def kind_of(head: bytes, name: str = "") -> Kind:
    """The kind of a file.

    Args:
        head: its first bytes, :data:`HEAD` of them are enough.
        name: its name, by whose ending raw files of cameras are told from TIFF.

    >>> kind_of(b"GIF89a...").reads
    'frames'
    """
    if name.lower().endswith(_RAW_ENDINGS):
        return _RAW
    if head[:8] == PNG and b"acTL" in head:
        return Kind("PNG", "frames")
    for at, signature, kind in _SIGNATURES:
        if head[at : at + len(signature)] == signature and (at != 8 or head[:4] == b"RIFF"):
            return kind
    if head[:2] == b"BM" and head[6:10] == bytes(4):
        return Kind("BMP", "image")
    if _PNM.match(head):
        return Kind("PNM", "image")
    if head[4:8] in _BOXES and head[:1] == b"\0" and head[8:11] != b"M4A":
        return Kind("MP4", "video")
    if head[:4] == b"OggS" and b"theora" in head:
        return Kind("Ogg", "video")
    if head[0::188][:3] == b"GGG" or head[4::192][:3] == b"GGG":
        return Kind("MPEG-TS", "video")
    return _TEXT if head and not _NOT_IN_TEXT.search(head) else Kind()


def kind_of_file(path: str) -> Kind:
    """The kind of a file, or of what is at a web address; the unknown one if it cannot be read."""
    try:
        if is_web(path):
            return kind_of(fetch(path, HEAD), path)
        with open(path, "rb") as file:
            return kind_of(file.read(HEAD), path)
    except (OSError, ValueError):  # ValueError: a name with a null character
        return Kind()


def is_media(path: str) -> bool:
    """Whether a file shows something, by its content, or ought to by the ending of its name."""
    if os.path.exists(path) and not os.path.isfile(path):
        return False  # reading a pipe or device might never end
    kind = kind_of_file(path)
    promised = path.lower().endswith((*IMAGE_ENDINGS, *VIDEO_ENDINGS, *_RAW_ENDINGS))
    return promised or kind.reads != "nothing" or kind in (_HEIC, _RAW)
