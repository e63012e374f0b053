"""What happens to instances after decoding: Instances to Instances."""

from aemm.postprocess.refine import SinglePersonRefiner

__all__ = ["SinglePersonRefiner"]
