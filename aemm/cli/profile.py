"""Where the time of a training and of a prediction goes, step by step, and what would make them faster."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from aemm.cli.arguments import add_config, add_views, choose_views, count, parse_options
from aemm.cli.outcome import ExitCode

if TYPE_CHECKING:
    from mmengine.config import Config

EXAMPLES = (
    "configs/synthetic/pose_hourglass_tiny_128.py",
    "configs/pose/hrnet_w32_coco_512.py photos --only prediction --checkpoint checkpoint.pth --images 20",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is measured, and for how long."""
    add_config(parser)
    parser.add_argument("input", nargs="*", help="images to predict; by default the first ones of the test data")
    parser.add_argument("--only", choices=["training", "prediction"], help="measure one of the two")
    parser.add_argument("--iterations", type=count, default=10, help="of the training (default 10)")
    parser.add_argument("--images", type=count, default=10, help="that are predicted (default 10)")
    parser.add_argument("--checkpoint", help="weights of the prediction; without, the network is as it starts")
    parser.add_argument("--device", help="of the prediction, such as cuda:1 or cpu; default the first GPU, if any")
    parser.add_argument("--json", help="write the seconds of every step to this file, too")
    add_views(parser)


def main(args: argparse.Namespace) -> ExitCode:
    """Measure, and print tables and advice."""
    from aemm.engine import check_device, load_config, require
    from aemm.engine.outputs import check_file
    from aemm.formats.files import write_json

    if args.json:
        check_file(args.json, "--json", args.config, *args.input)
    check_device(args.device)
    cfg = load_config(args.config, parse_options(args.cfg_options))
    require(cfg, ("model",), "be measured")
    choose_views(cfg, args)
    found: dict[str, dict[str, float]] = {}
    if args.only != "prediction":
        found |= _training(cfg, args)
    if args.only != "training":
        found["prediction"] = _prediction(cfg, args)
    if args.json:
        write_json(args.json, found)
        print(f"written: {args.json}")
    return ExitCode.DONE


def _training(cfg: Config, args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Measure a training; seconds by step."""
    from mmengine.device import get_device

    from aemm.apis.time_advice import time_table, training_advice
    from aemm.engine.training_times import measure_loading, measure_training

    loading = measure_loading(cfg, max(1, args.iterations // 5))
    steps = measure_training(cfg, args.iterations)
    print(time_table(f"a batch of {loading.batch_size}, made by one process", loading.steps))
    print(time_table(f"an iteration on {get_device()}, {loading.workers} workers", steps))
    _print_advice(training_advice(cfg, steps, loading, get_device()))
    return {"loading": loading.steps, "training": steps}


def _prediction(cfg: Config, args: argparse.Namespace) -> dict[str, float]:
    """Measure a prediction; seconds by step."""
    import tempfile
    from pathlib import Path

    from aemm.apis import Inferencer
    from aemm.apis.prediction_times import measure_prediction, write_test_images
    from aemm.apis.time_advice import prediction_advice, time_table

    with tempfile.TemporaryDirectory() as folder:
        inputs = args.input or write_test_images(cfg, Path(folder), args.images)
        inferencer = Inferencer(cfg, args.checkpoint, args.device, overlap=False)
        steps = measure_prediction(inferencer, inputs, args.images)
    device = next(inferencer.model.parameters()).device.type
    print(time_table(f"an image, predicted on {device}", steps))
    _print_advice(prediction_advice(cfg, steps, device))
    return steps


def _print_advice(advice: Sequence[str]) -> None:
    for line in advice:
        print(f"advice  {line}")
    print()
