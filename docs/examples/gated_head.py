"""A head of one's own, outside the package: tags are scaled by a learned gate."""

from typing import Any

import torch
from torch import Tensor, nn

from aemm.models.heads import AEHead
from aemm.registry import MODELS
from aemm.structures import Maps


@MODELS.register_module()
class GatedHead(AEHead):
    """AEHead with one factor on all tags.

    Args:
        num_heatmaps: number of keypoints.
        in_channels: filled in by the model.
        gate: where the factor starts.
        losses: more arguments of AEHead.
    """

    def __init__(self, num_heatmaps: int, in_channels: tuple[int, ...], gate: float = 1.0, **losses: Any) -> None:
        super().__init__(num_heatmaps, in_channels, **losses)
        self.gate = nn.Parameter(torch.tensor(gate))

    def forward(self, feats: tuple[Tensor, ...]) -> list[Maps]:
        """One :class:`Maps` for each stage."""
        return [Maps(maps.heatmaps, maps.tags * self.gate) for maps in super().forward(feats)]
