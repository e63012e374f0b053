"""From maps to instances."""

from aemm.models.decoders.instance import InstanceDecoder
from aemm.models.decoders.openvino import OpenVinoGrouping
from aemm.models.decoders.pose import PoseDecoder
from aemm.models.decoders.single_person import SinglePersonDecoder

__all__ = ["InstanceDecoder", "OpenVinoGrouping", "PoseDecoder", "SinglePersonDecoder"]
