"""Feature maps of one width at chosen strides, from those of any backbone.

Letters: B images, C channels, h, w cells.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from aemm.models.layers import conv_norm, recompute, upsampling
from aemm.registry import MODELS


def _halvings(of: int, to: int) -> int:
    """How often stride ``of`` is halved to reach ``to``; negative where it is doubled.

    Raises:
        ValueError: no number of times does it.
    """
    times = math.log2(of / to)
    if times % 1:
        raise ValueError(f"stride {of} is brought to others by factors of 2, which do not lead to {to}")
    return int(times)


class SimplePyramid(nn.Module):
    """Every map from the one that there is: enlarged by transposed convolutions, or thinned out by pooling.

    Args:
        cin: channels of the one map.
        stride: of it.
        channels: of each result.
        strides: of the results.

    Raises:
        ValueError: a stride is not reached by factors of 2.

    Reference: Li et al., Exploring plain vision transformer backbones for object detection (ECCV 2022), section 3.
    """

    def __init__(self, cin: int, stride: int, channels: int, strides: Sequence[int]) -> None:
        super().__init__()
        self.paths = nn.ModuleList()
        for to in strides:
            times = _halvings(stride, to)
            widths = [cin] + [max(channels, cin // 2 ** (i + 1)) for i in range(times)]
            steps: list[nn.Module] = [upsampling(a, b) for a, b in itertools.pairwise(widths)]
            steps += [nn.MaxPool2d(2) for _ in range(-times)]
            self.paths.append(
                nn.Sequential(*steps, *conv_norm(widths[-1], channels, 1), *conv_norm(channels, channels, 3))
            )

    def forward(self, *feats: Tensor) -> tuple[Tensor, ...]:
        """One ``(B, cin, h, w)`` to ``(B, channels, ...)`` at each stride."""
        (feat,) = feats
        return tuple(path(feat) for path in self.paths)


class TopDownPyramid(nn.Module):
    """From the coarsest map down to the finest, each adding what it knows to the one below.

    Args:
        cins: channels of the maps, finest first.
        strides: of these.
        channels: of each result.
        wanted: strides of the results, each one of ``strides``.

    Raises:
        ValueError: there is no map of such a stride.

    Reference: Lin et al., Feature pyramid networks for object detection (CVPR 2017), section 3.
    """

    def __init__(self, cins: Sequence[int], strides: Sequence[int], channels: int, wanted: Sequence[int]) -> None:
        super().__init__()
        if absent := set(wanted) - set(strides):
            raise ValueError(
                f"strides must be some of {tuple(strides)}, which the backbone's stages have, got {min(absent)} "
                "among them; read another stage, too"
            )
        finest = min(wanted)
        used = [i for i, stride in enumerate(strides) if stride >= finest]
        self.used, self.places = used, [list(strides).index(stride) - used[0] for stride in wanted]
        self.sideways = nn.ModuleList(nn.Sequential(*conv_norm(cins[i], channels, 1)) for i in used)
        self.smooth = nn.ModuleList(nn.Sequential(*conv_norm(channels, channels, 3)) for _ in wanted)

    def forward(self, *feats: Tensor) -> tuple[Tensor, ...]:
        """``(B, cins[i], h, w)`` each, to ``(B, channels, ...)`` at each wanted stride."""
        side = [layer(feats[i]) for layer, i in zip(self.sideways, self.used, strict=True)]
        summed = [side.pop()]
        while side:
            finer = side.pop()
            summed.insert(0, finer + F.interpolate(summed[0], size=finer.shape[-2:], mode="nearest"))
        return tuple(layer(summed[place]) for layer, place in zip(self.smooth, self.places, strict=True))


@MODELS.register_module()
class FeaturePyramid(BaseModule):
    """A backbone and behind it a feature pyramid: a way to fine maps for networks whose own are coarse or many.

    Of one stage, as a plain transformer gives it, a simple pyramid makes every map; several stages are merged from
    the coarsest to the finest.

    Args:
        backbone: config of a registered backbone.
        channels: of each map.
        strides: of the maps.
        with_cp: recompute the pyramid in the backward pass to save memory; the backbone has its own.
        init_cfg: mmengine's initialisation config.

    Attributes:
        channels: as given, for each map.
        strides: as given.
        multiple_of: what the sides of images must be multiples of.

    Raises:
        ValueError: the backbone's stages do not lead to these strides.
    """

    def __init__(
        self,
        backbone: dict[str, Any],
        channels: int = 128,
        strides: Sequence[int] = (4,),
        with_cp: bool = False,
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.backbone: Any = MODELS.build(backbone)
        cins, given = self.backbone.channels, self.backbone.strides
        self.channels, self.strides = (channels,) * len(strides), tuple(strides)
        self.multiple_of = math.lcm(getattr(self.backbone, "multiple_of", 1), *given, *strides)
        self.with_cp = with_cp
        self.pyramid = (
            SimplePyramid(cins[0], given[0], channels, strides)
            if len(cins) == 1
            else TopDownPyramid(cins, given, channels, strides)
        )

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """``(B, 3, H, W)`` to one ``(B, channels[i], H / strides[i], W / strides[i])`` for each stride."""
        feats = self.backbone(image)
        found: tuple[Tensor, ...] = (
            recompute(self.pyramid, *feats) if self.with_cp and self.training else self.pyramid(*feats)
        )
        return found
