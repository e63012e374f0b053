"""Training loops that go on from any place: within an epoch, and at the validation behind one; and how to measure."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.dataset import InfiniteSampler
from mmengine.runner import EpochBasedTrainLoop as EngineEpochLoop
from mmengine.runner import IterBasedTrainLoop as EngineIterLoop
from mmengine.runner import TestLoop as EngineTestLoop
from mmengine.runner import ValLoop as EngineValLoop
from torch.utils.data import BatchSampler, DataLoader

from aemm.registry import LOOPS


@LOOPS.register_module()
class EpochBasedTrainLoop(EngineEpochLoop):
    """mmengine's, which passes over what an epoch had already trained on without loading it."""

    _done = 0
    _validation_is_due = False

    def begin_at(self, epoch: int, done: int) -> None:
        """Go on from there when the loop runs.

        Args:
            epoch: whole epochs that were trained.
            done: iterations of the next one that were.
        """
        self._iter = epoch * len(self.dataloader) + done
        self._done = done
        # mmengine's loop decides on a validation when an epoch has ended; it shall find this one ending
        self._validation_is_due = epoch > 0 and not done
        self._epoch = epoch - self._validation_is_due

    def run_epoch(self) -> None:
        """Train for what is left of an epoch."""
        if self._validation_is_due:
            self._validation_is_due = False
            self._epoch += 1
            return
        self.runner.call_hook("before_train_epoch")
        self.runner.model.train()
        first, self._done = self._done, 0
        with passing_over(self.dataloader, first) as batches:
            for index, batch in enumerate(batches, first):
                self.run_iter(index, batch)
        self.runner.call_hook("after_train_epoch")
        self._epoch += 1


@LOOPS.register_module()
class IterBasedTrainLoop(EngineIterLoop):
    """mmengine's, which passes over what was trained on without loading it, and begins with a validation cut short."""

    _validation_is_due = False

    def begin_at(self, done: int) -> None:
        """Go on behind so many iterations when the loop runs."""
        # mmengine's loop decides on a validation when an iteration has ended; it shall find this one ending
        self._validation_is_due = done > 0
        self._iter = done - self._validation_is_due
        # mmengine's loop takes as many batches as it has iterations behind it, and one for the validation
        self.dataloader_iterator = _Batches(itertools.repeat(None, done), _endless(self.dataloader, done))

    def run_iter(self, data_batch: Sequence[dict]) -> None:
        """Train on a batch, unless it is the one behind which the run stopped."""
        if self._validation_is_due:
            self._validation_is_due = False
            self._iter += 1
            return
        super().run_iter(data_batch)


@LOOPS.register_module()
class ValLoop(EngineValLoop):
    """mmengine's, without a search for the fastest convolutions, which every size of an image would start anew."""

    def run(self) -> dict[str, float]:
        """Measure what the validation set says."""
        with _unsearched_convolutions():
            return super().run()


@LOOPS.register_module()
class TestLoop(EngineTestLoop):
    """mmengine's, without a search for the fastest convolutions, which every size of an image would start anew."""

    __test__ = False  # nothing that pytest should collect

    def run(self) -> dict[str, float]:
        """Measure what the test set says."""
        with _unsearched_convolutions():
            return super().run()


@contextmanager
def _unsearched_convolutions() -> Iterator[None]:
    searched = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = searched


class _Batches(itertools.chain[Any]):
    """What an iteration-based loop trains on."""

    def skip_iter(self, count: int) -> None:
        """Take so many: what mmengine's loop does itself, its maintained fork asks for."""
        for _ in range(count):
            next(self)


def _endless(loader: DataLoader, done: int) -> Iterator[Any]:
    """The batches of a loader, one epoch after the other as mmengine counts them, behind those that were trained on."""
    # an infinite sampler has a length all the same, and knows no epochs
    epoch, first = (0, done) if isinstance(loader.sampler, InfiniteSampler) else divmod(done, len(loader))
    while True:
        sampler = getattr(loader.batch_sampler, "sampler", loader.sampler)
        if callable(set_epoch := getattr(sampler, "set_epoch", None)):
            set_epoch(epoch)
        with passing_over(loader, first) as batches:
            yield from batches
        epoch, first = epoch + 1, 0


class _Behind:
    """A sampler without its first keys, which counts them all the same."""

    def __init__(self, sampler: Any, first: int) -> None:
        self.sampler, self.first = sampler, first

    def __iter__(self) -> Iterator[Any]:
        return itertools.islice(iter(self.sampler), self.first, None)

    def __len__(self) -> int:
        return len(self.sampler)


@contextmanager
def passing_over(loader: DataLoader, batches: int) -> Iterator[Iterable[Any]]:
    """The batches of a loader behind the first ones, which are not loaded.

    A batch sampler that is not torch's cannot be cut short; its first batches are loaded and thrown away.
    """
    sampler = loader.batch_sampler
    if not batches:
        yield loader
    elif type(sampler) is not BatchSampler:
        yield itertools.islice(loader, batches, None)
    else:
        whole = sampler.sampler
        sampler.sampler = _Behind(whole, batches * sampler.batch_size)
        try:
            yield loader
        finally:
            sampler.sampler = whole
