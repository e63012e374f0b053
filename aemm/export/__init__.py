"""Trained models as files that run without aemm's training side, or without torch."""

from aemm.export.forms import FORMATS
from aemm.export.model import (
    Exported,
    ExportOptions,
    at_one_scale,
    check_parity,
    choose_flip,
    export_model,
    for_open_model_zoo,
)
from aemm.export.network import DeployedNetwork, ExportError
from aemm.export.parity import Parity, drawn_images

__all__ = [
    "FORMATS",
    "DeployedNetwork",
    "ExportError",
    "ExportOptions",
    "Exported",
    "Parity",
    "at_one_scale",
    "check_parity",
    "choose_flip",
    "drawn_images",
    "export_model",
    "for_open_model_zoo",
]
