"""Batch norms folded into the convolutions before them, for networks that are not trained any more."""

from __future__ import annotations

import weakref
from collections import Counter
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
        self.pairs: Counter[tuple[Any, Any]] = Counter()
        self.runs: Counter[nn.Module] = Counter()
        self.hooks = []
        for module in (module for part in parts for module in part.modules()):
            if type(module) in _CONVOLUTIONS:
                self.hooks.append(module.register_forward_hook(self._convolved))
            elif type(module) in _NORMS:
                self.hooks.append(module.register_forward_pre_hook(self._normalised))

    def _convolved(self, module: nn.Module, inputs: Any, output: Tensor) -> None:
        self.runs[module] += 1
        self.made[id(output)] = (weakref.ref(output), module)

    def _normalised(self, module: nn.Module, inputs: Any) -> None:
        self.runs[module] += 1
        made, convolution = self.made.get(id(inputs[0]), (lambda: None, module))
        if made() is inputs[0]:
            self.pairs[convolution, module] += 1

    def close(self) -> None:
        for hook in self.hooks:
            hook.remove()

    def foldable(self) -> list[tuple[Any, Any]]:
        """Convolutions with their norms, as far as neither ran without the other and the norm has statistics."""
        return [
            (convolution, norm)
            for (convolution, norm), times in self.pairs.items()
            if self.runs[norm] == self.runs[convolution] == times
            and getattr(norm, "running_mean", None) is not None
            and not (isinstance(convolution, nn.ConvTranspose2d) and convolution.groups > 1)
        ]


@torch.no_grad()
def fold_norms(network: Callable[[Tensor], Maps], parts: Sequence[nn.Module], image: Tensor) -> int:
    """Fold each batch norm into the convolution whose output it gets, in place.

    Which one that is shows in a run, not in the order of a definition; another run shows that nothing else changed. If
    something did, since others read what a convolution makes, too, norms are folded one by one, and those stay that
    change something.

    Args:
        network: runs the parts, which are in evaluation mode.
        parts: whose norms are folded.
        image: ``(B, 3, H, W)`` to run it with.

    Returns:
        how many norms were folded.
    """
    watch = _Watch(parts)
    try:
        before = network(image)
    finally:
        watch.close()
    pairs, places = watch.foldable(), _places_of_norms(parts)
    undo = [_fold(*pair, places) for pair in pairs]
    if _same(before, network(image)):
        return len(pairs)
    for step in undo:
        step()
    kept = 0
    for pair in pairs:
        step = _fold(*pair, places)
        if _same(before, network(image)):
            kept += 1
        else:
            step()
    return kept


def _places_of_norms(parts: Sequence[nn.Module]) -> dict[nn.Module, list[tuple[nn.Module, str]]]:
    """For each norm the modules that hold it, and by which name."""
    places: dict[nn.Module, list[tuple[nn.Module, str]]] = {}
    for parent in (module for part in parts for module in part.modules()):
        for name, child in parent.named_children():
            if type(child) in _NORMS:
                places.setdefault(child, []).append((parent, name))
    return places


def _fold(convolution: Any, norm: Any, places: dict[nn.Module, list[tuple[nn.Module, str]]]) -> Callable[[], None]:
    """Give a convolution the norm's factor and offset, put nothing in the norm's place; returns what undoes it."""
    own = convolution.weight, convolution.bias
    folded = fuse_conv_bn_eval(convolution, norm, transpose=isinstance(convolution, nn.ConvTranspose2d))

    def put(module: nn.Module, weights: tuple[Any, Any]) -> None:
        for parent, name in places[norm]:
            setattr(parent, name, module)
        convolution.weight, convolution.bias = weights

    put(nn.Identity(), (folded.weight, folded.bias))
    return lambda: put(norm, own)


def _same(before: Maps, after: Maps) -> bool:
    """Whether maps differ by rounding alone."""
    pairs = ((before.heatmaps, after.heatmaps), (before.tags, after.tags))
    return all(
        (old - new).abs().max() <= _SAME * old.abs().max().clamp(min=1e-6)
        for old, new in pairs
        if old is not None and new is not None
    )
