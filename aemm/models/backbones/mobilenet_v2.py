"""MobileNetV2, whose last feature map is read at stride 32."""

from __future__ import annotations

from typing import Any

from mmengine.model import BaseModule
from torch import Tensor, nn

from aemm.models.layers import check_sides, recompute
from aemm.registry import MODELS

# expansion, channels, blocks, stride: table 2 of the paper
_LAYERS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def _widened(channels: float) -> int:
    """The nearest multiple of 8, at least 8 and no less than nine tenths of ``channels``."""
    near = max(8, int(channels + 4) // 8 * 8)
    return near + 8 if near < 0.9 * channels else near


def _conv(cin: int, cout: int, size: int = 1, stride: int = 1, groups: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(cin, cout, size, stride, size // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(cout), nn.ReLU6(inplace=True))


class InvertedResidual(nn.Module):
    """Widen by a 1x1 convolution, filter each channel by a 3x3 one, narrow by a linear 1x1 one.

    Args:
        cin: channels of the input.
        cout: channels of the output.
        stride: of the 3x3 convolution.
        expansion: how much wider the middle is; at 1 the first convolution is left out.
    """

    def __init__(self, cin: int, cout: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = cin * expansion
        self.residual = stride == 1 and cin == cout
        widen = [_conv(cin, inner)] if expansion != 1 else []
        self.conv = nn.Sequential(
            *widen, _conv(inner, inner, 3, stride, inner), nn.Conv2d(inner, cout, 1, bias=False), nn.BatchNorm2d(cout)
        )

    def forward(self, x: Tensor) -> Tensor:
        """``(B, cin, h, w)`` to ``(B, cout, h/stride, w/stride)``."""
        return x + self.conv(x) if self.residual else self.conv(x)


@MODELS.register_module()
class MobileNetV2(BaseModule):
    """MobileNetV2 with torchvision's entry names, without its classifier.

    A head for it needs deconvolutions: ``AEHead(deconv_channels=(256, 256, 256))`` brings its feature
    map to stride 4.

    Args:
        widen: factor on the channels of every layer.
        with_cp: recompute each block in the backward pass to save memory.
        init_cfg: mmengine's initialisation config; ``dict(type='Pretrained', checkpoint=...)`` takes
            torchvision's files.

    Attributes:
        channels: of the one feature map, 1280, or more where ``widen`` is above 1.
        strides: 32.
        multiple_of: 32.

    Reference: Sandler et al., MobileNetV2: inverted residuals and linear bottlenecks (CVPR 2018).
    """

    def __init__(
        self,
        widen: float = 1.0,
        with_cp: bool = False,
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.channels = (_widened(1280 * max(1.0, widen)),)
        self.strides = (32,)
        self.multiple_of = 32
        self.with_cp = with_cp
        cin = _widened(32 * widen)
        layers: list[nn.Module] = [_conv(3, cin, 3, 2)]
        for expansion, channels, count, stride in _LAYERS:
            cout = _widened(channels * widen)
            for i in range(count):
                layers.append(InvertedResidual(cin, cout, stride if i == 0 else 1, expansion))
                cin = cout
        self.features = nn.Sequential(*layers, _conv(cin, self.channels[0]))

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """``(B, 3, H, W)`` to one ``(B, channels[0], H/32, W/32)``.

        Raises:
            ValueError: H or W is not a multiple of 32.
        """
        check_sides(image, self.multiple_of)
        x = image
        for layer in self.features:
            x = recompute(layer, x) if self.with_cp and self.training else layer(x)
        return (x,)
