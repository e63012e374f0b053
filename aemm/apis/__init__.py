"""Loading a model and predicting with it."""

from aemm.apis.account import Account, LeftOut
from aemm.apis.inferencer import Inferencer
from aemm.apis.inputs import count_images, find_sources, read_inputs
from aemm.apis.on_ray import ModelSpec, predict_on_ray
from aemm.apis.outputs import open_results
from aemm.apis.predict import predict_all
from aemm.apis.recipes import get_config, get_model
from aemm.records import to_plain

__all__ = [
    "Account",
    "Inferencer",
    "LeftOut",
    "ModelSpec",
    "count_images",
    "find_sources",
    "get_config",
    "get_model",
    "open_results",
    "predict_all",
    "predict_on_ray",
    "read_inputs",
    "to_plain",
]
