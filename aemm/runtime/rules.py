"""Records out of the plain values of a file: every field is there, known, and of its type."""

from __future__ import annotations

import types
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

R = TypeVar("R")


def read_record(kind: type[R], values: Any) -> R:
    """A record out of plain values, as json holds them.

    Args:
        kind: a dataclass, which checks the ranges of its fields itself.
        values: its fields by name; those that are records themselves are made before.

    Raises:
        ValueError: a field is lacking, unknown, of another type or out of range.
    """
    assert is_dataclass(kind)
    if not isinstance(values, dict):
        raise ValueError(f"expected fields of {kind.__name__} by name, got {_shown(values)}")
    needed = {field.name: field.default is MISSING for field in fields(kind)}
    missing = sorted(name for name, is_needed in needed.items() if is_needed and name not in values)
    unknown = sorted(set(values) - set(needed))
    if missing or unknown:
        raise ValueError(f"it lacks {missing} and has unknown {unknown}")
    for name, hint in get_type_hints(kind).items():
        if name in values and not _fits(values[name], hint):
            raise ValueError(f"{name} must be {_told(hint)}, got {_shown(values[name])}")
    return kind(**values)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a plain value is of a type; a list will do for a tuple, a whole number for a float."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, types.UnionType):
        return any(_fits(value, one) for one in inner)
    if origin is Literal:
        return isinstance(value, str) and value in inner
    if origin is tuple:
        return isinstance(value, list | tuple) and all(_fits(one, inner[0]) for one in value)
    if hint is float:
        return type(value) in (int, float) and abs(value) < float("inf")
    return type(value) is int if hint is int else isinstance(value, origin or hint)


def _told(hint: Any) -> str:
    """A type, as a message tells it."""
    if get_origin(hint) is Literal:
        return f"one of {', '.join(map(repr, get_args(hint)))}"
    return hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
