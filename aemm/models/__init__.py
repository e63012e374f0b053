"""Networks, losses and decoders, and the model that joins them."""

from aemm.models.backbones import HourglassAE
from aemm.models.decoders import PoseDecoder
from aemm.models.embedder import Embedder
from aemm.models.heads import AEHead
from aemm.models.losses import GroupingLoss, HeatmapMSELoss
from aemm.models.preprocessor import Preprocessor

__all__ = ["AEHead", "Embedder", "GroupingLoss", "HeatmapMSELoss", "HourglassAE", "PoseDecoder", "Preprocessor"]
