"""Equal objects: AP^r of plain tags and of semi-convolutional ones, by the same small network after the same training.

Run ``python benchmarks/instance_coordinates.py`` (about half a minute of one core for each row). Scenes of 64 x 64 px
hold three to six shapes that differ in nothing but their place.
"""

from __future__ import annotations

import argparse

import torch
from timing import print_table

from aemm.datasets import SampleKey, SyntheticInstanceDataset, collate
from aemm.evaluation import VocInstanceMetric
from aemm.registry import MODELS

BATCH = 16


def scenes(length: int, seed: int, train: bool) -> SyntheticInstanceDataset:
    """Scenes of equal shapes, with targets for training, with ground truth otherwise."""
    pipeline = [dict(type="InstanceTargets", strides=(4,), num_classes=5)] if train else []
    options = dict(shapes=(3, 6), seed=seed, identical=True)
    return SyntheticInstanceDataset(length, 64, pipeline=pipeline, test_mode=not train, **options)


def small_network(coordinate_scale: float | None) -> torch.nn.Module:
    """One small hourglass with tags of two dimensions."""
    backbone = dict(type="HourglassAE", out_channels=32, stacks=1, width=32, growth=16, depth=2, stem=(16, 32, 32))
    head = dict(
        type="AEHead",
        num_heatmaps=5,
        tag_dims=2,
        tag_std=0.25,
        coordinate_scale=coordinate_scale,
        heatmap_loss=dict(type="HeatmapMSELoss", weight=10.0),
        grouping_loss=dict(type="PixelGroupingLoss", pull_weight=0.1, push_weight=0.5),
    )
    decoder = dict(type="InstanceDecoder", num_classes=5)
    return MODELS.build(
        dict(type="Embedder", backbone=dict(backbone, norm_cfg=dict(type="BN")), head=head, decoder=decoder)
    )


def train(model: torch.nn.Module, steps: int) -> None:
    """Adam at 3e-3, falling to 0 over the second half."""
    data, optimizer = scenes(4000, 0, True), torch.optim.Adam(model.parameters())
    model.train()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * min(1.0, 2 * (steps - step) / steps)
        batch = collate([data[SampleKey((BATCH * step + i) % len(data))] for i in range(BATCH)])
        losses = model(**model.data_preprocessor(batch, True), mode="loss")
        optimizer.zero_grad()
        sum(value for name, value in losses.items() if "loss" in name).backward()
        optimizer.step()


def measure(model: torch.nn.Module) -> dict[str, float]:
    """AP^r on 60 other scenes."""
    data, metric = scenes(60, 1, False), VocInstanceMetric(void="exclude")
    metric.dataset_meta = data.metainfo
    model.eval()
    with torch.no_grad():
        for start in range(0, len(data), 20):
            batch = collate([data[i] for i in range(start, start + 20)])
            metric.process(batch, model(**model.data_preprocessor(batch), mode="predict"))
    return metric.evaluate(len(data))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=400, help=f"of training, {BATCH} scenes each")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of PyTorch")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    rows = []
    for name, scale in (("plain", None), ("coordinate_scale=16", 16.0)):
        torch.manual_seed(0)
        model = small_network(scale)
        train(model, args.steps)
        stats = measure(model)
        rows.append([name, *(f"{value:.3f}" for value in stats.values())])
    print_table(f"Equal shapes, {args.steps} steps", ["tags", "AP^r@0.5", "AP^r@0.7", "AP^r_vol"], rows)


if __name__ == "__main__":
    main()
