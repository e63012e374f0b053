"""The global batch that a recipe's rate and schedule belong to, kept on any number of processes.

A recipe states it once, ``auto_scale_lr = dict(base_batch_size=32)``, and its iteration counts are steps of that many
images. A run sees ``processes x batch_size`` images an iteration; :func:`fit_batch` makes the two agree or refuses.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mmengine.config import Config

from aemm.engine.config_check import ConfigError
from aemm.engine.words import plural

# counts of iterations in a scheduler, a hook and a loop; lists of them are scaled entry by entry
_OF_SCHEDULERS = ("begin", "end", "milestones", "step_size", "T_max", "periods", "total_steps", "patience", "cooldown")
_OF_HOOKS = ("interval", "save_begin")
_OF_LOOPS = ("max_iters", "val_begin", "val_interval")
# learning rates, which grow with the batch, beside the optimizer's own
_RATES = ("eta_min", "eta_max")


def fit_batch(cfg: Config, processes: int, auto_batch: bool = False, scale_lr: bool = False) -> str | None:
    """Bring a run's images per step and its recipe's global batch together.

    Args:
        cfg: of the run; changed in place.
        processes: how many train together.
        auto_batch: add up gradients until a step has seen the recipe's batch.
        scale_lr: keep the batch there is; the rate shrinks or grows with it, and iteration counts against it.
            mmengine's own switch, ``auto_scale_lr.enable``, asks for the same.

    Returns:
        What was found or done, in words; None where the recipe states no batch.

    Raises:
        ConfigError: batch and recipe differ and neither switch is set, or they cannot be brought together.
    """
    stated, batch = _stated(cfg), cfg.get("train_dataloader", {}).get("batch_size")
    scale_lr = bool(scale_lr or (cfg.get("auto_scale_lr") or {}).get("enable"))
    if auto_batch and scale_lr:
        raise ConfigError("--auto-batch keeps the recipe's batch, --scale-lr gives it up: choose one of them")
    if stated is None or batch is None:
        if auto_batch or scale_lr:
            lacking = "auto_scale_lr.base_batch_size" if stated is None else "train_dataloader.batch_size"
            raise ConfigError(f"--auto-batch and --scale-lr need {lacking}, which the config does not give")
        return None
    seen = processes * batch  # images an iteration
    accumulated = int(cfg.optim_wrapper.get("accumulative_counts", 1))
    if auto_batch:
        if stated % seen:
            raise ConfigError(_no_multiple(stated, processes, batch))
        accumulated = cfg.optim_wrapper.accumulative_counts = stated // seen
    elif scale_lr:
        _scale_rates(cfg, seen * accumulated / stated)
        cfg.auto_scale_lr.enable = False  # done; mmengine would do it again, without the iteration counts
    elif seen * accumulated != stated:
        raise ConfigError(_refusal(stated, processes, batch, accumulated))
    _stretch(cfg, stated / seen)
    parts = f"{plural(processes, 'process', 'es')} x {plural(batch, 'image')}"
    if accumulated > 1:
        parts += f" x {accumulated} iterations a step"
    if scale_lr:
        return f"global batch {seen * accumulated} ({parts}), rate and counts scaled from the recipe's {stated}"
    return f"global batch {stated} ({parts}), as the recipe states"


def _stated(cfg: Config) -> int | None:
    return (cfg.get("auto_scale_lr") or {}).get("base_batch_size")


def _fitting(stated: int, processes: int) -> list[int]:
    """Batch sizes per process that make up the stated batch, alone or accumulated."""
    return [b for b in range(1, stated // processes + 1) if stated % (b * processes) == 0]


def _no_multiple(stated: int, processes: int, batch: int) -> str:
    fitting = _fitting(stated, processes)
    if fitting:
        remedy = f"set train_dataloader.batch_size to one of {fitting}"
    else:
        few = f"a number of processes that divides {stated}" if processes <= stated else f"at most {stated} processes"
        remedy = f"use {few}"
    return (
        f"--auto-batch: the recipe's batch of {stated} is no multiple of {plural(processes, 'process', 'es')} x "
        f"{plural(batch, 'image')} = {processes * batch}; {remedy}"
    )


def _refusal(stated: int, processes: int, batch: int, accumulated: int) -> str:
    images = processes * batch * accumulated
    times = f" x accumulative_counts={accumulated}" if accumulated > 1 else ""
    same = stated // (processes * accumulated)
    exact = same * processes * accumulated == stated
    by_hand = f"train_dataloader.batch_size={same}" if exact else f"a number of processes that divides {stated}"
    return (
        f"the recipe's rate and schedule belong to a batch of {stated} images, but "
        f"{plural(processes, 'process', 'es')} x train_dataloader.batch_size={batch}{times} make {images}. "
        "Three ways on:\n"
        f"  --auto-batch  adds up gradients until a step has seen {stated} images: the recipe as it stands\n"
        f"  --scale-lr    trains {images} images at a time with {images / stated:g} of the rate and "
        f"{stated / (processes * batch):g} times the iterations\n"
        f"  {by_hand}, if it fits into memory"
    )


def _scale_rates(cfg: Config, ratio: float) -> None:
    """Multiply every learning rate."""
    optimizer = cfg.optim_wrapper.get("optimizer")
    if not optimizer or "lr" not in optimizer:
        raise ConfigError("--scale-lr needs optim_wrapper.optimizer.lr, which the config does not give")
    optimizer.lr *= ratio
    for scheduler in _schedulers(cfg):
        for rate in _RATES:
            if scheduler.get(rate):
                scheduler[rate] *= ratio


def _schedulers(cfg: Config) -> list[Any]:
    found = cfg.get("param_scheduler") or []
    return list(found) if isinstance(found, list | tuple) else [found]


def _counts(cfg: Config) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """Every part of a config that counts iterations, and the keys that do so."""
    for scheduler in _schedulers(cfg):
        if not scheduler.get("by_epoch", True):
            yield scheduler, _OF_SCHEDULERS
    for hook in [*(cfg.get("default_hooks") or {}).values(), *(cfg.get("custom_hooks") or [])]:
        if hook and not hook.get("by_epoch", True):
            yield hook, _OF_HOOKS
    loop = cfg.get("train_cfg") or {}
    if "max_iters" in loop or loop.get("type") == "IterBasedTrainLoop":
        yield loop, _OF_LOOPS


def _stretch(cfg: Config, factor: float) -> None:
    """Multiply every count of iterations; 0 stays 0, all others are at least 1."""

    def stretched(count: Any) -> Any:
        return max(1, round(count * factor)) if count and count > 0 else count

    if factor == 1:
        return
    for part, keys in _counts(cfg):
        for key in keys:
            value = part.get(key)
            if isinstance(value, list | tuple):
                part[key] = [stretched(count) for count in value]
            elif value is not None:
                part[key] = stretched(value)
        if pairs := part.get("dynamic_intervals"):
            part["dynamic_intervals"] = [(stretched(begin), stretched(every)) for begin, every in pairs]
        if part.get("type") == "ExponentialLR":
            part["gamma"] **= 1 / factor
