"""Copies between the CPU and a device: none that waits on the way there, and one for everything on the way back."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def send(values: Tensor, device: torch.device) -> Tensor:
    """Values of the CPU on another device, without waiting for what it has to do before.

    Args:
        values: a few, which are copied once more on the way.
        device: where they go.
    """
    if device.type == "cpu":
        return values
    return values.pin_memory().to(device, non_blocking=True)


def fetch(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Tensors of one device on the CPU; it waits once for all of them, and not at all for its own.

    Args:
        tensors: of any shapes and types.
    """
    if all(tensor.device.type == "cpu" for tensor in tensors):
        return list(tensors)
    parts = [tensor.detach().contiguous().flatten().view(torch.uint8) for tensor in tensors]
    arrived = torch.cat(parts).cpu().split([len(part) for part in parts])
    pairs = zip(arrived, tensors, strict=True)
    return [part.clone().view(tensor.dtype).view(tensor.shape) for part, tensor in pairs]  # a clone is aligned
