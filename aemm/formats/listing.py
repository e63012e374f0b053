"""Lists in messages: a row a line, cut after the first."""

from __future__ import annotations

from collections.abc import Sequence

_SHOWN = 20


def list_rows(rows: Sequence[str], shown: int = _SHOWN) -> list[str]:
    """Lines of a list, and one that counts the rows it leaves out.

    Args:
        rows: of the list.
        shown: how many are listed at most.

    >>> list_rows(["a.jpg", "b.jpg", "c.jpg"], shown=2)
    ['  - a.jpg', '  - b.jpg', '  (and 1 more)']
    """
    more = [f"  (and {len(rows) - shown} more)"] if len(rows) > shown else []
    return [*(f"  - {row}" for row in rows[:shown]), *more]


def printable(text: str) -> str:
    r"""A name as any terminal can show it, without line breaks and bytes that are no text.

    >>> printable("a\nb")
    'a\\nb'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
