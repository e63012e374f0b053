"""Parameters and multiply-adds of networks, from their configs alone: no weights are made and nothing is computed."""

from __future__ import annotations

import argparse

from aemm.cli.arguments import count
from aemm.cli.outcome import ExitCode

EXAMPLES = (
    "configs/pose/hrnet_w32_coco_512.py",
    "--size 640 640 configs/pose/higherhrnet_w48_coco_640.py configs/pose/hourglass4_coco_512.py",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which networks, and for which image."""
    parser.add_argument("configs", nargs="+", help="configs of the networks")
    parser.add_argument(
        "--size",
        nargs=2,
        type=count,
        default=(512, 512),
        metavar=("HEIGHT", "WIDTH"),
        help="of the image in pixels (default 512 512)",
    )


def main(args: argparse.Namespace) -> ExitCode:
    """Print a line for each config."""
    from aemm.engine.complexity import complexity

    height, width = args.size
    print(f"{'parameters':>12} {'G multiply-adds':>16}  config, at {height}x{width}")
    for config in args.configs:
        parameters, adds = complexity(config, (height, width))
        print(f"{parameters:>12} {adds / 1e9:>16.1f}  {config}")
    return ExitCode.DONE
