"""Files as they are found: opening one, and the names by which an annotation file refers to others."""

from __future__ import annotations

import os
import posixpath
import re
import stat
from pathlib import PureWindowsPath

import mmengine.fileio as fileio

from aemm.formats.web import fetch, is_web

_PLAIN_NAME = re.compile(r"[\w-][\w .()-]*", re.ASCII)
MAX_BYTES = 2**31  # of one image file; an image of as many pixels as are allowed takes less in any format


class UnreadableImageError(OSError):
    """An image file is missing, empty, corrupt, or holds what cannot be taken for a picture."""


class NoPictureError(UnreadableImageError, ValueError):
    """A file holds nothing that can be shown, neither an image nor a frame of a video."""


def read_bytes(path: str, what: str = "image") -> bytes:
    """The content of a file; what is on no disk of this machine comes through mmengine's file backends.

    Args:
        path: of the file, or its address.
        what: it is expected to hold, for the message.

    Raises:
        UnreadableImageError: there is no such file, it cannot be opened, is empty, too large, or no file at all.
    """
    try:
        about = os.stat(path)
    except (OSError, ValueError):  # an address of another backend, or nothing; what opens it says which
        about = None
    if about is not None and not stat.S_ISREG(about.st_mode):
        kind = "folder" if stat.S_ISDIR(about.st_mode) else "device or pipe"
        raise UnreadableImageError(f"{what} {path} is a {kind}, expected a file")
    if about is not None and about.st_size > MAX_BYTES:
        raise UnreadableImageError(f"{what} {path} has {about.st_size} bytes; files of up to {MAX_BYTES} are read")
    try:
        if about is not None:  # a file of this machine needs no backend to be found for it
            with open(path, "rb") as file:
                data = file.read()
        else:
            data = fetch(path) if is_web(path) else fileio.get(path)
    except (OSError, ValueError) as error:  # ValueError: a name with a null character
        raise UnreadableImageError(f"{what} {path} cannot be opened: {error}") from error
    if not data:
        raise UnreadableImageError(f"{what} {path} is empty (0 bytes); fetch it anew")
    return data


def plain_name(name: str) -> bool:
    """Whether a name is that of a file within the folder itself, of letters, numbers and few signs."""
    return _PLAIN_NAME.fullmatch(name) is not None


def resolve_inside(folder: str, name: str, allow_outside: bool = False) -> str:
    """Path of a file that an annotation file names, which must lie in the folder of the images.

    Only names are looked at: links within the folder may lead anywhere, since whoever owns the folder made them.

    Args:
        folder: of the images.
        name: as the annotation file gives it, relative to the folder.
        allow_outside: take absolute names and names with ``..`` that lead out of the folder, too.

    Raises:
        ValueError: the name is no text, is empty, or leads out of the folder.

    >>> resolve_inside("images", "train//1.jpg")
    'images/train/1.jpg'
    """
    if isinstance(name, str) and plain_name(name):
        return os.path.join(folder, name)
    if not isinstance(name, str) or not name or "\0" in name:
        raise ValueError(f"file_name must be the name of a file, got {name!r}")
    windows = PureWindowsPath(name)
    absolute = name.startswith(("/", "\\")) or bool(windows.drive)
    inner = posixpath.normpath(name.lstrip("/") if absolute and not allow_outside else name)
    if not allow_outside:
        steps = posixpath.normpath(name.replace("\\", "/")).split("/")
        if absolute or ".." in steps:
            leads = "is absolute" if absolute else "leads out of the folder of the images"
            raise ValueError(
                f"file_name {name!r} {leads} (looked up in {folder}); make it relative to img_dir, or set "
                "allow_outside=True if you trust the annotation file"
            )
    return os.path.join(folder, inner)
