"""CocoMetric over 5,000 images against hotcoco alone, which gets the same people as lists that are ready.

python benchmarks/evaluation.py [--images 40000]
"""

from __future__ import annotations

import argparse
import contextlib
import io
import resource

import numpy as np
from mmengine.logging import MMLogger
from timing import paired_ms, peer, print_table

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


def main() -> None:
    """Time the metric and the evaluator in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=5000)
    images = parser.parse_args().images
    hotcoco = peer("hotcoco")
    if hotcoco is None:
        return
    MMLogger.get_current_instance().setLevel("ERROR")
    pairs = draw_pairs(images)
    metric = CocoMetric()
    metric.dataset_meta = INFO
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def whole() -> None:
        metric.results = list(pairs)
        metric.evaluate(images)

    whole()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20
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

    ours, floor, ratio = paired_ms(whole, alone, 7)
    print_table(
        "OKS AP of a whole set",
        ("images", "CocoMetric, ms", "floor: hotcoco alone, ms", "times the floor", "GB grown"),
        [(str(images), f"{ours:.0f}", f"{floor:.0f}", f"{1 / ratio:.1f}", f"{grown:.2f}")],
    )


if __name__ == "__main__":
    main()
