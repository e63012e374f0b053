"""Signals of a scheduler end a training behind an iteration, with a checkpoint and an exit code that says so."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from functools import partial
from types import FrameType, TracebackType
from typing import Any

import torch
import torch.distributed as dist
from mmengine.hooks import EMAHook, Hook
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from aemm.engine.checkpoint_hook import CheckpointHook

REQUEUE = 75  # EX_TEMPFAIL: start the same command again
TERMINATED = 128 + 15  # as a shell reports a process that SIGTERM ended
_CODES = {"SIGTERM": TERMINATED, "SIGUSR1": REQUEUE}
_SIGNALS = {getattr(signal, name): code for name, code in _CODES.items() if hasattr(signal, name)}  # Windows lacks one


class StopSignals:
    """While it is entered, SIGTERM and SIGUSR1 are noted instead of ending the process.

    Outside of the training loop, where nothing is to be saved, they end it at once, with the same exit codes.

    Attributes:
        code: exit code that the first signal asks for, 0 before.
        waits: whether a signal waits for the end of an iteration.
    """

    def __init__(self) -> None:
        self.code = 0
        self.waits = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():  # others cannot set handlers
            self._before = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        stopped = isinstance(error, SystemExit) and error.code == self.code
        if stopped:
            return  # a process that ends for a signal is not to be ended by the next before it has
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if error is not None and self.code and self._before:
            signal.raise_signal(signal.SIGTERM)  # it failed before it could stop, as where another process was lost

    def _note(self, number: int, frame: FrameType | None) -> None:
        first, self.code = self.code, self.code or _SIGNALS[number]
        if not self.waits and not first:
            raise SystemExit(self.code)


class StopHook(Hook):
    """Save and end the training behind the iteration in which any process was asked to.

    Args:
        signals: what was asked of this process.
    """

    priority = "LOWEST"

    def __init__(self, signals: StopSignals) -> None:
        self.signals = signals
        self._group: Any = None
        self._common_rounds = 0

    def before_train(self, runner: Runner) -> None:
        """From here on, signals wait for the end of an iteration."""
        if runner.world_size > 1 and dist.get_backend() != "gloo":
            self._group = dist.new_group(backend="gloo")  # asking through it does not wait for the GPU
        self.signals.waits = True

    def after_train(self, runner: Runner) -> None:
        """From here on, signals end the process at once."""
        self.signals.waits = False

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Stop if asked to."""
        if code := self._agree(runner, self.signals.code):
            self._stop(runner, code, runner.iter + 1, epoch_ended=False)

    def before_val_epoch(self, runner: Runner) -> None:
        """Count the iterations that all processes have."""
        rounds = len(runner.val_dataloader)
        self._common_rounds = -self._agree(runner, -rounds)

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Stop if asked to; the validation is done again by the run that goes on."""
        if not self.signals.waits or batch_idx >= self._common_rounds:
            return
        if code := self._agree(runner, self.signals.code):
            for hook in runner.hooks:
                if isinstance(hook, EMAHook):
                    hook.after_val_epoch(runner)  # which gives the model its own weights back
            self._stop(runner, code, runner.iter, epoch_ended=True)

    def _agree(self, runner: Runner, value: int) -> int:
        """The largest value of any process."""
        if runner.world_size == 1:
            return value
        largest = torch.tensor(value)
        dist.all_reduce(largest, dist.ReduceOp.MAX, group=self._group)
        return int(largest)

    def _stop(self, runner: Runner, code: int, done: int, epoch_ended: bool) -> None:
        self.signals.code = code
        name = next(name for name in _CODES if _CODES[name] == code)
        saver = next((hook for hook in runner.hooks if isinstance(hook, CheckpointHook)), None)
        path = saver.save_stopped(runner, done, epoch_ended) if saver else None
        where = f"--resume goes on from {path}" if path else "no checkpoint of this state could be saved"
        runner.logger.warning(f"stopped by {name} after {done} iterations with exit code {code}; {where}")
        runner.visualizer.close()
        if runner.world_size > 1:
            dist.barrier(group=self._group)  # the first process to end has the launcher end the others
        raise SystemExit(code)


def shield_workers(loader: DataLoader) -> DataLoader:
    """Leave it to the main process when the workers of a loader end.

    Schedulers and torchrun send a signal to all processes of a job; a worker that it ended would fail the iteration
    behind which the main process wants to save.
    """
    if hasattr(signal, "sigwaitinfo"):  # macOS and Windows lack it
        loader.worker_init_fn = partial(_start_shielded, loader.worker_init_fn)
    return loader


def _start_shielded(start: Callable[[int], None] | None, worker: int) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS.keys())
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    if start is not None:
        start(worker)


def _end_with(parent: int) -> None:
    """End this process when its parent says so, or is gone."""
    while True:
        sender = signal.sigwaitinfo({signal.SIGTERM}).si_pid
        if sender == parent or os.getppid() != parent:
            os._exit(0)
