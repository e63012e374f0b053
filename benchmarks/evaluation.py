"""CocoMetric over 5,000 images against hotcoco alone, which gets the same people as lists that are ready.

What memory a larger set takes beside what is evaluated is measured before, once.

python benchmarks/evaluation.py [--images 5000] [--most 40000]
"""

from __future__ import annotations

import argparse
import contextlib
import io
import resource
from collections.abc import Callable
from typing import Any

import numpy as np
from mmengine.logging import MMLogger
from timing import Bar, Row, paired_ms, peer, print_table, summarise

from aemm.evaluation import CocoMetric
from aemm.evaluation.functional.coco import keypoint_dicts
from aemm.records import DatasetInfo, Instances, Truth
from aemm.skeletons import SKELETONS

INFO = DatasetInfo("drawn", SKELETONS["coco"], ("person",), (1,))


def draw_pairs(images: int) -> list[tuple[Truth, Instances]]:
    """Truth and prediction of images with up to four people, and two that are not there."""
    rng, pairs = np.random.default_rng(0), []
    for number in range(images):
        count = int(rng.integers(0, 5))
        points = rng.uniform(0, 480, (count, 17, 2))
        near = points + rng.normal(0, 3, points.shape)
        truth = Truth(
            number,
            (480, 640),
            keypoints=points,
            visible=rng.integers(0, 3, (count, 17)),
            area=np.full(count, 9000.0),
            boxes=np.concatenate([points.min(1), points.max(1)], axis=1),
        )
        found = Instances(
            number,
            (480, 640),
            scores=rng.random(count + 2),
            keypoints=np.concatenate([near, rng.uniform(0, 480, (2, 17, 2))]).astype(np.float32),
            keypoint_scores=rng.random((count + 2, 17)).astype(np.float32),
        )
        pairs.append((truth, found))
    return pairs


def metric_over(pairs: list[tuple[Truth, Instances]]) -> Callable[[], None]:
    """A call that evaluates them."""
    metric = CocoMetric()
    metric.dataset_meta = INFO

    def whole() -> None:
        metric.results = list(pairs)
        metric.evaluate(len(pairs))

    return whole


def gigabytes(images: int) -> float:
    """By how much the largest resident size of this process grows while so many images are evaluated."""
    whole = metric_over(draw_pairs(images))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    whole()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20


def hotcoco_alone(hotcoco: Any, pairs: list[tuple[Truth, Instances]]) -> Callable[[], None]:
    """A call of the evaluator, for which everything is made ready."""
    truth, results = keypoint_dicts(pairs, INFO)
    truth["annotations"] = [row | {"keypoints": list(row["keypoints"])} for row in truth["annotations"]]
    results = [row | {"keypoints": list(row["keypoints"])} for row in results]

    def alone() -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            known = hotcoco.COCO(truth)
            evaluation = hotcoco.COCOeval(known, known.loadRes(results), "keypoints")
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()

    return alone


def main() -> None:
    """Time the metric and the evaluator in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--most", type=int, default=40_000, help="images whose memory is measured")
    args = parser.parse_args()
    hotcoco = peer("hotcoco")
    if hotcoco is None:
        return
    MMLogger.get_current_instance().setLevel("ERROR")
    grown = gigabytes(args.most)
    pairs = draw_pairs(args.images)
    ours, floor, ratio = paired_ms(metric_over(pairs), hotcoco_alone(hotcoco, pairs), 7)
    name = f"`CocoMetric`, {args.images:,} images; floor: hotcoco alone"
    summarise(Row(name, Bar(floors=4), ours, pairs=7, floor=floor))
    summarise(Row(f"memory of `CocoMetric`, {args.most:,} images", Bar(own=0.6), grown, "GB"))
    print_table(
        "OKS AP of a whole set",
        ("images", "pairs", "CocoMetric, ms", "floor: hotcoco alone, ms", "times the floor"),
        [(str(args.images), "7", f"{ours:.0f}", f"{floor:.0f}", f"{1 / ratio:.1f}")],
    )


if __name__ == "__main__":
    main()
