"""The summary of the benchmarks: what reaches its bar, and how rows and notes are told from what else scripts print."""

import importlib.util
import sys
from pathlib import Path

import pytest

_SPEC = importlib.util.spec_from_file_location("timing", Path(__file__).parents[1] / "benchmarks" / "timing.py")
timing = sys.modules.setdefault("timing", importlib.util.module_from_spec(_SPEC))
_SPEC.loader.exec_module(timing)
Bar, Row = timing.Bar, timing.Row


@pytest.mark.parametrize(
    ("row", "reached"),
    [
        (Row("", Bar(ratio=1.5), 2.0, peer=3.0, ratio=1.5), True),
        (Row("", Bar(ratio=1.5), 2.1, peer=3.0, ratio=1.43), False),
        (Row("", Bar(ratio=1.5, floors=1.3), 2.1, peer=3.0, ratio=1.43, floor=1.7), True),
        (Row("", Bar(ratio=1.5, floors=1.3), 2.1, floor=1.0), None),
        (Row("", Bar(ratio=1.5, floors=1.3), 2.1, floor=1.7), True),
        (Row("", Bar(own=3), 3.1), False),
        (Row("", Bar(own=3), 2.9), True),
    ],
)
def test_one_of_the_bars_is_enough_and_an_absent_peer_leaves_it_open(row, reached):
    assert row.reached is reached


def test_rows_and_notes_are_told_from_what_else_is_printed(capsys):
    timing.summarise(Row("slow", Bar(own=1), 2.0, note="imports"))
    print("a table")
    timing.summarise(Row("fast", Bar(own=1), 0.5, note="nobody asks"))
    rows, notes, rest = timing.split_summary(capsys.readouterr().out)
    assert [row.split(" | ")[0] for row in rows] == ["| slow", "| fast"]
    assert {row.count("|") for row in rows} == {len(timing.SUMMARY) + 1}
    assert (notes, rest) == (["slow: imports"], "a table")
