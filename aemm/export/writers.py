"""Graphs in the file formats of those who run them."""

from __future__ import annotations

import importlib
import logging
import os
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from aemm.export.network import DeployedNetwork, ExportError
from aemm.ops.openvino import openvino_input_size
from aemm.runtime.description import KEY, Description

OPSET = 18
"""Of ONNX: what torch writes without converting, and every current runtime reads."""
LARGEST = 8192
"""Pixels, of the sides that a graph is told to take."""


class Graph(NamedTuple):
    """What is written.

    Attributes:
        network: in evaluation mode.
        multiple: of both sides of its images, pixels.
        outputs: their names, in order.
    """

    network: nn.Module
    multiple: int
    outputs: tuple[str, ...]

    def image(self) -> Tensor:
        """Two images of different sides, so that nothing is taken for a constant."""
        size = (2, 3, 2 * self.multiple, 3 * self.multiple)
        return torch.randint(0, 256, size, generator=torch.Generator().manual_seed(0)).to(torch.uint8)

    def sizes(self) -> dict[int, Any]:
        """Which sizes of the images may change, and by what steps."""
        most = LARGEST // self.multiple
        height, width = torch.export.Dim("rows", min=2, max=most), torch.export.Dim("columns", min=2, max=most)
        return {0: torch.export.Dim("batch", min=1, max=4096), 2: self.multiple * height, 3: self.multiple * width}

    @torch.no_grad()
    def exported(self) -> torch.export.ExportedProgram:
        """The graph by ``torch.export``, for images of any number and size."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # torch calls what it deprecates itself
            return torch.export.export(self.network, (self.image(),), dynamic_shapes=(self.sizes(),))


def write_onnx(graph: Graph, description: Description, path: Path) -> None:
    """An ONNX file by way of ``torch.export``, its description among its metadata."""
    need_export()
    before = logging.getLogger("torch.onnx").level
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns of operators that no network here has
    try:
        program = torch.onnx.export(
            graph.exported(),
            dynamo=True,
            opset_version=OPSET,
            external_data=False,
            input_names=["image"],
            output_names=list(graph.outputs),
            verbose=False,
        )
    finally:
        logging.getLogger("torch.onnx").setLevel(before)
    assert program is not None
    program.model.metadata_props[KEY] = description.to_json()
    program.save(str(path), external_data=False)


def write_torch_export(graph: Graph, description: Description, path: Path) -> None:
    """A file of ``torch.export``; its description within it and beside it."""
    torch.export.save(graph.exported(), str(path), extra_files={f"{KEY}.json": description.to_json()})
    write_beside(description, path)


@torch.no_grad()
def write_torchscript(graph: Graph, description: Description, path: Path) -> None:
    """A traced TorchScript file; its description within it and beside it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # what was baked in is found by trying other sizes
        traced = torch.jit.trace(graph.network, graph.image(), check_trace=False)
    torch.jit.save(traced, str(path), _extra_files={f"{KEY}.json": description.to_json()})
    write_beside(description, path)


def write_openvino(graph: Graph, description: Description, path: Path) -> None:
    """An IR, weights in float16 if the description says so; its description beside it."""
    openvino = need_openvino()
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        write_onnx(graph, description, Path(folder) / "graph.onnx")
        model = openvino.convert_model(os.path.join(folder, "graph.onnx"))
        fit = description.fit
        if description.contract == "openvino" and fit["aspect"] is not None:
            size = openvino_input_size(fit["size"], fit["aspect"], fit["divisor"])
            model.reshape([1, 3, *size])  # readers ask for the size of the input, and may change it
        openvino.save_model(model, str(path), compress_to_fp16=description.precision == "fp16")
    write_beside(description, path)


def write_beside(description: Description, path: Path) -> None:
    """The description in a json file beside an exported one."""
    Path(f"{path}.json").write_text(description.to_json(), encoding="utf-8")


def need_export() -> None:
    """Raise unless what writes ONNX files is installed.

    Raises:
        ModuleNotFoundError: naming the extra that installs it.
    """
    for name in ("onnx", "onnxscript", "onnxruntime"):
        _need(name, "export")


def need_openvino() -> Any:
    """OpenVINO.

    Raises:
        ModuleNotFoundError: naming the extra that installs it.
    """
    return _need("openvino", "export,openvino")


def _need(name: str, extras: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise ModuleNotFoundError(
            f'the export needs {name}, which is not installed; pip install "aemm[{extras}]"', name=name
        ) from error


class TorchEngine:
    """A file of ``torch.export`` or TorchScript, run by torch.

    Args:
        path: of the file.
        description: of what it holds.

    Attributes:
        description: of what it holds.
        outputs: their names, in order.
        input_size: None, since it takes images of any size.
    """

    def __init__(self, path: Path, description: Description) -> None:
        self.description: Description | None = description
        self.outputs: Sequence[str] = description.outputs
        self.input_size: tuple[int, int] | None = None
        self._multiple = description.multiple_of
        self._run: Any = torch.export.load(str(path)).module() if path.suffix == ".pt2" else torch.jit.load(str(path))

    @torch.no_grad()
    def run(self, images: Any) -> dict[str, Any]:
        """Outputs by name of images ``(B, 3, H, W) uint8``."""
        try:
            values = self._run(torch.from_numpy(images))
        except (RuntimeError, AssertionError) as error:
            raise ExportError(
                f"the exported graph takes no images {tuple(images.shape)}; expected (B, 3, H, W), both sides "
                f"multiples of {self._multiple} pixels, and at least two of them in a file of torch.export: {error}"
            ) from error
        return {name: value.numpy() for name, value in zip(self.outputs, values, strict=True)}


def graph_of(network: DeployedNetwork, multiple: int) -> Graph:
    """What is written of a network."""
    return Graph(network, multiple, network.names)
