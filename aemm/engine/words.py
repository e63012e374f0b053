"""Numbers of things in what is logged and refused."""

from __future__ import annotations


def plural(count: float, word: str, ending: str = "s") -> str:
    """How many of a thing, as in a sentence.

    >>> plural(1, "process", "es"), plural(2, "process", "es"), plural(1.5, "processor")
    ('1 process', '2 processes', '1.5 processors')
    """
    return f"{count:g} {word}{'' if count == 1 else ending}"
