"""Networks that turn an image into feature maps; each declares ``channels``, ``strides`` and ``multiple_of``."""

from aemm.models.backbones.from_hugging_face import HuggingFaceBackbone
from aemm.models.backbones.from_timm import TimmBackbone
from aemm.models.backbones.hourglass import HourglassAE
from aemm.models.backbones.hrnet import HRNet
from aemm.models.backbones.mobilenet_v2 import MobileNetV2
from aemm.models.backbones.pyramid import FeaturePyramid
from aemm.models.backbones.resnet import ResNet

__all__ = [
    "FeaturePyramid",
    "HRNet",
    "HourglassAE",
    "HuggingFaceBackbone",
    "MobileNetV2",
    "ResNet",
    "TimmBackbone",
]
