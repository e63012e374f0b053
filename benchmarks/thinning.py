"""AP of poses, and how many are shown, with what `aemm predict` leaves out and without.

Run ``python benchmarks/thinning.py CONFIG CHECKPOINT``. The network sees the test set once; each row thins the same
people out in another way. An image has "people" annotated, "found" are shown at the scores that the row lets pass.
"""

from __future__ import annotations

import argparse

import numpy as np
from timing import print_table

from aemm.apis import Inferencer
from aemm.cli.arguments import parse_options
from aemm.engine import Thinning, load_config
from aemm.evaluation.functional.coco import evaluate_keypoints, keypoint_dicts
from aemm.records import Instances, Truth
from aemm.registry import DATASETS

WAYS = {
    "as decoded": Thinning("off", None, 0.0),
    "hard": Thinning("hard", None, 0.0),
    "soft": Thinning("soft", None, 0.0),
    "scores from 0.1": Thinning("off", None, 0.1),
    "hard, scores from 0.1 (predict)": Thinning(),
    "hard, scores from 0.3": Thinning("hard", None, 0.3),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config")
    parser.add_argument("checkpoint")
    parser.add_argument("--cfg-options", nargs="+", action="extend", metavar="KEY=VALUE")
    args = parser.parse_args()
    cfg = load_config(args.config, parse_options(args.cfg_options))
    inferencer = Inferencer(cfg, args.checkpoint, thinning=None)
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    info = dataset.metainfo
    pairs: list[tuple[Truth, Instances]] = []
    for n in range(len(dataset)):
        sample = dataset[n]
        pairs.append((sample.truth, inferencer.detect([sample])[0]))
    people = np.mean([(truth.need_keypoints()[1] > 0).any(1).sum() for truth, _ in pairs])
    rows = []
    for name, thinning in WAYS.items():
        steps = thinning.steps(inferencer.model.decoder)
        thinned = []
        for known, found in pairs:
            for step in steps:
                found = step(found, None)
            thinned.append((known, found))
        truth, results = keypoint_dicts(thinned, info)
        ids = [image["id"] for image in truth["images"]]
        figures = evaluate_keypoints(truth, results, ids, info.need_skeleton("OKS").sigmas)
        shown = np.mean([len(found) for _, found in thinned])
        rows.append([name, *(f"{100 * figures[key]:.1f}" for key in ("AP", "AP50", "AR")), f"{shown:.2f}"])
    print_table(f"{len(pairs)} images, {people:.2f} people each", ("", "AP", "AP50", "AR", "found"), rows)


if __name__ == "__main__":
    main()
