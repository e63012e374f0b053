"""What soak.py would not overlook."""

import pytest

from tests.faults.soak import BOUNDS, growth

STILL = dict.fromkeys(BOUNDS, 20.0)


def rows(**grown):
    """An hour, measured every 10 s: the training holds more and more, or as much as at first."""
    return [
        (second, {what: 20.0 + grown.get(what, 0) * second / 3600 for what in BOUNDS}, STILL)
        for second in range(0, 3600, 10)
    ]


def test_what_stays_as_it_was_is_no_leak():
    table, faults = growth(rows())
    assert not faults
    assert len(table) == 2 * len(BOUNDS)


@pytest.mark.parametrize("what", BOUNDS)
def test_what_grows_beyond_its_bound_is_named(what):
    _, faults = growth(rows(**{what: 2 * BOUNDS[what]}))
    assert [what in fault and "training" in fault for fault in faults] == [True]


def test_workers_that_come_and_go_are_no_leak():
    measured = rows()
    for number, row in enumerate(measured):
        row[1]["open files"] += 15 * (number % 7 == 0)
    assert not growth(measured)[1]
