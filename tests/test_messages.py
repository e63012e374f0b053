"""The page of messages: what it lists is what the code says."""

import ast
from pathlib import Path

import pytest

from tests.messages import fault_lines, is_listed, listed

SOURCES = sorted((Path(__file__).resolve().parents[1] / "aemm").rglob("*.py"))


def texts_of(source):
    """All texts of a module, each formatted value as ``…``."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)


@pytest.fixture(scope="module")
def said():
    return "\n".join(text for path in SOURCES for text in texts_of(path.read_text(encoding="utf-8")))


def test_every_listed_message_is_one_of_the_code(said):
    stale = [row for row in listed() if not all(piece.strip() in said for piece in row.split("…"))]
    assert not stale


def test_no_message_is_listed_twice():
    assert len(set(listed())) == len(listed())


def test_faults_are_taken_from_a_list_or_the_first_line():
    assert fault_lines("people.json has 2 faults:\n  - a\n  - b\n") == ["a", "b"]
    assert fault_lines("config x does not exist\n(more)") == ["config x does not exist"]


def test_a_message_that_is_not_listed_would_be_noticed():
    assert is_listed("annotation 1: iscrowd must be 0 or 1, got '0'")
    assert not is_listed("annotation 1: something else")
