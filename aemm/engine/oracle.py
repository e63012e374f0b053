"""What detection and what grouping cost: AP with parts of a network's maps replaced by the ground truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.evaluator import BaseMetric
from torch import Tensor, nn

from aemm.formats.checkpoint import load_weights
from aemm.geometry import to_map
from aemm.ops.heatmap import TargetStyle, draw_gaussians
from aemm.registry import COLLATE_FUNCTIONS, DATASETS, METRICS, MODELS
from aemm.structures import Maps, Sample

# name -> (heatmaps, tags) from the ground truth?
VARIANTS = {
    "predicted": (False, False),
    "true heatmaps": (True, False),
    "true tags": (False, True),
    "both true": (True, True),
}
_APART = 10.0  # between the tags of two people: far beyond any threshold of grouping


def true_heatmaps(sample: Sample, size: tuple[int, int], sigma: float | None, style: TargetStyle) -> np.ndarray:
    """Heatmaps ``(K, h, w)`` of the people of a sample as a perfect network would draw them.

    Args:
        sample: with keypoints.
        size: ``(h, w)`` of the maps in cells.
        sigma: of the Gaussians in cells; None = longer side of the map / 64.
        style: see :func:`aemm.ops.heatmap.draw_gaussians`.
    """
    points, valid = _on_map(sample, size)
    return draw_gaussians(points, valid, size, max(size) / 64 if sigma is None else sigma, style)


def true_tags(sample: Sample, size: tuple[int, int]) -> np.ndarray:
    """Tags ``(K, h, w)``: at every cell that of the person whose keypoint is nearest.

    Where nobody has the keypoint, all cells have a tag that is no person's.
    """
    points, valid = _on_map(sample, size)
    rows, columns = (np.arange(cells, dtype=np.float32) + 0.5 for cells in size)
    square = (rows - points[..., 1:]) ** 2  # (N, K, h)
    square = square[..., None] + ((columns - points[..., :1]) ** 2)[:, :, None]  # (N, K, h, w)
    square[~valid] = np.inf
    if not len(square):
        return np.full((points.shape[1], *size), -_APART, np.float32)
    tags = square.argmin(0) * _APART
    known = np.any(valid, axis=0).reshape(-1, 1, 1)
    return np.where(known, tags, -_APART).astype(np.float32)


def _on_map(sample: Sample, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Map coordinates ``(N, K, 2)`` of a sample's keypoints, and which are annotated."""
    if sample.keypoints is None or sample.visible is None:
        raise ValueError(f"image {sample.image_id}: the oracle needs annotated keypoints, got None")
    return to_map(sample.keypoints, sample.image.shape[:2], size, sample.convention), np.asarray(sample.visible > 0)


def replace_parts(
    maps: Maps, sample: Sample, heatmaps: bool, tags: bool, sigma: float | None, style: TargetStyle
) -> Maps:
    """Maps of one image with heatmaps, tags, or both from the ground truth."""

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
    """
    model: nn.Module = MODELS.build(cfg.model)
    load_weights(model, checkpoint)
    model.to(get_device()).eval()
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    collate = COLLATE_FUNCTIONS.get(cfg.test_dataloader.collate_fn.type.removeprefix("aemm."))
    metrics = {name: _metric(cfg.test_evaluator, dataset.metainfo) for name in VARIANTS}
    count = len(dataset) if limit is None else min(limit, len(dataset))
    for index in range(count):
        sample = dataset[index]
        batch = model.data_preprocessor(collate([sample]))["batch"]  # type: ignore[operator]
        maps = model(batch, mode="tensor")
        for name, (heatmaps, tags) in VARIANTS.items():
            shown = replace_parts(maps, sample, heatmaps, tags, sigma, style)
            metrics[name].process(None, model.decoder(shown, batch))  # type: ignore[operator]
    return {name: metric.evaluate(count) for name, metric in metrics.items()}


def _metric(config: Mapping[str, Any], meta: Mapping[str, Any]) -> BaseMetric:
    metric = METRICS.build(dict(config))
    metric.dataset_meta = dict(meta)
    return metric
