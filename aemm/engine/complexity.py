"""Parameters and multiply-adds of a network."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from aemm.engine.launch import build_model


def complexity(config: str, size: tuple[int, int]) -> tuple[int, int]:
    """Parameters of a network, and the multiply-adds of its convolutions for one image.

    Published tables call multiply-adds FLOPs; counted separately, there are twice as many.

    Args:
        config: a config file.
        size: height and width of the image in pixels.
    """
    with torch.device("meta"):
        model: Any = build_model(config)
        image = torch.empty(1, 3, *size)
    model.eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.head(model.backbone(image))
    return sum(parameter.numel() for parameter in model.parameters()), counter.get_total_flops() // 2
