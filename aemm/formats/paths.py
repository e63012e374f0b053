"""Files as they are found: opening one, and the names by which an annotation file refers to others."""

from __future__ import annotations

import os
import posixpath
import stat
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import PureWindowsPath

import mmengine.fileio as fileio
from mmengine.fileio import get_file_backend
from mmengine.fileio.backends import LocalBackend

MAX_BYTES = 2**31  # of one image file; an image of as many pixels as are allowed takes less in any format
_SHOWN = 3


class UnreadableImageError(OSError):
    """An image file is missing, empty, corrupt, or holds what cannot be taken for a picture."""


class NoPictureError(UnreadableImageError, ValueError):
    """A file holds nothing that can be shown, neither an image nor a frame of a video."""


def read_bytes(path: str, what: str = "image") -> bytes:
    """The content of a file, through mmengine's file backends.

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
        data = fileio.get(path)
    except (OSError, ValueError) as error:  # ValueError: a name with a null character
        raise UnreadableImageError(f"{what} {path} cannot be opened: {error}") from error
    if not data:
        raise UnreadableImageError(f"{what} {path} is empty (0 bytes); fetch it anew")
    return data


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


def absent_files(folder: str, names: Iterable[str]) -> list[str]:
    """Which of the files named are not there, as the paths that were looked up, in the order of the names.

    Each folder is listed once, so that 100,000 names take a second. Addresses of other backends are not looked up.

    Args:
        folder: of the images.
        names: relative to it.
    """
    if not isinstance(get_file_backend(folder), LocalBackend):
        return []
    paths = [os.path.normpath(os.path.join(folder, name)) for name in names]
    parents = {os.path.dirname(path) for path in paths}
    present = {
        os.path.join(parent, entry.name)
        for parent in parents
        if os.path.isdir(parent or ".")
        for entry in os.scandir(parent or ".")
    }
    return [path for path in paths if path not in present]


def describe_absent(folder: str, absent: Sequence[str], count: int) -> str:
    """One sentence on files that are not there: how many, where they were looked for, and what may be the matter.

    Args:
        folder: of the images.
        absent: paths of :func:`absent_files`, at least one.
        count: number of files named.
    """
    shown = ", ".join(absent[:_SHOWN]) + (", ..." if len(absent) > _SHOWN else "")
    hint = next((hint for path in absent[:_SHOWN] if (hint := _hint(folder, path))), "set img_dir (and data_root)")
    return f"images: {len(absent)} of {count} files are not in {folder}, looked for as {shown}; {hint}"


def _hint(folder: str, path: str) -> str:
    """Why a file may not be where it was looked for; empty if nothing is to be seen."""
    folder = os.path.normpath(folder)
    name = os.path.relpath(path, folder)
    if not os.path.isdir(folder):
        return f"the folder {folder} does not exist; set img_dir (and data_root)"
    if "\\" in name and os.path.exists(os.path.join(folder, name.replace("\\", "/"))):
        return r"the names have a backslash where the folders have /; write them with / in the annotation file"
    if os.path.exists(outer := os.path.join(os.path.dirname(folder), name)):
        return (
            f"{outer} exists, so the names repeat the folder {os.path.basename(folder)}; set img_dir to the one above"
        )
    bare = os.path.basename(name.replace("\\", "/"))
    if bare != name and os.path.exists(os.path.join(folder, bare)):
        return f"{os.path.join(folder, bare)} exists; leave the folder out of file_name, or set img_dir to match"
    parent = os.path.dirname(path)
    for other in os.listdir(parent) if os.path.isdir(parent) else ():
        if _folded(other) == _folded(os.path.basename(path)):
            return f"{os.path.join(parent, other)} exists, whose name is written in another way (case, or accents)"
    return ""


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
