"""Networks that turn an image into feature maps; each declares ``channels``, ``strides`` and ``multiple_of``."""

from aemm.models.backbones.hourglass import HourglassAE
from aemm.models.backbones.hrnet import HRNet
from aemm.models.backbones.mobilenet_v2 import MobileNetV2
from aemm.models.backbones.resnet import ResNet

__all__ = ["HRNet", "HourglassAE", "MobileNetV2", "ResNet"]
