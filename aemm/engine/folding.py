"""Batch norms folded into the convolutions before them, for networks that are not trained any more."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from aemm.structures import Maps

# exact types: subclasses may do more, such as an activation within the norm
_CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)
_NORMS = (nn.BatchNorm2d, nn.SyncBatchNorm)
_SAME = 1e-3  # of the largest value; folding rounds otherwise than normalising


class _Watch:
    """Sees in one run of a network which convolution's output each batch norm gets."""

    def __init__(self, parts: Sequence[nn.Module]) -> None:
        self.made: dict[int, tuple[Any, nn.Module]] = {}
        self.pairs: dict[Any, Any] = {}
        self.runs: dict[nn.Module, int] = {}
        self.hooks = []
        for module in (module for part in parts for module in part.modules()):
            if type(module) in _CONVOLUTIONS:
                self.hooks.append(module.register_forward_hook(self._convolved))
            elif type(module) in _NORMS:
                self.hooks.append(module.register_forward_pre_hook(self._normalised))

    def _convolved(self, module: nn.Module, inputs: Any, output: Tensor) -> None:
        self.runs[module] = self.runs.get(module, 0) + 1
        self.made[id(output)] = (weakref.ref(output), module)

    def _normalised(self, module: nn.Module, inputs: Any) -> None:
        self.runs[module] = self.runs.get(module, 0) + 1
        made, convolution = self.made.get(id(inputs[0]), (lambda: None, module))
        if made() is inputs[0]:
            self.pairs[module] = convolution

    def close(self) -> None:
        for hook in self.hooks:
            hook.remove()

    def foldable(self) -> dict[Any, Any]:
        """Norms with their convolutions, as far as both ran once and the norm has statistics."""
        return {
            norm: convolution
            for norm, convolution in self.pairs.items()
            if self.runs[norm] == self.runs[convolution] == 1
            and list(self.pairs.values()).count(convolution) == 1
            and getattr(norm, "running_mean", None) is not None
            and not (isinstance(convolution, nn.ConvTranspose2d) and convolution.groups > 1)
        }


@torch.no_grad()
def fold_norms(network: Callable[[Tensor], Maps], parts: Sequence[nn.Module], image: Tensor) -> int:
    """Fold each batch norm into the convolution whose output it gets, in place.

    Which one that is shows in a run, not in the order of a definition; a second run shows that nothing else changed.

    Args:
        network: runs the parts, which are in evaluation mode.
        parts: whose norms are folded.
        image: ``(B, 3, H, W)`` to run it with.

    Returns:
        how many norms were folded.

    Raises:
        ValueError: the network computes something else now, since it uses what a convolution gives in two ways.
    """
    watch = _Watch(parts)
    try:
        before = network(image)
    finally:
        watch.close()
    pairs = watch.foldable()
    for part in parts:
        for parent in list(part.modules()):
            for name, child in list(parent.named_children()):
                if child in pairs:
                    setattr(parent, name, nn.Identity())
    for norm, convolution in pairs.items():
        turned = isinstance(convolution, nn.ConvTranspose2d)
        folded = fuse_conv_bn_eval(convolution, norm, transpose=turned)
        convolution.weight, convolution.bias = folded.weight, folded.bias
    after = network(image)
    for old, new in ((before.heatmaps, after.heatmaps), (before.tags, after.tags)):
        if old is not None and new is not None and (old - new).abs().max() > _SAME * old.abs().max().clamp(min=1e-6):
            raise ValueError("fuse: the network computes something else with its batch norms folded; leave fuse out")
    return len(pairs)
