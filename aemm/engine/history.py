"""The message hub remembers what the log reads, not every number since the first iteration."""

from __future__ import annotations

from typing import Any

from mmengine.runner import LogProcessor, Runner


def _span(window: Any, runner: Runner, mode: str) -> int:
    """Entries that a window of the log processor spans at most."""
    if window == "global":
        return runner.max_iters
    if window == "epoch":
        loop = runner.train_loop if mode == "train" else runner.val_loop
        return 1 if loop is None else len(loop.dataloader)
    return int(window or 1)


def entries_read(name: str, processor: LogProcessor, runner: Runner) -> int:
    """How many entries of a scalar the log reads at once.

    Args:
        name: of the message hub, such as ``train/loss``.
        processor: that makes the lines of the log.
        runner: whose loops say how long an epoch is.
    """
    mode, _, source = name.partition("/")
    if mode not in ("train", "val"):
        return processor.window_size
    windows = [entry.get("window_size") for entry in processor.custom_cfg if entry["data_src"] in (source, name)]
    if mode == "val" and source in ("time", "data_time"):
        windows.append("epoch")  # the log processor's own choice
    return max([processor.window_size, *(_span(window, runner, mode) for window in windows)])


def shorten_history(runner: Runner, keep: int = 0) -> None:
    """Let every scalar of the message hub forget, at its next entry, what is no longer read.

    Args:
        runner: of a training.
        keep: entries that each keeps at least.
    """
    for name, buffer in runner.message_hub.log_scalars.items():
        buffer.max_length = max(entries_read(name, runner.log_processor, runner), keep)
