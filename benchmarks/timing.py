"""What the benchmark scripts share: timers that take medians, the machine in one line, tables, rows of the summary."""

from __future__ import annotations

import importlib
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

SUMMARY = ("row", "peer", "aemm", "floor", "pairs", "peer / aemm", "times the floor", "bar", "reached")
_LINE, _NOTE = "| ", "> "  # how lines of the summary and notes on them begin in what a script prints


@dataclass(frozen=True)
class Bar:
    """What a row of the summary is to reach; one of what is given is enough.

    Attributes:
        ratio: peer / aemm, at least.
        floors: aemm / floor, at most.
        own: aemm's own figure, at most.
    """

    ratio: float | None = None
    floors: float | None = None
    own: float | None = None


@dataclass(frozen=True)
class Row:
    """One row of the summary.

    Attributes:
        name: what is measured, and against whom.
        bar: to reach.
        own: aemm's figure.
        unit: of the figures.
        pairs: measurements of aemm, each beside one of the other.
        peer: the other's figure, where there is one.
        ratio: peer / aemm, the median over pairs.
        floor: what no implementation can do without.
        note: where the time goes and what was tried, told where the bar is not reached.
    """

    name: str
    bar: Bar
    own: float
    unit: str = "ms"
    pairs: int = 1
    peer: float | None = None
    ratio: float | None = None
    floor: float | None = None
    note: str = ""

    @property
    def floors(self) -> float | None:
        """How many times the floor aemm takes."""
        return None if self.floor is None else self.own / self.floor

    @property
    def reached(self) -> bool | None:
        """Whether the bar is reached; None where the peer is not there to tell."""
        bar = self.bar
        checks = [
            None if bar.own is None else self.own <= bar.own,
            None if bar.floors is None or self.floors is None else self.floors <= bar.floors,
            None if bar.ratio is None or self.ratio is None else self.ratio >= bar.ratio,
        ]
        told = [check for check in checks if check is not None]
        if any(told):
            return True
        return None if bar.ratio is not None and self.ratio is None else False


def summarise(row: Row) -> None:
    """Print a row as a line of the summary's table, and its note where the bar is not reached."""
    bar, unit = row.bar, row.unit
    asked = [
        None if bar.ratio is None else f"{bar.ratio:g} x the peer",
        None if bar.floors is None else f"within {bar.floors:g} x the floor",
        None if bar.own is None else f"at most {bar.own:g} {unit}",
    ]
    cells = [
        row.name,
        *("" if value is None else f"{value:.3g} {unit}" for value in (row.peer, row.own, row.floor)),
        str(row.pairs),
        *("" if value is None else f"{value:.2f}" for value in (row.ratio, row.floors)),
        " or ".join(filter(None, asked)),
        {True: "yes", False: "no", None: "without the peer"}[row.reached],
    ]
    print(_LINE + " | ".join(cells) + " |")
    if row.reached is False and row.note:
        print(f"{_NOTE}{row.name}: {row.note}")


def split_summary(printed: str) -> tuple[list[str], list[str], str]:
    """The lines of the summary in what a script printed, the notes on them, and the rest."""
    lines = printed.splitlines()
    rest = [line for line in lines if not line.startswith((_LINE, _NOTE))]
    rows, notes = ([line for line in lines if line.startswith(mark)] for mark in (_LINE, _NOTE))
    return rows, [note.removeprefix(_NOTE) for note in notes], "\n".join(rest).strip()


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
