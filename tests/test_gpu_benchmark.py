"""What a lent GPU runs, at a size for any machine."""

from tests.end_to_end import check, run_tool


def test_the_gpu_benchmark_measures_a_tiny_network_on_any_machine():
    out = check(run_tool("benchmarks/gpu.py", "--tiny"))
    rows = [line.split() for line in out.splitlines() if line.startswith("pose_hourglass_tiny_128")]
    assert len(rows) == 4  # loading, testing, training as it is and compiled
    assert all(float(row[-4]) > 0 for row in rows[2:]), "images per second"
    assert "left out" not in out
