"""How good can decoded masks be? Decodes maps made from the ground truth, with tags disturbed by noise.

    python tools/analysis_tools/instance_decode_cap.py configs/synthetic/instance_hourglass_tiny_128.py --length 200

For each deviation of the noise it prints the share of the instances that are found, and AP^r, of what InstanceDecoder
makes of perfect heatmaps. The first line is what the resolution of the maps alone allows: every true mask is brought to
the map and back by itself. The tags of the instances of a class lie ``--spacing`` apart.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import numpy as np
import torch

from aemm.cli.arguments import add_config, count, parse_options, scale
from aemm.cli.outcome import ExitCode, run
from aemm.datasets import SampleDataset, collate
from aemm.datasets.transforms.instance_targets import InstanceTargets
from aemm.engine import load_config, require
from aemm.evaluation.functional.mask_ap import FoundMasks, TrueMasks, mask_ap
from aemm.geometry import scaling
from aemm.models.decoders import InstanceDecoder
from aemm.ops.image import coverage, warp_image
from aemm.ops.masks import encode_masks, mask_iou
from aemm.ops.true_maps import true_mask_tags
from aemm.registry import DATASETS, DECODERS
from aemm.structures import Batch, Maps, Sample

LEVELS = (0.5, 0.7)


def perfect_maps(
    sample: Sample, targets: InstanceTargets, dims: int, spacing: float, rng: np.random.Generator
) -> tuple[Maps, Batch]:
    """The heatmaps of a sample, and tag maps on which the n-th instance of a class has the tag ``spacing`` n.

    Args:
        sample: transformed, with masks.
        targets: makes the heatmaps.
        dims: L; only the first dimension differs between instances.
        spacing: between neighbouring tags.
        rng: of the order of the tags.
    """
    batch = collate([targets.transform(sample)])
    heatmaps = batch.targets[0].dense().need_heatmaps()
    masks, labels = sample.need_masks()
    values = np.zeros(len(labels), np.float32)
    for label in np.unique(labels):
        values[labels == label] = rng.permutation(int((labels == label).sum())) * spacing
    tags = np.zeros((targets.num_classes, dims, *heatmaps.shape[2:]), np.float32)
    tags[:, 0] = true_mask_tags(masks, labels, values, targets.num_classes, targets.strides[0])
    return Maps(heatmaps, torch.from_numpy(tags)[None]), batch


def brought_back(sample: Sample, stride: int) -> np.ndarray:
    """Each true mask ``(N, H, W) bool`` of the original image after it went to the map and back by itself.

    Args:
        sample: transformed.
        stride: input pixels per cell.
    """
    masks, _ = sample.need_masks()
    back = np.linalg.inv(sample.warp) @ scaling(stride)
    found = [warp_image(coverage(mask, stride), back, sample.image_size) > 0.5 for mask in masks]
    return np.stack(found) if found else np.zeros((0, *sample.image_size), bool)


def found_share(found: Sequence[FoundMasks], truth: Sequence[TrueMasks]) -> np.ndarray:
    """Share of the instances that some mask of their class fits, at each of ``LEVELS``."""
    best = [np.zeros(0)]
    for masks, real in zip(found, truth, strict=True):
        assert real.ignore is not None
        iou = mask_iou(masks.masks, real.masks) * (np.asarray(masks.labels)[:, None] == real.labels)
        best.append(iou.max(0, initial=0)[~real.ignore])
    return (np.concatenate(best) >= np.array(LEVELS)[:, None]).mean(1)


def decode_all(
    dataset: SampleDataset,
    decoder: InstanceDecoder,
    targets: InstanceTargets,
    args: argparse.Namespace,
) -> tuple[list[TrueMasks], list[list[FoundMasks]]]:
    """Ground truth of every image; and for the resolution alone, then for each noise, what was found."""
    pipeline, dataset.pipeline = dataset.pipeline, []
    truth: list[TrueMasks] = []
    found: list[list[FoundMasks]] = [[] for _ in range(1 + len(args.noise))]
    for index in range(min(args.length, len(dataset))):
        rng = np.random.default_rng(index)
        raw = sample = dataset[index]
        for step in pipeline:
            sample = step(sample)
        truth.append(TrueMasks(encode_masks(raw.masks), raw.labels, raw.masks.sum((1, 2)) < args.min_area))
        alone = brought_back(sample, targets.strides[0])
        found[0].append(FoundMasks(encode_masks(alone), raw.labels, np.ones(len(alone))))
        maps, batch = perfect_maps(sample, targets, args.dims, args.spacing, rng)
        for noise, of_noise in zip(args.noise, found[1:], strict=True):
            tags = maps.need_tags()
            disturbed = tags + noise * torch.from_numpy(rng.standard_normal(tags.shape)).float()
            (instances,) = decoder(Maps(maps.heatmaps, disturbed), batch)
            of_noise.append(FoundMasks(*instances.need_masks(), instances.scores))
    return truth, found


def main() -> ExitCode:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_config(parser, "of an instance segmentation model; its val_dataloader and decoder are used")
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0, 0.1, 0.3, 0.5], help="deviations of the tags")
    parser.add_argument("--spacing", type=scale, default=3.0, help="between the tags of neighbouring instances")
    parser.add_argument("--dims", type=count, default=1, help="L, dimensions of a tag")
    parser.add_argument("--length", type=count, default=1000, help="images at most")
    parser.add_argument("--min-area", type=float, default=0.0, help="smaller instances need not be found, pixels")
    args = parser.parse_args()
    cfg = load_config(args.config, parse_options(args.cfg_options))
    require(cfg, ("model", "val_dataloader"), "be decoded")
    dataset, decoder = DATASETS.build(cfg.val_dataloader.dataset), DECODERS.build(cfg.model.decoder)
    if not isinstance(decoder, InstanceDecoder):
        raise ValueError(
            f"config {args.config}: expected an InstanceDecoder as model.decoder, got {cfg.model.decoder.type}"
        )
    targets = InstanceTargets(strides=(4,), num_classes=decoder.num_classes)
    truth, found = decode_all(dataset, decoder, targets, args)
    print("                  instances found   AP^r")
    print("IoU                0.5     0.7      0.5     0.7")
    for name, rows in zip(["resolution", *(f"noise {noise}" for noise in args.noise)], found, strict=True):
        share = found_share(rows, truth)
        ap = np.nanmean(mask_ap(rows, truth, targets.num_classes, LEVELS), axis=1)
        print(f"{name:<16} {share[0]:7.4f} {share[1]:7.4f}  {ap[0]:7.4f} {ap[1]:7.4f}")
    return ExitCode.DONE


if __name__ == "__main__":
    sys.exit(run(main))
