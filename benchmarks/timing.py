"""What the benchmark scripts share: a timer that takes the median, the machine in one line, a table."""

from __future__ import annotations

import importlib
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


def paired_ms(
    ours: Callable[[], Any],
    theirs: Callable[[], Any],
    pairs: int = 15,
    clock: Callable[[], float] = time.process_time,
) -> tuple[float, float, float]:
    """Medians of two calls in milliseconds, made in turn, and the median of theirs / ours over the pairs.

    Args:
        ours: a call.
        theirs: another.
        pairs: of calls that count.
        clock: in seconds; that of the processor's time says the same on a busy machine as on an idle one.
    """
    spent: list[tuple[float, float]] = []
    for _ in range(pairs + 1):
        start = clock()
        ours()
        middle = clock()
        theirs()
        spent.append((middle - start, clock() - middle))
    own, other = zip(*spent[1:], strict=True)
    ratio = statistics.median(b / a for a, b in spent[1:])
    return statistics.median(own) * 1e3, statistics.median(other) * 1e3, ratio


def peer(module: str) -> Any:
    """A module of a package to compare with; None where it cannot be imported, which is said once."""
    try:
        return importlib.import_module(module)
    except Exception as error:  # a peer may break in any way on the installed versions
        print(f"without {module}: {type(error).__name__}: {error}")
        return None


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
