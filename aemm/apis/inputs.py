"""What goes in: arrays, files, folders, patterns, addresses and cameras become images."""

from __future__ import annotations

import glob
import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from aemm.apis.account import Account
from aemm.formats import NoPictureError, UnreadableImageError, load_image, open_frames
from aemm.formats.kinds import IMAGE_ENDINGS, is_media, kind_of_file
from aemm.formats.video import Frames
from aemm.formats.web import is_web
from aemm.ops.fitting import check_stretch
from aemm.structures import ImageId

Input = np.ndarray | str | Path | int

_CLUTTER = ("thumbs.db", "desktop.ini", "__macosx", "@eadir", "$recycle.bin")  # what systems put among pictures


@dataclass
class Shot:
    """An image as it was read.

    Attributes:
        source: where it is from.
        image_id: its identifier.
        image: ``(H, W, 3) uint8`` RGB.
        number: of the frame, from 0; 0 for a single image.
    """

    source: Source
    image_id: ImageId
    image: np.ndarray
    number: int = 0


class Source:
    """One input that gives images; iterating reads them and counts them.

    Args:
        name: path, address, or number of an array or camera.
        account: where its images are counted, and where it is listed if it gives none.
        array: the image itself, if it is given as such.

    Attributes:
        frames: of a video, an animation, or several pages, once it is opened; None for a single image.
    """

    def __init__(self, name: str | int, account: Account, array: np.ndarray | None = None) -> None:
        self.name = name
        self.account = account
        self.array = array
        self.frames: Frames | None = None
        self._counted = False
        account.found += 1

    @property
    def rate(self) -> float | None:
        """Frames a second of what moves; None for a single image and for pages. Known from the first image on."""
        return self.frames.rate if self.frames is not None and self.frames.moving else None

    def expected(self) -> int | None:
        """How many images it holds, as far as that is known before they are read; what cannot be read holds none."""
        if self.array is not None or (isinstance(self.name, str) and _shows_one_image(self.name)):
            return 1
        if isinstance(self.name, int):
            return None
        try:
            return open_frames(self.name).expected
        except UnreadableImageError:
            return 0

    def __iter__(self) -> Iterator[tuple[ImageId, np.ndarray]]:
        """Identifier and image ``(H, W, 3) uint8`` RGB, one after the other; each counts when its reader is done.

        Raises:
            UnreadableImageError: there is none, and the account is strict.
        """
        for shot in self.shots():
            yield shot.image_id, shot.image
            self.count()

    def count(self) -> None:
        """One more of its images has been dealt with."""
        self.account.images += 1
        self.account.read += not self._counted
        self._counted = True

    def shots(self) -> Iterator[Shot]:
        """Its images one after the other, for those who count them later.

        Raises:
            UnreadableImageError: there is none, and the account is strict.
        """
        given, name = 0, str(self.name)
        try:
            for shot in self._read():
                _check_stretch(self.name, shot.image)
                yield shot
                given += 1
        except UnreadableImageError as error:
            if given:
                self.account.miss_frames(name, f"{given} images were read; {error}")
            else:
                self.account.leave_out(name, error)
            return
        if self.frames is not None and (loss := self.frames.describe_loss()):
            self.account.miss_frames(name, loss)

    def _read(self) -> Iterator[Shot]:
        if self.array is not None:
            yield Shot(self, self.name, self.array)
            return
        if isinstance(self.name, str) and _shows_one_image(self.name):
            yield Shot(self, self.name, load_image(self.name))
            return
        self.frames = open_frames(self.name)
        if isinstance(self.name, str) and self.frames.expected == 1 and not self.frames.moving:
            self.frames = None
            yield Shot(self, self.name, load_image(self.name))  # turned as its EXIF says
            return
        for number, image in self.frames:
            yield Shot(self, f"{self.name}#{number:06d}", image, number)


def _check_stretch(name: str | int, image: np.ndarray) -> None:
    try:
        check_stretch(image, name)
    except ValueError as error:
        raise UnreadableImageError(str(error)) from error


def _shows_one_image(name: str) -> bool:
    if "://" in name and not is_web(name):
        return False  # a stream
    kind = kind_of_file(name)
    return kind.reads == "image" or (kind.reads == "nothing" and name.lower().endswith(IMAGE_ENDINGS))


def read_inputs(
    inputs: Input | Iterable[Input], account: Account | None = None
) -> Iterator[tuple[ImageId, np.ndarray]]:
    """Identifier and image ``(H, W, 3) uint8`` RGB of everything there is to predict.

    An array goes by its number among the inputs, an image file by its path, and a frame by path and number.

    Args:
        inputs: see :func:`find_sources`.
        account: of what was read; None = the first input that cannot be read raises its error.

    Raises:
        FileNotFoundError: a path does not exist.
        UnreadableImageError: a file is damaged.
        ValueError: an array is no RGB image, a file is neither image nor video, or a folder holds none.
    """
    for source in find_sources(inputs, account or Account(strict=True)):
        yield from source


def count_images(inputs: Iterable[Input], skip: str | Path | None = None) -> int | None:
    """How many images there are to predict; None where that shows in the end alone, as of a camera.

    Args:
        inputs: see :func:`find_sources`.
        skip: a folder that is passed over.
    """
    inputs = list(inputs)
    if any(isinstance(one, str) and (one == "-" or "://" in one) for one in inputs):
        return None
    total = 0
    for source in find_sources(inputs, Account(), skip):
        count = source.expected()
        if count is None:
            return None
        total += count
    return total


def find_sources(
    inputs: Input | Iterable[Input], account: Account, skip: str | Path | None = None, stdin: BinaryIO | None = None
) -> Iterator[Source]:
    """Everything that gives images.

    - an RGB array;
    - an image, a video, an animation, a file of several pages, told by its content;
    - a folder with all below it, in the order of names; hidden files are passed over, and others than
      images and videos are listed in the account;
    - a pattern such as ``photos/*.jpg``, ``**`` for folders at any depth;
    - an address: ``http://`` or ``https://`` of an image, an animation or a video, ``rtsp://`` of a stream;
    - the number of a camera;
    - ``-`` for paths from the standard input, one a line.

    Args:
        inputs: one of these, or several.
        account: of what was found; what gives no image is listed there.
        skip: a folder that is passed over: that of the results.
        stdin: read for ``-``; None = the standard input.

    Raises:
        ValueError: an array is no RGB image, or an input is nothing of all this.
        FileNotFoundError: a path does not exist, and the account is strict.
    """
    finder = _Finder(account, skip)
    single = isinstance(inputs, np.ndarray | str | bytes) or not isinstance(inputs, Iterable)
    for number, one in enumerate([inputs] if single else cast(Iterable[Input], inputs)):
        if isinstance(one, bool) or not isinstance(one, np.ndarray | str | os.PathLike | int | np.integer):
            raise ValueError(
                f"input {number} must be an RGB array, a path, an address or the number of a camera, "
                f"got a {type(one).__name__}"
            )
        if isinstance(one, np.ndarray):
            if one.ndim != 3 or one.shape[2] != 3 or one.dtype != np.uint8 or 0 in one.shape:
                raise ValueError(f"input {number} must be (H, W, 3) uint8 RGB, got {one.dtype}{one.shape}")
            yield Source(number, account, one)
        elif isinstance(one, int | np.integer):
            yield Source(int(one), account)
        elif str(one) == "-":
            with stdin or open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as stream:
                for name in _names(stream):
                    yield from finder.find(name)
        else:
            yield from finder.find(os.fsdecode(one))


def _names(stream: BinaryIO) -> Iterator[str]:
    """Names from a stream, one a line or divided by null characters, each as soon as it is there.

    The stream should not be buffered: a thread that waits in a buffered one holds its lock, and Python cannot end then.
    """
    rest = b""
    while data := stream.read(1 << 16):
        *whole, rest = (rest + data).replace(b"\0", b"\n").split(b"\n")
        yield from (os.fsdecode(line) for line in map(_without_return, whole) if line)
    if rest := _without_return(rest):
        yield os.fsdecode(rest)


def _without_return(line: bytes) -> bytes:
    return line.rstrip(b"\r")


class _Finder:
    """Finds the sources behind a name, each file once."""

    def __init__(self, account: Account, skip: str | Path | None) -> None:
        self.account, self.skip = account, None if skip is None else os.path.realpath(skip)
        self.taken: set[str] = set()

    def find(self, name: str) -> Iterator[Source]:
        if "://" in name:
            yield Source(name, self.account)
        elif os.path.isdir(name):
            yield from self._folder(name)
        elif os.path.lexists(name):
            yield from self._file(name, asked_for=True)
        elif name.isascii() and name.isdigit():
            yield Source(int(name), self.account)
        elif glob.has_magic(name):
            yield from self._pattern(name)
        else:
            self._refuse(name, FileNotFoundError(f"input {name} does not exist"))

    def _refuse(self, name: str, error: Exception) -> None:
        self.account.found += 1
        self.account.leave_out(name, error)

    def _pattern(self, name: str) -> Iterator[Source]:
        before = self._met()
        root = os.path.dirname(re.split(r"[*?[]", name, maxsplit=1)[0])
        for match in sorted(glob.glob(name, recursive=True)):
            if self._is_result(match, root):
                continue
            if not os.path.isdir(match):
                yield from self._file(match, asked_for=False)
            elif not name.endswith("**"):
                yield from self._folder(match)
        if self._met() == before:
            self._refuse(name, FileNotFoundError(f"input {name} does not exist, and as a pattern it finds no image"))

    def _is_result(self, path: str, root: str) -> bool:
        """Whether a path lies in the folder of the results, and it is not that folder which is looked through."""
        return self.skip is not None and _is_within(path, self.skip) and not _is_within(root, self.skip)

    def _file(self, path: str, asked_for: bool) -> Iterator[Source]:
        """A file, if it has not been taken before; in a folder only what shows something."""
        key = os.path.abspath(path)
        if key in self.taken:
            self.account.repeated += 1
            return
        self.taken.add(key)
        if is_media(path):
            yield Source(path, self.account)
        elif asked_for:
            self._refuse(path, NoPictureError(f"input {path} is no image or video that is known"))
        else:
            self.account.found += 1
            self.account.other.append(path)

    def _folder(self, folder: str) -> Iterator[Source]:
        before = self._met()
        visited: set[str] = set()
        for here, folders, files in os.walk(folder, onerror=self._closed, followlinks=True):
            place = os.path.realpath(here)
            if place in visited or (place == self.skip and here != folder):
                folders.clear()
                continue
            visited.add(place)
            self.account.hidden += sum(map(_is_clutter, (*folders, *files)))
            folders[:] = sorted(name for name in folders if not _is_clutter(name))
            for name in sorted(files):
                if not _is_clutter(name):
                    yield from self._file(os.path.join(here, name), asked_for=False)
        if self._met() == before:
            self._refuse(folder, NoPictureError(f"folder {folder} holds no image or video"))

    def _met(self) -> int:
        """Number of inputs met that show something, or ought to."""
        return self.account.found - len(self.account.other) + self.account.repeated

    def _closed(self, error: OSError) -> None:
        name = str(error.filename)
        self._refuse(name, UnreadableImageError(f"folder {name} cannot be opened: {error.strerror}"))


def _is_within(path: str, folder: str) -> bool:
    """Whether a path is a folder, given without links, or lies below it."""
    return f"{os.path.realpath(path)}{os.sep}".startswith(f"{folder}{os.sep}")


def _is_clutter(name: str) -> bool:
    return name.startswith(".") or name.lower() in _CLUTTER
