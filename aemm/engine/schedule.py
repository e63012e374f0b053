"""The learning rate over a training, followed without training."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from mmengine.optim import OptimWrapper
from torch import nn

from aemm.registry import PARAM_SCHEDULERS


def schedules_of(cfg: Mapping[str, Any]) -> list[Any]:
    """The schedules of a config as a list of dicts."""
    found = cfg.get("param_scheduler") or []
    return list(found) if isinstance(found, list | tuple) else [found]


def training_length(loop: Mapping[str, Any], epoch: int) -> tuple[int, int]:
    """Epochs and iterations of a training.

    Args:
        loop: ``train_cfg``.
        epoch: iterations of an epoch.
    """
    if loop.get("max_iters"):
        return math.ceil(loop["max_iters"] / epoch), int(loop["max_iters"])
    return int(loop["max_epochs"]), int(loop["max_epochs"]) * epoch


def learning_rates(cfg: Mapping[str, Any], epoch: int) -> list[float]:
    """The rate of every iteration, as mmengine's schedulers set it behind each iteration and each epoch.

    Args:
        cfg: a checked config with one optimizer.
        epoch: iterations of an epoch.

    Raises:
        ValueError: a schedule cannot be followed.
    """
    epochs, iterations = training_length(cfg["train_cfg"], epoch)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=cfg["optim_wrapper"]["optimizer"]["lr"])
    wrapper = OptimWrapper(optimizer)
    schedulers = []
    for node in schedules_of(cfg):
        end = epochs if node.get("by_epoch", True) else iterations
        added = dict(optimizer=wrapper, epoch_length=epoch)
        schedulers.append(PARAM_SCHEDULERS.build({"end": end, **node}, default_args=added))
    each_epoch = [scheduler for scheduler in schedulers if scheduler.by_epoch]
    each_iteration = [scheduler for scheduler in schedulers if not scheduler.by_epoch]
    rates = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # nothing is trained between two steps
        for iteration in range(1, iterations + 1):
            rates.append(float(optimizer.param_groups[0]["lr"]))
            for scheduler in each_iteration:
                scheduler.step()
            if iteration % epoch == 0:
                for scheduler in each_epoch:
                    scheduler.step()
    return rates


def describe_rates(rates: Sequence[float], epoch: int, points: int = 10) -> list[str]:
    """The curve as lines of text: where it turns or jumps, as far as there is room, and evenly in between.

    Args:
        rates: of every iteration.
        epoch: iterations of an epoch.
        points: about so many lines.
    """
    last = len(rates) - 1
    steps = [b - a for a, b in pairwise(rates)]
    turns = [n for n in range(1, len(steps)) if not math.isclose(steps[n], steps[n - 1], rel_tol=0.5, abs_tol=1e-15)]
    chosen = {0, last, *(round(last * n / points) for n in range(points + 1))}
    if len(turns) <= 2 * points:
        chosen |= {at for turn in turns for at in (turn, turn + 1)}
    return [f"iteration {n + 1:>9}, epoch {n // epoch + 1:>4}: {rates[n]:.6g}" for n in sorted(chosen)]
