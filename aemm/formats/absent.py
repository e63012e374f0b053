"""Files that an annotation file names and that are not there: which, and the layout of the folder that would fit."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from aemm.formats.paths import plain_name

_SHOWN = 8
_TRIED = 1000  # of the absent files; enough to tell which layout fits best
_SUBFOLDERS = 100
_LEAST = 0.1  # share of the absent files that a layout must find to be worth a word


class _Listings:
    """The names in folders, each folder listed once."""

    def __init__(self) -> None:
        self._names: dict[str, set[str]] = {}
        self._keys: dict[tuple[str, str], set[str]] = {}

    def names(self, folder: str) -> set[str]:
        """What is in a folder; nothing where there is none."""
        if folder not in self._names:
            try:
                self._names[folder] = set(os.listdir(folder or "."))
            except (OSError, ValueError):
                self._names[folder] = set()
        return self._names[folder]

    def holds(self, path: str) -> bool:
        """Whether a file is there."""
        return os.path.basename(path) in self.names(os.path.dirname(path))

    def holds_alike(self, path: str, kind: str, key: Callable[[str], str]) -> bool:
        """Whether a file is there whose name has the same key."""
        folder = os.path.dirname(path)
        if (folder, kind) not in self._keys:
            self._keys[folder, kind] = {key(name) for name in self.names(folder)}
        return key(os.path.basename(path)) in self._keys[folder, kind]


class _Layout(NamedTuple):
    """A way in which names and folders might fit together."""

    advice: str
    fits: Callable[[str], bool]


def absent_names(folder: str, names: Iterable[str]) -> list[str]:
    """Those of the names that are not in the folder, in their order; each folder is listed once.

    Args:
        folder: of the images.
        names: relative to it.
    """
    listings = _Listings()
    own = listings.names(os.path.normpath(folder) if folder else "")
    return [
        name
        for name in names
        if not (name in own if plain_name(name) else listings.holds(os.path.normpath(os.path.join(folder, name))))
    ]


def describe_absent(folder: str, absent: Sequence[str], count: int) -> str:
    """A sentence on files that are not there: how many, where they were looked up, and the layout that fits best.

    Args:
        folder: of the images.
        absent: names that are not in it, at least one.
        count: number of names.
    """
    paths = [os.path.normpath(os.path.join(folder, name)) for name in absent[:_SHOWN]]
    more = f" and {len(absent) - _SHOWN} more" if len(absent) > _SHOWN else ""
    listed = ", ".join(map(repr, paths)) + more
    return f"images: {len(absent)} of {count} files are not in {folder}; looked up: {listed}; {_advice(folder, absent)}"


def _advice(folder: str, absent: Sequence[str]) -> str:
    if not os.path.isdir(folder or "."):
        return f"the folder {folder} does not exist; set img_dir (and data_root)"
    tried = absent[:: max(1, len(absent) // _TRIED)]
    best, most = "", 0
    for layout in _layouts(os.path.normpath(folder or "."), tried[0]):
        if (fitting := sum(map(layout.fits, tried))) > most:
            best, most = layout.advice, fitting
    if most < _LEAST * len(tried):
        return "set img_dir (and data_root) to the folder that file_name is relative to"
    share = "all of them" if most == len(tried) else f"{most} of {len(tried)}"
    return f"{share} would be found: {best}"


def _layouts(folder: str, example: str) -> list[_Layout]:
    """Ways to try, the likelier first."""
    listings = _Listings()

    def path(name: str) -> str:
        return os.path.normpath(os.path.join(folder, name))

    outer, own = os.path.split(os.path.abspath(folder))
    first = os.path.normpath(example).split(os.sep)[0]
    repeats = f"file_name repeats the folder {own!r}" if first == own else "file_name is relative to the folder above"
    layouts = [
        _Layout(
            "file_name separates folders by a backslash; write / instead",
            lambda name: "\\" in name and listings.holds(path(name.replace("\\", "/"))),
        ),
        _Layout(
            f"{repeats}; set img_dir to {outer}",
            lambda name: listings.holds(os.path.normpath(os.path.join(outer, name))),
        ),
        _Layout(
            "file_name states a folder that is not there; leave it out",
            lambda name: listings.holds(path(os.path.basename(name.replace("\\", "/")))),
        ),
        _Layout(
            "their names are written in other letters, such as capitals or accents of another Unicode form",
            lambda name: listings.holds_alike(path(name), "case", _folded),
        ),
        _Layout(
            "they have another ending, such as .jpg in place of .png",
            lambda name: listings.holds_alike(path(name), "stem", lambda other: os.path.splitext(other)[0]),
        ),
    ]
    inner = sorted(name for name in listings.names(folder) if os.path.isdir(os.path.join(folder, name)))
    for sub in inner[:_SUBFOLDERS]:
        layouts.append(
            _Layout(
                f"set img_dir to {os.path.join(folder, sub)}",
                lambda name, sub=sub: listings.holds(path(os.path.join(sub, name))),  # type: ignore[misc]
            )
        )
    return layouts


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
