"""How far a download is, on stderr."""

from __future__ import annotations

import sys
import time


class Progress:
    """Says on stderr how far a download is: in place on a terminal, else now and then.

    Args:
        name: of what is downloaded.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.live = sys.stderr.isatty()
        self.said = 0.0

    def __call__(self, done: int, total: int | None) -> None:
        """Say it.

        Args:
            done: bytes that are here.
            total: bytes that there will be; None where that is not known.
        """
        complete = done == total
        now = time.monotonic()
        if not complete and now - self.said < (0.2 if self.live else 10):
            return
        self.said = now
        size = f"{done / 1e6:.1f} MB"
        if total is not None:
            size = f"{done / 1e6:.1f} of {total / 1e6:.1f} MB, {100 * done / max(total, 1):.0f} %"
        start, end = ("\r", "\n" if complete else "") if self.live else ("", "\n")
        print(f"{start}{self.name}: {size}", end=end, file=sys.stderr, flush=True)
