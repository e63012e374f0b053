"""A training step against the network's forward and backward pass alone.

python benchmarks/training_step.py
"""

from __future__ import annotations

import time
from pathlib import Path

import torch
from timing import paired_ms, print_table
from torch import nn

from aemm.datasets import SyntheticPoseDataset, collate
from aemm.datasets.transforms import PoseTargets
from aemm.engine import load_config
from aemm.registry import MODELS


def measure(config: str, size: int, batch_size: int, pairs: int) -> list[str]:
    """A row: median times of network and step, and the median of their ratio over pairs.

    Args:
        config: of the model.
        size: side of the images, pixels.
        batch_size: their number.
        pairs: measurements of both, one after the other.
    """
    torch.manual_seed(0)
    model: nn.Module = MODELS.build(load_config(config).model).train()
    targets = PoseTargets(strides=(4,), sigma=size / 128, style="unbiased")
    data = SyntheticPoseDataset(batch_size, size, pipeline=[targets])
    raw = collate([data[i] for i in range(batch_size)])
    batch = model.data_preprocessor(raw, True)["batch"]

    def network() -> None:
        model.zero_grad(set_to_none=True)
        stages = model.head(model.backbone(batch.images[0]))
        maps = [m for stage in stages for m in (stage.heatmaps, stage.tags)]
        torch.autograd.backward(maps, [torch.ones_like(m) for m in maps])

    def step() -> None:
        model.zero_grad(set_to_none=True)
        losses = model(**model.data_preprocessor(raw, True), mode="loss")
        sum(value for name, value in losses.items() if "loss" in name).backward()

    alone, whole, ratio = paired_ms(network, step, pairs, time.perf_counter)
    return [Path(config).stem, f"{batch_size} x {size} px", f"{alone:.0f}", f"{whole:.0f}", f"{ratio:.3f}"]


def main() -> None:
    """Time preprocessing, network, losses and backward, without the optimizer, against the network (with its head)."""
    rows = [
        measure("configs/synthetic/pose_hourglass_tiny_128.py", 128, 16, 41),
        measure("configs/pose/hrnet_w32_coco_512.py", 512, 1, 5),
    ]
    header = ["recipe", "batch", "network forward and backward, ms", "training step, ms", "ratio"]
    print_table("training step", header, rows)


if __name__ == "__main__":
    torch.set_num_threads(2)
    main()
