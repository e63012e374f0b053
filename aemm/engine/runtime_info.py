"""What the log shows of a step: the mean over all processes, fetched from the device once per line of the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from mmengine.dist import all_gather_object, all_reduce
from mmengine.hooks import LoggerHook
from mmengine.hooks import RuntimeInfoHook as _RuntimeInfoHook
from mmengine.runner import Runner
from torch import Tensor

from aemm.engine.history import shorten_history
from aemm.engine.optim_wrapper import wrappers_of
from aemm.registry import HOOKS

_INTERVAL = 50  # where no hook writes a log


class ScalarRows:
    """Scalars of iterations, which wait on their device until they are asked for.

    A scalar that an iteration does not have, or a diagnostic (no ``loss`` in its name) that is NaN, is absent
    from its mean; what no process has is absent from the row.
    """

    def __init__(self) -> None:
        self.names: list[str] = []  # agreed between the processes
        self._rows: list[dict[str, Tensor]] = []

    def __len__(self) -> int:
        """Number of iterations that wait."""
        return len(self._rows)

    def add(self, scalars: Mapping[str, Any]) -> None:
        """Scalars of one more iteration, tensors or numbers; every process adds as many iterations."""
        self._rows.append({name: torch.as_tensor(value).detach().float() for name, value in scalars.items()})

    def take(self) -> list[dict[str, float]]:
        """Means over the processes for each iteration that waited, by one reduction and one transfer."""
        if not self._rows:
            return []
        new = sorted({name for row in self._rows for name in row} - set(self.names))
        while True:
            table = self._table(unknown=bool(new))
            all_reduce(table, "sum")
            values = table.tolist()
            if not values.pop()[0]:
                break
            self.names += sorted({name for part in all_gather_object(new) for name in part} - set(self.names))
            new = []
        self._rows.clear()
        width = max(len(self.names), 1)
        return [
            {name: row[i] / row[width + i] for i, name in enumerate(self.names) if row[width + i]} for row in values
        ]

    def _table(self, unknown: bool) -> Tensor:
        """Sums and counts of the agreed scalars ``(iterations + 1, 2 names)``; the last row asks for new names."""
        device = next((value.device for row in self._rows for value in row.values()), torch.device("cpu"))
        shape = (len(self._rows), max(len(self.names), 1))
        has, sums = torch.zeros(shape, dtype=torch.bool, device=device), torch.zeros(shape, device=device)
        if self.names:
            has = torch.tensor([[name in row for name in self.names] for row in self._rows], device=device)
            nothing = sums.new_zeros(())
            flat = [row.get(name, nothing).to(device) for row in self._rows for name in self.names]
            sums = torch.stack(flat).view(shape)
            diagnostic = torch.tensor(["loss" not in name for name in self.names], device=device)
            has &= ~(diagnostic & sums.isnan())
        ask = sums.new_full((1, 2 * shape[1]), float(unknown))
        return torch.cat([torch.cat([torch.where(has, sums, 0.0), has.float()], 1), ask])


@HOOKS.register_module()
class RuntimeInfoHook(_RuntimeInfoHook):
    """mmengine's hook; losses and the gradient norm reach the log as means over all processes.

    They are fetched when a line of the log is due, so that no step waits for the device; between two lines
    ``message_hub.get_scalar`` is up to ``interval`` iterations behind. Each scalar keeps as many entries as
    the log processor's windows span, so that checkpoints do not grow.

    Args:
        interval: iterations between two fetches; by default those of the ``LoggerHook``. 1 = every iteration.
        keep: entries that each scalar keeps at least, for a hook of yours that reads further back.
    """

    def __init__(self, interval: int | None = None, keep: int = 0) -> None:
        if interval is not None and interval < 1:
            raise ValueError(f"interval must be 1 or more, got {interval}")
        self.interval, self.keep = interval, keep
        self._rows = ScalarRows()

    def before_train(self, runner: Runner) -> None:
        """Share the state of the run, and shorten what a checkpoint brought."""
        super().before_train(runner)
        intervals = [hook.interval for hook in runner.hooks if isinstance(hook, LoggerHook)]
        self._every = self.interval or (min(intervals) if intervals else _INTERVAL)
        shorten_history(runner, self.keep)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        """Keep the scalars of the iteration; fetch them all where a line of the log is due."""
        scalars = dict(outputs or {})
        for wrapper in wrappers_of(runner.optim_wrapper):
            if (norm := getattr(wrapper, "grad_norm", None)) is not None:
                scalars["grad_norm"] = norm
        self._rows.add(scalars)
        due = self.every_n_inner_iters(batch_idx, self._every) or len(self._rows) >= self._every
        if due or self.end_of_epoch(runner.train_dataloader, batch_idx):
            self.fetch(runner)

    def after_train_epoch(self, runner: Runner) -> None:
        """Fetch what is left."""
        self.fetch(runner)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Note the metrics."""
        super().after_val_epoch(runner, metrics)
        shorten_history(runner, self.keep)

    def fetch(self, runner: Runner) -> None:
        """Bring what waits to the message hub; every process must call this."""
        for row in self._rows.take():
            for name, value in row.items():
                runner.message_hub.update_scalar(f"train/{name}", value)
        shorten_history(runner, self.keep)
