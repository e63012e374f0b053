"""Images that cannot be read while training: counted over all processes, listed once, and not too many."""

from __future__ import annotations

from typing import Any

from mmengine.dist import all_gather_object
from mmengine.hooks import Hook
from mmengine.runner import Runner

from aemm.engine.console import file_only
from aemm.engine.words import plural
from aemm.formats import UnreadableImageError
from aemm.registry import HOOKS


@HOOKS.register_module()
class BadSamplesHook(Hook):
    """Account for the images that a data set with ``on_unreadable='next'`` passes over.

    Each is listed once in the log file, whichever process or worker met it and however often; the console
    shows how many there are.

    Args:
        max_bad_samples: end the run when more images than these cannot be read.
        interval: iterations between two counts, which bring the processes together; an epoch ends with one, too.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(self, max_bad_samples: int = 100, interval: int = 50) -> None:
        if max_bad_samples < 0 or interval < 1:
            raise ValueError(
                f"max_bad_samples must be 0 or more and interval 1 or more, got {max_bad_samples} and {interval}"
            )
        self.max_bad_samples, self.interval = max_bad_samples, interval
        self.known: dict[str, None] = {}  # what is wrong with each, in the order of their coming
        self._new: dict[str, None] = {}

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Note what the batch's images stand in for."""
        self._new |= dict.fromkeys(data_batch.passed_over)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        """Count, if it is time to."""
        if self.every_n_train_iters(runner, self.interval):
            self._count(runner)

    def after_train_epoch(self, runner: Runner) -> None:
        """Count before anything is saved."""
        self._count(runner)

    def _count(self, runner: Runner) -> None:
        """Bring together what the processes met, list what is new, and stop if it is too much."""
        parts = all_gather_object([reason for reason in self._new if reason not in self.known])
        self._new = {}
        new = [reason for reason in dict.fromkeys(r for part in parts for r in part) if reason not in self.known]
        if not new:
            return
        self.known |= dict.fromkeys(new)
        with file_only(runner.logger):
            for reason in new:
                runner.logger.info(reason)
        count = len(self.known)
        runner.logger.warning(f"{plural(count, 'image')} cannot be read so far; the log file lists each")
        if count > self.max_bad_samples:
            raise UnreadableImageError(
                f"{count} images cannot be read, more than default_hooks.bad_samples.max_bad_samples="
                f"{self.max_bad_samples}; the log file lists them, the last is: {new[-1]}"
            )
