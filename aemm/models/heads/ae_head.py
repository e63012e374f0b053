"""The head of associative embedding: heatmaps and tag maps, supervised at every stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from aemm.ops.tags import tag_spread
from aemm.registry import MODELS
from aemm.structures import Maps, Targets


def target_of(maps: Maps, targets: Sequence[Targets]) -> Targets:
    """The target whose maps have the size of ``maps``.

    Raises:
        ValueError: no target has that size.
    """
    for target in targets:
        if target.size == maps.size:
            return target
    sizes = [target.size for target in targets]
    raise ValueError(
        f"a stage predicts maps of {maps.size} cells, but the targets have {sizes}; check PoseTargets.strides"
    )


@MODELS.register_module()
class AEHead(BaseModule):
    """Heatmaps and tags of every stage, by a 1x1 convolution or by splitting what is there already.

    Args:
        num_heatmaps: C, keypoints or classes.
        in_channels: channels of each feature map; the model passes what its backbone declares.
        tag_dims: L, dimensions of a tag.
        tag_per_keypoint: a tag map for each heatmap (T = C), or one shared by all (T = 1).
        project: add a 1x1 convolution to each feature map; False where the backbone gives the maps.
        tag_std: deviation of the weights that make tags when ``project``; wide against collapse.
        stages: ``'mean'`` (the authors) or ``'sum'`` (HigherHRNet): how the losses of several stages combine.
        heatmap_loss: config of the detection loss.
        grouping_loss: config of the grouping loss.
        init_cfg: mmengine's initialisation config.

    Reference: Newell et al. 2017, section 3.2.
    """

    def __init__(
        self,
        num_heatmaps: int,
        in_channels: Sequence[int],
        tag_dims: int = 1,
        tag_per_keypoint: bool = True,
        project: bool = True,
        tag_std: float | None = None,
        stages: str = "mean",
        heatmap_loss: dict[str, Any] | None = None,
        grouping_loss: dict[str, Any] | None = None,
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if stages not in ("mean", "sum"):
            raise ValueError(f"stages must be 'mean' or 'sum', got {stages!r}")
        self.num_heatmaps, self.tag_dims, self.stages = num_heatmaps, tag_dims, stages
        self.num_tags = num_heatmaps if tag_per_keypoint else 1
        self.out_channels = num_heatmaps + self.num_tags * tag_dims
        self.convs = nn.ModuleList()
        if project:
            self.convs.extend(nn.Conv2d(channels, self.out_channels, 1) for channels in in_channels)
            if tag_std is not None:
                for conv in self.convs:
                    nn.init.normal_(conv.get_parameter("weight").data[num_heatmaps:], std=tag_std)
        elif min(in_channels) < self.out_channels:
            raise ValueError(
                f"the head splits {self.out_channels} channels ({num_heatmaps} heatmaps, {self.num_tags} tag maps of "
                f"{tag_dims} dimensions), but the backbone gives {min(in_channels)}; set its out_channels"
            )
        self.heatmap_loss = MODELS.build(heatmap_loss or dict(type="HeatmapMSELoss"))
        self.grouping_loss = MODELS.build(
            grouping_loss or dict(type="GroupingLoss", pull_weight=1e-3, push_weight=1e-3)
        )

    def forward(self, feats: tuple[Tensor, ...]) -> list[Maps]:
        """One :class:`Maps` for each supervised stage, from ``(B, in_channels[i], h, w)`` feature maps."""
        maps = [conv(x) for conv, x in zip(self.convs, feats, strict=True)] if self.convs else feats
        return [self._split(x) for x in maps]

    def _split(self, maps: Tensor) -> Maps:
        """Channels ``(C + T L, ...)`` as heatmaps and tags; what a published network has beyond is unused."""
        tags = maps[:, self.num_heatmaps : self.out_channels]
        return Maps(maps[:, : self.num_heatmaps], tags.unflatten(1, (self.num_tags, self.tag_dims)))

    def loss(self, stages: list[Maps], targets: list[Targets]) -> dict[str, Tensor]:
        """Losses of all stages, each against the target of its size.

        Returns:
            ``loss_heatmap``, ``loss_pull``, ``loss_push``, and ``tag_spread`` (a diagnostic, no part of
            the objective) where an image holds two instances or more.
        """
        sums: dict[str, list[Tensor]] = {"loss_heatmap": [], "loss_pull": [], "loss_push": []}
        spread = None
        for maps in stages:
            target = target_of(maps, targets)
            sums["loss_heatmap"].append(self.heatmap_loss(maps.heatmaps, target.heatmaps, target.mask))
            if maps.tags is not None and target.tag_index is not None:
                pull, push = self.grouping_loss(maps.tags, target.tag_index)
                sums["loss_pull"].append(pull)
                sums["loss_push"].append(push)
                spread = (maps.tags, target.tag_index)
        share = 1 / len(stages) if self.stages == "mean" else 1.0
        losses = {name: torch.stack(parts).sum() * share for name, parts in sums.items() if parts}
        if spread is not None and (value := tag_spread(*spread)) is not None:
            losses["tag_spread"] = value
        return losses

    def predict(self, stages: list[Maps]) -> Maps:
        """The maps to decode: those of the last stage."""
        return stages[-1]
