"""What a log shows on the console, beside the log file, which gets everything."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.logging import MMLogger


class _Console(logging.StreamHandler):
    """The console; once nobody reads it any more (``| head``), the run goes on with the log file alone."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        if isinstance(sys.exc_info()[1], BrokenPipeError):
            self.setLevel(logging.CRITICAL + 1)
        else:
            super().handleError(record)


def _consoles(logger: MMLogger) -> list[logging.Handler]:
    files = logging.FileHandler  # which are stream handlers, too
    return [h for h in logger.handlers if isinstance(h, logging.StreamHandler) and not isinstance(h, files)]


def survive_closed_console(logger: MMLogger) -> None:
    """Let a log go on without complaint after its console was closed.

    Args:
        logger: as mmengine makes it.
    """
    for handler in _consoles(logger):
        console = _Console(handler.stream)  # type: ignore[attr-defined]
        console.setLevel(handler.level)
        console.setFormatter(handler.formatter)
        console.filters = handler.filters
        logger.handlers[logger.handlers.index(handler)] = console


@contextmanager
def file_only(logger: MMLogger, least: int = logging.WARNING) -> Iterator[None]:
    """Meanwhile, the console shows what is grave alone; everything goes to the log file.

    Args:
        logger: with console and file.
        least: level of what the console still shows.
    """
    before = {handler: handler.level for handler in _consoles(logger)}
    for handler, level in before.items():
        handler.setLevel(max(level, least))
    try:
        yield
    finally:
        for handler, level in before.items():
            handler.setLevel(level)
