"""A config and a checkpoint as a file that runs elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
from mmengine.config import Config

from aemm.apis import Inferencer
from aemm.engine import set_views
from aemm.engine.folding import fold_norms
from aemm.export.describe import describe, fit_of, rules_of
from aemm.export.forms import FORMATS
from aemm.export.network import DeployedNetwork, ExportError, find_multiple
from aemm.export.parity import Parity, check_sizes, compare
from aemm.export.quantize import quantize
from aemm.export.web import network_of_page
from aemm.export.writers import TorchEngine, graph_of
from aemm.models.decoders import PoseDecoder
from aemm.postprocess import SinglePersonRefiner
from aemm.runtime import Engine, Predictor, open_engine
from aemm.runtime.description import Contract, Description, Precision

_EXACT = 1e-3  # of the largest value: rounding of float32 stays far below, a baked size goes far beyond


@dataclass(frozen=True)
class ExportOptions:
    """What is exported of a model, and how.

    Attributes:
        format: 'onnx', 'torch-export', 'torchscript', 'openvino', or 'web' for a page with an ONNX file beside it.
        precision: 'fp32'; 'fp16' for a network that computes in half; 'int8' for an ONNX file that is quantised once it
            was compared. Maps and peaks are float32 all the same.
        contract: names and order of the outputs, aemm's or those of Open Model Zoo.
        maps: whether the maps are outputs; without them nothing is filled, and keypoints lie in the middle of cells.
    """

    format: str = "onnx"
    precision: Precision = "fp32"
    contract: Contract = "aemm"
    maps: bool = True

    def __post_init__(self) -> None:
        """Check what goes together."""
        if self.format not in FORMATS:
            raise ExportError(f"format must be one of {', '.join(FORMATS)}, got {self.format!r}")
        if self.precision not in get_args(Precision):
            raise ExportError(f"precision must be 'fp32', 'fp16' or 'int8', got {self.precision!r}")
        if self.precision == "int8" and self.format != "onnx":
            raise ExportError(f"precision 'int8' is one of format 'onnx', got format {self.format!r}")
        if self.contract == "openvino" and not self.maps:
            raise ExportError("contract 'openvino' consists of maps; export them")


@dataclass(frozen=True)
class Exported:
    """A file that was written.

    Attributes:
        path: of it.
        description: that it holds.
        folded: batch norms that became part of convolutions.
        quantized: convolutions that compute in 8 bits.
    """

    path: Path
    description: Description
    folded: int
    quantized: int = 0

    def engine(self) -> Engine:
        """The graph, ready to run."""
        if self.path.suffix in (".pt2", ".pt"):  # those of torch
            return TorchEngine(self.path, self.description)
        return open_engine(network_of_page(self.path) if self.path.suffix == ".html" else self.path)

    def quantize(self, images: Sequence[np.ndarray]) -> Exported:
        """The same file with convolutions that compute in 8 bits; its refinement network stays as it is.

        Args:
            images: ``(H, W, 3) uint8`` RGB, by which the ranges of values are found.
        """
        predictor = Predictor(self.path)
        count = quantize(self.path, [predictor.show(image) for image in images])
        return replace(self, quantized=count)

    def predictor(self) -> Predictor:
        """The file, ready to look at images."""
        return Predictor(self.path, self.engine() if self.path.suffix in (".pt2", ".pt", ".html") else None)


def export_model(cfg: Config, model: Any, target: str | Path, options: ExportOptions) -> Exported:
    """Write a model as one file, and its single-person network, if it has one, as another beside it.

    Args:
        cfg: of the model, which tests at scale 1.
        model: with its weights; without maps its decoder changes to one that reads no maps.
        target: the file.
        options: of the export.

    Raises:
        ExportError: a part of the model cannot be exported.
        ModuleNotFoundError: a package that writes the format is not installed.
    """
    path = Path(target)
    refiner, settings = _refiner_of(model), None
    if not options.maps:
        forget_maps(model.decoder)
    if refiner is not None:
        refiner.load()
        beside = path.with_name(f"{path.stem}.refiner{path.suffix}")
        exact: Precision = "fp32" if options.precision == "int8" else options.precision
        _export_network(cfg, refiner.model, beside, ExportOptions(options.format, exact), None)
        settings = {**asdict(refiner.rules), "file": beside.name}
    return _export_network(cfg, model, path, options, settings)


def _export_network(
    cfg: Config, model: Any, path: Path, options: ExportOptions, refiner: dict[str, Any] | None
) -> Exported:
    """Write one network with the description of its model."""
    form = FORMATS[options.format]
    task, _ = rules_of(model)
    convention = fit_of(cfg)[1] if task != "single_person" else "continuous"
    network = DeployedNetwork(model, convention, options.maps, options.contract).eval()
    size = find_multiple(network)
    graph = graph_of(network, size[0])
    folded = fold_norms(network.maps, [network], graph.image())
    if options.precision == "fp16" and options.format != "openvino":  # which keeps the weights alone in half
        network.halve()
    description = describe(cfg, model, network, size, (form.writer, options.precision, options.contract))
    description = replace(description, refiner=refiner)
    form.write(graph, description, path)
    exported = Exported(path, description, folded)
    try:
        worst = check_sizes(network, exported.engine(), size[0])
        if options.precision != "fp16" and form.exact and worst > _EXACT:
            raise ExportError(
                f"{path}: maps of other sizes than the graph was made with differ by {worst:.2g} of the largest value "
                "from the network's: sizes were baked in; choose another format"
            )
    except BaseException:
        other = {".xml": path.with_suffix(".bin"), ".html": network_of_page(path)}.get(path.suffix, path)
        for file in (path, Path(f"{path}.json"), other):  # nobody is to use what was not compared
            file.unlink(missing_ok=True)
        raise
    return exported


def _refiner_of(model: Any) -> SinglePersonRefiner | None:
    """The one postprocessor that can be exported, if the model has any.

    Raises:
        ExportError: it has others.
    """
    steps = list(model.postprocessors)
    others = [type(step).__name__ for step in steps if type(step) is not SinglePersonRefiner]
    if others or len(steps) > 1:
        raise ExportError(
            f"model.postprocessors must be one SinglePersonRefiner or none to be exported, got {others or len(steps)}; "
            "set model.postprocessors=[]"
        )
    return steps[0] if steps else None


def forget_maps(decoder: Any) -> None:
    """Let a decoder read nothing but peaks.

    Raises:
        ExportError: it cannot do without maps.
    """
    if type(decoder) is not PoseDecoder:
        raise ExportError(f"maps are all that {type(decoder).__name__} decodes; export them")
    decoder.fill_missing, decoder.padding = False, "keep"
    decoder.subpixel = decoder.filled_subpixel = "none"
    decoder.filled_border = "map"


def check_parity(exported: Exported, inferencer: Inferencer, images: Sequence[np.ndarray]) -> Parity:
    """Hold an exported file against the model that it was made from.

    Args:
        exported: the file.
        inferencer: with the model.
        images: ``(H, W, 3) uint8`` RGB.
    """
    return compare(inferencer, exported.predictor(), images)


def at_one_scale(cfg: Config) -> None:
    """Let a config test at scale 1 alone, in place."""
    if any("scales" in step for step in cfg.test_dataloader.dataset.get("pipeline", ())):
        set_views(cfg, (1.0,), None)


def choose_flip(cfg: Config, flip: bool | None) -> None:
    """Choose whether the graph of a config looks at the mirror image, too, in place.

    Args:
        cfg: of the model; one without test-time augmentation gets the one that mirrors.
        flip: None keeps what the config says.
    """
    if flip and cfg.model.get("tta") is None:
        cfg.model.tta = dict(type="TestTimeAugmentation")
    set_views(cfg, None, flip)


def for_open_model_zoo(cfg: Config) -> None:
    """Let a config test as demos of Open Model Zoo do, in place: their input, their grouping, one view.

    A config whose decoder is an ``OpenVinoGrouping`` keeps its settings.

    Raises:
        ExportError: its model finds no poses, or its pipeline is not one of those known.
    """
    decoder = cfg.model.decoder
    fit, convention = fit_of(cfg)
    if not fit:
        raise ExportError("test_dataloader.dataset.pipeline is empty, but contract 'openvino' needs the input's size")
    set_views(cfg, None, False)
    if "skeleton" not in decoder or decoder.type == "SinglePersonDecoder":
        raise ExportError(f"contract 'openvino' is one for poses of many people, but the decoder is {decoder.type}")
    if decoder.type == "OpenVinoGrouping":
        if "aspect" not in fit:
            raise ExportError("test_dataloader.dataset.pipeline must be an OpenVinoResize for contract 'openvino'")
        return
    if convention == "udp":
        raise ExportError("contract 'openvino' knows pixels of corners alone, but the model was trained with 'udp'")
    cfg.model.decoder = dict(
        type="OpenVinoGrouping",
        skeleton=decoder.skeleton,
        pose_threshold=0.1,  # of the zoo's demos
        delta=0.5,  # cells count from their corners there
        window=decoder.get("window", 5),
        threshold=decoder.get("threshold", 0.1),
        fill_missing=False,
    )
    cfg.test_dataloader.dataset.pipeline = [
        dict(type="OpenVinoResize", size=fit["size"], divisor=fit.get("multiple_of", 32), aspect=1.0)
    ]
