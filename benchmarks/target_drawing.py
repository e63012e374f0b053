"""Time of drawing the heatmaps of pose targets, beside a straightforward loop version that gives the same maps.

Run ``python benchmarks/target_drawing.py``. Where mmpose is there, its codec makes targets of the same people in turn.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from timing import Bar, Row, median_ms, paired_ms, peer, print_table, read_ms, summarise

from aemm.datasets.transforms.pose_targets import PoseTargets
from aemm.ops.heatmap import draw_gaussians
from aemm.structures import Sample

KEYPOINTS = 17
NOTE = (
    "a call of OpenCV for each keypoint, on a window of 15x15 cells, is most of it with 30 people; with 5, clearing "
    "the maps and the arrays of places are as much. Tried: NumPy's maximum, twice as slow on such windows."
)


def draw_by_loops(points: np.ndarray, size: int, sigma: float) -> np.ndarray:
    """The maps of style 'newell' for a whole sigma, a full Gaussian over the map for every keypoint."""
    maps = np.zeros((points.shape[1], size, size), np.float32)
    y, x = np.indices((size, size))
    reach = 3 * sigma + 1
    for person in points:
        for heatmap, (px, py) in zip(maps, person.astype(int), strict=True):
            gauss = np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * sigma**2))
            gauss[(abs(x - px) > reach) | (abs(y - py) > reach)] = 0
            np.maximum(heatmap, gauss, out=heatmap)
    return maps


def against_mmpose(transform: PoseTargets, sample: Sample, name: str, bar: Bar) -> Row:
    """The transform beside mmpose's codec, which makes targets of the same people; the floor is a set of empty maps.

    Args:
        transform: of stride 4.
        sample: whose image is a square.
        name: of the row.
        bar: to reach.
    """
    codecs = peer("mmpose.codecs")
    keypoints, visible = sample.need_keypoints()
    side = sample.image.shape[0]
    shape = (KEYPOINTS, side // 4, side // 4)
    own, floor, _ = paired_ms(lambda: transform(sample), lambda: np.zeros(shape, np.float32).fill(0), 101)
    if codecs is None:
        return Row(name, bar, own, pairs=101, floor=floor, note=NOTE)
    codec = codecs.AssociativeEmbedding((side, side), (side // 4, side // 4), transform.sigma)
    seen = visible.astype(np.float32)
    own, theirs, ratio = paired_ms(lambda: transform(sample), lambda: codec.encode(keypoints, seen), 101)
    return Row(name, bar, own, pairs=101, peer=theirs, ratio=ratio, floor=floor, note=NOTE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2, help="CPU threads of PyTorch")
    torch.set_num_threads(parser.parse_args().threads)
    rng, rows = np.random.default_rng(0), []
    for size, people, bar in ((128, 5, Bar(5)), (128, 30, Bar(10)), (256, 30, None)):
        points = rng.uniform(0, size, (people, KEYPOINTS, 2))
        valid, sigma = np.ones(points.shape[:2], bool), size // 64
        assert np.allclose(
            draw_gaussians(points, valid, (size, size), sigma), draw_by_loops(points, size, sigma), atol=1e-6
        )
        image = np.zeros((4 * size, 4 * size, 3), np.uint8)
        sample = Sample(image, 0, image.shape[:2], 4 * points.astype(np.float32), valid.astype(np.int64))
        transform = PoseTargets([4], sigma)
        draw = median_ms(lambda p=points, v=valid, n=size, s=sigma: draw_gaussians(p, v, (n, n), s))  # type: ignore[misc]
        whole = median_ms(lambda t=transform, s=sample: t(s))  # type: ignore[misc]
        loops = median_ms(lambda p=points, n=size, s=sigma: draw_by_loops(p, n, s))  # type: ignore[misc]
        cells = people * KEYPOINTS * (6 * sigma + 3) ** 2
        least = KEYPOINTS * size * size * 4 / 2**20
        name = f"17x{size}x{size}, {people} people"
        times = [f"{draw:.2f}", f"{whole:.2f}", f"{least:.1f}", f"{read_ms(least):.2f}", f"{cells / 1e3:.0f}k"]
        rows.append([name, *times, f"{loops:.1f}", f"{loops / draw:.0f}x"])
        if bar is not None:
            summarise(against_mmpose(transform, sample, f"targets {size}², {people} people, against mmpose", bar))
    header = ["targets", "maps ms", "PoseTargets ms", "MB", "ms to read them", "cells drawn", "loops ms", "ratio"]
    print_table("Pose targets", header, rows)


if __name__ == "__main__":
    main()
