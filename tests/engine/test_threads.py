"""A process takes the processors that are there for it."""

import os

import pytest
import torch

from aemm.engine import threads
from aemm.engine.threads import busy_processors, choose_threads, quota


@pytest.fixture(autouse=True)
def eight(monkeypatch):
    """Eight processors, nobody else, and torch left as it was."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "usable_cpus", lambda: 8)
    monkeypatch.setattr(threads, "quota", lambda: float("inf"))
    monkeypatch.setattr(threads, "busy_processors", lambda: 0.0)
    before = torch.get_num_threads()
    torch.set_num_threads(8)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("processes", "limit", "busy", "expected"),
    [(1, 100, 0.1, 8), (1, 2.0, 0.0, 2), (4, 100, 0.0, 2), (1, 100, 5.2, 3), (1, 100, 9.0, 1), (16, 100, 0.0, 1)],
)
def test_threads_follow_from_processors_limits_processes_and_other_work(monkeypatch, processes, limit, busy, expected):
    monkeypatch.setattr(threads, "quota", lambda: limit)
    monkeypatch.setattr(threads, "busy_processors", lambda: busy)
    said = choose_threads(processes)
    assert torch.get_num_threads() == expected
    assert said.startswith(f"{expected} thread{'s' * (expected > 1)} for ")
    assert ("busy" in said) == (busy > 0.5)


def test_a_run_that_is_to_repeat_itself_looks_at_no_other_work(monkeypatch):
    monkeypatch.setattr(threads, "busy_processors", lambda: 6.0)
    assert choose_threads(exact=True).startswith("8 threads for 8 processors; OMP")


def test_the_environment_comes_first(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert "OMP_NUM_THREADS=3" in choose_threads(100)
    assert torch.get_num_threads() == 8  # what torch made of it stays


def test_one_is_counted_as_one(monkeypatch):
    monkeypatch.setattr(threads, "quota", lambda: 1.0)
    assert choose_threads().startswith("1 thread for 1 processor; ")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert choose_threads().startswith("1 thread, as ")


@pytest.mark.parametrize(
    ("text", "expected"), [("150000 100000\n", 1.5), ("max 100000\n", float("inf")), ("", float("inf"))]
)
def test_the_limit_of_a_container_is_read(monkeypatch, tmp_path, text, expected):
    monkeypatch.undo()
    (tmp_path / "cpu.max").write_text(text)
    monkeypatch.setattr(threads, "_QUOTA", tmp_path / "cpu.max")
    assert quota() == expected


def test_other_work_is_measured_where_the_system_tells(monkeypatch, tmp_path):
    monkeypatch.undo()
    assert 0 <= busy_processors() <= (os.cpu_count() or 1) + 0.01
    monkeypatch.setattr(threads, "_STATISTICS", tmp_path / "none")
    assert busy_processors() == 0
