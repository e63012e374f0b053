"""Score predictions that were saved, without a model."""

from __future__ import annotations

import argparse

from aemm.cli.arguments import add_config, parse_options
from aemm.cli.outcome import ExitCode

EXAMPLES = (
    "found.json configs/pose/hourglass4_coco_512.py",
    "pred.mat configs/pose/hourglass4_mpii_512.py --cfg-options test_evaluator.threshold=0.2",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is scored, and against what."""
    parser.add_argument(
        "results", help="predictions: what aemm test --dump wrote, or COCO's results of another program"
    )
    add_config(parser, "config file; its test data and evaluator are used")


def main(args: argparse.Namespace) -> ExitCode:
    """Print the figures."""
    from aemm.engine import load_config, require
    from aemm.engine.evaluate import evaluate_results

    if args.results.endswith((".py", ".pth")):
        args.parser.error(f"the first word is a file of predictions, .json or .mat, got {args.results}")
    cfg = load_config(args.config, parse_options(args.cfg_options))
    require(cfg, ("test_dataloader", "test_evaluator"), "be evaluated")
    for name, value in evaluate_results(cfg, args.results).items():
        print(f"{name}: {value:.4f}")
    return ExitCode.DONE
