"""The stacked hourglass of associative embedding: plain 3x3 convolutions, predictions fed back between stacks."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from torch import Tensor, nn

from aemm.models.layers import check_sides, recompute
from aemm.registry import MODELS


def _conv(
    cin: int, cout: int, size: int = 3, stride: int = 1, norm: dict | None = None, relu: bool = True
) -> ConvModule:
    """Convolution, norm if any, ReLU if asked for; without a norm it starts as PyTorch starts a convolution."""
    module = ConvModule(cin, cout, size, stride, size // 2, norm_cfg=norm, act_cfg=dict(type="ReLU") if relu else None)
    if norm is None:
        module.conv.reset_parameters()
    return module


class Hourglass(nn.Module):
    """One hourglass: down and up again over ``depth`` halvings, a skip connection at each resolution.

    Args:
        depth: number of halvings.
        channels: of input and output.
        growth: channels gained at each halving.
        norm: mmcv norm config, or None as in the published network.
    """

    def __init__(self, depth: int, channels: int, growth: int, norm: dict | None = None) -> None:
        super().__init__()
        inner = channels + growth
        self.skip = _conv(channels, channels, norm=norm)
        self.down = _conv(channels, inner, norm=norm)
        self.inner = Hourglass(depth - 1, inner, growth, norm) if depth > 1 else _conv(inner, inner, norm=norm)
        self.up = _conv(inner, channels, norm=norm)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, channels, h, w)`` to the same shape; h and w must halve ``depth`` times."""
        low = self.up(self.inner(self.down(F.max_pool2d(x, 2))))
        return self.skip(x) + F.interpolate(low, scale_factor=2.0, mode="nearest")


@MODELS.register_module()
class HourglassAE(BaseModule):
    """Stacked hourglass whose output is the maps themselves, one set for each stack.

    Every stack predicts ``out_channels`` raw map channels, which the next stack receives beside the
    features; the head only splits them (``AEHead(project=False)``).

    Args:
        out_channels: raw map channels of each stack; left out, an ``Embedder`` asks the head. The published COCO
            network has 68, of which 17 heatmaps and 17 tag maps are used.
        stacks: number of hourglasses.
        width: channels at the output resolution.
        growth: channels gained at each halving inside an hourglass.
        depth: halvings inside an hourglass.
        stem: channels of the first three stem convolutions; the fourth gives ``width``.
        pool: reach the output resolution by max pooling after the second convolution, as published; otherwise by
            the stride of that convolution, which spares a small network an eighth of a training step.
        norm_cfg: mmcv norm config; None, as published, trains without normalisation.
        norm_between: normalise also the convolutions between two hourglasses, as mmpose's variant does.
        tag_channels: half-open range of the output channels that hold tags, for ``tag_std``; left out, as above.
        tag_std: if set, draw the weights that make tags from a normal of this deviation, all other
            output weights near 0. Where all tags are nearly equal the push loss has no gradient, so a
            wide start avoids collapse.
        with_cp: recompute the hourglasses in the backward pass to save memory.
        init_cfg: mmengine's initialisation config.

    Attributes:
        channels: ``out_channels`` for each stack.
        strides: 4 for each stack.

    Reference: Newell et al. 2017, section 3; princeton-vl/pose-ae-train models/posenet.py.
    """

    def __init__(
        self,
        out_channels: int | None = None,
        stacks: int = 4,
        width: int = 256,
        growth: int = 128,
        depth: int = 4,
        stem: tuple[int, int, int] = (64, 128, 128),
        pool: bool = True,
        norm_cfg: dict[str, Any] | None = None,
        norm_between: bool = False,
        tag_channels: tuple[int, int] | None = None,
        tag_std: float | None = None,
        with_cp: bool = False,
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if out_channels is None:
            raise ValueError("out_channels, the raw map channels, must be given where no head fills them in")
        if (tag_channels is None) != (tag_std is None):
            raise ValueError("tag_channels and tag_std come together: which output channels hold tags, and how wide")
        self.channels = (out_channels,) * stacks
        self.strides = (4,) * stacks
        self.multiple_of = 4 * 2**depth
        self.tag_channels = tag_channels
        self.tag_std = tag_std
        self.with_cp = with_cp
        self.stem = nn.Sequential(
            _conv(3, stem[0], 7, 2, norm_cfg),
            _conv(stem[0], stem[1], stride=1 if pool else 2, norm=norm_cfg),
            nn.MaxPool2d(2) if pool else nn.Identity(),
            _conv(stem[1], stem[2], norm=norm_cfg),
            _conv(stem[2], width, norm=norm_cfg),
        )
        between = norm_cfg if norm_between else None
        self.features = nn.ModuleList(
            nn.Sequential(
                Hourglass(depth, width, growth, norm_cfg),
                _conv(width, width, norm=between),
                _conv(width, width, norm=between),
            )
            for _ in range(stacks)
        )
        self.outs = nn.ModuleList(_conv(width, out_channels, 1, relu=False) for _ in range(stacks))
        self.merge_features, self.merge_preds = (
            nn.ModuleList(_conv(cin, width, 1, norm=between, relu=False) for _ in range(stacks - 1))
            for cin in (width, out_channels)
        )
        self._widen_tags()

    def _widen_tags(self) -> None:
        if self.tag_channels is not None and self.tag_std is not None:
            for out in self.outs:
                weight = out.get_parameter("conv.weight").data
                nn.init.normal_(weight, std=0.001)
                nn.init.zeros_(out.get_parameter("conv.bias").data)
                nn.init.normal_(weight[slice(*self.tag_channels)], std=self.tag_std)

    def init_weights(self) -> None:
        """Keep what the constructor drew: ConvModule's own initialisation is not the authors'."""
        drawn = {name: value.clone() for name, value in self.state_dict().items()}
        super().init_weights()
        if self.init_cfg is None:
            self.load_state_dict(drawn)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """``(B, 3, H, W)`` to one ``(B, out_channels, H/4, W/4)`` per stack.

        Raises:
            ValueError: H or W is not a multiple of what the halvings need.
        """
        check_sides(image, self.multiple_of)
        x, maps = self.stem(image), []
        for i, stack in enumerate(self.features):
            feature = recompute(stack, x) if self.with_cp and self.training else stack(x)
            maps.append(self.outs[i](feature))
            if i < len(self.features) - 1:
                x = x + self.merge_preds[i](maps[-1]) + self.merge_features[i](feature)
        return tuple(maps)
