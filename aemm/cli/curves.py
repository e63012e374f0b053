"""Draw the curves of trainings: losses, metrics, learning rate and the spread of the tags."""

from __future__ import annotations

import argparse

from aemm.cli.outcome import ExitCode

EXAMPLES = ("work_dirs/demo", "work_dirs/first work_dirs/second --out curves.png")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which trainings are drawn."""
    parser.add_argument("runs", nargs="+", metavar="RUN", help="work dir of a training")
    parser.add_argument("--out", default="curves.svg", help=".svg, .png or .pdf file (default curves.svg)")


def main(args: argparse.Namespace) -> ExitCode:
    """Draw them in one picture."""
    from pathlib import Path

    from aemm.engine.outputs import check_file
    from aemm.formats.scalars import read_history
    from aemm.reports.plots import save_history

    if not args.out.endswith((".svg", ".png", ".pdf")):
        args.parser.error(f"--out must name a .svg, .png or .pdf file, got {args.out!r}")
    names = [Path(run).resolve().name for run in args.runs]
    if len(set(names)) < len(names):
        names = args.runs
    histories = {}
    for name, run in zip(names, args.runs, strict=True):
        histories[name] = read_history(run)
        if not histories[name]:
            raise FileNotFoundError(
                f"{run} holds no curves (*/vis_data/scalars.json); name the work dir of a training that logged "
                "with LocalVisBackend, as trainings do unless the config's visualizer says otherwise"
            )
    check_file(args.out, "--out")
    save_history(args.out, histories)
    print(f"the curves are in {args.out}")
    return ExitCode.DONE
