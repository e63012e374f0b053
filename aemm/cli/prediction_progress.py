"""How far a prediction is: images, rate and time left, on a terminal alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TextColumn, TimeRemainingColumn

from aemm.apis.account import Account


class _Rate(TextColumn):
    """Images a second."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Any:
        self.text_format = "" if task.speed is None else f"{task.speed:.1f} images/s"
        return super().render(task)


@contextmanager
def shown_progress(
    count: Callable[[], int | None], console: Console | None = None
) -> Iterator[Callable[[Account], None]]:
    """Show the progress while the block runs; where nobody sees it, nothing is counted and nothing shown.

    Args:
        count: the number of images, None if nobody knows; it is asked beside the work, since it may take its time.
        console: where it is shown; None = stderr.

    Yields:
        What to call after every image.
    """
    console = Console(stderr=True) if console is None else console
    if not console.is_terminal:
        yield lambda account: None
        return
    columns: Sequence[Any] = (
        TextColumn("predicting"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[lost]}"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None, lost="")
        counting = threading.Thread(target=lambda: progress.update(task, total=count()), daemon=True)
        counting.start()

        def tell(account: Account) -> None:
            lost = len(account.left_out) + len(account.partial)
            progress.update(task, completed=account.images + 1, lost=f"{lost} left out" if lost else "")

        yield tell
