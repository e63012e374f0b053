"""Convert a published checkpoint to an aemm checkpoint.

python tools/checkpoint_tools/convert.py --layout higherhrnet pose_higher_hrnet_w32_512.pth \
    configs/pose/higherhrnet_w32_coco_512.py higherhrnet_w32.pth
"""

from __future__ import annotations

import argparse

from aemm.engine import run
from aemm.engine.convert import LAYOUTS, convert_file


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="the published checkpoint")
    parser.add_argument("config", help="config of the model that is to load it")
    parser.add_argument("target", help="where to write the converted checkpoint")
    parser.add_argument(
        "--layout",
        required=True,
        choices=LAYOUTS,
        help="where it comes from: the authors' PoseNet, HRNet/HigherHRNet-Human-Pose-Estimation, or mmpose 0.x or 1.x",
    )
    return parser.parse_args()


def main() -> None:
    """Convert."""
    args = parse_args()
    count = convert_file(args.source, args.config, args.target, args.layout)
    print(f"{count} entries converted, every entry of the model is set: {args.target}")


if __name__ == "__main__":
    run(main)
