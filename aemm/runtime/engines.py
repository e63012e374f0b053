"""What runs a graph: ONNX Runtime or OpenVINO, each imported when it is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from aemm.runtime.description import KEY, DeployedModelError, Description, read_description

_TYPES: dict[str, type] = {  # of images, as ONNX Runtime and OpenVINO name them
    "uint8": np.uint8,
    "float": np.float32,
    "float16": np.float16,
    "u8": np.uint8,
    "f32": np.float32,
    "f16": np.float16,
}
_OUTPUTS = ("scores", "cells", "tags", "heatmaps", "tag_maps", "embeddings", "nms_heatmaps")  # that mean something
_SHARING = ("AUTO", "MULTI", "HETERO", "BATCH")  # choose among the devices of OpenVINO


class Engine(Protocol):
    """An exported graph, ready to run.

    Attributes:
        description: what its file says of it; None where it says nothing.
        outputs: names of the outputs, in order.
        input_size: ``(height, width)`` where the graph takes one size alone, else None.
    """

    description: Description | None
    outputs: Sequence[str]
    input_size: tuple[int, int] | None

    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Outputs by name of images ``(B, 3, H, W) uint8``."""
        ...


class OnnxRuntimeEngine:
    """An ONNX file in ONNX Runtime.

    Args:
        path: of the file.
        providers: execution providers, the first one that fits runs each part of the graph; None = the CPU's.
        threads: of the CPU; None = as many as ONNX Runtime thinks right.

    Raises:
        FileNotFoundError: there is no such file.
        DeployedModelError: it is damaged, or a provider is not there.
    """

    def __init__(self, path: str | Path, providers: Sequence[str] | None = None, threads: int | None = None) -> None:
        engine = _need("onnxruntime", "export")
        known = engine.get_available_providers()
        chosen = _listed(providers) or ["CPUExecutionProvider"]
        if absent := [name for name in chosen if name not in known]:
            raise DeployedModelError(f"providers must be some of {', '.join(known)}, got {absent}")
        options = engine.SessionOptions()
        if threads is not None:
            options.intra_op_num_threads = _checked_threads(threads)
        _check_file(path)
        try:
            self._session = engine.InferenceSession(str(path), options, providers=chosen)
        except Exception as error:  # ONNX Runtime's own kinds have no common base
            raise DeployedModelError(
                f"{path}: ONNX Runtime cannot read it: {error}; export or fetch it anew"
            ) from error
        text = self._session.get_modelmeta().custom_metadata_map.get(KEY)
        self.description = None if text is None else read_description(text, str(path))
        self.outputs: Sequence[str] = [output.name for output in self._session.get_outputs()]
        inputs, self._path = self._session.get_inputs(), path
        self._type = _image_type(path, [(one.name, one.type.removeprefix("tensor"), one.shape) for one in inputs])
        self._input, self.input_size = inputs[0].name, _fixed_size(inputs[0].shape)

    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Outputs by name of images ``(B, 3, H, W) uint8``."""
        try:
            values = self._session.run(None, {self._input: images.astype(self._type, copy=False)})
        except Exception as error:  # likewise
            raise DeployedModelError(_refusal(self._path, images, self.description, error)) from error
        return dict(zip(self.outputs, values, strict=True))


class OpenVinoEngine:
    """An IR (xml and bin) or an ONNX file in OpenVINO.

    Args:
        path: of the xml or onnx file; what is known of it stands in the onnx file, or in a json file beside it,
            ``NAME.xml.json``.
        device: of OpenVINO, such as 'CPU' or 'GPU'.
        threads: of the CPU; None = as many as OpenVINO thinks right.

    Raises:
        FileNotFoundError: there is no such file.
        DeployedModelError: it is damaged.
    """

    def __init__(self, path: str | Path, device: str = "CPU", threads: int | None = None) -> None:
        core = _need("openvino", "openvino").Core()
        if device.partition(".")[0].partition(":")[0] not in (*core.available_devices, *_SHARING):
            raise DeployedModelError(f"the device must be one of {', '.join(core.available_devices)}, got {device!r}")
        settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32"} if device == "CPU" else {}
        if threads is not None:
            settings["INFERENCE_NUM_THREADS"] = _checked_threads(threads)
        _check_file(path)
        try:
            model = core.read_model(str(path))
            self._compiled = core.compile_model(model, device, settings)
        except RuntimeError as error:
            raise DeployedModelError(
                f"{path}: OpenVINO cannot read it: {error}; export or fetch it anew, .xml and .bin together"
            ) from error
        self.description = description_beside(path) or _description_within(model, path)
        outputs = enumerate(self._compiled.outputs)
        self.outputs: Sequence[str] = [_telling(output.get_names()) or f"output {n}" for n, output in outputs]
        inputs = [
            (min(one.get_names(), default="input"), one.element_type.get_type_name(), _lengths(one.partial_shape))
            for one in self._compiled.inputs
        ]
        self._type = _image_type(path, inputs)
        self.input_size, self._path = _fixed_size(inputs[0][2]), path

    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Outputs by name of images ``(B, 3, H, W) uint8``."""
        try:
            found = self._compiled(np.ascontiguousarray(images, self._type))
        except RuntimeError as error:
            raise DeployedModelError(_refusal(self._path, images, self.description, error)) from error
        return {name: found[output] for name, output in zip(self.outputs, self._compiled.outputs, strict=True)}


def open_engine(
    path: str | Path,
    engine: str | None = None,
    providers: Sequence[str] | None = None,
    threads: int | None = None,
) -> Engine:
    """The engine that reads a file.

    Args:
        path: an onnx file, or the xml file of an IR.
        engine: 'onnxruntime' or 'openvino'; None = by the ending of the file.
        providers: of ONNX Runtime; for OpenVINO the one device.
        threads: of the CPU; None = as many as the engine thinks right.

    Raises:
        FileNotFoundError: there is no such file.
        DeployedModelError: it cannot be read, or by this engine.
        ModuleNotFoundError: the engine is not installed.
    """
    ending = Path(path).suffix.lower()
    if ending not in (".onnx", ".xml"):
        raise DeployedModelError(f"{path}: expected an .onnx or .xml file, got {ending or 'no ending'}")
    chosen = engine or ("openvino" if ending == ".xml" else "onnxruntime")
    if chosen not in ("onnxruntime", "openvino"):
        raise DeployedModelError(f"engine must be 'onnxruntime' or 'openvino', got {engine!r}")
    if chosen == "openvino":
        devices = _listed(providers) or ["CPU"]
        if len(devices) > 1:
            raise DeployedModelError(f"OpenVINO runs on one device, got {devices}; MULTI:CPU,GPU shares among several")
        return OpenVinoEngine(path, devices[0], threads)
    if ending == ".xml":
        raise DeployedModelError(f"{path}: an IR runs in OpenVINO, got engine='onnxruntime'")
    return OnnxRuntimeEngine(path, providers, threads)


def description_beside(path: str | Path) -> Description | None:
    """The description in the json file beside an exported file; None if there is none.

    Raises:
        DeployedModelError: it is no description.
    """
    beside = Path(f"{path}.json")
    if not beside.is_file():
        return None
    return read_description(beside.read_text(encoding="utf-8-sig", errors="replace"), str(beside))


def _description_within(model: Any, path: str | Path) -> Description | None:
    """The description among the metadata of an ONNX file that OpenVINO read; None if there is none."""
    place = ["framework", KEY]  # where OpenVINO puts what other formats say of a model
    return read_description(model.get_rt_info(place).astype(str), str(path)) if model.has_rt_info(place) else None


def _need(module: str, extra: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise ModuleNotFoundError(
            f'{module} is not installed; pip install "aemm[{extra}]", or beside aemm-runtime: pip install {module}',
            name=module,
        ) from error


def _check_file(path: str | Path) -> None:
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: there is no such file; aemm export writes one")


def _checked_threads(threads: int) -> int:
    if not isinstance(threads, int) or threads < 1:
        raise ValueError(f"threads must be a whole number from 1, got {threads!r}; None leaves it to the engine")
    return threads


def _listed(providers: Sequence[str] | None) -> list[str]:
    """Providers, of which one may be named alone."""
    return [providers] if isinstance(providers, str) else list(providers or ())


def _image_type(path: str | Path, inputs: Sequence[tuple[str, str, Sequence[Any]]]) -> type:
    """The type of numbers in which a graph takes images.

    Args:
        path: of its file, for messages.
        inputs: name, type and shape of each.

    Raises:
        DeployedModelError: images are not its one input.
    """
    told = ", ".join(f"{name} {kind} {list(shape)}" for name, kind, shape in inputs) or "none"
    kind = inputs[0][1].strip("()") if inputs else ""
    if len(inputs) != 1 or len(inputs[0][2]) != 4 or _is_other(inputs[0][2][1], 3) or kind not in _TYPES:
        raise DeployedModelError(
            f"{path}: expected one input, images (B, 3, H, W) as uint8 or float, got {told}; is it a network that "
            "aemm export wrote?"
        )
    return _TYPES[kind]


def _refusal(path: str | Path, images: np.ndarray, description: Description | None, error: Exception) -> str:
    """What to say where a graph takes no images of a shape."""
    sides = f", whose sides have to be multiples of {description.multiple_of} pixels" if description else ""
    return f"{path}: it takes no images {images.shape}{sides}: {error}"


def _telling(names: Iterable[str]) -> str:
    """Of the names of one output that which means something here, else the first; empty if there is none."""
    return min(names, key=lambda name: (name not in _OUTPUTS, name), default="")


def _is_other(length: Any, expected: int) -> bool:
    """Whether a length is fixed, and to another one."""
    return isinstance(length, int) and length != expected


def _lengths(shape: Any) -> list[int | None]:
    """A shape as OpenVINO knows it; None where a length is open, as all are if the rank is."""
    return [None] * 4 if shape.rank.is_dynamic else [one.get_length() if one.is_static else None for one in shape]


def _fixed_size(shape: Sequence[Any]) -> tuple[int, int] | None:
    height, width = shape[-2:]
    return (height, width) if isinstance(height, int) and isinstance(width, int) else None
