"""Convert a published checkpoint to an aemm checkpoint."""

from __future__ import annotations

import argparse

from aemm.cli.outcome import ExitCode

EXAMPLES = (
    "--layout newell checkpoint.pth.tar configs/pose/hourglass4_coco_512.py newell.pth",
    "--layout higherhrnet pose_higher_hrnet_w32_512.pth configs/pose/higherhrnet_w32_coco_512.py higherhrnet_w32.pth",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is converted, for what, and where to."""
    parser.add_argument("source", help="the published checkpoint")
    parser.add_argument("config", help="config of the model that is to load it")
    parser.add_argument("target", help="where to write the converted checkpoint")
    parser.add_argument(
        "--layout",
        required=True,
        choices=["newell", "higherhrnet", "mmpose"],
        help="where it comes from: the authors' PoseNet, HRNet/HigherHRNet-Human-Pose-Estimation, or mmpose 0.x or 1.x",
    )


def main(args: argparse.Namespace) -> ExitCode:
    """Convert."""
    from aemm.engine.convert import convert_file
    from aemm.engine.outputs import check_file

    check_file(args.target, "target", args.source, args.config)
    entries = convert_file(args.source, args.config, args.target, args.layout)
    print(f"{entries} entries converted, every entry of the model is set: {args.target}")
    return ExitCode.DONE
