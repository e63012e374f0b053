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
from aemm.formats.files import read_json
from aemm.geometry import apply_warp, round_up, scaling
from aemm.models.decoders import PoseDecoder
from aemm.ops.heatmap import TargetStyle
from aemm.ops.true_maps import APART, tag_spots
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
        for person in people:
            if (got := len(person["keypoints"])) != 3 * count:
                raise ValueError(f"annotation {person['id']}: keypoints must hold 3 x {count} numbers, got {got}")
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
        Maps of one image, L = 1; the tags count the people with a keypoint inside the image.
    """
    (target,) = PoseTargets([stride], style=style).transform(sample).targets
    assert target.tag_index is not None  # by default every stride has tags
    tags = tag_spots(target.tag_index.numpy(), (len(target.heatmaps), *target.size))
    return Maps(target.heatmaps[None], torch.from_numpy(tags)[None, :, None])


def decode_truth(sample: Sample, stride: int, style: TargetStyle, decoder: PoseDecoder) -> tuple[Instances, np.ndarray]:
    """What the decoder makes of the ground truth of a sample.

    Returns:
        The people found, and ``(points, 2)`` the way from annotated points to the decoded ones in map cells. Of two
        people with the same keypoint in the same cell only one counts, and nobody who was not found by their tag.
    """
    height, width = sample.image.shape[:2]
    image = torch.zeros(1, 3, 1, 1).expand(1, 3, height, width)
    batch = Batch([image], [sample.image_id], [sample.image_size], sample.warp[None])
    maps = truth_maps(sample, stride, style)
    found = decoder(maps, batch)[0]
    keypoints, visible = sample.need_keypoints()
    inside = (visible > 0) & (keypoints >= 0).all(-1) & (keypoints < (width, height)).all(-1)
    people = np.flatnonzero(inside.any(1))
    tags, own = maps.need_tags()[0, :, 0].numpy(), found.tags
    assert own is not None  # PoseDecoder gives them
    ways = []
    for tag, points, scores in zip(own[:, 0], *found.need_keypoints(), strict=True):
        owner = round(float(tag) / APART)
        if abs(tag - APART * owner) > 0.01 or not 0 <= owner < len(people):
            continue  # a person made of several
        n = people[owner]
        k = np.flatnonzero(inside[n] & (scores > 0))
        x, y = (keypoints[n, k] / stride).astype(int).T
        k = k[tags[k, y, x] == APART * owner]
        ways.append((apply_warp(points[k], sample.warp) - keypoints[n, k]) / stride)
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
    if not samples:
        raise ValueError("nobody in the annotations has a keypoint")
    for sample in samples:
        found, way = decode_truth(sample, stride, pair, decoder)
        ways.append(way)
        pixels = found.need_keypoints()[0] - 0.5  # as annotations name them
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
    coco = COCO()
    coco.dataset = read_json(args.annotations, ("images", "annotations", "categories"))
    with contextlib.redirect_stdout(None):
        coco.createIndex()
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
