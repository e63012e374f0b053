"""Training that stops at NaN and infinity, and keeps what was finite."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_gather_object, all_reduce, barrier, get_dist_info
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor, nn

from aemm.engine.optim_wrapper import OptimWrapper, wrappers_of
from aemm.engine.replay import write_step
from aemm.registry import HOOKS
from aemm.structures import ImageId

_SHOWN = 8
_LATE = 10  # steps between two looks where each makes a device wait


class NonFiniteError(ValueError):
    """A loss, a gradient or a weight is NaN or infinite; the message says where and what to do."""


def non_finite(tensors: Mapping[str, Any]) -> list[str]:
    """Names of the tensors that hold NaN or infinity."""
    floats = {name: t for name, t in tensors.items() if isinstance(t, Tensor) and t.is_floating_point()}
    if not floats:
        return []
    clean = torch.stack([torch.isfinite(t).all() for t in floats.values()]).tolist()
    return [name for name, is_clean in zip(floats, clean, strict=True) if not is_clean]


def check_finite(weights: nn.Module | Mapping[str, Any], what: str = "the model") -> None:
    """Raise if a parameter or a running statistic is NaN or infinite.

    Args:
        weights: a model, or the entries of a checkpoint.
        what: whose weights they are, for the message.

    Raises:
        NonFiniteError: naming the first entries.
    """
    entries = weights.state_dict() if isinstance(weights, nn.Module) else weights
    if names := non_finite(entries):
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        raise NonFiniteError(
            f"{len(names)} of {len(entries)} entries of {what} hold NaN or infinity: "
            f"{', '.join(names[:_SHOWN])}{more}. What it finds would mean nothing; take an earlier checkpoint"
        )


class StepWatch:
    """Whether steps are finite, told by their device every ``interval`` steps.

    Args:
        interval: 1 = look at each step before it is taken, and leave it out if it is not finite.

    Attributes:
        faults: iterations whose step was not finite on some process.
        guilty: those of them whose losses were not finite on this one.
        steps: how many were looked at.
    """

    def __init__(self, interval: int) -> None:
        self.interval = interval
        self.iter = 0
        self.steps = 0
        self.faults: list[int] = []
        self.guilty: list[int] = []
        self._pending: list[tuple[int, Tensor]] = []

    def allows(self, losses: Tensor, gradients: Tensor) -> bool:
        """Keep the answers for the next look; with an interval of 1, look now."""
        self._pending.append((self.iter, torch.stack([losses, gradients])))
        return self.interval > 1 or not self.look()

    def look(self) -> bool:
        """Whether a step since the last look was not finite on some process."""
        if not self._pending:
            return False
        steps = [step for step, _ in self._pending]
        own = torch.stack([finite for _, finite in self._pending]).float()  # (steps, 2)
        shared = own.amin(1)
        all_reduce(shared, "min")
        self._pending.clear()
        self.steps += len(steps)
        new = [step for step, finite in zip(steps, shared.tolist(), strict=True) if not finite]
        if new:
            self.guilty += [step for step, finite in zip(steps, own[:, 0].tolist(), strict=True) if not finite]
            self.faults += new
        return bool(new)


@HOOKS.register_module()
class FiniteHook(Hook):
    """End a training whose losses or gradients are no longer finite, and never save or test such weights.

    The batches of the first step at fault are written to the work dir for ``tools/analysis_tools/replay.py``.
    Where the hook looks at every step (on a CPU, or ``interval=1``) that step is not taken, and the weights
    beside them are those it met. Otherwise it looks every ``interval`` steps, before each checkpoint and before each
    validation, so that the run ends at most ``interval`` steps late, and nothing of it is saved.

    Args:
        skip: so many steps in a row may be left out instead, the weights unchanged; each is counted and logged.
        interval: steps between two looks; by default 1 on a CPU, and 10 elsewhere, where each look makes the
            device wait. ``skip`` needs 1, and takes it by default.

    Raises:
        ValueError: ``skip`` and ``interval`` exclude each other.
    """

    priority = "ABOVE_NORMAL"

    def __init__(self, skip: int = 0, interval: int | None = None) -> None:
        if skip < 0 or (interval is not None and interval < 1):
            raise ValueError(f"skip must be 0 or more and interval 1 or more, got skip={skip} and interval={interval}")
        if skip and interval not in (None, 1):
            raise ValueError(
                f"skip={skip} looks at every step before it is taken, got interval={interval}; leave it out"
            )
        self.skip, self.interval = skip, interval
        self._recent: deque[tuple[int, Any]] = deque(maxlen=1)  # iteration and batch
        self._in_a_row, self._gathered = 0, 1
        self._seen = 0  # steps
        self._statistics: list[Tensor] = []

    def before_train(self, runner: Runner) -> None:
        """Have the optimizer's steps watched."""
        model = _network(runner)
        on_cpu = next(model.parameters()).device.type == "cpu"
        self._watch = StepWatch(self.interval or (1 if self.skip or on_cpu else _LATE))
        for wrapper in wrappers_of(runner.optim_wrapper):
            if not isinstance(wrapper, OptimWrapper):
                raise ValueError(
                    f"optim_wrapper {type(wrapper).__name__} does not tell whether its steps are finite; take "
                    "type='OptimWrapper' or 'AmpOptimWrapper', or do without FiniteHook (default_hooks.finite=None)"
                )
            wrapper.watch = self._watch
            self._gathered = max(self._gathered, wrapper.gathered)
        self._recent = deque(maxlen=self._watch.interval * self._gathered)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Keep the batch until it has proved finite, and where its step may be left out, the running statistics."""
        self._watch.iter = runner.iter
        self._recent.append((runner.iter, data_batch))
        if self._watch.interval == 1 and runner.iter % self._gathered == 0:
            self._statistics = [buffer.clone() for buffer in _network(runner).buffers()]

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        """Look, if it is time to."""
        if self._watch.interval == 1 or self.every_n_train_iters(runner, self._watch.interval):
            self._look(runner)

    def after_train_epoch(self, runner: Runner) -> None:
        """Look before anything is saved."""
        self._look(runner)

    def before_val(self, runner: Runner) -> None:
        """Look before weights are measured; see that those of a run without training are finite."""
        if hasattr(self, "_watch"):
            self._look(runner)
        else:
            check_finite(_network(runner))

    def before_test(self, runner: Runner) -> None:
        """See that the weights are finite."""
        check_finite(_network(runner))

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Refuse to save weights that are not finite."""
        check_finite(checkpoint["state_dict"], f"the model at iteration {runner.iter + 1}")

    def after_train(self, runner: Runner) -> None:
        """Say how many steps were left out."""
        if count := runner.message_hub.get_info("skipped_steps", 0):
            runner.logger.warning(f"{count} steps were left out, since their losses or gradients were not finite")

    def _look(self, runner: Runner) -> None:
        """Stop at a step that was not finite, or count it."""
        self._watch.look()
        faults, made = self._watch.faults, self._watch.steps > self._seen
        self._seen = self._watch.steps
        if not faults:
            self._in_a_row = 0 if made else self._in_a_row
            return
        self._in_a_row += len(faults)
        self._undo(runner)
        if self._in_a_row > self.skip:
            self._stop(runner, faults[0])
        self._leave_out(runner, faults[0])
        self._watch.faults, self._watch.guilty = [], []

    @torch.no_grad()
    def _undo(self, runner: Runner) -> None:
        """Take back what the batches of a step that was not taken did to the running statistics."""
        if self._statistics:
            for buffer, before in zip(_network(runner).buffers(), self._statistics, strict=True):
                buffer.copy_(before)

    def _leave_out(self, runner: Runner, fault: int) -> None:
        """Count a step that was not taken."""
        count = runner.message_hub.get_info("skipped_steps", 0) + 1
        runner.message_hub.update_info("skipped_steps", count)
        ids = _listed(self._guilty_images(fault))
        runner.logger.warning(f"step {fault + 1} was left out ({count} so far): it was not finite; images {ids}")

    def _batches(self, fault: int) -> list[Any]:
        """The batches that made the step of an iteration, on this process."""
        first = fault - fault % self._gathered
        return [batch for step, batch in self._recent if first <= step <= fault]

    def _guilty_images(self, fault: int) -> list[ImageId]:
        """Images of the processes whose losses were not finite; of all if only the gradients tell."""
        own = [image for batch in self._batches(fault) for image in batch.image_ids]
        parts = all_gather_object((fault in self._watch.guilty, own))
        known = [images for guilty, images in parts if guilty] or [images for _, images in parts]
        return [image for images in known for image in images]

    def _stop(self, runner: Runner, fault: int) -> None:
        """Write the step for replay on every process, then end them all with one message."""
        rank, world = get_dist_info()
        weights = _network(runner).state_dict()
        path = Path(runner.work_dir) / f"non_finite_iter_{fault + 1}{f'_rank_{rank}' if world > 1 else ''}.pth"
        note = write_step(path, fault, self._batches(fault), {} if non_finite(weights) else weights)
        images = self._guilty_images(fault)
        notes = all_gather_object(note)
        barrier()
        late = f", seen {runner.iter - fault} iterations later" if runner.iter > fault else ""
        skipped = f" after {self._in_a_row - 1} steps in a row that were left out" if self._in_a_row > 1 else ""
        raise NonFiniteError(
            f"training stopped at iteration {fault + 1}{late}{skipped}: a loss or a gradient is NaN or infinite. "
            f"Images: {_listed(images)}. Each process kept what it met: {'; '.join(notes)}; run it again with "
            "tools/analysis_tools/replay.py. The last checkpoint is finite: go on from it with a lower learning rate, "
            "with clipped gradients (optim_wrapper.clip_grad.max_norm), or leave such steps out "
            "(default_hooks.finite.skip=10)"
        )


def _network(runner: Runner) -> nn.Module:
    return runner.model.module if is_model_wrapper(runner.model) else runner.model


def _listed(ids: Sequence[ImageId]) -> str:
    """Identifiers for a message, the first of them if there are many."""
    more = f" and {len(ids) - 4 * _SHOWN} more" if len(ids) > 4 * _SHOWN else ""
    return ", ".join(map(str, ids[: 4 * _SHOWN])) + more
