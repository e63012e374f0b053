"""Try a config out before a training is started with it: everything built, one batch, one prediction."""

from __future__ import annotations

import argparse
import sys

from aemm.cli.arguments import add_config, count, parse_options
from aemm.cli.outcome import ExitCode

EXAMPLES = (
    "configs/synthetic/pose_hourglass_tiny_128.py --picture first_batch.png",
    "configs/pose/higherhrnet_w32_coco_512.py --processes 8 --auto-batch",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How the training would be started."""
    add_config(parser)
    parser.add_argument("--processes", type=count, default=1, help="that would train together (default 1)")
    batch = parser.add_mutually_exclusive_group()
    batch.add_argument("--auto-batch", action="store_true", help="as of aemm train")
    batch.add_argument("--scale-lr", action="store_true", help="as of aemm train")
    parser.add_argument("--picture", help="draw the first samples with their targets into this file, such as batch.png")


def main(args: argparse.Namespace) -> ExitCode:
    """Print what is there, then what is wrong."""
    from aemm.engine import load_config, require
    from aemm.engine.outputs import check_file
    from aemm.engine.trial import Plan, try_config
    from aemm.engine.words import plural

    cfg = load_config(args.config, parse_options(args.cfg_options))
    require(cfg, ("model",), "be tried")
    if args.picture:
        check_file(args.picture, "--picture", args.config)
    trial = try_config(cfg, Plan(args.processes, args.auto_batch, args.scale_lr, args.picture))
    width = max(len(title) for title, _ in trial.facts)
    for title, text in trial.facts:
        print(f"{title:>{width}}  " + text.replace("\n", f"\n{'':>{width}}  "))
    for advice in trial.advice:
        print(f"{'advice':>{width}}  {advice}")
    if trial.faults:
        listed = "\n".join(f"  - {fault}" for fault in trial.faults)
        print(f"{args.config} has {plural(len(trial.faults), 'fault')}:\n{listed}", file=sys.stderr)
        return ExitCode.FAULT
    print(f"{args.config} can be trained")
    return ExitCode.DONE
