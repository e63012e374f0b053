"""The head of HigherHRNet: further stages of twice the resolution, by deconvolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from aemm.models.heads.stages import check_stages, split_maps, spread_of, stage_losses
from aemm.models.layers import BasicBlock, residual_layer, upsampling
from aemm.ops.maps import merge_maps
from aemm.registry import MODELS
from aemm.structures import Maps, Targets


@MODELS.register_module()
class HigherHead(BaseModule):
    """Heatmaps and tags at the stride of the feature map, and at half of it, a quarter and so on.

    A stage receives the features and the prediction of the one before, doubles their sides by a
    transposed convolution, and refines them by residual blocks.

    Four settings say what each stage carries. All stages have heatmaps, trained or not; tags only
    those that train them.

    Args:
        num_heatmaps: C, keypoints or classes.
        in_channels: channels of the one feature map; the model passes what its backbone declares.
        train_heatmaps: for each stage, coarsest first, whether its heatmaps are trained. The number
            of stages is that of its entries.
        train_tags: for each stage whether it has tags, which are then trained.
        test_heatmaps: for each stage whether its heatmaps take part in the mean that is decoded.
        test_tags: for each stage whether its tags are among those that are decoded.
        deconv_channels: of the stages made by deconvolution; None = those of the feature map.
        blocks: residual blocks of such a stage.
        tag_dims: L, dimensions of a tag.
        tag_per_keypoint: a tag map for each heatmap (T = C), or one shared by all (T = 1).
        align_corners: of maps that are resized to the finest stage; True where pixels are 'udp'.
        stages: ``'sum'`` (HigherHRNet) or ``'mean'``: how the losses of several stages combine.
        heatmap_loss: config of the detection loss.
        grouping_loss: config of the grouping loss.
        init_cfg: mmengine's initialisation config.

    Raises:
        ValueError: the settings of the stages contradict each other, or there is more than one feature map.

    Reference:
        Cheng et al., HigherHRNet: scale-aware representation learning for bottom-up human pose
        estimation (CVPR 2020); HRNet/HigherHRNet-Human-Pose-Estimation lib/models/pose_higher_hrnet.py.
    """

    def __init__(
        self,
        num_heatmaps: int,
        in_channels: Sequence[int],
        train_heatmaps: Sequence[bool] = (True, True),
        train_tags: Sequence[bool] = (True, False),
        test_heatmaps: Sequence[bool] = (True, True),
        test_tags: Sequence[bool] = (True, False),
        deconv_channels: int | None = None,
        blocks: int = 4,
        tag_dims: int = 1,
        tag_per_keypoint: bool = True,
        align_corners: bool = False,
        stages: str = "sum",
        heatmap_loss: dict[str, Any] | None = None,
        grouping_loss: dict[str, Any] | None = None,
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        check_stages(stages)
        if len(in_channels) != 1:
            raise ValueError(f"the head takes one feature map, but the backbone gives {len(in_channels)}; use AEHead")
        self.train_heatmaps, self.train_tags = tuple(train_heatmaps), tuple(train_tags)
        self.test_heatmaps, self.test_tags = tuple(test_heatmaps), tuple(test_tags)
        self._check_settings()
        self.num_heatmaps, self.tag_dims = num_heatmaps, tag_dims
        self.align_corners, self.stages = align_corners, stages
        self.num_tags = num_heatmaps if tag_per_keypoint else 1
        self.deconvs, self.convs = nn.ModuleList(), nn.ModuleList()
        channels, predicted = in_channels[0], 0
        for i, has_tags in enumerate(self.train_tags):
            if i > 0:
                inner = deconv_channels or in_channels[0]
                refine = residual_layer(BasicBlock, inner, inner, blocks) if blocks else nn.Sequential()
                self.deconvs.append(nn.Sequential(upsampling(channels + predicted, inner), *refine))
                channels = inner
            predicted = num_heatmaps + has_tags * self.num_tags * tag_dims
            self.convs.append(nn.Conv2d(channels, predicted, 1))
        self.heatmap_loss = MODELS.build(heatmap_loss or dict(type="HeatmapMSELoss"))
        self.grouping_loss = MODELS.build(
            grouping_loss or dict(type="GroupingLoss", pull_weight=1e-3, push_weight=1e-3)
        )

    def _check_settings(self) -> None:
        """Raise if the stages are to give in testing what they do not learn, or differ in number."""
        names = ("train_heatmaps", "train_tags", "test_heatmaps", "test_tags")
        counts = {name: len(getattr(self, name)) for name in names}
        if len(set(counts.values())) > 1 or not counts["train_heatmaps"]:
            raise ValueError(f"train_* and test_* must have one entry for each stage, got {counts}")
        for kind in ("heatmaps", "tags"):
            trained, tested = getattr(self, f"train_{kind}"), getattr(self, f"test_{kind}")
            if any(test and not train for train, test in zip(trained, tested, strict=True)):
                raise ValueError(
                    f"test_{kind}={tested} asks for a stage that train_{kind}={trained} leaves out; "
                    "a stage can only give in testing what it was trained for"
                )
        if not any(self.test_heatmaps):
            raise ValueError(f"test_heatmaps={self.test_heatmaps} leaves nothing to decode; set one of them")
        if not self.train_heatmaps[-1] and not self.train_tags[-1]:
            raise ValueError(
                "the last stage trains neither heatmaps nor tags; drop its entries from train_* and test_*"
            )

    def forward(self, feats: tuple[Tensor, ...]) -> list[Maps]:
        """From one ``(B, in_channels[0], h, w)`` to maps of ``h, w``, of ``2h, 2w`` and so on."""
        (x,) = feats
        found: list[Tensor] = []
        for i, conv in enumerate(self.convs):
            if i > 0:
                x = self.deconvs[i - 1](torch.cat([x, found[-1]], dim=1))
            found.append(conv(x))
        tags = [self.num_tags if has_tags else 0 for has_tags in self.train_tags]
        return [split_maps(y, self.num_heatmaps, t, self.tag_dims) for y, t in zip(found, tags, strict=True)]

    def loss(self, stages: list[Maps], targets: list[Targets]) -> dict[str, Tensor]:
        """Losses of all stages, see :func:`aemm.models.heads.stages.stage_losses`, and the spread of decoded tags."""
        losses = stage_losses(stages, targets, self.heatmap_loss, self.grouping_loss, self.stages, self.train_heatmaps)
        decoded = [stage for stage, test in zip(stages, self.test_tags, strict=True) if test]
        return losses | spread_of(decoded[-1], targets) if decoded else losses

    def predict(self, stages: list[Maps]) -> Maps:
        """The maps to decode, at the size of the finest stage: mean of the heatmaps, tags side by side along L.

        Reference: HigherHRNet lib/core/inference.py, get_multi_stage_outputs.
        """
        size, align = stages[-1].size, self.align_corners
        heatmaps = [Maps(s.heatmaps) for s, test in zip(stages, self.test_heatmaps, strict=True) if test]
        tagged = [s for s, test in zip(stages, self.test_tags, strict=True) if test]
        tags = merge_maps(tagged, size, align).tags if tagged else None
        return Maps(merge_maps(heatmaps, size, align).heatmaps, tags)
