"""Loading a model and predicting with it."""

from aemm.apis.inferencer import Inferencer, read_inputs, to_plain

__all__ = ["Inferencer", "read_inputs", "to_plain"]
