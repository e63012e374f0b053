"""A backbone of one's own, outside the package: convolutions alone, down to a quarter of the image."""

from torch import Tensor, nn

from aemm.registry import MODELS


def layer(cin: int, cout: int, stride: int) -> nn.Sequential:
    """A convolution of 3 x 3, batch norm, ReLU."""
    return nn.Sequential(nn.Conv2d(cin, cout, 3, stride, 1), nn.BatchNorm2d(cout), nn.ReLU())


@MODELS.register_module()
class PlainNet(nn.Module):
    """Two layers that halve the sides, and others that keep them.

    Args:
        width: channels of every layer.
        depth: layers behind the first two.
    """

    def __init__(self, width: int = 32, depth: int = 4) -> None:
        super().__init__()
        self.channels, self.strides = (width,), (4,)
        steps = [layer(3, width, 2), layer(width, width, 2)]
        self.layers = nn.Sequential(*steps, *(layer(width, width, 1) for _ in range(depth)))

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """``(B, 3, H, W)`` to one ``(B, width, H/4, W/4)``."""
        return (self.layers(image),)
