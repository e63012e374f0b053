"""The messages that the documentation lists, held against those that tests provoke."""

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "messages.md"


def listed():
    """The messages of the page, ``…`` for what varies."""
    rows = re.findall(r"^\| `([^`]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows
    return rows


def fault_lines(text):
    """The faults that an error lists, a line each; the first line of one that lists none."""
    faults = [line.strip().removeprefix("- ") for line in text.splitlines() if line.startswith("  - ")]
    return faults or [text.strip().splitlines()[0]]


def is_listed(line):
    """Whether the page has a message."""
    return any(re.search(".*".join(map(re.escape, _pieces(row))), line) for row in listed())


def _pieces(row):
    pieces = row.split("…")
    return [piece for n, piece in enumerate(pieces) if piece or 0 < n < len(pieces) - 1]


def check_listed(text):
    """Assert that the page has every fault of an error's message."""
    lost = [line for line in fault_lines(text) if not is_listed(line)]
    assert not lost, f"docs/messages.md lacks: {lost}"
