"""Report on trained models: one page of what they find, what they miss and why; several side by side."""

from __future__ import annotations

import argparse

from aemm.cli.arguments import add_options, count, parse_options
from aemm.cli.outcome import ExitCode

EXAMPLES = ("work_dirs/demo", "work_dirs/first work_dirs/second --out comparison")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which runs are looked at."""
    parser.add_argument("runs", nargs="+", metavar="RUN", help="work dir of a training, or one of its checkpoints")
    parser.add_argument("--out", help="folder of the page; default the folder report in the first RUN's")
    parser.add_argument("--examples", type=count, default=6, help="images of each kind that are shown (default 6)")
    parser.add_argument(
        "--oracle-images", type=count, default=100, help="images of the table of what detection costs (default 100)"
    )
    add_options(parser)


def main(args: argparse.Namespace) -> ExitCode:
    """Test every run, and write the page."""
    from aemm.engine.outputs import check_folder
    from aemm.engine.runs import evaluate_run, find_run
    from aemm.reports import write_report

    found = [find_run(path) for path in args.runs]  # a wrong one ends here
    out = args.out or str(found[0][1].parent / "report")
    check_folder(out, "--out")
    options = parse_options(args.cfg_options)
    runs = [evaluate_run(path, out, options, args.oracle_images) for path in args.runs]
    print(f"the report is in {write_report(out, runs, args.examples)}")
    return ExitCode.DONE
