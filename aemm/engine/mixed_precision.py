"""Mixed precision on any device: the network under autocast, losses and weights in fp32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.config import Config
from mmengine.device import get_device
from torch import Tensor, nn
from torch.optim import Optimizer

from aemm.engine.config_check import ConfigError
from aemm.engine.optim_wrapper import OptimWrapper
from aemm.registry import OPTIM_WRAPPERS

_TYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16}
# a loss scaler that has come down to this does not overflow by itself: the gradients do
_SMALLEST_SCALE = 1.0


@OPTIM_WRAPPERS.register_module()
class AmpOptimWrapper(OptimWrapper):
    """Train under ``torch.autocast``; fp16 with a loss scaler, bf16 without, since its range is that of fp32.

    A step that the loss scaler leaves out, because the scaled gradients overflow, is no fault: the watch
    hears of it only where the loss itself is not finite, or the scale has come down to 1.

    Args:
        optimizer: built by mmengine from the config.
        accumulative_counts: iterations whose gradients make one step.
        clip_grad: see :class:`OptimWrapper`; gradients are clipped without their scale.
        dtype: ``'float16'`` or ``'bfloat16'``; by default the second on a CPU, and on a GPU that computes in it.
        loss_scale: ``'dynamic'``, a constant, or arguments of ``torch.amp.GradScaler``; bf16 takes the default alone.

    Raises:
        ValueError: there is no such type, or no scale for it.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        accumulative_counts: int = 1,
        clip_grad: dict[str, Any] | None = None,
        dtype: str | None = None,
        loss_scale: str | float | dict[str, Any] = "dynamic",
    ) -> None:
        super().__init__(optimizer, accumulative_counts, clip_grad)
        self.device_type = torch.device(get_device()).type
        dtype = dtype or ("bfloat16" if _has_bfloat16(self.device_type) else "float16")
        if dtype not in _TYPES:
            raise ValueError(f"optim_wrapper.dtype must be one of {', '.join(map(repr, _TYPES))}, got {dtype!r}")
        if dtype == "bfloat16" and loss_scale != "dynamic":
            raise ValueError(f"bfloat16 needs no loss scale, got optim_wrapper.loss_scale={loss_scale!r}; leave it out")
        self.dtype = _TYPES[dtype]
        self.scaler = _scaler(self.device_type, loss_scale, enabled=dtype == "float16")
        self._fixed_scale = float(loss_scale) if isinstance(loss_scale, int | float) else None

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Run the network under autocast, and gather gradients without talking to other processes where told."""
        with super().optim_context(model), torch.autocast(self.device_type, self.dtype):
            yield

    def backward(self, loss: Tensor, **kwargs: Any) -> None:
        """Gradients of the scaled loss."""
        super().backward(self.scaler.scale(loss), **kwargs)

    def _clip(self) -> Tensor:
        if self.scaler.is_enabled():
            self.scaler.unscale_(self.optimizer)
        return super()._clip()

    def _is_finite(self, norm: Tensor) -> Tensor:
        if self.scaler.is_enabled() and self.scaler.get_scale() > _SMALLEST_SCALE and self._fixed_scale is None:
            self.grad_norm = torch.where(torch.isfinite(norm), norm, torch.nan)  # not one for the log
            norm = torch.zeros_like(norm)
        return super()._is_finite(norm)

    def _take_step(self, **kwargs: Any) -> None:
        self.scaler.step(self.optimizer, **kwargs)
        self._leave_out()

    def _leave_out(self) -> None:
        self.scaler.update(self._fixed_scale)

    def state_dict(self) -> dict[str, Any]:
        """That of the optimizer, and of the loss scaler under ``'loss_scaler'``."""
        state = super().state_dict()
        if self.scaler.is_enabled():
            state["loss_scaler"] = self.scaler.state_dict()
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` gave; a checkpoint of fp32 training leaves the loss scaler as it is."""
        state = dict(state_dict)
        scale = state.pop("loss_scaler", None)
        if scale and self.scaler.is_enabled():
            self.scaler.load_state_dict(scale)
        super().load_state_dict(state)


def _has_bfloat16(device_type: str) -> bool:
    """Whether the device computes in bfloat16 itself; other accelerators than CUDA's are not asked."""
    if device_type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device_type == "cpu"


def _scaler(device_type: str, loss_scale: str | float | dict[str, Any], enabled: bool) -> torch.amp.GradScaler:
    """The loss scaler that a config asks for."""
    if isinstance(loss_scale, dict):
        return torch.amp.GradScaler(device_type, enabled=enabled, **loss_scale)
    if isinstance(loss_scale, int | float):
        return torch.amp.GradScaler(device_type, init_scale=float(loss_scale), enabled=enabled)
    if loss_scale != "dynamic":
        raise ValueError(f"optim_wrapper.loss_scale must be 'dynamic', a number or a dict, got {loss_scale!r}")
    return torch.amp.GradScaler(device_type, enabled=enabled)


def use_mixed_precision(cfg: Config, dtype: str | None = None) -> None:
    """Train under autocast.

    Args:
        cfg: its ``optim_wrapper`` is changed.
        dtype: ``'float16'`` or ``'bfloat16'``; by default what :class:`AmpOptimWrapper` takes.

    Raises:
        ConfigError: the config has a wrapper of its own.
    """
    kind = cfg.optim_wrapper.get("type", "OptimWrapper")
    if kind not in ("OptimWrapper", "AmpOptimWrapper"):
        raise ConfigError(f"--amp replaces optim_wrapper.type='OptimWrapper', but the config has {kind!r}")
    cfg.optim_wrapper.type = "AmpOptimWrapper"
    if dtype is not None:
        cfg.optim_wrapper.dtype = dtype
