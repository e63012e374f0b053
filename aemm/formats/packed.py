"""What is known of large sets, packed into few arrays that the processes of a loader share.

A list of Python objects is copied into every process that so much as counts its references; an array is not.
Processes that are not forked but started anew map the arrays of the first one from a file.
"""

from __future__ import annotations

import ctypes
import marshal
import os
import struct
import sys
import tempfile
import weakref
from collections.abc import Iterable, Sequence
from itertools import chain
from multiprocessing.context import get_spawning_popen
from pathlib import Path
from typing import Any

import numpy as np

_LEAST = 2**16  # bytes of an array that is worth a file
_FORMAT = 2  # of marshal; later ones write equal values differently


def return_freed_memory() -> None:
    """Give back to the system what a large file took while it was read, where the allocator keeps it."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
        if trim is not None:
            trim(0)


def numbers(lists: Sequence[Sequence[float]], width: int) -> np.ndarray:
    """Lists of ``width`` numbers as ``(len(lists), width)``; several times faster than NumPy takes them."""
    pack = struct.Struct(f"{width}d").pack
    return np.frombuffer(bytearray().join([pack(*values) for values in lists])).reshape(-1, width)


class _MappedFile:
    """Arrays written into one temporary file, which goes with this object."""

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        self.places: dict[str, tuple[int, str, tuple[int, ...]]] = {}
        handle, self.path = tempfile.mkstemp(prefix="aemm-", suffix=".arrays")
        weakref.finalize(self, Path(self.path).unlink, missing_ok=True)
        with os.fdopen(handle, "wb") as file:
            for name, array in arrays.items():
                file.write(bytes(-file.tell() % 64))  # aligned as NumPy likes it
                self.places[name] = (file.tell(), array.dtype.str, array.shape)
                array.tofile(file)


def _mapped(path: str, places: dict[str, tuple[int, str, tuple[int, ...]]]) -> dict[str, np.ndarray]:
    """The arrays of a file, which this process reads where the system has them already."""
    return {
        name: np.memmap(path, dtype, "r", offset, shape).view(np.ndarray)
        for name, (offset, dtype, shape) in places.items()
    }


class SharesArrays:
    """Base of what holds large arrays that never change: a process that is started with one maps its arrays."""

    _file: _MappedFile | None = None

    def __getstate__(self) -> dict[str, Any]:
        """All attributes; for a process about to start, the arrays by their file."""
        state = {name: value for name, value in vars(self).items() if name != "_file"}
        if get_spawning_popen() is None:
            return state
        large = {
            name: value
            for name, value in state.items()
            if isinstance(value, np.ndarray) and value.nbytes >= _LEAST and not value.dtype.hasobject
        }
        if large and self._file is None:
            self._file = _MappedFile(large)
        if self._file is None:
            return state
        return {name: value for name, value in state.items() if name not in large} | {
            "_file": (self._file.path, self._file.places)
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the arrays from their file where they are in one."""
        file = state.pop("_file", None)
        vars(self).update(state)
        if file is not None:
            vars(self).update(_mapped(*file))


class PackedValues(SharesArrays, Sequence[Any]):
    """Plain values, such as names or nested lists of numbers, kept as bytes.

    Args:
        values: of None, booleans, numbers, text, lists and dicts.
    """

    def __init__(self, values: Iterable[Any]) -> None:
        parts = [b"" if value is None else marshal.dumps(value, _FORMAT) for value in values]
        self.data = np.frombuffer(b"".join(parts), np.uint8)
        self.first = np.cumsum(np.fromiter(chain([0], map(len, parts)), np.int64, len(parts) + 1))

    def part(self, row: int) -> bytes:
        """The bytes of a value; the same for equal values of the same types, none for None."""
        return self.data[self.first[row] : self.first[row + 1]].tobytes()

    def __len__(self) -> int:
        """Number of values."""
        return len(self.first) - 1

    def __getitem__(self, row: Any) -> Any:
        """A copy of a value."""
        if not -len(self) <= row < len(self):
            raise IndexError(f"row {row} of {len(self)} values")
        part = self.part(row % len(self))
        return marshal.loads(part) if part else None


def packed_ids(ids: list[Any]) -> Sequence[Any]:
    """Identifiers, as an array where all are numbers of 64 bits."""
    if set(map(type, ids)) <= {int} and min(ids, default=0) >= -(2**63) and max(ids, default=0) < 2**63:
        return _Numbers(ids)
    return PackedValues(ids)


class _Numbers(SharesArrays, Sequence[int]):
    """Whole numbers, kept as an array and given back as Python's."""

    def __init__(self, values: list[int]) -> None:
        self.data = np.array(values, np.int64)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, row: Any) -> Any:
        return int(self.data[row])
