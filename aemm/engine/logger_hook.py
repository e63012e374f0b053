"""A log whose curves may be missing where the disk is full, but which ends no training for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmengine.hooks import LoggerHook as EngineLoggerHook
from mmengine.runner import Runner

from aemm.registry import HOOKS


@HOOKS.register_module()
class LoggerHook(EngineLoggerHook):
    """Log as mmengine does; where curves cannot be written to their files, say so once and go on."""

    _told = False

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Log losses and learning rate."""
        with self._curves_may_be_missing(runner):
            super().after_train_iter(runner, batch_idx, data_batch, outputs)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Log metrics."""
        with self._curves_may_be_missing(runner):
            super().after_val_epoch(runner, metrics)

    @contextmanager
    def _curves_may_be_missing(self, runner: Runner) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if not self._told:
                runner.logger.error(f"curves cannot be written to {runner.log_dir} ({error.strerror or error})")
                self._told = True
