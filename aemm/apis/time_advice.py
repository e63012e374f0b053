"""What to do about time: tables of steps, and advice that follows from them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config
from terminaltables import AsciiTable

from aemm.engine.training_times import WAIT, LoadingTimes

_WAITS = 0.1  # of an iteration, spent in waiting for data, that is worth a word
_HOOK = 0.05  # of an iteration, spent in a hook
_MOST = 0.5  # of an image, spent in the network
_MUCH = 0.25  # of an image, spent in another step
_NETWORK = ("forward", "backward")


def time_table(title: str, steps: Mapping[str, float], least: float = 0.001) -> str:
    """A table of steps with milliseconds and shares.

    Args:
        title: above it.
        steps: seconds by name.
        least: share below which steps are summed up in one line.
    """
    whole = sum(steps.values())
    small = {name: seconds for name, seconds in steps.items() if seconds < least * whole}
    shown = {name: seconds for name, seconds in steps.items() if name not in small}
    if small:
        shown[f"{len(small)} more, each below {100 * least:g} %"] = sum(small.values())
    rows = [[name, f"{1e3 * value:.2f}", f"{100 * value / (whole or 1):.1f} %"] for name, value in shown.items()]
    table = AsciiTable([["step", "ms", "share"], *rows, ["all", f"{1e3 * whole:.2f}", ""]])
    table.justify_columns = {1: "right", 2: "right"}
    table.inner_footing_row_border = True
    return f"{title}\n{table.table}"


def training_advice(cfg: Config, steps: Mapping[str, float], loading: LoadingTimes, device: str) -> list[str]:
    """What would make a training faster.

    Args:
        cfg: of the training.
        steps: seconds of an iteration, by step.
        loading: of a batch, in one process.
        device: on which it trains, such as ``'cuda'``.
    """
    whole, wait = sum(steps.values()), steps.get(WAIT, 0.0)
    busy = max(whole - wait, 1e-9)
    advice = []
    if wait > _WAITS * whole:
        advice.append(_waiting(steps, loading, wait / whole, busy))
    network = sum(steps.get(name, 0.0) for name in _NETWORK)
    if network > _MOST * whole:
        advice.append(
            f"the network takes {network / whole:.0%} of an iteration; its time goes with the pixels: an image of "
            "three quarters of the side takes about 56 %"
        )
        if device != "cpu" and (cfg.optim_wrapper or {}).get("type") in (None, "OptimWrapper"):
            advice.append("it computes in 32 bits; aemm train --amp halves its time on most GPUs")
        advice += _layout(cfg)
    advice += [
        f"{name.removeprefix('hook ')} takes {seconds / whole:.0%} of an iteration; a larger interval, or none of it"
        for name, seconds in steps.items()
        if name.startswith("hook ") and seconds > _HOOK * whole
    ]
    return advice


def _waiting(steps: Mapping[str, float], loading: LoadingTimes, share: float, busy: float) -> str:
    """What to do about the wait for data."""
    batch = sum(loading.steps.values())
    needed, cores = int(batch / busy) + 1, os.cpu_count() or 1
    dearest = max(loading.steps, key=lambda name: loading.steps[name])
    said = (
        f"waiting for data takes {share:.0%} of an iteration: a batch of {loading.batch_size} takes one process "
        f"{batch:.2f} s, everything else {busy:.2f} s"
    )
    if needed > loading.workers and loading.workers < cores:
        at_most = f", as many as this machine has cores ({cores})" if needed > cores else ""
        return f"{said}; train_dataloader.num_workers={min(needed, cores)}{at_most}, instead of {loading.workers}"
    return f"{said}; {loading.workers} workers share {cores} cores, and the dearest step of a sample is {dearest}"


def prediction_advice(cfg: Config, steps: Mapping[str, float], device: str) -> list[str]:
    """What would make a prediction faster.

    Args:
        cfg: of the model.
        steps: seconds of an image, by step.
        device: on which it runs, such as ``'cuda'``.
    """
    whole = sum(steps.values()) or 1e-9
    share = {name: seconds / whole for name, seconds in steps.items()}
    advice = []
    if share.get("network", 0) > _MOST:
        advice.append(
            f"the network takes {share['network']:.0%} of an image: --fuse (not exact to the last digit) costs nothing"
            + (", --half halves it on most GPUs, and so does --batch-size for small images" if device != "cpu" else "")
        )
        if (cfg.model.get("tta") or {}).get("flip"):
            advice.append("each image is seen mirrored, too: --no-flip halves the network's time, at some accuracy")
        advice += _layout(cfg)
    if share.get("decode", 0) > _MUCH:
        advice.append(
            f"decoding takes {share['decode']:.0%}: a higher model.decoder.threshold leaves fewer peaks; a network "
            "without trained weights finds more than one with them"
        )
    for name, remedy in (
        ("read", "smaller files"),
        ("draw", "leave out --out-dir where json is enough"),
        ("write", "--pictures-as jpg is written sooner; leave out --out-dir where json is enough"),
    ):
        if share.get(name, 0) > _MUCH:
            advice.append(f"{name} takes {share[name]:.0%}: {remedy}")
    dearest = max(steps, key=lambda name: steps[name])
    advice.append(
        f"aemm predict overlaps reading, network, decoding, drawing and writing; with cores enough it is bound by the "
        f"dearest, {dearest}: {1 / max(steps[dearest], 1e-9):.0f} images a second here"
    )
    return advice


def _layout(cfg: Config) -> list[str]:
    preprocessor: Mapping[str, Any] = cfg.model.get("data_preprocessor") or {}
    if preprocessor.get("channels_last"):
        return []
    return ["images lie in memory as NCHW; model.data_preprocessor.channels_last=True suits convolutions better"]
