"""Json files in and out: one reader for all, and the error that lists what is wrong with one."""

from __future__ import annotations

import codecs
import importlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import mmengine.fileio as fileio

from aemm.formats.listing import list_rows
from aemm.ops.collector import collector_off

_RESULTS_BY = "aemm test --dump NAME.json and aemm predict --json NAME.coco.json write what can be evaluated"
One = TypeVar("One")
Read = TypeVar("Read")


class AnnotationError(ValueError):
    """A file of annotations holds faults; the message lists the first of them.

    Args:
        path: of the file.
        faults: all of them.
    """

    def __init__(self, path: str, faults: Sequence[str]) -> None:
        self.path = path
        self.faults = list(faults)
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        super().__init__("\n".join([f"{path} has {count}:", *list_rows(faults)]))


def read_each(sources: Iterable[One], read: Callable[[One], Read]) -> list[Read]:
    """Read every file of several, so that the faults of all come together.

    Args:
        sources: the files.
        read: one of them.

    Raises:
        AnnotationError: listing the faults of every file that has some.
    """
    parts, errors = [], []
    for source in sources:
        try:
            parts.append(read(source))
        except AnnotationError as error:
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        faults = [f"{error.path}: {fault}" for error in errors for fault in error.faults]
        raise AnnotationError(", ".join(error.path for error in errors), faults)
    return parts


def read_json(path: str, needed: Iterable[str], optional: Iterable[str] = ()) -> dict[str, Any]:
    """A json file as a dict, whatever its name ends in; a byte order mark is passed over.

    Args:
        path: read through mmengine's file backends.
        needed: keys it must hold, each a list of objects.
        optional: keys that are such lists where they are there; null counts as left out.

    Raises:
        FileNotFoundError: there is no such file.
        AnnotationError: it is no json object, or lacks a key.
    """
    needed = tuple(needed)
    data = _parsed(path)
    if not isinstance(data, dict):
        raise AnnotationError(path, [f"expected a json object with {', '.join(needed)}, got a {type(data).__name__}"])
    there = [key for key in optional if key not in needed and data.get(key) is not None]
    faults = [fault for key in (*needed, *there) for fault in _list_faults(data, key)]
    if faults:
        raise AnnotationError(path, faults)
    return data


def read_rows(path: str, lists: Sequence[str]) -> list[dict[str, Any]] | dict[str, Any]:
    """A json file of predictions, whatever its name ends in: a list of objects, or a file of images and annotations.

    Args:
        path: read through mmengine's file backends.
        lists: keys that the latter holds, each a list of objects.

    Raises:
        FileNotFoundError: there is no such file.
        AnnotationError: it is another.
    """
    try:
        data = _parsed(path, "file of results", "")
    except AnnotationError as error:  # such as json lines
        raise AnnotationError(path, [f"{fault}; {_RESULTS_BY}" for fault in error.faults]) from error
    if isinstance(data, dict) and all(key in data for key in lists):
        if faults := [fault for key in lists for fault in _list_faults(data, key)]:
            raise AnnotationError(path, faults)
        return data
    if not isinstance(data, list):
        keys = f"n object that holds {', '.join(list(data)[:6]) or 'nothing'}" if isinstance(data, dict) else ""
        told = f"expected a json list of results, got a{keys or f' {type(data).__name__}'}"
        raise AnnotationError(path, [f"{told}; {_RESULTS_BY}"])
    strangers = [f"results[{n}]" for n, row in enumerate(data) if not isinstance(row, dict)]
    if strangers:
        raise AnnotationError(path, [f"every result must be an object, but {', '.join(strangers[:5])} are not"])
    return data


def _list_faults(data: dict[str, Any], key: str) -> list[str]:
    if key not in data:
        return [f"key {key!r} is missing, expected a list"]
    entries = data[key]
    if not isinstance(entries, list):
        return [f"key {key!r} must hold a list, got {entries!r:.60}"]
    strangers = [f"{key}[{n}]" for n, entry in enumerate(entries) if not isinstance(entry, dict)]
    return [f"{key}: every entry must be an object, but {', '.join(strangers[:5])} are not"] if strangers else []


def _parsed(path: str, what: str = "annotation file", remedy: str = "; set ann_file (and data_root)") -> Any:
    try:
        with collector_off():
            return _loads(bytes(fileio.get(path)).removeprefix(codecs.BOM_UTF8))
    except FileNotFoundError:
        raise FileNotFoundError(f"{what} {path} does not exist{remedy}") from None
    except UnicodeDecodeError as error:
        fault = (
            f"not UTF-8 text (byte 0x{error.object[error.start]:02x} at {error.start}); it was written in another "
            "encoding, such as latin-1, or is no json file: save it as UTF-8"
        )
        raise AnnotationError(path, [fault]) from error
    except (ValueError, RecursionError) as error:
        raise AnnotationError(path, [f"not valid json: {error}"]) from error


def _loads(data: bytes) -> Any:
    """The value of a json text, by orjson where it is installed; what that does not take is left to Python's reader.

    Both give the same, but for whole numbers of more than 64 bits, of which orjson keeps 53: where these are
    identifiers, Python's reader has the last word.
    """
    try:
        value = importlib.import_module("orjson").loads(data)
    except (ImportError, ValueError):
        return json.loads(data.decode())
    return json.loads(data.decode()) if _has_broken_ids(value) else value


def _has_broken_ids(value: Any) -> bool:
    """Whether an identifier in the lists of a file is no whole number, text or nothing."""
    lists = [entries for entries in value.values() if isinstance(entries, list)] if isinstance(value, dict) else []
    return any(isinstance(entry, dict) and isinstance(entry.get("id"), float) for entries in lists for entry in entries)


@contextmanager
def told_with(path: str | Path) -> Iterator[None]:
    """Let an error of the disk name the file that is written, which one of a file that is open does not."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def write_json(path: str | Path, data: Any) -> None:
    """Write a json file as a whole or not at all; missing folders are made.

    Raises:
        OSError: it cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with told_with(path):
            beside.write_text(json.dumps(data))
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
