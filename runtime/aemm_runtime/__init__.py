"""Exported models of aemm on images, without torch; see :mod:`aemm.runtime`."""

from aemm.records import Instances
from aemm.runtime import DeployedModelError, Description, Engine, Predictor, open_engine, thin, with_rules

__all__ = [
    "DeployedModelError",
    "Description",
    "Engine",
    "Instances",
    "Predictor",
    "open_engine",
    "thin",
    "with_rules",
]
