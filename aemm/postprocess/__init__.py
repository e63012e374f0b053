"""What happens to instances after decoding: Instances to Instances."""

from aemm.postprocess.refine import SinglePersonRefiner
from aemm.postprocess.suppress import MaskNms, MinScore, OksNms

__all__ = ["MaskNms", "MinScore", "OksNms", "SinglePersonRefiner"]
