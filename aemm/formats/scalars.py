"""The curves of a training, as mmengine writes them beside its log: one json object in every line."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# what a line counts or times, and no curve shows
_COUNTS = ("step", "iter", "epoch", "time", "data_time", "memory")


@dataclass(frozen=True)
class History:
    """The curves of a training by name, each a list of iterations and a list of values.

    Attributes:
        training: losses, learning rates and the like.
        validation: metrics.
    """

    training: dict[str, tuple[list[int], list[float]]] = field(default_factory=dict)
    validation: dict[str, tuple[list[int], list[float]]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether there is any curve."""
        return bool(self.training or self.validation)


def read_history(work_dir: str | Path) -> History:
    """The curves of a work dir, over all starts of its training.

    A training that was started anew, or went back to a checkpoint, takes the place of what it repeats. Lines that an
    interrupted run did not finish are left out.

    Args:
        work_dir: of the training, with a folder for each start.

    Returns:
        The curves; none where no start wrote any.
    """
    rows: list[tuple[int, dict[str, Any]]] = []
    for path in sorted(Path(work_dir).glob("*/vis_data/scalars.json")):
        step = None
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            row = _row(line)
            if row is None:
                continue
            if "lr" in row:
                if step is None:
                    rows = [kept for kept in rows if kept[0] < row["step"]]
                step = row["step"]
            if step is not None:  # else a test, which has no place among the iterations
                rows.append((step, row))
    history = History()
    for step, row in rows:
        curves = history.training if "lr" in row else history.validation
        for name, value in row.items():
            if name not in _COUNTS and isinstance(value, int | float) and not isinstance(value, bool):
                steps, values = curves.setdefault(name, ([], []))
                steps.append(step)
                values.append(float(value))
    return history


def _row(line: str) -> dict[str, Any] | None:
    """One line with a step; None where it is none."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    fine = isinstance(row, dict) and isinstance(row.get("step"), int) and not isinstance(row["step"], bool)
    return row if fine else None
