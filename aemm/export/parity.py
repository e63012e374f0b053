"""Whether an exported file finds what the model finds that it was made from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from aemm.apis import Inferencer
from aemm.datasets.synthetic import SyntheticPoseDataset
from aemm.export.network import DeployedNetwork, ExportError
from aemm.records import Instances
from aemm.runtime import Engine, Predictor

_SHAPES = ((1, 3, 2), (3, 2, 4), (1, 4, 4))  # number, height and width, the latter in multiples
NEAR = 1e-3
"""Pixels by which keypoints of the same people may differ."""


@dataclass
class Parity:
    """What differs between a model and its exported file, over some images.

    Attributes:
        images: looked at.
        people: found by the model.
        maps: largest difference of the maps, relative to the largest value where that is above 1; None where there were
            none to compare.
        keypoints: largest distance of keypoints that both found, pixels.
        strangers: images in which both found another number of instances, or other masks or classes.
    """

    images: int = 0
    people: int = 0
    maps: float | None = None
    keypoints: float = 0.0
    strangers: int = 0

    @property
    def same(self) -> bool:
        """Whether both found the same."""
        return self.strangers == 0 and self.keypoints <= NEAR

    def add(self, expected: Instances, found: Instances) -> None:
        """Count what was found in one image."""
        self.images += 1
        self.people += len(expected)
        if len(expected) != len(found) or expected.masks != found.masks or _labels(expected) != _labels(found):
            self.strangers += 1
        elif expected.keypoints is not None and found.keypoints is not None and len(expected):
            apart = np.linalg.norm(expected.keypoints - found.keypoints, axis=-1)
            self.keypoints = max(self.keypoints, float(apart.max()))

    def describe(self) -> str:
        """One line that says it."""
        nobody = "not known, since nobody is there; name other images by --images"
        verdict = "no" if not self.same else "yes" if self.people else nobody
        maps = "no maps to compare" if self.maps is None else f"maps differ by at most {self.maps:.2g}"
        return (
            f"parity on {self.images} images: {maps}; same instances: {verdict} "
            f"({self.people} found, keypoints at most {self.keypoints:.2g} px apart, {self.strangers} images with "
            "others)"
        )


def compare(inferencer: Inferencer, predictor: Predictor, images: Iterable[np.ndarray]) -> Parity:
    """Hold an exported file against the model.

    Args:
        inferencer: of the model.
        predictor: of the file.
        images: ``(H, W, 3) uint8`` RGB.
    """
    parity = Parity()
    for image in images:
        parity.add(inferencer.predict(image), predictor.predict(image))
        outputs = predictor.outputs(image)
        if "heatmaps" in outputs:
            maps = _maps(inferencer, image)
            heat = (maps.heatmaps, outputs["heatmaps"])
            if predictor.description.contract == "openvino":  # whose signs tell of suppressed cells
                heat = (heat[0].abs(), np.abs(heat[1]))
            pairs: Sequence[tuple[Any, Any]] = [heat]
            pairs = [*pairs, *([(maps.tags, outputs["tag_maps"])] if "tag_maps" in outputs else [])]
            parity.maps = max(parity.maps or 0.0, *(difference(a.numpy(), b) for a, b in pairs))
    return parity


@torch.no_grad()
def check_sizes(network: DeployedNetwork, engine: Engine, multiple: int) -> float:
    """Hold a graph against its network on noise of other numbers and shapes than it was made with.

    Args:
        network: in evaluation mode.
        engine: of the file.
        multiple: of the sides that the network takes.

    Returns:
        Largest difference of the maps, relative to the largest value.

    Raises:
        ExportError: the graph takes no such images, or takes them for others.
    """
    worst = 0.0
    shapes = [(count, height * multiple, width * multiple) for count, height, width in _SHAPES]
    for count, height, width in shapes if engine.input_size is None else [(1, *engine.input_size)]:
        size = (count, 3, height, width)
        noise = torch.randint(0, 256, size, generator=torch.Generator().manual_seed(1)).to(torch.uint8)
        expected = dict(zip(network.names, network(noise), strict=True))
        try:
            found = engine.run(noise.numpy())
        except ValueError as error:
            raise ExportError(
                f"sizes were baked into the graph, which takes no images {size}; choose another format: {error}"
            ) from error
        for name in expected:
            if expected[name].shape != found[name].shape:
                raise ExportError(
                    f"sizes were baked into the graph: {name} of images {size} must be {tuple(expected[name].shape)}, "
                    f"got {found[name].shape}; choose another format"
                )
            if name not in ("scores", "cells", "tags"):  # of which equal scores have no order
                worst = max(worst, difference(expected[name].numpy(), found[name]))
    return worst


@torch.no_grad()
def _maps(inferencer: Inferencer, image: np.ndarray) -> Any:
    """The maps of the model on the CPU."""
    batch = inferencer.batch(image)
    maps = inferencer.model.maps(inferencer.model.data_preprocessor(batch)["batch"]).float()
    return type(maps)(maps.heatmaps.cpu(), None if maps.tags is None else maps.tags.cpu())


def difference(expected: np.ndarray, found: np.ndarray) -> float:
    """Largest difference, relative to the largest expected value where it is above 1; infinite for no number."""
    apart = float(np.abs(expected - found).max() / max(1.0, np.abs(expected).max()))
    return apart if np.isfinite(apart) else float("inf")


def _labels(found: Instances) -> list[int]:
    """Classes of instances; none where there are none."""
    return [] if found.labels is None else found.labels.tolist()


def drawn_images(count: int, side: int) -> list[np.ndarray]:
    """Drawn people, for want of photographs: images of several shapes.

    Args:
        count: how many.
        side: of the longest, pixels.
    """
    shapes = [(side, side), (side * 5 // 8, side), (side, side * 3 // 4)]
    return [
        SyntheticPoseDataset(count, shapes[i % len(shapes)], people=(1, 4), seed=7).load(i).image for i in range(count)
    ]
