"""Draw what a network is shown and asked for: images after all transforms, heatmaps, ignored regions, cells of tags."""

from __future__ import annotations

import argparse
import sys

from aemm.cli.arguments import add_config, count, parse_options, seed
from aemm.cli.outcome import ExitCode

EXAMPLES = (
    "configs/synthetic/pose_hourglass_tiny_128.py",
    "birds/birds.py --part val --out-dir pictures --limit 50",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which samples, and where to."""
    add_config(parser)
    parser.add_argument("--part", choices=["train", "val", "test"], default="train", help="of the data (default train)")
    parser.add_argument("--out-dir", default="browse", help="folder for the pictures (default browse)")
    parser.add_argument("--limit", type=count, default=20, help="draw at most this many (default 20)")
    parser.add_argument("--seed", type=seed, default=0, help="another one draws other augmentations (default 0)")


def main(args: argparse.Namespace) -> ExitCode:
    """Draw."""
    from aemm.engine import load_config
    from aemm.engine.browse import browse
    from aemm.engine.outputs import check_folder
    from aemm.formats import UnreadableImageError
    from aemm.formats.listing import list_rows

    check_folder(args.out_dir, "--out-dir")
    cfg = load_config(args.config, parse_options(args.cfg_options))
    drawn = list(browse(cfg, args.part, args.out_dir, args.limit, args.seed))
    unread = [str(one) for one in drawn if isinstance(one, UnreadableImageError)]
    print(f"{len(drawn) - len(unread)} pictures: {args.out_dir}")
    if unread:
        print(f"{len(unread)} of {len(drawn)} images cannot be read:", *list_rows(unread), sep="\n", file=sys.stderr)
        return ExitCode.LEFT_OUT
    return ExitCode.DONE
