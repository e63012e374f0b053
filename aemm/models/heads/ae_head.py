"""The head of associative embedding: heatmaps and tag maps, supervised at every stage."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from mmengine.model import BaseModule
from torch import Tensor, nn

from aemm.models.heads.stages import check_stages, split_maps, spread_of, stage_losses
from aemm.models.layers import upsampling
from aemm.ops.tags import add_coordinates
from aemm.registry import MODELS
from aemm.structures import Maps, Targets


@MODELS.register_module()
class AEHead(BaseModule):
    """Heatmaps and tags of every stage, by a 1x1 convolution or by splitting what is there already.

    Args:
        num_heatmaps: C, keypoints or classes.
        in_channels: channels of each feature map; the model passes what its backbone declares.
        tag_dims: L, dimensions of a tag; 0 = no tags, for networks that look at one person at a time.
        tag_per_keypoint: a tag map for each heatmap (T = C), or one shared by all (T = 1).
        project: add a 1x1 convolution to each feature map; False where the backbone gives the maps.
        deconv_channels: of transposed convolutions before it, each doubling the sides of a feature map;
            three of them bring stride 32 to stride 4.
        coordinate_scale: add the coordinates of its cell to each predicted tag, which needs L >= 2: the ends of
            the map's longer side then lie so many units of tags apart (semi-convolutional tags, see
            :func:`aemm.ops.tags.add_coordinates`). None = do not.
        tag_std: deviation of the weights that make tags when ``project``; wide against collapse.
        stages: ``'mean'`` (the authors) or ``'sum'`` (HigherHRNet): how the losses of several stages combine.
        heatmap_loss: config of the detection loss.
        grouping_loss: config of the grouping loss.
        init_cfg: mmengine's initialisation config.

    Raises:
        ValueError: ``stages`` is unknown, the backbone gives too few channels to split, there are
            deconvolutions without a projection, coordinates without two dimensions to add them to, or settings
            of tags without tags.

    Reference: Newell et al. 2017, section 3.2; Xiao et al., Simple baselines for human pose estimation (ECCV 2018).
    """

    def __init__(
        self,
        num_heatmaps: int,
        in_channels: Sequence[int],
        tag_dims: int = 1,
        tag_per_keypoint: bool = True,
        project: bool = True,
        deconv_channels: Sequence[int] = (),
        coordinate_scale: float | None = None,
        tag_std: float | None = None,
        stages: str = "mean",
        heatmap_loss: dict[str, Any] | None = None,
        grouping_loss: dict[str, Any] | None = None,
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        check_stages(stages)
        if tag_dims == 0 and not (grouping_loss is None and tag_std is None):
            raise ValueError("tag_dims=0 leaves no tags to draw or to group; drop tag_std and grouping_loss")
        if coordinate_scale is not None and (tag_dims < 2 or coordinate_scale <= 0):
            raise ValueError(
                f"coordinate_scale adds x and y to tags of tag_dims >= 2 and is positive, got coordinate_scale="
                f"{coordinate_scale} and tag_dims={tag_dims}"
            )
        self.coordinate_scale = coordinate_scale
        self.num_heatmaps = num_heatmaps
        self.tag_dims = tag_dims
        self.stages = stages
        self.num_tags = (num_heatmaps if tag_per_keypoint else 1) if tag_dims else 0
        self.out_channels = num_heatmaps + self.num_tags * tag_dims
        self.deconvs, self.convs = nn.ModuleList(), nn.ModuleList()
        if project:
            self._add_projections(in_channels, deconv_channels, tag_std)
        elif deconv_channels:
            raise ValueError(f"deconv_channels need project=True, got {tuple(deconv_channels)} and project=False")
        elif min(in_channels) < self.out_channels:
            raise ValueError(
                f"the head splits {self.out_channels} channels ({num_heatmaps} heatmaps, {self.num_tags} tag maps of "
                f"{tag_dims} dimensions), but the backbone gives {min(in_channels)}; set its out_channels"
            )
        self.heatmap_loss = MODELS.build(heatmap_loss or dict(type="HeatmapMSELoss"))
        grouping_loss = grouping_loss or dict(type="GroupingLoss", pull_weight=1e-3, push_weight=1e-3)
        self.grouping_loss = MODELS.build(grouping_loss) if tag_dims else None

    def _add_projections(
        self, in_channels: Sequence[int], deconv_channels: Sequence[int], tag_std: float | None
    ) -> None:
        for channels in in_channels:
            widths = (channels, *deconv_channels)
            self.deconvs.append(nn.Sequential(*(upsampling(a, b) for a, b in itertools.pairwise(widths))))
            conv = nn.Conv2d(widths[-1], self.out_channels, 1)
            if tag_std is not None:
                nn.init.normal_(conv.weight.data[self.num_heatmaps :], std=tag_std)
            self.convs.append(conv)

    def forward(self, feats: tuple[Tensor, ...]) -> list[Maps]:
        """One :class:`Maps` for each supervised stage, from ``(B, in_channels[i], h, w)`` feature maps.

        Each deconvolution doubles ``h`` and ``w``.
        """
        if self.convs:
            layers = zip(self.deconvs, self.convs, feats, strict=True)
            feats = tuple(conv(deconv(x)) for deconv, conv, x in layers)
        stages = [split_maps(x, self.num_heatmaps, self.num_tags, self.tag_dims) for x in feats]
        if self.coordinate_scale is None:
            return stages
        return [Maps(stage.heatmaps, add_coordinates(stage.need_tags(), self.coordinate_scale)) for stage in stages]

    def loss(self, stages: list[Maps], targets: list[Targets]) -> dict[str, Tensor]:
        """Losses of all stages, see :func:`aemm.models.heads.stages.stage_losses`, and the spread of decoded tags."""
        every = (True,) * len(stages)
        losses = stage_losses(stages, targets, self.heatmap_loss, self.grouping_loss, self.stages, every)
        return losses | spread_of(stages[-1], targets)

    def predict(self, stages: list[Maps]) -> Maps:
        """The maps to decode: those of the last stage."""
        return stages[-1]
