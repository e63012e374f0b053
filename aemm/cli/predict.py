"""Predict images, folders and videos; draw what is found, or write it as json."""

from __future__ import annotations

import argparse

from aemm.cli.arguments import add_checkpoint, add_config, add_views, choose_views, parse_options
from aemm.cli.outcome import ExitCode
from aemm.cli.progress import Progress

EXAMPLES = (
    "configs/pose/hourglass4_coco_512.py checkpoint.pth photos holiday.mp4 --out-dir pictures",
    "configs/pose/hourglass4_coco_512.py checkpoint.pth photo.jpg --json found.json --no-flip --device cpu",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is looked at, and where what is found goes."""
    add_config(parser)
    add_checkpoint(parser)
    parser.add_argument(
        "input",
        nargs="+",
        help="images, videos, folders, patterns, addresses, a camera's number, or - for paths on the standard input",
    )
    parser.add_argument(
        "--out-dir",
        help="draw what is found into this folder: a picture for an image, a video without sound for a video",
    )
    parser.add_argument(
        "--json",
        help="write what is found to this file, keypoints as [x, y, score]; NAME.jsonl: a line for each image as it "
        "comes; NAME.coco.json: a COCO file",
    )
    parser.add_argument("--device", help="such as cuda:1 or cpu; default the first GPU if there is one")
    add_views(parser)


def main(args: argparse.Namespace) -> ExitCode:
    """Predict."""
    if not args.out_dir and not args.json:
        args.parser.error("nothing to do with what is found; give --out-dir, --json or both")
    from aemm.apis import Account, Inferencer, predict_all
    from aemm.engine import check_device, load_config, require
    from aemm.engine.outputs import check_file, check_folder
    from aemm.engine.published import weights_or_published

    if args.out_dir:
        check_folder(args.out_dir, "--out-dir")
    if args.json:
        check_file(args.json, "--json", args.checkpoint, args.config, *args.input)
    check_device(args.device)
    cfg = load_config(args.config, parse_options(args.cfg_options))
    require(cfg, ("model", "test_dataloader"), "predict")
    choose_views(cfg, args)
    checkpoint = weights_or_published(args.config, args.checkpoint, Progress(args.config))
    inferencer = Inferencer(cfg, checkpoint, args.device)
    account = Account()
    try:
        predict_all(inferencer, args.input, args.out_dir, [args.json] if args.json else [], account=account)
    finally:  # what was found before an interruption counts
        if account.images:
            print(account.describe())
            print("written: " + " and ".join(place for place in (args.out_dir, args.json) if place))
    return ExitCode.DONE if account.complete else ExitCode.LEFT_OUT
