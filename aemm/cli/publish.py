"""Write a checkpoint for others: weights and facts about the run alone, named by the hash of the file."""

from __future__ import annotations

import argparse

from aemm.cli.outcome import ExitCode

EXAMPLES = (
    "work_dirs/hrnet_w32_coco_512/best_coco_AP_epoch_300.pth hrnet_w32_coco_512",
    "work_dirs/demo/epoch_2.pth published/demo",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is published, and under which name."""
    parser.add_argument("source", help="checkpoint of a training run")
    parser.add_argument("target", help="path and name of the result, to which -<hash>.pth is added")


def main(args: argparse.Namespace) -> ExitCode:
    """Publish."""
    from aemm.engine.outputs import check_file
    from aemm.engine.publish import publish

    check_file(f"{args.target}-00000000.pth", "target")  # the hash is yet to be known
    print(publish(args.source, args.target))
    return ExitCode.DONE
