"""A head without tags, for networks that look at one person at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.model import BaseModule
from torch import Tensor, nn

from aemm.models.heads.stages import check_stages, split_maps, stage_losses
from aemm.registry import MODELS
from aemm.structures import Maps, Targets


@MODELS.register_module()
class HeatmapHead(BaseModule):
    """Heatmaps of every stage, by a 1x1 convolution or by taking the channels that are there already.

    Args:
        num_heatmaps: C, keypoints.
        in_channels: channels of each feature map; the model passes what its backbone declares.
        project: add a 1x1 convolution to each feature map; False where the backbone gives the maps.
        stages: ``'mean'`` or ``'sum'``: how the losses of several stages combine.
        heatmap_loss: config of the detection loss.
        init_cfg: mmengine's initialisation config.

    Raises:
        ValueError: ``stages`` is unknown, or the backbone gives too few channels.
    """

    def __init__(
        self,
        num_heatmaps: int,
        in_channels: Sequence[int],
        project: bool = True,
        stages: str = "mean",
        heatmap_loss: dict[str, Any] | None = None,
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        check_stages(stages)
        self.num_heatmaps, self.stages = num_heatmaps, stages
        self.convs = nn.ModuleList()
        if project:
            self.convs.extend(nn.Conv2d(channels, num_heatmaps, 1) for channels in in_channels)
        elif min(in_channels) < num_heatmaps:
            raise ValueError(
                f"the head takes {num_heatmaps} heatmaps as they are, but the backbone gives {min(in_channels)} "
                "channels; set its out_channels"
            )
        self.heatmap_loss = MODELS.build(heatmap_loss or dict(type="HeatmapMSELoss"))

    def forward(self, feats: tuple[Tensor, ...]) -> list[Maps]:
        """One :class:`Maps` without tags for each stage, from ``(B, in_channels[i], h, w)`` feature maps."""
        maps = [conv(x) for conv, x in zip(self.convs, feats, strict=True)] if self.convs else feats
        return [split_maps(x, self.num_heatmaps, 0, 0) for x in maps]

    def loss(self, stages: list[Maps], targets: list[Targets]) -> dict[str, Tensor]:
        """``loss_heatmap`` of all stages, each against the target of its size."""
        every = (True,) * len(stages)
        return stage_losses(stages, targets, self.heatmap_loss, nn.Identity(), self.stages, every)

    def predict(self, stages: list[Maps]) -> Maps:
        """The maps to decode: those of the last stage."""
        return stages[-1]
