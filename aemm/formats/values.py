"""What json may hold where numbers and identifiers are meant, and how a wrong value is shown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeGuard

LARGEST = 1e7
"""Numbers beyond this, coordinates or sizes, are no pixels of any image that is read."""
_NUMERIC = {int, float}


def shown(value: Any, length: int = 60) -> str:
    """A value as it stands in the file, text in quotes, cut to a length that a message can hold."""
    if isinstance(value, list | tuple) and len(value) > 8:
        value = [*value[:8], ...]
    text = repr(value)
    text = text.replace("Ellipsis", "...")
    return text if len(text) <= length else f"{text[: length - 3]}..."


def is_number(value: Any) -> TypeGuard[float]:
    """Whether a value is a finite number of a size that can be meant; neither a boolean nor text."""
    return type(value) in _NUMERIC and -(LARGEST**2) <= value <= LARGEST**2


def are_numbers(values: Any) -> TypeGuard[list[float]]:
    """Whether a value is a list of coordinates: finite numbers up to :data:`LARGEST`."""
    return isinstance(values, list | tuple) and (not values or span_of(values) is not None)


def span_of(values: Sequence[Any]) -> float | None:
    """Largest less smallest of the coordinates in a list that is not empty; None where one is no coordinate."""
    if not set(map(type, values)) <= _NUMERIC:
        return None
    least, most = min(values), max(values)
    if not (least >= -LARGEST and most <= LARGEST):
        return None
    try:
        return most - least if math.isfinite(sum(values)) else None  # NaN hides from min and max
    except OverflowError:
        return None


def is_whole(value: Any) -> TypeGuard[float]:
    """Whether a value is a whole number, which some tools write as 3.0."""
    return is_number(value) and int(value) == value


def is_text(value: Any) -> TypeGuard[str]:
    """Whether a value is text that can be written; json may hold halves of characters, which cannot."""
    if not isinstance(value, str) or not value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_id(value: Any) -> TypeGuard[int | str]:
    """Whether a value can name something: a whole number, or text."""
    if isinstance(value, str):
        return is_text(value)
    return (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and is_whole(value))


def identifier(value: Any) -> int | str:
    """A checked identifier; 3.0 is 3."""
    return int(value) if isinstance(value, float) else value


class KnownIds:
    """Identifiers of the images or categories of a file, that others refer to.

    Args:
        field: that refers to them.
        among: what they are, for messages.
        ids: of those that have one.
    """

    def __init__(self, field: str, among: str, ids: Iterable[Any]) -> None:
        self.field, self.among = field, among
        self.known = {key for key in ids if is_id(key)}

    @cached_property
    def _alike(self) -> dict[str, Any]:
        return {str(key): key for key in self.known}

    def fault(self, row: Mapping[str, Any]) -> str | None:
        """What is wrong with the reference that a row makes."""
        value = row.get(self.field)
        if is_id(value) and value in self.known:
            return None
        if value is None:
            return f"{self.field} is missing" if self.field not in row else f"{self.field} is null"
        text = f"{self.field} {shown(value)} is not among the {self.among}"
        other = self._alike.get(str(value)) if isinstance(value, str | int | float) else None
        return text if other is None else f"{text}, which have {other!r}; write both as numbers, or both as text"


def repeated(values: Sequence[Any]) -> list[Any]:
    """Those that stand there more than once, each once, in their order."""
    seen: set[Any] = set()
    twice: dict[Any, None] = {}
    for value in values:
        if value in seen:
            twice[value] = None
        seen.add(value)
    return list(twice)
