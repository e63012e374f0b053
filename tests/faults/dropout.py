"""A network that draws random numbers while it trains, so that a resume must go on with them."""

from torch import nn

from aemm.models.backbones import HourglassAE
from aemm.registry import MODELS


@MODELS.register_module()
class HourglassWithDropout(HourglassAE):
    """The hourglass, with dropout behind its first layers."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.stem.append(nn.Dropout(0.3))
