"""Convert the authors' checkpoint.pth.tar to an aemm checkpoint.

python tools/checkpoint_tools/convert_newell.py checkpoint.pth.tar configs/pose/hourglass4_coco_512.py newell.pth
"""

from __future__ import annotations

import argparse

import torch

from aemm.engine import load_config, read_checkpoint, run
from aemm.engine.convert import convert_state, rename_newell
from aemm.registry import MODELS


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
    model = MODELS.build(load_config(args.config).model)
    source = read_checkpoint(args.source)
    state = convert_state(source.get("state_dict", source), rename_newell, model)
    torch.save({"state_dict": state, "meta": {"source": "princeton-vl/pose-ae-train"}}, args.target)
    print(f"{len(state)} entries converted, every entry of the model is set: {args.target}")


if __name__ == "__main__":
    run(main)
