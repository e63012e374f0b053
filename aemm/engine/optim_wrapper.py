"""The step of the optimizer: its gradient norm stays on the device, and a watch may leave a step out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Protocol

import torch
from mmengine.optim import OptimWrapper as _OptimWrapper
from mmengine.optim import OptimWrapperDict
from torch import Tensor, nn
from torch.optim import Optimizer

from aemm.registry import OPTIM_WRAPPERS


class Watch(Protocol):
    """What looks at every step before it is taken."""

    def allows(self, losses: Tensor, gradients: Tensor) -> bool:
        """Whether to take a step whose losses and gradients are finite, or are not (two bools on their device)."""


@OPTIM_WRAPPERS.register_module()
class OptimWrapper(_OptimWrapper):
    """mmengine's wrapper, which reads no number back from the device and lets itself be watched.

    Args:
        optimizer: built by mmengine from the config.
        accumulative_counts: iterations whose gradients make one step.
        clip_grad: arguments of ``clip_grad_norm_`` or, with ``type='value'``, of ``clip_grad_value_``.

    Attributes:
        gathered: iterations that make one step.
        watch: asked before each step; None = every step is taken.
        grad_norm: of the last iteration's step, before clipping; None if the iteration made no step.
    """

    def __init__(
        self, optimizer: Optimizer, accumulative_counts: int = 1, clip_grad: dict[str, Any] | None = None
    ) -> None:
        super().__init__(optimizer, accumulative_counts, None if clip_grad is None else dict(clip_grad))
        self.watch: Watch | None = None
        self.grad_norm: Tensor | None = None
        self.gathered = accumulative_counts
        self._finite: Tensor | None = None  # whether all losses since the last step were

    def update_params(
        self, loss: Tensor, step_kwargs: dict[str, Any] | None = None, zero_kwargs: dict[str, Any] | None = None
    ) -> None:
        """Gradients of ``loss``, and a step where enough iterations have gathered.

        Args:
            loss: a scalar.
            step_kwargs: of the optimizer's ``step``.
            zero_kwargs: of its ``zero_grad``.
        """
        self.grad_norm = None
        finite = torch.isfinite(loss.detach())
        self._finite = finite if self._finite is None else self._finite & finite
        super().update_params(loss, step_kwargs, zero_kwargs)

    def step(self, **kwargs: Any) -> None:
        """Measure and clip the gradients, and take the step unless the watch objects."""
        self.grad_norm = self._clip()
        gradients = self._is_finite(self.grad_norm)
        losses = torch.ones_like(gradients) if self._finite is None else self._finite
        self._finite = None
        if self.watch is None or self.watch.allows(losses, gradients):
            self._take_step(**kwargs)
        else:
            self._leave_out()

    def _is_finite(self, norm: Tensor) -> Tensor:
        return torch.isfinite(norm)

    def _take_step(self, **kwargs: Any) -> None:
        self.optimizer.step(**kwargs)

    def _leave_out(self) -> None:
        """What remains to be done for a step that is not taken."""

    def _clip(self) -> Tensor:
        """The norm of the gradients, which are then clipped as asked for."""
        groups = self.optimizer.param_groups
        params = [p for group in groups for p in group["params"] if p.grad is not None]
        asked = self.clip_grad_kwargs or {}
        if asked and self.grad_name == "grad_norm":
            return nn.utils.clip_grad_norm_(params, **asked)
        norm = nn.utils.clip_grad_norm_(params, math.inf)  # measures alone
        if asked:
            nn.utils.clip_grad_value_(params, **asked)
        return norm


def wrappers_of(optim_wrapper: Any) -> Iterator[Any]:
    """The wrappers of a runner, be there one or one for each of several optimizers."""
    yield from optim_wrapper.values() if isinstance(optim_wrapper, OptimWrapperDict) else (optim_wrapper,)
