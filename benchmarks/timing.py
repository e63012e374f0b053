"""What the benchmark scripts share: a timer that takes the median, the machine in one line, a table."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch


def median_ms(call: Callable[[], Any], seconds: float = 1.0, least: int = 5) -> float:
    """Median time of one call in milliseconds.

    Args:
        call: what to time; called twice before the clock starts.
        seconds: how long to go on.
        least: calls to make even if they take longer.
    """
    call()
    call()
    spent: list[float] = []
    while len(spent) < least or sum(spent) < seconds:
        start = time.perf_counter()
        call()
        spent.append(time.perf_counter() - start)
    return statistics.median(spent) * 1e3


def read_ms(megabytes: float) -> float:
    """Milliseconds in which this machine reads so many megabytes once, by summing them up."""
    block = torch.zeros(int(megabytes * 2**18))
    return median_ms(block.sum, 0.3)


def machine() -> str:
    """Processor, number of threads and version of PyTorch."""
    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    processor = names[0].split(":", 1)[1].strip() if names else platform.processor() or platform.machine()
    return f"{processor}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows of cells below their headers, all but the first column to the right."""
    widths = [max(len(line[column]) for line in (header, *rows)) for column in range(len(header))]
    print(f"{title}\n{machine()}")
    for line in (header, ["-" * width for width in widths], *rows):
        first, *rest = [
            cell.ljust(w) if not c else cell.rjust(w) for c, (cell, w) in enumerate(zip(line, widths, strict=True))
        ]
        print("  ".join([first, *rest]))
