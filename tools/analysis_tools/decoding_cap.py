"""How good can decoded poses be? Decodes heatmaps made from the ground truth, where every person has a tag of his own.

    python tools/analysis_tools/decoding_cap.py person_keypoints_val2017.json --fit short --stride 4

For each pair of target style and decoder it prints OKS AP, AP50 and AP75 and the mean and root-mean-square way from the
annotated points to the decoded ones, in map cells. What is lost here, no network can win back: points are cut to cells,
and where the same keypoint of two people falls into neighbouring cells one of the two peaks disappears.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from pycocotools.coco import COCO

from aemm.cli.arguments import count
from aemm.cli.outcome import ExitCode, run
from aemm.datasets.transforms.pose_targets import PoseTargets
from aemm.evaluation.functional.coco import evaluate_keypoints
from aemm.geometry import apply_warp, round_up, scaling
from aemm.models.decoders import PoseDecoder
from aemm.ops.heatmap import TargetStyle
from aemm.registry import DECODERS
from aemm.skeletons import build_skeleton
from aemm.structures import Batch, Instances, Maps, Sample

DECODER_CONFIGS = Path(__file__).resolve().parents[2] / "configs/_base_/protocols"
PAIRS: tuple[TargetStyle, ...] = ("newell", "higherhrnet", "unbiased")  # target style and decoder config of one name


def build_decoder(name: str, skeleton: Any = "coco") -> PoseDecoder:
    """The decoder of a shipped config, for any skeleton."""
    settings = Config.fromfile(DECODER_CONFIGS / f"{name}.py").decoder
    return DECODERS.build({**settings, "skeleton": skeleton})


def annotated_samples(coco: COCO, skeleton: str, side: int, fit: str) -> list[Sample]:
    """All images with annotated people, as samples of blank pixels scaled to the network's input.

    Args:
        coco: the annotations.
        skeleton: of their keypoints.
        side: pixels of the side that ``fit`` names.
        fit: 'long' or 'short' side of the image is scaled to ``side``; the input is padded to multiples of 64.
    """
    count, samples = len(build_skeleton(skeleton)), []
    for image in coco.loadImgs(sorted(coco.getImgIds())):
        people = coco.loadAnns(coco.getAnnIds(imgIds=image["id"], iscrowd=False))
        people = [person for person in people if person.get("num_keypoints", 0)]
        if not people:
            continue
        triples = np.array([person["keypoints"] for person in people], np.float32).reshape(-1, count, 3)
        height, width = image["height"], image["width"]
        scale = side / (max if fit == "long" else min)(height, width)
        warp = scaling(scale)
        size = round_up(height * scale, 64), round_up(width * scale, 64)
        samples.append(
            Sample(
                image=np.zeros((*size, 3), np.uint8),
                image_id=image["id"],
                image_size=(height, width),
                # an annotation names a pixel; pixel j covers j to j + 1
                keypoints=apply_warp(triples[..., :2] + 0.5, warp),
                visible=triples[..., 2].astype(np.int64),
                warp=warp,
            )
        )
    return samples


def truth_maps(sample: Sample, stride: int, style: TargetStyle) -> Maps:
    """Heatmaps of a sample as its targets draw them, and around every keypoint the tag of its owner.

    Args:
        sample: with keypoints.
        stride: input pixels per map cell.
        style: of the targets.

    Returns:
        Maps of one image, L = 1: the n-th person with a keypoint has the tag 10 n, cells of nobody -100.
    """
    (target,) = PoseTargets([stride], style=style).transform(sample).targets
    assert target.tag_index is not None
    channels, height, width = target.heatmaps.shape
    tags = np.full((channels, height, width), -100.0, np.float32)
    index = target.tag_index.numpy()
    for reach in (3, 1, 0):  # where people meet, the nearer keypoint has the cell
        for n, place in zip(*np.nonzero(index >= 0), strict=True):
            k, cell = np.divmod(index[n, place], height * width)
            y, x = np.divmod(cell, width)
            tags[k, max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1] = 10.0 * n
    return Maps(target.heatmaps[None], torch.from_numpy(tags)[None, :, None])


def decode_truth(sample: Sample, stride: int, style: TargetStyle, decoder: PoseDecoder) -> tuple[Instances, np.ndarray]:
    """What the decoder makes of the ground truth of a sample.

    Returns:
        The people found, and ``(points, 2)`` the way from annotated points to the decoded ones in map cells. Of two
        people with the same keypoint in the same cell only one counts, and nobody who was not found by their tag.
    """
    height, width = sample.image.shape[:2]
    batch = Batch(
        [torch.zeros(1, 3, 1, 1).expand(1, 3, height, width)],
        [sample.image_id],
        [sample.image_size],
        sample.warp[None],
    )
    maps = truth_maps(sample, stride, style)
    found = decoder(maps, batch)[0]
    assert sample.keypoints is not None
    assert sample.visible is not None
    assert maps.tags is not None
    assert found.tags is not None
    assert found.keypoints is not None
    assert found.keypoint_scores is not None
    inside = (sample.visible > 0) & (sample.keypoints >= 0).all(-1) & (sample.keypoints < (width, height)).all(-1)
    people, tags = np.flatnonzero(inside.any(1)), maps.tags[0, :, 0].numpy()
    ways = []
    for tag, points, scores in zip(found.tags[:, 0], found.keypoints, found.keypoint_scores, strict=True):
        owner = round(float(tag) / 10)
        if abs(tag - 10 * owner) > 0.01 or not 0 <= owner < len(people):
            continue  # a person made of several
        n = people[owner]
        k = np.flatnonzero(inside[n] & (scores > 0))
        x, y = (sample.keypoints[n, k] / stride).astype(int).T
        k = k[tags[k, y, x] == 10 * owner]
        ways.append((apply_warp(points[k], sample.warp) - sample.keypoints[n, k]) / stride)
    return found, np.concatenate(ways) if ways else np.zeros((0, 2))


@dataclass
class Cap:
    """What a pair of target style and decoder can reach: AP figures by name, mean and RMS way ``(2,)`` in cells."""

    figures: dict[str, float]
    bias: np.ndarray
    rms: np.ndarray


def decoding_cap(coco: COCO, pair: TargetStyle, side: int = 512, fit: str = "long", stride: int = 4) -> Cap:
    """Encode and decode the ground truth of all images with annotated people, and evaluate it.

    Args:
        coco: the annotations, with 17 COCO keypoints.
        pair: target style and decoder config.
        side: pixels of the side that ``fit`` names.
        fit: 'long' or 'short'.
        stride: input pixels per map cell.
    """
    decoder, ways, results = build_decoder(pair), [], []
    samples = annotated_samples(coco, "coco", side, fit)
    for sample in samples:
        found, way = decode_truth(sample, stride, pair, decoder)
        ways.append(way)
        assert found.keypoints is not None
        assert found.keypoint_scores is not None
        pixels = found.keypoints - 0.5  # as annotations name them
        rows = replace(found, keypoints=pixels).keypoint_rows()
        for keypoints, score in zip(rows, found.scores.tolist(), strict=True):
            results.append(dict(image_id=found.image_id, category_id=1, keypoints=keypoints, score=score))
    sigmas = build_skeleton("coco").sigmas
    figures = evaluate_keypoints(coco.dataset, results, [sample.image_id for sample in samples], sigmas)
    all_ways = np.concatenate(ways)
    return Cap(figures, all_ways.mean(0), np.sqrt((all_ways**2).mean(0)))


def main() -> ExitCode:
    """Print the cap of every pair."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("annotations", help="COCO keypoint json; images are not needed")
    parser.add_argument("--side", type=count, default=512, help="input pixels of the fitted side (default 512)")
    parser.add_argument("--fit", nargs="+", choices=["long", "short"], default=["long", "short"], help="fitted side")
    parser.add_argument("--stride", type=count, default=4, help="input pixels per map cell (default 4)")
    args = parser.parse_args()
    with contextlib.redirect_stdout(None):
        coco = COCO(args.annotations)
    print(f"{'targets and decoder':<20} {'fit':<5}    AP  AP50  AP75   bias x, y (cells)   rms x, y (cells)")
    for pair in PAIRS:
        for fit in args.fit:
            cap = decoding_cap(coco, pair, args.side, fit, args.stride)
            figures = " ".join(f"{cap.figures[name]:.3f}" for name in ("AP", "AP50", "AP75"))
            bias, rms = (", ".join(f"{value:+.3f}" for value in pair_of) for pair_of in (cap.bias, cap.rms))
            print(f"{pair:<20} {fit:<5} {figures}   {bias:<18}  {rms}")
    return ExitCode.DONE


if __name__ == "__main__":
    sys.exit(run(main))
