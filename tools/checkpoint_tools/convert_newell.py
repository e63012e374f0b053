"""Convert the authors' checkpoint.pth.tar to an aemm checkpoint.

python tools/checkpoint_tools/convert_newell.py checkpoint.pth.tar configs/pose/hourglass4_coco_512.py newell.pth
"""

from __future__ import annotations

import argparse

from aemm.engine import run
from aemm.engine.convert import convert_file


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="the authors' checkpoint")
    parser.add_argument("config", help="config of the model that is to load it")
    parser.add_argument("target", help="where to write the converted checkpoint")
    return parser.parse_args()


def main() -> None:
    """Convert."""
    args = parse_args()
    count = convert_file(args.source, args.config, args.target, "newell")
    print(f"{count} entries converted, every entry of the model is set: {args.target}")


if __name__ == "__main__":
    run(main)
