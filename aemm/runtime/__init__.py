"""Exported models on images, with NumPy, SciPy, OpenCV and one engine; neither torch nor mmengine is imported."""

from aemm.runtime.description import DeployedModelError, Description, read_description
from aemm.runtime.engines import Engine, OnnxRuntimeEngine, OpenVinoEngine, open_engine
from aemm.runtime.predictor import Predictor, with_rules
from aemm.runtime.thinning import thin

__all__ = [
    "DeployedModelError",
    "Description",
    "Engine",
    "OnnxRuntimeEngine",
    "OpenVinoEngine",
    "Predictor",
    "open_engine",
    "read_description",
    "thin",
    "with_rules",
]
