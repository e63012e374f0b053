"""mmengine's runner, with the switches of a training done so that they hold for every combination."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import torch
from mmengine.dist import is_distributed
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner as _Runner
from torch import nn
from torch.utils.data import DataLoader

from aemm.engine.allocation import keep_memory_of
from aemm.engine.statistics import share_statistics, use_sync_norm
from aemm.models.layers import compile_around_recomputing


def compile_network(model: nn.Module, options: dict[str, Any]) -> None:
    """Compile backbone and head for training; testing, whose images differ in size, runs them as they are.

    Args:
        model: the unwrapped model.
        options: of ``torch.compile``.
    """
    compile_around_recomputing()
    for part in (model.backbone, model.head):
        part.forward = _in_training(part, part.forward, torch.compile(part.forward, **options))  # type: ignore


def _in_training(part: nn.Module, plain: Callable[..., Any], compiled: Callable[..., Any]) -> Callable[..., Any]:
    def forward(*inputs: Any) -> Any:
        return compiled(*inputs) if part.training else plain(*inputs)

    return forward


_OF_MMENGINE = ("runtime_info", "timer", "sampler_seed", "logger", "param_scheduler", "checkpoint")


class Runner(_Runner):
    """mmengine's runner, except for what these methods say."""

    def register_default_hooks(self, hooks: dict[str, Any] | None = None) -> None:
        """Register them; ``default_hooks.NAME=None`` leaves out any of them, not only mmengine's own."""
        kept = {name: hook for name, hook in (hooks or {}).items() if hook is not None or name in _OF_MMENGINE}
        super().register_default_hooks(kept)

    @staticmethod
    def build_dataloader(
        dataloader: DataLoader | dict[str, Any], seed: int | None = None, diff_rank_seed: bool = False
    ) -> Any:
        """The loader; beside a GPU its batches are pinned, unless it says otherwise, so that no copy is waited for.

        What loads for it keeps the memory that it frees, see :mod:`aemm.engine.allocation`.
        """
        if isinstance(dataloader, dict):
            dataloader = {"pin_memory": torch.cuda.is_available(), **dataloader}
        loader = _Runner.build_dataloader(dataloader, seed, diff_rank_seed)
        if isinstance(loader, DataLoader):
            keep_memory_of(loader)
        return loader

    def set_randomness(self, seed: int | None, diff_rank_seed: bool = False, deterministic: bool = False) -> None:
        """Seed everything; ``deterministic`` runs differ in nothing on one machine, on a GPU at some cost of speed."""
        if deterministic:  # without it the GPU's matrix products refuse to work; read when they are first used
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        super().set_randomness(seed, diff_rank_seed, deterministic)

    def save_checkpoint(self, *args: Any, **kwargs: Any) -> None:
        """Save the running statistics of all processes, not those of the first; each process must call this."""
        share_statistics(self)
        super().save_checkpoint(*args, **kwargs)

    def wrap_model(self, model_wrapper_cfg: dict[str, Any] | None, model: nn.Module) -> nn.Module:
        """The model on its device; ``sync_bn='torch'`` works on a CPU, too."""
        if is_distributed() and not torch.cuda.is_available() and self.cfg.get("sync_bn") == "torch":
            model = use_sync_norm(model)
            self.cfg.sync_bn = None
        return super().wrap_model(model_wrapper_cfg, model)

    def _maybe_compile(self, target: str) -> None:
        """Compile the network where the config says ``compile=True`` or gives options of ``torch.compile``."""
        options = self.cfg.get("compile")
        if not options:
            return
        model = self.model.module if is_model_wrapper(self.model) else self.model
        compile_network(model, {} if options is True else dict(options))
        self.logger.info("the network is compiled: the first iterations take longer")
