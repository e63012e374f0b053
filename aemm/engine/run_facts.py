"""What a checkpoint notes of the run that wrote it, and how the run that goes on from it differs."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from mmengine.dist import all_gather_object, get_rank, get_world_size
from mmengine.optim import OptimWrapperDict
from mmengine.runner import EpochBasedTrainLoop as EngineEpochLoop
from mmengine.runner import Runner
from torch.nn.modules.batchnorm import _BatchNorm

from aemm.engine.checkpoint import to_plain
from aemm.formats.checkpoint import CheckpointError

# what a schedule counts while it runs; the rest of its state are settings
_COUNTED = {"last_step", "base_values", "verbose", "best", "num_bad_steps", "cooldown_counter"}


def run_facts(runner: Runner) -> dict[str, Any]:
    """What a resumed run is compared by, in plain types."""
    loop = runner.train_loop
    return {
        "processes": get_world_size(),
        "threads": torch.get_num_threads(),
        "batch_size": loop.dataloader.batch_size,
        "epoch_length": len(loop.dataloader),
        "max_epochs": loop.max_epochs,
        "max_iters": loop.max_iters,
        "optimizers": {name: type(one.optimizer).__name__ for name, one in _optimizers(runner)},
        "schedules": [type(schedule).__name__ for schedule in _schedules(runner.param_schedulers)],
    }


def random_states() -> list[dict[str, Any]]:
    """The states of the random generators of every process, in plain types; all processes must call it."""
    name, key, *rest = np.random.get_state()  # noqa: NPY002 - what others draw from
    states = {
        "python": random.getstate(),
        "numpy": (name, torch.from_numpy(np.asarray(key, np.int64)), *rest),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
    }
    return all_gather_object(states)


def restore_random_states(saved: list[dict[str, Any]]) -> None:
    """Set the generators of this process as :func:`random_states` found them."""
    states = saved[get_rank()]
    version, words, gauss = states["python"]
    random.setstate((version, tuple(words), gauss))
    name, key, *rest = states["numpy"]
    np.random.set_state((name, key.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    torch.set_rng_state(states["torch"].cpu())
    if states["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"].cpu())


class Settings:
    """Optimizer and schedules as the config sets them, taken before a checkpoint is loaded into them.

    Args:
        runner: with both built.
    """

    def __init__(self, runner: Runner) -> None:
        self.groups = {name: _base(one.param_groups) for name, one in _optimizers(runner)}
        self.schedules = [_fixed(schedule.state_dict()) for schedule in _schedules(runner.param_schedulers)]

    def ignored(self, checkpoint: Mapping[str, Any]) -> Iterator[str]:
        """Each setting that the checkpoint's takes the place of, as a line for the log."""
        states = checkpoint["optimizer"]
        single = "param_groups" in states
        for name, groups in self.groups.items():
            saved = _base((states if single else states[name])["param_groups"])
            for key in sorted(groups[0].keys() & saved[0].keys()):
                old, new = [group.get(key) for group in saved], [group.get(key) for group in groups]
                if old != new:
                    place = "optimizer" if single else f"optimizer {name}"
                    yield f"{key} of the {place}: {_short(new)} is ignored, {_short(old)} of the checkpoint goes on"
        saved_schedules = list(_schedules(checkpoint.get("param_schedulers")))
        for number, (now, state) in enumerate(zip(self.schedules, saved_schedules, strict=False)):
            before = _fixed(state)
            for key in sorted(now.keys() & before.keys()):
                if now[key] != before[key]:
                    yield (
                        f"{key} of schedule {number}: {now[key]} is ignored, {before[key]} of the checkpoint goes on"
                    )


def check_resumable(checkpoint: Mapping[str, Any], path: str, names: list[str]) -> None:
    """Raise unless a run can go on from a checkpoint.

    Args:
        checkpoint: what it holds.
        path: of it, for the message.
        names: checkpoints of the work dir that could be resumed from.

    Raises:
        CheckpointError: it holds weights alone.
    """
    meta = checkpoint.get("meta")
    places = isinstance(meta, Mapping) and {"epoch", "iter"} <= meta.keys()
    missing = [key for key in ("optimizer", "message_hub") if key not in checkpoint]
    if missing or not places:
        others = f" from {names[0]}, by --resume alone," if names else " from an epoch_… or iter_… file"
        raise CheckpointError(
            f"checkpoint {path} cannot be resumed from: it holds no "
            f"{' and no '.join(missing) or 'epoch and iteration'}, as best_… files and published weights do not. "
            f"Resume{others} or start a new training from its weights: "
            f"--cfg-options load_from={path} without --resume"
        )


def check_same_parts(checkpoint: Mapping[str, Any], runner: Runner, path: str) -> None:
    """Raise where a checkpoint is of another optimizer or other schedules, whose states mean something else.

    Raises:
        CheckpointError: naming both.
    """
    now, saved = run_facts(runner), checkpoint["meta"].get("run", {})
    for key in ("optimizers", "schedules"):
        if key in saved and saved[key] != now[key]:
            raise CheckpointError(
                f"checkpoint {path} cannot be resumed from: its {key} are {saved[key]}, those of the config "
                f"{now[key]}. Use the config that it was trained with, or start a new training from its weights: "
                f"--cfg-options load_from={path} without --resume"
            )


def differences(saved: Mapping[str, Any], runner: Runner) -> Iterator[str]:
    """How the run that goes on differs in its course from the one that wrote a checkpoint, as lines for the log.

    Args:
        saved: the checkpoint's ``meta["run"]``.
        runner: of the run that goes on.
    """
    now = run_facts(runner)
    if not saved:
        yield "the checkpoint does not say how it was trained (processes, batch size, length); nothing was compared"
        return
    if saved.get("threads", now["threads"]) != now["threads"]:
        yield (
            f"{now['threads']} threads, not {saved['threads']}: sums are rounded otherwise, so that the results are "
            f"near those of an unbroken run, not equal to the bit; OMP_NUM_THREADS={saved['threads']} makes them so"
        )
    if [saved["processes"], saved["batch_size"]] != [now["processes"], now["batch_size"]]:
        yield (
            f"processes × batch size are {now['processes']} × {now['batch_size']}, not {saved['processes']} × "
            f"{saved['batch_size']}; the learning rate stays that of the checkpoint"
        )
    elif saved["epoch_length"] != now["epoch_length"]:
        yield f"an epoch has {now['epoch_length']} iterations, not {saved['epoch_length']}: the data have changed"
    unit = "max_epochs" if isinstance(runner.train_loop, EngineEpochLoop) else "max_iters"
    if saved[unit] != now[unit]:
        yield f"training goes on to {unit} {now[unit]}, not {saved[unit]}; schedules keep the length they had"


def inexact(runner: Runner, meta: Mapping[str, Any]) -> Iterator[str]:
    """Why the run that goes on will not end in the very bits of an unbroken one, as lines for the log.

    Args:
        runner: of the run that goes on.
        meta: the checkpoint's.
    """
    if torch.cuda.is_available() and not runner.deterministic:
        yield "a GPU rounds differently each time; randomness.deterministic=True makes it repeat itself"
    gathered = meta["iter"] % (runner.cfg.get("optim_wrapper") or {}).get("accumulative_counts", 1)
    if gathered:
        yield f"the gradients of {gathered} iterations that waited for a common step are lost"
    if "run" in meta and meta["run"]["processes"] != get_world_size():
        yield "the number of processes has changed, and with it their random numbers and the order of sums"
    elif (
        get_world_size() > 1 and meta.get("stopped") and any(isinstance(m, _BatchNorm) for m in runner.model.modules())
    ):
        yield "where the run was stopped, the running statistics of batch norm became the mean of all processes"


def _optimizers(runner: Runner) -> list[tuple[str, Any]]:
    wrapper = runner.optim_wrapper
    return list(wrapper.items()) if isinstance(wrapper, OptimWrapperDict) else [("optimizer", wrapper)]


def _schedules(saved: Any) -> Iterator[Any]:
    """All schedules, or their states, whether one optimizer is trained or several."""
    for group in saved.values() if isinstance(saved, Mapping) else [saved or []]:
        yield from group


def _base(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The settings of parameter groups before any schedule changed them."""
    return [
        {
            key: group.get(f"initial_{key}", value)
            for key, value in group.items()
            if key != "params" and not key.startswith("initial_")
        }
        for group in groups
    ]


def _fixed(state: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a schedule, in plain types."""
    return {
        key: to_plain(value)
        for key, value in state.items()
        if key not in _COUNTED and not key.startswith("_") and not callable(value)
    }


def _short(values: list[Any]) -> Any:
    return values[0] if all(value == values[0] for value in values) else values
