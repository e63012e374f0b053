"""Whether a MATLAB file is whole: damaged ones make what reads them end the process.

Reference: MAT-File Format, The MathWorks, version 5.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from math import prod

_HEADER = 128
_HEAD = 40  # bytes before the numbers of an array of two dimensions without a name: flags, sizes, name
_MAX_BYTES = 2**31
_MATRIX, _COMPRESSED = 14, 15
# bytes of one number of each type; 16 to 18 are letters of UTF-8, 16 and 32
_NUMBERS = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8}
_LETTERS = {1: 1, 2: 1, 3: 2, 4: 2, 16: 1, 17: 2, 18: 4}
_CELL, _STRUCT, _CHAR = 1, 2, 4
_NUMERIC = range(6, 16)
_COMPLEX = 0x0800
_MAX_DEPTH = 100
_MAX_DIMENSIONS = 32


class _Elements:
    """Elements that lie behind each other in some bytes, or in a part of them.

    Args:
        data: the bytes.
        order: ``<`` or ``>``, of the bytes of a number.
    """

    def __init__(self, data: bytes, order: str) -> None:
        self.data = data
        self._two = struct.Struct(f"{order}II").unpack_from
        self._order = order
        self.plain: dict[bytes, int] = {}  # heads of arrays of real numbers that were found sound: how many they say

    def element(self, at: int, end: int) -> tuple[int, int, int, int]:
        """Type, start and size of the element at a place, and where the next one starts."""
        if at + 8 > end:
            raise ValueError("it ends within an element")
        kind, size = self._two(self.data, at)
        if kind >> 16:  # a small one, which holds its data where others have their size
            kind, size, start, behind = kind & 0xFFFF, kind >> 16, at + 4, at + 8
            if size > 4:
                raise ValueError(f"a small element says {size} bytes")
        else:
            start = at + 8
            behind = start + (size if kind == _COMPRESSED else -(-size // 8) * 8)
        if start + size > end:
            raise ValueError("an element reaches beyond what it is part of")
        return kind, start, size, behind if behind < end else end

    def numbers(self, start: int, size: int) -> tuple[int, ...]:
        """Whole numbers of four bytes."""
        return struct.unpack_from(f"{self._order}{size // 4}i", self.data, start)


def check_matlab(data: bytes) -> None:
    """See that every element of a file lies where it says and holds as much as it says.

    Args:
        data: content of a file of version 5 to 7.2.

    Raises:
        ValueError: it is none, is damaged, or holds what is no number, text, cell or struct.
    """
    marks = {b"IM": "<", b"MI": ">"}
    if len(data) < _HEADER or data[126:128] not in marks:
        raise ValueError("it is no MATLAB file of version 5 to 7.2; save it by save(..., '-v7')")
    order = marks[data[126:128]]
    whole = _Elements(data, order)
    at = _HEADER
    while at < len(data):
        kind, start, size, at = whole.element(at, len(data))
        if kind == _COMPRESSED:
            inner = _Elements(_unpacked(data[start : start + size]), order)
            kind, start, size, _ = inner.element(0, len(inner.data))
            _check_matrix(inner, kind, start, size)
        else:
            _check_matrix(whole, kind, start, size)


def _unpacked(data: bytes) -> bytes:
    try:
        unpacker = zlib.decompressobj()
        found = unpacker.decompress(data, _MAX_BYTES)
    except zlib.error as error:
        raise ValueError(f"a compressed part cannot be unpacked ({error})") from error
    if not unpacker.eof:
        raise ValueError(f"a compressed part is cut off, or holds more than {_MAX_BYTES} bytes")
    return found


def _check_matrix(elements: _Elements, kind: int, start: int, size: int) -> None:
    """Check an array and all that it holds."""
    pending = [(kind, start, size, 0)]
    while pending:
        kind, start, size, depth = pending.pop()
        if kind != _MATRIX:
            raise ValueError(f"an element of type {kind} stands where an array is expected")
        if depth > _MAX_DEPTH:
            raise ValueError(f"its arrays lie more than {_MAX_DEPTH} deep")
        if size:
            pending += [(*inner, depth + 1) for inner in _inner_arrays(elements, start, start + size)]


def _inner_arrays(elements: _Elements, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The arrays that an array holds; its own numbers and names are checked."""
    head = elements.data[at : at + _HEAD] if at + _HEAD <= end else b""
    if head in elements.plain:
        _check_numbers(elements, at + _HEAD, end, elements.plain[head], 1)
        return
    began = at
    kind, start, size, at = elements.element(at, end)
    if (kind, size) != (6, 8):
        raise ValueError("an array does not begin with its flags")
    flags = elements.numbers(start, size)[0]
    kind, start, size, at = elements.element(at, end)
    if kind != 5 or size % 4 or not 8 <= size <= 4 * _MAX_DIMENSIONS:
        raise ValueError("an array has no sizes")
    sizes = elements.numbers(start, size)
    if min(sizes) < 0 or prod(sizes) > _MAX_BYTES:
        raise ValueError(f"an array says the sizes {sizes}")
    kind, start, size, at = elements.element(at, end)
    if kind != 1:
        raise ValueError("an array has no name")
    count, group = prod(sizes), flags & 0xFF
    if group in _NUMERIC:
        parts = 1 + bool(flags & _COMPLEX)
        if head and at == began + _HEAD and parts == 1:
            elements.plain[head] = count
        _check_numbers(elements, at, end, count, parts)
    elif group == _CHAR:
        kind, start, size, at = elements.element(at, end)
        if kind not in _LETTERS or size % _LETTERS[kind] or (kind < 16 and size != count * _LETTERS[kind]):
            raise ValueError(f"a text of {count} letters holds {size} bytes of type {kind}")
    elif group in (_CELL, _STRUCT):
        if group == _STRUCT:
            fields, at = _field_count(elements, at, end)
            count *= fields
        for _ in range(count):
            kind, start, size, at = elements.element(at, end)
            yield kind, start, size
    else:
        raise ValueError(f"it holds an array of class {group}, expected numbers, text, cells or structs")


def _check_numbers(elements: _Elements, at: int, end: int, count: int, parts: int) -> None:
    """See that so many numbers, or as many real and imaginary parts, stand there."""
    for _ in range(parts):
        kind, _, size, at = elements.element(at, end)
        if kind not in _NUMBERS or size != count * _NUMBERS[kind]:
            raise ValueError(f"an array of {count} numbers holds {size} bytes of type {kind}")


def _field_count(elements: _Elements, at: int, end: int) -> tuple[int, int]:
    """How many fields a struct has, and where its values start."""
    kind, start, size, at = elements.element(at, end)
    if (kind, size) != (5, 4) or not 0 < (length := elements.numbers(start, size)[0]) <= 64:
        raise ValueError("a struct does not say how long its names are")
    kind, start, size, at = elements.element(at, end)
    if kind != 1 or size % length:
        raise ValueError("a struct has no names of fields")
    return size // length, at
