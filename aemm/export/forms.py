"""The file formats of exported models, by their names on the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from aemm.export.web import write_web
from aemm.export.writers import OPSET, Graph, write_onnx, write_openvino, write_torch_export, write_torchscript
from aemm.runtime.description import Description


class Format(NamedTuple):
    """A file format.

    Attributes:
        ending: of its files.
        writer: of the description.
        write: the file.
        exact: whether its weights are those of the model.
    """

    ending: str
    writer: str
    write: Callable[[Graph, Description, Path], None]
    exact: bool = True


FORMATS = {
    "onnx": Format(".onnx", f"torch.onnx dynamo, opset {OPSET}", write_onnx),
    "torch-export": Format(".pt2", "torch.export", write_torch_export),
    "torchscript": Format(".pt", "torch.jit.trace", write_torchscript),
    "openvino": Format(".xml", f"OpenVINO from torch.onnx dynamo, opset {OPSET}", write_openvino),
    "web": Format(".html", f"torch.onnx dynamo, opset {OPSET}, weights kept in float16", write_web, exact=False),
}
