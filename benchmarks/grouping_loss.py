"""Grouping loss, forward and backward, against a loop over images, people and keypoints.

python benchmarks/grouping_loss.py
"""

from __future__ import annotations

import torch
from timing import median_ms, print_table, read_ms
from torch import Tensor

from aemm.models.losses import GroupingLoss


def loop_loss(tags: Tensor, tag_index: Tensor) -> Tensor:
    """The reference form, one keypoint after the other."""
    total = tags.new_zeros(())
    for flat, people in zip(tags.flatten(1), tag_index, strict=True):
        pulls, means = [], []
        for person in people:
            found = [flat[i] for i in person if i >= 0]
            if found:
                means.append(torch.stack(found).mean())
                pulls.append(torch.stack([(tag - means[-1]) ** 2 for tag in found]).mean())
        pairs = [torch.exp(-((a - b) ** 2)) for i, a in enumerate(means) for j, b in enumerate(means) if i != j]
        total = total + torch.stack(pulls).mean() + (0.5 * torch.stack(pairs).mean() if pairs else 0)
    return total / len(tags)


def main() -> None:
    """Time both at the size of a published training step."""
    batch, people, keypoints, size = 32, 30, 17, 128
    g = torch.Generator().manual_seed(0)
    tags = torch.randn(batch, keypoints, 1, size, size, generator=g, requires_grad=True)
    index = torch.randint(size * size, (batch, people, keypoints), generator=g) + torch.arange(keypoints) * size**2
    index[torch.rand(index.shape, generator=g) < 0.2] = -1
    loss = GroupingLoss()

    def ours() -> None:
        tags.grad = None
        sum(loss(tags, index).values()).backward()

    def loop(images: int = 2) -> None:
        tags.grad = None
        loop_loss(tags[:images], index[:images]).backward()

    share = 2
    torch.testing.assert_close(sum(loss(tags[:share], index[:share]).values()), loop_loss(tags[:share], index[:share]))
    fast, slow = median_ms(ours), median_ms(loop, 0.5, 3) * batch / share
    megabytes = tags.numel() * 4 / 2**20
    floor = median_ms(lambda: torch.zeros_like(tags))
    print_table(
        f"grouping loss, forward and backward, B {batch}, N {people}, K {keypoints}, {size}x{size}",
        ["", "median ms", "x loop"],
        [
            ["GroupingLoss", f"{fast:.1f}", f"{slow / fast:.0f}"],
            [f"loop (from {share} images)", f"{slow:.0f}", "1"],
            [f"least: zero a gradient of {megabytes:.0f} MB", f"{floor:.1f}", ""],
            [f"read {megabytes:.0f} MB", f"{read_ms(megabytes):.1f}", ""],
        ],
    )


if __name__ == "__main__":
    torch.set_num_threads(2)
    main()
