"""Benchmarks that no other check runs: each holds aemm against a loop, and says how long both take."""

import pytest

from tests.end_to_end import check, run_tool

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("script", "rows"),
    [("grouping_loss.py", ["GroupingLoss", "loop"]), ("instance_loss.py", ["10 instances", "40 instances"])],
)
def test_losses_agree_with_their_loops_where_they_are_timed(script, rows):
    lines = check(run_tool(f"benchmarks/{script}")).splitlines()
    assert all(any(line.startswith(row) for line in lines) for row in rows)
