"""What detection and what grouping cost: metrics with parts of a network's maps replaced by the truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.device import get_device
from torch import Tensor

from aemm.engine.evaluate import build_metrics, figures_of
from aemm.formats.checkpoint import load_weights
from aemm.ops.heatmap import TargetStyle
from aemm.ops.true_maps import true_heatmaps, true_tags
from aemm.registry import COLLATE_FUNCTIONS, DATASETS, MODELS
from aemm.structures import Maps, Sample

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
    """Maps of one image with heatmaps, tags, or both as a perfect network would draw them."""

    def tensor(value: np.ndarray) -> Tensor:
        return torch.from_numpy(value).to(maps.heatmaps)[None]

    return Maps(
        tensor(true_heatmaps(sample, maps.size, sigma, style)) if heatmaps else maps.heatmaps,
        tensor(true_tags(sample, maps.size))[:, :, None] if tags else maps.tags,
    )


@torch.no_grad()
def oracle_table(
    cfg: Config, checkpoint: str, sigma: float | None = None, style: TargetStyle = "unbiased", limit: int | None = None
) -> dict[str, dict[str, float]]:
    """Metrics of the test data for every variant of :data:`VARIANTS`.

    Args:
        cfg: a checked config of pose estimation.
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
    metrics = {name: build_metrics(cfg.test_evaluator, dataset.metainfo) for name in VARIANTS}
    count = len(dataset) if limit is None else min(limit, len(dataset))
    if not count:
        raise ValueError("the test data of the config hold no image; correct test_dataloader.dataset")
    for index in range(count):
        sample = dataset[index]
        batch = model.data_preprocessor(collate([sample]))["batch"]
        maps = model.maps(batch)
        for name, (heatmaps, tags) in VARIANTS.items():
            found = model.decoder(replace_parts(maps, sample, heatmaps, tags, sigma, style), batch)
            for metric in metrics[name]:
                metric.process(batch, found)
    return {name: figures_of(of_variant, count) for name, of_variant in metrics.items()}
