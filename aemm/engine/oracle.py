"""What detection and what grouping cost: metrics with parts of a network's maps replaced by the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.evaluator import BaseMetric
from torch import Tensor

from aemm.engine.evaluate import build_metrics, figures_of
from aemm.formats.checkpoint import load_weights
from aemm.geometry import apply_warp
from aemm.ops.heatmap import TargetStyle
from aemm.ops.true_maps import APART, true_coverage, true_heatmaps, true_mask_tags, true_tags
from aemm.registry import COLLATE_FUNCTIONS, DATASETS, MODELS
from aemm.structures import Batch, Maps, Sample

# name -> (heatmaps, tags) from what is annotated?
VARIANTS = {
    "predicted": (False, False),
    "true heatmaps": (True, False),
    "true tags": (False, True),
    "both true": (True, True),
}


def replace_parts(
    maps: Maps, sample: Sample, heatmaps: bool, tags: bool, sigma: float | None, style: TargetStyle
) -> Maps:
    """Maps of one image with heatmaps, tags, or both as a perfect network would draw them.

    Args:
        maps: of a batch of this image.
        sample: with what is annotated: keypoints, or masks where it has none.
        heatmaps: replace them.
        tags: replace them.
        sigma: of the true Gaussians in cells; None = longer side of the map / 64.
        style: in which they are drawn.
    """

    def tensor(value: np.ndarray) -> Tensor:
        return torch.from_numpy(value).to(maps.heatmaps)[None]

    sample = _with_truth(sample)
    if sample.keypoints is None:
        masks, labels = sample.need_masks()
        classes, stride = maps.heatmaps.shape[1], sample.image.shape[0] // maps.size[0]
        heat = true_coverage(masks, labels, classes, stride) if heatmaps else None
        owner = true_mask_tags(masks, labels, APART * np.arange(len(labels)), classes, stride) if tags else None
    else:
        heat = true_heatmaps(sample, maps.size, sigma, style) if heatmaps else None
        owner = true_tags(sample, maps.size) if tags else None
    return Maps(
        maps.heatmaps if heat is None else tensor(heat),
        maps.tags if owner is None else tensor(owner)[:, :, None],
    )


def _with_truth(sample: Sample) -> Sample:
    """The sample; where only its truth knows the people, as in MPII's groups, with their keypoints."""
    truth = sample.truth
    if sample.keypoints is not None or truth is None or truth.keypoints is None:
        return sample
    return replace(sample, keypoints=apply_warp(truth.keypoints, sample.warp), visible=truth.visible)


def oracle_table(
    cfg: Config, checkpoint: str, sigma: float | None = None, style: TargetStyle = "unbiased", limit: int | None = None
) -> dict[str, dict[str, float]]:
    """Metrics of the test data for every variant of :data:`VARIANTS`.

    Args:
        cfg: a checked config.
        checkpoint: weights of its model.
        sigma: of the true Gaussians in cells; None = longer side of the map / 64.
        style: in which they are drawn; the one the decoder is made for.
        limit: look at this many images only.

    Returns:
        For each variant the metrics by name.

    Raises:
        CheckpointError: the weights do not fit the model.
        ValueError: there is no image to look at.
    """
    model: Any = MODELS.build(cfg.model)
    load_weights(model, checkpoint)
    model.to(get_device()).eval()
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    collate = COLLATE_FUNCTIONS.get(cfg.test_dataloader.collate_fn.type.removeprefix("aemm."))
    count = len(dataset) if limit is None else min(limit, len(dataset))
    if not count:
        raise ValueError("the test data of the config hold no image; correct test_dataloader.dataset")
    samples = (dataset[index] for index in range(count))
    return measure_variants(
        model, samples, collate, lambda: build_metrics(cfg.test_evaluator, dataset.metainfo), sigma, style
    )


@torch.no_grad()
def measure_variants(
    model: Any,
    samples: Iterable[Sample],
    collate: Callable[[list[Sample]], Batch],
    evaluate: Callable[[], list[BaseMetric]],
    sigma: float | None = None,
    style: TargetStyle = "unbiased",
) -> dict[str, dict[str, float]]:
    """Metrics of some samples for every variant of :data:`VARIANTS`.

    Args:
        model: in test mode, on its device.
        samples: of the test data.
        collate: makes a batch of one.
        evaluate: makes the metrics.
        sigma: see :func:`replace_parts`.
        style: see there.

    Returns:
        For each variant the metrics by name.
    """
    metrics = {name: evaluate() for name in VARIANTS}
    count = 0
    for sample in samples:
        count += 1
        batch = model.data_preprocessor(collate([sample]))["batch"]
        maps = model.maps(batch)
        for name, (heatmaps, tags) in VARIANTS.items():
            found = model.decoder(replace_parts(maps, sample, heatmaps, tags, sigma, style), batch)
            for metric in metrics[name]:
                metric.process(batch, found)
    return {name: figures_of(of_variant, count) for name, of_variant in metrics.items()}
