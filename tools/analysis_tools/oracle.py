"""What detection and what grouping cost: AP with heatmaps, tags or both replaced by the ground truth.

python tools/analysis_tools/oracle.py configs/synthetic/pose_hourglass_tiny_128.py work_dirs/demo/best.pth
"""

from __future__ import annotations

import argparse

from mmengine.config import DictAction
from terminaltables import AsciiTable

from aemm.engine import load_config, run
from aemm.engine.oracle import oracle_table


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", help="config file of a pose model; its test data are used")
    parser.add_argument("checkpoint", help="checkpoint file")
    parser.add_argument("--sigma", type=float, help="of the true Gaussians in cells; default map side / 64")
    parser.add_argument(
        "--style",
        choices=["newell", "higherhrnet", "unbiased"],
        default="unbiased",
        help="in which they are drawn; the one the decoder is made for (default unbiased)",
    )
    parser.add_argument("--limit", type=int, help="look at this many images only")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, help="such as model.decoder.threshold=0.2")
    return parser.parse_args()


def main() -> None:
    """Print the table."""
    args = parse_args()
    cfg = load_config(args.config, args.cfg_options)
    table = oracle_table(cfg, args.checkpoint, args.sigma, args.style, args.limit)
    names = list(next(iter(table.values())))
    rows = [[variant, *(f"{values[name]:.4f}" for name in names)] for variant, values in table.items()]
    print(AsciiTable([["maps", *names], *rows]).table)


if __name__ == "__main__":
    run(main)
