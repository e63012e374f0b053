"""Parameters and multiply-adds of networks, from their configs alone: no weights are made and nothing is computed.

python tools/analysis_tools/complexity.py --size 512 512 configs/pose/hrnet_w32_coco_512.py
"""

from __future__ import annotations

import argparse

import torch
from torch.utils.flop_counter import FlopCounterMode

from aemm.engine import load_config, run
from aemm.registry import MODELS


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", nargs="+", help="configs of the networks")
    parser.add_argument("--size", nargs=2, type=int, default=(512, 512), help="height and width of the image, pixels")
    return parser.parse_args()


def complexity(config: str, size: tuple[int, int]) -> tuple[int, int]:
    """Parameters of a network, and the multiply-adds of its convolutions for one image.

    Published tables call multiply-adds FLOPs; counted separately, there are twice as many.

    Args:
        config: a config file.
        size: height and width of the image in pixels.
    """
    with torch.device("meta"):
        model = MODELS.build(load_config(config).model)
        image = torch.empty(1, 3, *size)
    model.eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.head(model.backbone(image))
    return sum(parameter.numel() for parameter in model.parameters()), counter.get_total_flops() // 2


def main() -> None:
    """Print a line for each config."""
    args = parse_args()
    print(f"{'parameters':>12} {'G multiply-adds':>16}  config, at {args.size[0]}x{args.size[1]}")
    for config in args.configs:
        parameters, adds = complexity(config, tuple(args.size))
        print(f"{parameters:>12} {adds / 1e9:>16.1f}  {config}")


if __name__ == "__main__":
    run(main)
