"""Outputs by other names: those of Open Model Zoo's networks for associative embedding."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from aemm.runtime.description import Description


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
