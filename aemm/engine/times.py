"""Where time goes: seconds of named steps, gathered round by round."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch


class Times:
    """Seconds that steps took, which may lie within each other; a step's own time is that without those within it.

    On a GPU each step waits for what it started there, so that nothing overlaps while it is measured.
    """

    def __init__(self) -> None:
        self.rounds: list[dict[str, float]] = []
        self._within: list[float] = []  # seconds of finished steps within each step that is open

    def begin_round(self) -> None:
        """Start another round, such as an iteration."""
        self.rounds.append({})

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Around a step of the round; one that comes several times is added up."""
        _wait_for_device()
        start = time.perf_counter()
        self._within.append(0.0)
        try:
            yield
        finally:
            _wait_for_device()
            spent = time.perf_counter() - start
            own = spent - self._within.pop()
            if self._within:
                self._within[-1] += spent
            if self.rounds:
                self.rounds[-1][name] = self.rounds[-1].get(name, 0.0) + own

    def watch(self, owner: Any, method: str, name: str) -> None:
        """Count a method of an object as a step from now on."""
        setattr(owner, method, self.timed(getattr(owner, method), name))

    def timed(self, call: Callable[..., Any], name: str) -> Callable[..., Any]:
        """A function that counts as a step."""

        def measured(*args: Any, **kwargs: Any) -> Any:
            with self.of(name):
                return call(*args, **kwargs)

        return measured

    def medians(self) -> dict[str, float]:
        """Seconds of each step in a round, the median over the rounds; steps in the order in which they first came."""
        names = list(dict.fromkeys(name for one in self.rounds for name in one))
        return {name: statistics.median(one.get(name, 0.0) for one in self.rounds) for name in names}


def _wait_for_device() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
