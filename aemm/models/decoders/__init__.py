"""From maps to instances."""

from aemm.models.decoders.pose import PoseDecoder

__all__ = ["PoseDecoder"]
