"""Milliseconds of an exported network in ONNX Runtime and in OpenVINO, beside the same network in torch.

python benchmarks/deployment.py [--config configs/pose/hrnet_w32_coco_512.py] [--checkpoint FILE] [--threads 2]

The network gets one image of its input's size; that of the file normalises it and finds the peaks, too. The whole is a
prediction: an array of pixels becomes people, that is resizing, network, grouping and filling, one image at a time.
Torch and an engine take turns, and the ratio is the median over the pairs. What is counted is time on the clock, since
engines and torch wait for their threads in ways of their own: measure on an idle machine. Without a checkpoint the
weights are as they start, and a threshold is chosen by which ten peaks of each keypoint are left to group.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from timing import paired_ms, print_table

from aemm.apis import Inferencer
from aemm.datasets.synthetic import SyntheticPoseDataset
from aemm.engine import load_config, set_views
from aemm.export import ExportOptions, at_one_scale, export_model
from aemm.runtime import Predictor

RECIPE = Path(__file__).resolve().parents[1] / "configs" / "pose" / "hrnet_w32_coco_512.py"
LEFT = 10  # peaks of each keypoint, where no checkpoint says what people are


def inferencer_of(config: str, checkpoint: str | None, size: int, image: Any) -> tuple[Any, Inferencer]:
    """Config and model, one view of squares of ``size`` pixels."""
    cfg = load_config(config)
    at_one_scale(cfg)
    set_views(cfg, None, False)
    cfg.test_dataloader.dataset.pipeline[-1].size = size
    if checkpoint is None:
        cfg.model.backbone.pop("init_cfg", None)
        torch.manual_seed(0)
    inferencer = Inferencer(cfg, checkpoint, "cpu", thinning=None, overlap=False)
    if checkpoint is None:
        with torch.no_grad():
            heat = inferencer.model.maps(inferencer.model.data_preprocessor(inferencer.batch(image))["batch"]).heatmaps
        peaks = (heat * (heat == torch.nn.functional.max_pool2d(heat, 5, 1, 2))).flatten()
        inferencer.model.decoder.threshold = float(peaks.topk(LEFT * heat.shape[1]).values[-1])
    return cfg, inferencer


def network_of(inferencer: Inferencer, image: Any) -> Callable[[], Any]:
    """The network on one image, as it comes from the preprocessor."""
    pixels = inferencer.model.data_preprocessor(inferencer.batch(image))["batch"].images[0]

    @torch.no_grad()
    def call() -> Any:
        return inferencer.model.network(pixels)

    return call


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default=str(RECIPE))
    parser.add_argument("--checkpoint")
    parser.add_argument("--size", type=int, default=512, help="side of the image, pixels")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pairs", type=int, default=15)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    image = SyntheticPoseDataset(1, args.size, people=(4, 4)).load(0).image
    cfg, inferencer = inferencer_of(args.config, args.checkpoint, args.size, image)
    alone, whole = network_of(inferencer, image), lambda: inferencer.predict(image)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        exported = export_model(cfg, inferencer.model, Path(folder) / "network.onnx", ExportOptions())
        for engine in ("onnxruntime", "openvino"):
            predictor = Predictor(exported.path, engine, threads=args.threads)
            shown = predictor.show(image)
            pairs = {
                "network": (lambda run=predictor.engine.run, shown=shown: run(shown), alone),
                "whole": (lambda predict=predictor.predict: predict(image), whole),
            }
            for part, (ours, theirs) in pairs.items():
                own, other, ratio = paired_ms(ours, theirs, args.pairs, time.perf_counter)
                rows.append([f"{engine}, {part}", f"{own:.0f}", f"{other:.0f}", f"{ratio:.2f}"])
        people = len(inferencer.predict(image))
    title = f"{Path(args.config).stem}, {args.size}x{args.size}, {args.threads} threads, {people} people"
    print_table(title, ("", "ms", "torch, ms", "ratio"), rows)


if __name__ == "__main__":
    main()
