"""How many threads a process computes with: as many as there are processors for it, and no more.

Threads that wait for a processor hold up all others at the end of every operation: beside other work, a training with
as many threads as processors was seen to take 15 times as long.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import torch

from aemm.engine.environment import usable_cpus
from aemm.engine.words import plural

_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_STATISTICS = Path("/proc/stat")
_WATCHED = 0.2  # seconds


def choose_threads(processes: int = 1, exact: bool = False) -> str:
    """Choose the number of threads of this process, unless ``OMP_NUM_THREADS`` does, and say why.

    Args:
        processes: that share this machine.
        exact: leave out what changes from one moment to the next, so that a run repeats itself to the bit.
    """
    if chosen := os.environ.get("OMP_NUM_THREADS"):
        return f"{plural(torch.get_num_threads(), 'thread')}, as OMP_NUM_THREADS={chosen} says"
    allowed = min(usable_cpus(), quota())
    busy = 0.0 if exact else busy_processors()
    threads = max(1, min(torch.get_num_threads(), round((allowed - busy) / processes)))
    torch.set_num_threads(threads)
    others = f", {busy:.1f} of them busy with other work" if round(busy) else ""
    shared = f", shared by {processes} processes" if processes > 1 else ""
    chosen = f"{plural(threads, 'thread')} for {plural(allowed, 'processor')}"
    return f"{chosen}{others}{shared}; OMP_NUM_THREADS chooses another number"


def quota() -> float:
    """How many processors a container may use, which is no whole number at times; infinite without a limit."""
    try:
        limit, period = _QUOTA.read_text().split()
        return float("inf") if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError):
        return float("inf")


def busy_processors() -> float:
    """How many processors are busy while this process sleeps; 0 where the system does not tell."""
    try:
        before = _ticks()
        time.sleep(_WATCHED)
        after = _ticks()
    except (OSError, ValueError, IndexError):
        return 0.0
    passed = sum(after) - sum(before)
    idle = sum(after[3:5]) - sum(before[3:5])  # idle, and waiting for a disk
    return (1 - idle / passed) * (os.cpu_count() or 1) if passed else 0.0


def _ticks() -> list[int]:
    """What all processors did since the start of the system: user, nice, system, idle, waiting and so on."""
    with _STATISTICS.open() as file:
        return [int(word) for word in file.readline().split()[1:9]]
