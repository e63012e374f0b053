"""ResNet, whose last feature map is read at stride 32."""

from __future__ import annotations

from typing import Any

from mmengine.model import BaseModule
from torch import Tensor, nn

from aemm.models.layers import Bottleneck, check_sides, recompute, residual_layer
from aemm.registry import MODELS

_BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


@MODELS.register_module()
class ResNet(BaseModule):
    """ResNet-50, -101 or -152 with torchvision's entry names, without its classifier.

    A head for it needs deconvolutions: ``AEHead(deconv_channels=(256, 256, 256))`` brings its feature
    map to stride 4.

    Args:
        depth: 50, 101 or 152.
        width: channels of the stem; 64 as published.
        with_cp: recompute each block in the backward pass to save memory.
        init_cfg: mmengine's initialisation config; ``dict(type='Pretrained', checkpoint=...)`` takes
            torchvision's files.

    Attributes:
        channels: of the one feature map, 2048 at width 64.
        strides: 32.
        multiple_of: 32.

    Raises:
        ValueError: there is no ResNet of that depth here.

    Reference: He et al., Deep residual learning for image recognition (CVPR 2016).
    """

    def __init__(
        self,
        depth: int = 50,
        width: int = 64,
        with_cp: bool = False,
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if depth not in _BLOCKS:
            raise ValueError(f"depth must be one of {sorted(_BLOCKS)}, got {depth}")
        self.channels = (8 * width * Bottleneck.expansion,)
        self.strides = (32,)
        self.multiple_of = 32
        self.with_cp = with_cp
        self.conv1, self.bn1 = nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        cin = width
        for i, count in enumerate(_BLOCKS[depth]):
            planes = width * 2**i
            setattr(self, f"layer{i + 1}", residual_layer(Bottleneck, cin, planes, count, 1 if i == 0 else 2))
            cin = planes * Bottleneck.expansion

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """``(B, 3, H, W)`` to one ``(B, channels[0], H/32, W/32)``.

        Raises:
            ValueError: H or W is not a multiple of 32.
        """
        check_sides(image, self.multiple_of)
        x = self.maxpool(self.relu(self.bn1(self.conv1(image))))
        for block in (*self.layer1, *self.layer2, *self.layer3, *self.layer4):
            x = recompute(block, x) if self.with_cp and self.training else block(x)
        return (x,)
