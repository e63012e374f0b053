"""Time and memory of the grouping loss of masks, forward and backward, beside a loop over instances.

Run ``python benchmarks/instance_loss.py``. B = 16, 20 classes, maps of 64 x 64 cells, 10 instances of 20 pixels each.
"""

from __future__ import annotations

import argparse

import torch
from timing import median_ms, print_table
from torch import Tensor

from aemm.models.losses import PixelGroupingLoss
from aemm.ops.tags import gather_tags


def problem(batch: int, classes: int, instances: int, pixels: int, size: int) -> tuple[Tensor, Tensor]:
    """Tags that take a gradient ``(B, C, 1, size, size)``, and tag_index ``(B, N, P)``."""
    torch.manual_seed(0)
    tags = torch.randn(batch, classes, 1, size, size, requires_grad=True)
    cells = torch.randint(size * size, (batch, instances, pixels))
    return tags, cells + torch.randint(classes, (batch, instances, 1)) * size * size


def loop_loss(tags: Tensor, tag_index: Tensor) -> Tensor:
    """Equation 2 with a loop over images and pairs of instances."""
    found, _ = gather_tags(tags, tag_index)
    plane = tag_index[:, :, 0] // (tags.shape[3] * tags.shape[4])
    total = tags.sum() * 0
    for image, labels in zip(found, plane, strict=True):
        for n, own in enumerate(image):
            for m, other in enumerate(image):
                apart = (own[:, None] - other).square().sum(2)
                if n == m:
                    total = total + apart.sum()
                elif labels[n] == labels[m]:
                    total = total + torch.exp(-apart / 2).sum()
    return total / len(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of PyTorch")
    torch.set_num_threads(parser.parse_args().threads)
    loss, rows = PixelGroupingLoss(normalize=False), []
    for instances in (10, 40):
        tags, index = problem(16, 20, instances, 20, 64)
        vectorised, looped = sum(loss(tags, index).values()), loop_loss(tags, index)
        torch.testing.assert_close(vectorised, looped, rtol=1e-4, atol=1e-4)
        saved: list[int] = []

        def keep(value: Tensor, saved: list[int] = saved) -> Tensor:
            saved.append(value.numel() * value.element_size())
            return value

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
            loss(tags, index)
        ours = median_ms(lambda tags=tags, index=index: sum(loss(tags, index).values()).backward())  # type: ignore[misc]
        loops = median_ms(lambda tags=tags, index=index: loop_loss(tags, index).backward(), least=1)  # type: ignore[misc]
        cells = [f"{instances} instances x 20 pixels", f"{ours:.1f}", f"{sum(saved) / 2**20:.1f}", f"{loops:.0f}"]
        rows.append([*cells, f"{loops / ours:.0f}x"])
    header = ["problem, each of 16 images", "median ms", "MB kept for backward", "loops ms", "ratio"]
    print_table("PixelGroupingLoss, forward and backward", header, rows)


if __name__ == "__main__":
    main()
