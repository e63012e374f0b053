"""Run a step of training again that was not finite, and say where it first goes wrong."""

from __future__ import annotations

import argparse

from aemm.cli.arguments import add_config, parse_options
from aemm.cli.outcome import ExitCode

EXAMPLES = (
    "work_dirs/run/non_finite_iter_1234.pth configs/pose/hourglass4_coco_512.py",
    "work_dirs/run/non_finite_iter_1234.pth configs/pose/hourglass4_coco_512.py --checkpoint work_dirs/run/epoch_3.pth",
)
_SHOWN = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which step, and with which weights."""
    parser.add_argument("step", help="file that the training left in its work dir")
    add_config(parser, "config file of the training")
    parser.add_argument("--checkpoint", help="weights to use instead of those in the file")


def main(args: argparse.Namespace) -> ExitCode:
    """Print what is not finite."""
    from aemm.engine import load_config, require
    from aemm.engine.replay import replay

    cfg = load_config(args.config, parse_options(args.cfg_options))
    require(cfg, ("model", "optim_wrapper"), "be trained")
    step = replay(cfg, args.step, args.checkpoint)
    for number, terms in enumerate(step.losses, 1):
        print(f"batch {number}: " + ", ".join(f"{name} {value:.6g}" for name, value in terms.items()))
    print(f"gradient norm: {step.norm:.6g}")
    print(f"first layer whose output is not finite: {step.layer or 'none'}")
    names = step.gradients[:_SHOWN] + [f"and {len(step.gradients) - _SHOWN} more"] * (len(step.gradients) > _SHOWN)
    print(f"gradients that are not finite ({len(step.gradients)}): {', '.join(names) or 'none'}")
    print(f"iteration {step.iteration + 1} is {'finite this time' if step.finite else 'at fault again'}")
    return ExitCode.DONE
