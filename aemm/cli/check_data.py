"""Check data sets before training: counts, all faults, and a page with drawn examples of what is odd."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from aemm.cli.arguments import add_config, parse_options
from aemm.cli.outcome import ExitCode

if TYPE_CHECKING:
    from aemm.apis.data_check import SetReport

EXAMPLES = (
    "configs/pose/hourglass4_coco_512.py --page coco.html",
    "people.json photos --skeleton birds.json",
)
_SHOWN = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which data are checked."""
    add_config(parser, "config file, whose data sets are checked; or an annotation file in COCO's format")
    parser.add_argument("images", nargs="?", help="folder of the images of an annotation file")
    parser.add_argument(
        "--skeleton", help="keypoint set of an annotation file, a name or a json file; default the one that it names"
    )
    parser.add_argument("--category", help="of an annotation file, where several name keypoints")
    parser.add_argument("--no-images", action="store_true", help="check annotations alone, and open no image")
    parser.add_argument(
        "--page", default="check_data.html", help="html file to write, pictures within (default %(default)s)"
    )


def main(args: argparse.Namespace) -> ExitCode:
    """Check, print what was found, and write the page."""
    if args.images is None and (args.skeleton or args.category):
        args.parser.error(
            "--skeleton and --category are for an annotation file and its images; a config states its own"
        )
    if args.images is not None and args.cfg_options:
        args.parser.error("--cfg-options are for a config")
    if args.images is None and args.config.lower().endswith(".json"):
        args.parser.error("an annotation file needs the folder of its images: aemm check-data people.json photos")
    from aemm.apis.data_check import LOADERS, DataCheck
    from aemm.apis.data_page import sections_of
    from aemm.engine import load_config, require
    from aemm.engine.outputs import check_file
    from aemm.visualization.page import write_page

    check_file(args.page, "--page", args.config)
    check = DataCheck(not args.no_images)
    try:
        if args.images is None:
            cfg = load_config(args.config, parse_options(args.cfg_options))
            if not any(key in cfg for key in LOADERS):
                require(cfg, LOADERS[:1], "have its data checked")
            check.check_config(cfg)
        else:
            check.check_file(args.config, args.images, args.skeleton, args.category)
    finally:  # what was found before an error or an interruption counts
        if check.reports:
            _print(check.reports)
            write_page(args.page, sections_of(check.reports))
            print(f"written: {args.page}")
    faults = sum(len(report.faults) for report in check.reports)
    if faults:
        print(f"\nerror: {faults} {'fault' if faults == 1 else 'faults'} in the data, listed above", file=sys.stderr)
    return ExitCode.FAULT if faults else ExitCode.DONE


def _print(reports: Sequence[SetReport]) -> None:
    """What there is to say of data sets, as text."""
    from aemm.apis.data_page import describe_tally

    for report in reports:
        print(f"{report.place}: {report.source}")
        if report.samples is not None:
            print(f"  {'samples':32} {report.samples}, {report.images_read} of them opened")
        for name, value in describe_tally(report.tally) if report.tally else ():
            print(f"  {name:32} {value}")
        for title, lines in (("fault", report.faults), ("warning", [warned.text for warned in report.warned])):
            print(f"  {len(lines) or 'no'} {title}{'' if len(lines) == 1 else 's'}")
            for line in lines[:_SHOWN]:
                print(f"    - {line}")
            if len(lines) > _SHOWN:
                print(f"    (and {len(lines) - _SHOWN} more, which the page lists)")
