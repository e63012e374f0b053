"""Networks that turn an image into feature maps; each declares ``channels`` and ``strides``."""

from aemm.models.backbones.hourglass import HourglassAE

__all__ = ["HourglassAE"]
