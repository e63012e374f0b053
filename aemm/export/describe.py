"""The description that goes into an exported file, read off the config and the model built from it."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

from aemm import __version__
from aemm.datasets.transforms import KeepOriginal, OpenVinoResize, ResizeToFit
from aemm.export.network import DeployedNetwork, ExportError
from aemm.geometry import PixelConvention
from aemm.models.decoders import InstanceDecoder, OpenVinoGrouping, PoseDecoder, SinglePersonDecoder
from aemm.registry import TRANSFORMS
from aemm.runtime.description import Contract, Description, Precision, Task

_PLAIN: PixelConvention = "continuous"


def fit_of(cfg: Config) -> tuple[dict[str, Any], PixelConvention]:
    """How the config's test data bring images to the input, and by which pixel convention.

    Raises:
        ExportError: they do something that an exported model cannot.
    """
    pipeline = cfg.test_dataloader.dataset.get("pipeline", ())
    if not pipeline:  # images come at a size that the network takes
        return {}, _PLAIN
    steps = [step for step in (TRANSFORMS.build(dict(step)) for step in pipeline) if type(step) is not KeepOriginal]
    if len(steps) != 1 or not isinstance(steps[0], ResizeToFit | OpenVinoResize):
        raise ExportError(
            "test_dataloader.dataset.pipeline must be one ResizeToFit or OpenVinoResize (and KeepOriginal) to be "
            f"exported, got {[step.get('type') for step in pipeline]}"
        )
    step = steps[0]
    if isinstance(step, OpenVinoResize):
        return asdict(step.rules), _PLAIN
    if step.rules.scales != (1.0,):
        raise ExportError(
            f"an exported model looks at one scale, 1, got scales={list(step.rules.scales)} in "
            "test_dataloader.dataset.pipeline"
        )
    return asdict(step.rules), step.rules.convention


def rules_of(model: Any) -> tuple[Task, dict[str, Any]]:
    """By which rules the runtime decodes what a model's decoder does.

    Raises:
        ExportError: the decoder is one that the runtime does not know.
    """
    decoder = model.decoder
    if type(decoder) is PoseDecoder:
        return "pose", asdict(decoder.pose_rules)
    if type(decoder) is OpenVinoGrouping:
        return "openvino", {**asdict(decoder.rules), "window": decoder.window}  # None: suppressed by the network
    if type(decoder) is InstanceDecoder:
        return "instance", {**asdict(decoder.mask_rules), "merge": model.tta.merge == "instances"}
    if type(decoder) is SinglePersonDecoder:
        return "single_person", {"subpixel": decoder.subpixel, "tie": decoder.tie}
    raise ExportError(
        f"model.decoder is a {type(decoder).__name__}, which is unknown where there is no torch; known are "
        "PoseDecoder, OpenVinoGrouping, InstanceDecoder and SinglePersonDecoder"
    )


def describe(
    cfg: Config,
    model: Any,
    network: DeployedNetwork,
    size: tuple[int, float],
    written: tuple[str, Precision, Contract],
) -> Description:
    """The description of an exported model.

    Args:
        cfg: it was built by.
        model: that is exported.
        network: its graph.
        size: multiple of the input's sides, and pixels for each cell.
        written: what writes the file, with which precision and by which contract.
    """
    task, rules = rules_of(model)
    alone = task == "single_person"  # of a crop, which whoever cuts it out brings to its size
    fit, convention = ({}, _PLAIN) if alone else fit_of(cfg)
    skeleton = getattr(model.decoder, "skeleton", None)
    exporter, precision, contract = written
    return Description(
        aemm=__version__,
        config=Path(cfg.filename).name if cfg.filename else "",
        config_hash=hashlib.sha256(cfg.pretty_text.encode()).hexdigest(),
        exporter=f"{exporter}, torch {torch.__version__}",
        precision=precision,
        contract=contract,
        task=task,
        outputs=network.names,
        channels=network.channels,
        mean=tuple(network.mean.flatten().tolist()),
        std=tuple(network.std.flatten().tolist()),
        multiple_of=size[0],
        stride=size[1],
        convention=convention,
        flip=bool(getattr(model.tta, "flip", False)),
        fit=fit,
        rules=rules,
        skeleton=None if skeleton is None else skeleton.to_dict(),
        num_classes=getattr(model.decoder, "num_classes", None),
    )
