"""Statistics of batch norm over several processes: shared when they are measured or saved, or in every step."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import torch
import torch.distributed as dist
import torch.nn.functional as F
from mmengine.dist import all_reduce, get_world_size
from mmengine.hooks import EMAHook, Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from aemm.engine.optim_wrapper import wrappers_of
from aemm.registry import HOOKS


def running_statistics(model: nn.Module) -> list[Tensor]:
    """The floating buffers of a model that a checkpoint holds."""
    saved = model.state_dict(keep_vars=True)
    return [b for name, b in model.named_buffers() if name in saved and b.is_floating_point()]


@torch.no_grad()
def average_statistics(*models: nn.Module) -> None:
    """Replace the running statistics of each process by their mean over all.

    The mean is taken in float64, in which that of equal numbers is exact: a second call changes nothing.

    Args:
        models: unwrapped, the same on every process, each of which must call this.
    """
    buffers = [buffer for model in models for buffer in running_statistics(model)]
    if get_world_size() == 1 or not buffers:
        return
    flat = torch.cat([buffer.flatten().double() for buffer in buffers])
    all_reduce(flat, "sum")
    flat /= get_world_size()
    for buffer, part in zip(buffers, flat.split([buffer.numel() for buffer in buffers]), strict=True):
        buffer.copy_(part.view_as(buffer))


_shared_after: WeakKeyDictionary[Runner, list[int]] = WeakKeyDictionary()  # iterations


def share_statistics(runner: Runner) -> None:
    """Let every process have the same running statistics, in the model and in its moving averages.

    All processes must call this after the same iteration. Until the next one, a further call does nothing: a
    process alone, the one that saves, may try again.
    """
    after = [getattr(wrapper, "inner_count", 0) for wrapper in wrappers_of(runner.optim_wrapper)]
    if _shared_after.get(runner) == after:
        return
    _shared_after[runner] = after
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    averages = [hook.ema_model for hook in runner.hooks if isinstance(hook, EMAHook)]
    average_statistics(model, *averages)


@HOOKS.register_module()
class SharedStatisticsHook(Hook):
    """Before a validation, give all processes the same running statistics.

    Each process normalises by its own part of a batch, so that their statistics differ, and a checkpoint holds
    those of one. The runner shares them before it saves; with this hook what is measured is what is saved.
    """

    priority = "VERY_HIGH"  # before a hook that puts averaged weights in place

    def before_val_epoch(self, runner: Runner) -> None:
        """Share them."""
        share_statistics(runner)


class _Sum(torch.autograd.Function):
    """The sum over all processes, whose gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        total = grads[0].clone()
        dist.all_reduce(total)
        return total


class SyncNorm(_BatchNorm):
    """Batch norm over the batches of all processes on the CPU, where PyTorch's own asks for a GPU.

    Arguments and names of entries are those of ``torch.nn.BatchNorm2d``.
    """

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, ...)``, normalised over every axis but C, in training by all processes' values."""
        if not self.training and self.running_mean is not None:
            return F.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, momentum=0.0, eps=self.eps
            )
        axes, shape = [0, *range(2, x.ndim)], (1, -1, *(1,) * (x.ndim - 2))
        values = x.float()
        own = values.new_tensor([values.numel() / values.shape[1]])
        total = _Sum.apply(torch.cat([values.sum(axes), own]))
        count = total[-1]
        mean = total[:-1] / count
        centred = values - mean.view(shape)
        variance = _Sum.apply(centred.square().sum(axes)) / count
        self._count_in(mean.detach(), variance.detach() * count / (count - 1))
        found = centred * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            found = found * self.weight.view(shape) + self.bias.view(shape)
        return found.to(x.dtype)

    @torch.no_grad()
    def _count_in(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics towards those of a batch."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        step = 1.0 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, step)
        self.running_var.lerp_(variance, step)


def use_sync_norm(model: nn.Module) -> nn.Module:
    """``model`` with each batch norm replaced by :class:`SyncNorm`, which takes its weights over."""
    if isinstance(model, _BatchNorm):
        norm = SyncNorm(model.num_features, model.eps, model.momentum, model.affine, model.track_running_stats)
        norm.load_state_dict(model.state_dict())
        return norm.train(model.training)
    for name, child in model.named_children():
        setattr(model, name, use_sync_norm(child))
    return model
