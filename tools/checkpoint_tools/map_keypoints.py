"""Make a checkpoint ready for fine-tuning on other keypoints; those with one name in both keep their maps.

python tools/checkpoint_tools/map_keypoints.py coco.pth configs/pose/hourglass4_coco_512.py \
    configs/pose/hourglass4_mpii_512_finetune.py work_dirs/hourglass4_coco_to_mpii.pth
"""

from __future__ import annotations

import argparse

from aemm.engine import run
from aemm.engine.keypoint_map import map_keypoints_file


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="the checkpoint")
    parser.add_argument("source_config", help="the config it belongs to")
    parser.add_argument("config", help="the config to fine-tune with: the same networks, other keypoints")
    parser.add_argument("target", help="where to write the result")
    parser.add_argument("--seed", type=int, default=0, help="of the channels that are drawn (default 0)")
    return parser.parse_args()


def main() -> None:
    """Map."""
    args = parse_args()
    found = map_keypoints_file(args.source, args.source_config, args.config, args.target, args.seed)
    for title, channels in (("kept", found.kept), ("drawn anew", found.new), ("left out", found.dropped)):
        print(f"{len(channels)} map channels {title}{':' if channels else ''}")
        for channel in channels:
            print(f"  {channel}")
    print(f"written: {args.target}")


if __name__ == "__main__":
    run(main)
