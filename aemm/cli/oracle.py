"""What detection and what grouping cost: AP with heatmaps, tags or both replaced by the truth."""

from __future__ import annotations

import argparse

from aemm.cli.arguments import add_config, count, parse_options, scale
from aemm.cli.outcome import ExitCode

EXAMPLES = (
    "configs/synthetic/pose_hourglass_tiny_128.py work_dirs/demo/best.pth",
    "configs/pose/hrnet_w32_coco_512.py checkpoint.pth --style higherhrnet --limit 500",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is looked at, and how the true maps are drawn."""
    add_config(parser, "config file of a pose model; its test data are used")
    parser.add_argument("checkpoint", help="checkpoint file")
    parser.add_argument("--sigma", type=scale, help="of the true Gaussians in cells; default map side / 64")
    parser.add_argument(
        "--style",
        choices=["newell", "higherhrnet", "udp", "unbiased"],
        default="unbiased",
        help="in which they are drawn; the one the decoder is made for (default unbiased)",
    )
    parser.add_argument("--limit", type=count, help="look at this many images only")


def main(args: argparse.Namespace) -> ExitCode:
    """Print the table."""
    from terminaltables import AsciiTable

    from aemm.engine import load_config, require
    from aemm.engine.oracle import oracle_table

    cfg = load_config(args.config, parse_options(args.cfg_options))
    require(cfg, ("model", "test_dataloader", "test_evaluator"), "be evaluated")
    table = oracle_table(cfg, args.checkpoint, args.sigma, args.style, args.limit)
    names = list(next(iter(table.values())))
    rows = [[variant, *(f"{values[name]:.4f}" for name in names)] for variant, values in table.items()]
    print(AsciiTable([["maps", *names], *rows]).table)
    return ExitCode.DONE
