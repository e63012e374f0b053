"""How time grows with people, keypoints, tags, sides, classes, scales and images; the curves of docs/scaling.md.

python benchmarks/scaling.py [--picture docs/images/scaling.png]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import instance_decoding
import numpy as np
import torch
from decoding import scene
from evaluation import INFO, draw_pairs
from matplotlib.figure import Figure
from mmengine.logging import MMLogger
from timing import print_table

from aemm.evaluation import CocoMetric
from aemm.models.decoders import InstanceDecoder, PoseDecoder
from aemm.models.tta import TestTimeAugmentation
from aemm.ops.heatmap import draw_gaussians
from aemm.structures import Batch, Maps

_ROUNDS = 7
Curve = dict[int, float]


def cpu_ms(call: Callable[[], Any]) -> float:
    """Median CPU time of a call in milliseconds, after one that is not counted."""
    call()
    spent = []
    for _ in range(_ROUNDS):
        start = time.process_time()
        call()
        spent.append(time.process_time() - start)
    return statistics.median(spent) * 1e3


def poses(people: int = 5, size: int = 128, tag_dims: int = 2, keypoints: int = 17) -> float:
    """Milliseconds of decoding one image of poses."""
    maps, batch = scene(people, size, tag_dims, keypoints=keypoints)
    names = [f"k{n}" for n in range(keypoints)]
    skeleton = dict(name="any", keypoints=names, flip_index=list(range(keypoints)), sigmas=[0.05] * keypoints)
    return cpu_ms(partial(PoseDecoder(skeleton), maps, batch))


def masks(classes: int = 20, tag_dims: int = 3) -> float:
    """Milliseconds of decoding one image of 30 instance masks."""
    maps, batch = instance_decoding.scene(128, classes, 30, tag_dims)
    return cpu_ms(partial(InstanceDecoder(classes), maps, batch))


def targets(people: int = 5, keypoints: int = 17) -> float:
    """Milliseconds of drawing the heatmaps of one image."""
    points = np.random.default_rng(0).uniform(0, 128, (people, keypoints, 2))
    return cpu_ms(partial(draw_gaussians, points, np.ones(points.shape[:2], bool), (128, 128), 2.0))


def merging(scales: int) -> float:
    """Milliseconds of merging mirrored views of so many scales, without the network that makes their maps."""
    sides = [128, 256, 64, 192][:scales]
    images = [torch.zeros(1, 3, 4 * side, 4 * side) for side in sides]
    batch = Batch(images, [0], [(512, 512)], np.eye(3)[None], scales=tuple(side / 128 for side in sides))
    made = {4 * side: Maps(torch.rand(1, 17, side, side), torch.rand(1, 17, 1, side, side)) for side in sides}
    tta = TestTimeAugmentation(flip=True, flip_index=range(17))
    return cpu_ms(lambda: tta.maps(lambda image: made[image.shape[-1]], batch))


def evaluation(images: int) -> float:
    """Milliseconds of OKS AP over so many images."""
    pairs, metric = draw_pairs(images), CocoMetric()
    metric.dataset_meta = INFO

    def measure() -> None:
        metric.results = list(pairs)
        metric.evaluate(images)

    return cpu_ms(measure)


CURVES: dict[str, tuple[Callable[[int], float], tuple[int, ...]]] = {
    "decoding poses: people": (lambda n: poses(people=n), (1, 5, 10, 20, 30)),
    "decoding poses: keypoints": (lambda n: poses(keypoints=n), (5, 17, 68, 133)),
    "decoding poses: tag dimensions": (lambda n: poses(tag_dims=n), (1, 2, 4, 8)),
    "decoding poses: side of the maps": (lambda n: poses(size=n), (64, 128, 256, 512)),
    "decoding masks: classes": (lambda n: masks(classes=n), (1, 20, 80)),
    "decoding masks: tag dimensions": (lambda n: masks(tag_dims=n), (1, 3, 8)),
    "drawing targets: people": (lambda n: targets(people=n), (1, 5, 15, 30)),
    "drawing targets: keypoints": (lambda n: targets(keypoints=n), (5, 17, 68, 133)),
    "merging views: scales": (merging, (1, 2, 3, 4)),
    "OKS AP: images": (evaluation, (500, 1000, 2000, 4000)),
}


def draw(curves: dict[str, Curve], path: Path) -> None:
    """A picture with a panel for each curve, both axes from 0."""
    figure = Figure(figsize=(13, 5.6), layout="constrained")
    for axes, (name, curve) in zip(figure.subplots(2, 5).flat, curves.items(), strict=True):
        axes.plot(list(curve), list(curve.values()), marker="o")
        axes.set_title(name, fontsize=9)
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.set_ylabel("CPU ms", fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=80)


def main() -> None:
    """Measure every curve, print it, and draw all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", type=Path, help="draw the curves into this file")
    picture = parser.parse_args().picture
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    MMLogger.get_current_instance().setLevel("ERROR")
    curves = {name: {n: measure(n) for n in counts} for name, (measure, counts) in CURVES.items()}
    rows = [[name, "  ".join(f"{n}: {ms:.1f}" for n, ms in curve.items())] for name, curve in curves.items()]
    print_table("CPU time, milliseconds", ["cost", "count: ms"], rows)
    if picture is not None:
        draw(curves, picture)


if __name__ == "__main__":
    main()
