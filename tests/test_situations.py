"""The table of situations in the documentation: each is drawn and tried, and ends as it says there."""

import re
from pathlib import Path

import pytest

pytest.importorskip("hypothesis", reason="needs hypothesis: pip install -r requirements/tests.txt")

from tests.messages import check_listed
from tests.situations import of_annotations, of_configs, of_images
from tests.situations.told import MESSAGES, SITUATIONS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "situations.md"
ROW = re.compile(r"^\| (?P<name>.+?) \| (?P<outcome>.+) \|$")


def rows():
    """Every situation of the page, with the pieces that its outcome must hold."""
    lines = [ROW.match(line) for line in PAGE.read_text(encoding="utf-8").splitlines()]
    found = [(line["name"], line["outcome"]) for line in lines if line and line["name"] not in ("situation", "---")]
    return {name: re.findall(r"`([^`]+)`", outcome) for name, outcome in found}


@pytest.mark.parametrize("name", rows())
def test_a_situation_ends_as_the_page_says(name, tmp_path):
    pieces = rows()[name]
    MESSAGES.clear()
    outcome = SITUATIONS[name](tmp_path)
    for message in MESSAGES:
        check_listed(message)
    assert pieces, "the outcome names no message or figure"
    for piece in pieces:
        pattern = ".*".join(map(re.escape, piece.split("…")))
        assert re.search(pattern, outcome, re.DOTALL), f"expected {piece!r}, got\n{outcome}"
    assert "Traceback" not in outcome


def test_the_page_tells_every_situation():
    assert {module.__name__.rpartition(".")[2] for module in (of_annotations, of_configs, of_images)}
    assert set(SITUATIONS) == set(rows())
