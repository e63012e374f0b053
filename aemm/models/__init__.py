"""Networks, losses and decoders, and the model that joins them."""

from aemm.models.backbones import (
    FeaturePyramid,
    HourglassAE,
    HRNet,
    HuggingFaceBackbone,
    MobileNetV2,
    ResNet,
    TimmBackbone,
)
from aemm.models.decoders import InstanceDecoder, PoseDecoder, SinglePersonDecoder
from aemm.models.embedder import Embedder
from aemm.models.heads import AEHead, HigherHead
from aemm.models.losses import GroupingLoss, HeatmapMSELoss, PixelGroupingLoss
from aemm.models.preprocessor import Preprocessor
from aemm.models.tta import TestTimeAugmentation

__all__ = [
    "AEHead",
    "Embedder",
    "FeaturePyramid",
    "GroupingLoss",
    "HRNet",
    "HeatmapMSELoss",
    "HigherHead",
    "HourglassAE",
    "HuggingFaceBackbone",
    "InstanceDecoder",
    "MobileNetV2",
    "PixelGroupingLoss",
    "PoseDecoder",
    "Preprocessor",
    "ResNet",
    "SinglePersonDecoder",
    "TestTimeAugmentation",
    "TimmBackbone",
]
