"""A training step against the network's forward and backward pass alone.

python benchmarks/training_step.py
"""

from __future__ import annotations

import torch
from timing import median_ms, print_table
from torch import nn

from aemm.datasets import SyntheticPoseDataset, collate
from aemm.datasets.transforms import PoseTargets
from aemm.engine import load_config
from aemm.registry import MODELS


def main() -> None:
    """Time the tiny synthetic recipe: preprocessing, network, losses, backward, without the optimizer."""
    torch.manual_seed(0)
    cfg = load_config("configs/synthetic/pose_hourglass_tiny_128.py")
    model: nn.Module = MODELS.build(cfg.model).train()
    data = SyntheticPoseDataset(16, pipeline=[PoseTargets(strides=(4,), sigma=1.0, style="unbiased")])
    raw = collate([data[i] for i in range(16)])
    batch = model.data_preprocessor(raw, True)["batch"]

    def network() -> None:
        model.zero_grad(set_to_none=True)
        maps = model.backbone(batch.images[0])
        torch.autograd.backward(maps, [torch.ones_like(m) for m in maps])

    def step() -> None:
        model.zero_grad(set_to_none=True)
        losses = model(**model.data_preprocessor(raw, True), mode="loss")
        sum(value for name, value in losses.items() if "loss" in name).backward()

    pairs = [(median_ms(network, 0, 1), median_ms(step, 0, 1)) for _ in range(12)]
    ratios = sorted(b / a for a, b in pairs)
    alone, whole = (sorted(times)[len(times) // 2] for times in zip(*pairs, strict=True))
    print_table(
        "training step of configs/synthetic/pose_hourglass_tiny_128.py, batch 16",
        ["", "median ms", "ratio"],
        [
            ["network forward and backward", f"{alone:.0f}", "1"],
            ["preprocessing, network, losses, backward", f"{whole:.0f}", f"{ratios[len(ratios) // 2]:.3f}"],
        ],
    )


if __name__ == "__main__":
    torch.set_num_threads(2)
    main()
