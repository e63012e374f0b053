"""How much memory a step of training takes, from what autograd keeps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass
class Kept:
    """Bytes that a forward pass leaves for its backward pass, once for each piece of memory."""

    size: int = 0


@contextmanager
def count_kept(model: nn.Module) -> Iterator[Kept]:
    """Count what autograd keeps meanwhile, without weights and buffers, which are there anyway."""
    kept = Kept()
    seen = {_place(tensor) for tensor in (*model.parameters(), *model.buffers())}

    def pack(tensor: Tensor) -> Tensor:
        if (place := _place(tensor)) not in seen:
            seen.add(place)
            kept.size += tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield kept


def _place(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def bytes_of(tensors: Iterable[Any]) -> int:
    """Bytes of those that are tensors."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors if isinstance(tensor, Tensor))


def optimizer_bytes(optimizer: torch.optim.Optimizer) -> int:
    """Bytes of what an optimizer keeps for each weight, once it has made a step."""
    return bytes_of(value for state in optimizer.state.values() for value in state.values())


def in_words(count: float) -> str:
    """Bytes as a reader likes them.

    >>> in_words(3 * 2**30)
    '3.00 GiB'
    """
    return f"{count / 2**30:.2f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"
