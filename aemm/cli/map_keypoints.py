"""Make a checkpoint ready for fine-tuning on other keypoints; those with one name in both keep their maps."""

from __future__ import annotations

import argparse

from aemm.cli.arguments import seed
from aemm.cli.outcome import ExitCode

EXAMPLES = (
    "coco.pth configs/pose/hourglass4_coco_512.py configs/pose/hourglass4_mpii_512_finetune.py coco_to_mpii.pth",
    "coco.pth configs/pose/hrnet_w32_coco_512.py birds.py coco_to_birds.pth --seed 1",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """From which keypoints to which."""
    parser.add_argument("source", help="the checkpoint")
    parser.add_argument("source_config", help="the config it belongs to")
    parser.add_argument("config", help="the config to fine-tune with: the same networks, other keypoints")
    parser.add_argument("target", help="where to write the result")
    parser.add_argument("--seed", type=seed, default=0, help="of the channels that are drawn (default 0)")


def main(args: argparse.Namespace) -> ExitCode:
    """Map."""
    from aemm.engine.keypoint_map import map_keypoints_file
    from aemm.engine.outputs import check_file

    check_file(args.target, "target", args.source, args.source_config, args.config)
    found = map_keypoints_file(args.source, args.source_config, args.config, args.target, args.seed)
    for title, channels in (("kept", found.kept), ("drawn anew", found.new), ("left out", found.dropped)):
        print(f"{len(channels)} map channels {title}{':' if channels else ''}")
        for channel in channels:
            print(f"  {channel}")
    print(f"written: {args.target}")
    return ExitCode.DONE
