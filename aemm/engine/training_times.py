"""Where the time of a training goes: of the samples, and of the iterations that take them."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from mmengine.config import Config
from mmengine.runner import IterBasedTrainLoop
from torch import nn
from torch.utils.data import DataLoader

from aemm.datasets.base import SampleDataset
from aemm.engine.launch import build_runner, require
from aemm.engine.times import Times
from aemm.engine.trial_data import TrialLoader, without_downloads

WAIT = "wait for data"
_WARM = 2  # iterations that are not counted: buffers are made, and workers start


@dataclass(frozen=True)
class LoadingTimes:
    """Of a batch, made in one process.

    Attributes:
        steps: seconds of each step, all samples together.
        batch_size: samples of a batch.
        workers: processes that load for a training.
    """

    steps: dict[str, float]
    batch_size: int
    workers: int


def measure_loading(cfg: Config, batches: int) -> LoadingTimes:
    """Make batches of the training in this process.

    Args:
        cfg: a checked config.
        batches: how many, beside the first, which is not counted.

    Raises:
        ConfigError: the config trains nothing.
        Exception: whatever the data set raises.
    """
    require(cfg, ("train_dataloader",), "load data of a training")
    loader = TrialLoader(cfg, "train_dataloader", 1)
    size = min(loader.batch_size, loader.count)
    loader.collate(loader.samples(size))  # the first one takes longer
    times = Times()
    for part in parts_of(loader.dataset):
        watch_loading(part, times)
    for n in range(1, batches + 1):
        times.begin_round()
        samples = loader.samples(size, n * size % (loader.count - size + 1))
        with times.of("collate"):
            loader.collate(samples)
    return LoadingTimes(times.medians(), loader.batch_size, int(cfg.train_dataloader.get("num_workers") or 0))


def parts_of(dataset: Any) -> Iterator[SampleDataset]:
    """The data sets that load, within those that join others."""
    if isinstance(dataset, SampleDataset):
        yield dataset
    for part in getattr(dataset, "datasets", ()):
        yield from parts_of(part)


def watch_loading(dataset: SampleDataset, times: Times) -> None:
    """Count the reading of a data set and each of its transforms."""
    times.watch(dataset, "load", "read")
    dataset.pipeline = [times.timed(step, type(step).__name__) for step in dataset.pipeline]


def measure_training(cfg: Config, iterations: int) -> dict[str, float]:
    """Train for some iterations, with all hooks; nothing is kept.

    Args:
        cfg: a checked config; it stays as it is.
        iterations: how many are counted.

    Returns:
        Seconds of each step in an iteration, the median.

    Raises:
        ConfigError: the config trains nothing, or a switch cannot do what it says.
    """
    require(cfg, ("model", "train_dataloader", "train_cfg", "optim_wrapper"), "train")
    cfg = deepcopy(cfg)
    for name in ("val_dataloader", "val_cfg", "val_evaluator", "test_dataloader", "test_cfg", "test_evaluator"):
        cfg[name] = None
    cfg.early_stopping, cfg.load_from, cfg.resume = None, None, False
    cfg.visualizer = dict(type="RunVisualizer", vis_backends=[])
    cfg.merge_from_dict({"default_hooks.checkpoint": dict(interval=-1, save_best=None)})
    cfg.model, _ = without_downloads(cfg.model.to_dict())
    cfg.log_level = "ERROR"
    times = Times()
    with tempfile.TemporaryDirectory() as folder:
        cfg.work_dir = folder
        runner = build_runner(cfg)
        try:
            runner.train_loop.run = lambda: _run(runner, times, iterations)
            runner.train()
        finally:
            _close_files(runner.logger)
    return times.medians()


def _close_files(logger: logging.Logger) -> None:
    """Let go of the log, so that its folder can be removed."""
    for handler in [handler for handler in logger.handlers if isinstance(handler, logging.FileHandler)]:
        logger.removeHandler(handler)
        handler.close()


def _run(runner: Any, times: Times, iterations: int) -> nn.Module:
    """In place of the loop's own: so many iterations, without validations and checkpoints."""
    loop = runner.train_loop
    runner.call_hook("before_train")
    runner.call_hook("before_train_epoch")
    runner.model.train()
    batches = _endless(loop.dataloader)
    for index in range(_WARM):
        _iterate(loop, index, next(batches))
    _watch_step(runner, times)
    for index in range(_WARM, _WARM + iterations):
        times.begin_round()
        with times.of(WAIT):
            batch = next(batches)
        with times.of("rest"):
            _iterate(loop, index, batch)
    return runner.model


def _endless(loader: DataLoader) -> Iterator[Any]:
    while True:
        yield from loader


def _iterate(loop: Any, index: int, batch: Any) -> None:
    if isinstance(loop, IterBasedTrainLoop):
        loop.run_iter(batch)
    else:
        loop.run_iter(index, batch)


def _watch_step(runner: Any, times: Times) -> None:
    """Count the parts of an iteration of the runner."""
    model = runner.model
    times.watch(model.data_preprocessor, "forward", "to the device")
    times.watch(model.backbone, "forward", "forward")
    times.watch(model.head, "forward", "forward")
    times.watch(model.head, "loss", "losses")
    times.watch(runner.optim_wrapper, "backward", "backward")
    for method in ("step", "zero_grad"):
        times.watch(runner.optim_wrapper, method, "optimizer")
    for hook in runner.hooks:
        for method in ("before_train_iter", "after_train_iter"):
            _watch_hook(hook, method, times)


def _watch_hook(hook: Any, method: str, times: Times) -> None:
    call: Callable[..., Any] = getattr(hook, method)
    setattr(hook, method, times.timed(call, f"hook {type(hook).__name__}"))
