"""Outputs by other names: those of Open Model Zoo's networks for associative embedding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from aemm.ops.openvino import OpenVinoFit, OpenVinoRules, openvino_order
from aemm.runtime.description import DeployedModelError, Description
from aemm.runtime.engines import Engine
from aemm.skeletons import build_skeleton

_OF_DEMOS = 0.1  # score that people have to exceed in the zoo's demos
_PEOPLE = "coco"  # keypoints of the zoo's networks


def rename_outputs(outputs: Mapping[str, np.ndarray], description: Description) -> dict[str, np.ndarray]:
    """Outputs by aemm's names and axes.

    Args:
        outputs: of the graph, by its names.
        description: says by which contract they are named. That of Open Model Zoo has ``heatmaps (B,K,h,w)``,
            ``embeddings`` as ``(B,K,h,w)`` or ``(B,K,h,w,L)``, and some networks ``nms_heatmaps``.
    """
    if description.contract == "aemm":
        return dict(outputs)
    renamed = {name: value for name, value in outputs.items() if name != "embeddings"}
    tags = outputs["embeddings"]
    renamed["tag_maps"] = tags[:, :, None] if tags.ndim == 4 else np.moveaxis(tags, 4, 2)
    return renamed


def output_name(name: str, description: Description) -> str:
    """By which name a graph gives one of aemm's outputs."""
    return "embeddings" if name == "tag_maps" and description.contract == "openvino" else name


def describe_zoo(path: str | Path, engine: Engine) -> Description:
    """What Open Model Zoo says of its networks, whose files say nothing of themselves.

    human-pose-estimation-0005 to -0007 take BGR images, put into the upper left of their input, and suppress what is no
    maximum themselves. A network with a third output ``nms_heatmaps`` is taken for one of HigherHRNet's form: RGB
    images in the middle, keypoints half a cell from the corners of their cells.

    Args:
        path: of the file, for messages.
        engine: of the file; it is run once on a black image.

    Raises:
        DeployedModelError: it is no such network, or the size of its input is open.
    """
    if absent := [name for name in ("heatmaps", "embeddings") if name not in engine.outputs]:
        raise DeployedModelError(
            f"{path}: a network by contract 'openvino' has the outputs heatmaps and embeddings, but {absent} are not "
            f"among {list(engine.outputs)}; name them so where it is converted"
        )
    if engine.input_size is None:
        raise DeployedModelError(
            f"{path}: the height and width of its input are open, but a network by contract 'openvino' has an input of "
            "one size; reshape it to one, or pass a description"
        )
    keypoints, dims = _shape_of(path, engine)
    centered = "nms_heatmaps" in engine.outputs
    height, width = engine.input_size
    fit = OpenVinoFit(min(height, width), padding="center" if centered else "right_bottom", aspect=width / height)
    rules = OpenVinoRules(openvino_order(keypoints), _OF_DEMOS, 0.5 if centered else 0.0, fill_missing=dims == 1)
    people = build_skeleton(_PEOPLE)
    return Description(
        aemm="",
        config="",
        config_hash="",
        exporter="none of aemm's",
        precision="fp32",
        contract="openvino",
        task="openvino",
        outputs=("heatmaps", "embeddings"),
        channels="RGB" if centered else "BGR",
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        multiple_of=fit.divisor,
        stride=2.0,
        convention="continuous",
        flip=False,
        fit=asdict(fit),
        rules={**asdict(rules), "window": None},
        skeleton=people.to_dict() if len(people) == keypoints else None,
    )


def _shape_of(path: str | Path, engine: Engine) -> tuple[int, int]:
    """Number of keypoints and of tag dimensions.

    Raises:
        DeployedModelError: the outputs have other shapes than the contract says.
    """
    assert engine.input_size is not None
    outputs = engine.run(np.zeros((1, 3, *engine.input_size), np.uint8))
    heat, tags = outputs["heatmaps"].shape, outputs["embeddings"].shape
    if len(heat) != 4 or len(tags) not in (4, 5) or tags[:4] != heat:
        raise DeployedModelError(
            f"{path}: by contract 'openvino' heatmaps are (1, K, h, w) and embeddings (1, K, h, w) or (1, K, h, w, L), "
            f"got {heat} and {tags}"
        )
    return heat[1], tags[4] if len(tags) == 5 else 1
