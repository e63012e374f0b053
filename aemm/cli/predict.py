"""Predict images, folders and videos; draw what is found, or write it as json."""

from __future__ import annotations

import argparse

from aemm.cli.arguments import (
    add_checkpoint,
    add_config,
    add_device,
    add_speed,
    add_thinning,
    add_views,
    choose_views,
    chosen_speed,
    chosen_thinning,
    count,
    parse_options,
    share,
)
from aemm.cli.outcome import ExitCode
from aemm.cli.progress import Progress

EXAMPLES = (
    "configs/pose/hourglass4_coco_512.py checkpoint.pth photos holiday.mp4 --out-dir pictures",
    "configs/pose/hourglass4_coco_512.py checkpoint.pth photo.jpg --json found.json --no-flip --device cpu",
    "configs/pose/hourglass4_coco_512.py checkpoint.pth 'photos/*.jpg' --json f.jsonl --batch-size 8 --min-score 0.3",
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
    parser.add_argument("--arrays", metavar="NAME.npz", help="write what is found as NumPy arrays")
    parser.add_argument(
        "--draw-threshold", type=share, help="instances and keypoints below it are not drawn; default 0.1"
    )
    parser.add_argument("--pictures-as", choices=["png", "jpg"], help="jpg is written sooner and smaller; default png")
    add_device(parser)
    parser.add_argument(
        "--engine",
        choices=["local", "ray"],
        default="local",
        help="ray: the inputs are lists of paths, one a line, which workers of a Ray cluster share; default local",
    )
    parser.add_argument("--parquet", metavar="FOLDER", help="of --engine ray: write what is found as Parquet files")
    parser.add_argument(
        "--workers", type=count, help="of --engine ray; default one for each GPU, without GPUs one for every two cores"
    )
    add_views(parser)
    add_speed(parser)
    add_thinning(parser, nms="hard", min_score=0.1)


def main(args: argparse.Namespace) -> ExitCode:
    """Predict."""
    if args.engine == "ray":
        return _predict_on_ray(args)
    if args.parquet or args.workers:
        args.parser.error("--parquet and --workers are arguments of --engine ray")
    files = [place for place in (args.json, args.arrays) if place]
    if not args.out_dir and not files:
        args.parser.error("nothing to do with what is found; give --out-dir, --json or both, or --arrays")
    if args.arrays and not args.arrays.endswith(".npz"):
        args.parser.error(f"--arrays writes an npz file; call it {args.arrays}.npz")
    from aemm.apis import Account, Inferencer, count_images, predict_all
    from aemm.cli.prediction_progress import shown_progress
    from aemm.engine import Thinning, check_device, load_config, require
    from aemm.engine.outputs import check_file, check_folder
    from aemm.engine.published import weights_or_published

    if args.out_dir:
        check_folder(args.out_dir, "--out-dir")
    for option, place in (("--json", args.json), ("--arrays", args.arrays)):
        if place:
            check_file(place, option, args.checkpoint, args.config, *args.input)
    check_device(args.device)
    cfg = load_config(args.config, parse_options(args.cfg_options), trains=False)
    require(cfg, ("model", "test_dataloader"), "predict")
    choose_views(cfg, args)
    checkpoint = weights_or_published(args.config, args.checkpoint, Progress(args.config))
    inferencer = Inferencer(
        cfg,
        checkpoint,
        args.device,
        batch_size=args.batch_size or 1,
        thinning=Thinning(**chosen_thinning(args)),
        pictures_as=args.pictures_as or "png",
        **chosen_speed(args),
    )
    account, threshold = Account(), 0.1 if args.draw_threshold is None else args.draw_threshold
    try:
        with shown_progress(lambda: count_images(args.input, args.out_dir)) as tell:
            predict_all(inferencer, args.input, args.out_dir, files, threshold, account, tell)
    finally:  # what was found before an interruption counts
        if account.images:
            print(account.describe())
            print("written: " + " and ".join(place for place in (args.out_dir, *files) if place))
    return ExitCode.DONE if account.complete else ExitCode.LEFT_OUT


def _predict_on_ray(args: argparse.Namespace) -> ExitCode:
    """Predict what lists of paths name, by workers of a Ray cluster."""
    if not args.parquet:
        args.parser.error("--engine ray writes what is found to --parquet FOLDER")
    if args.out_dir or args.json or args.arrays:
        args.parser.error("--engine ray writes Parquet files alone; leave --out-dir, --json and --arrays out")
    if args.draw_threshold is not None or args.pictures_as:
        args.parser.error("--engine ray draws nothing; leave --draw-threshold and --pictures-as out")
    if args.device not in (None, "cpu"):
        args.parser.error("--engine ray gives each worker a GPU of its own; --device can only be cpu")
    from aemm.apis import ModelSpec, predict_on_ray
    from aemm.apis.on_ray import need_ray, part_of
    from aemm.engine import Thinning
    from aemm.engine.outputs import check_file

    need_ray()
    part_of(args.parquet)  # a folder that cannot be taken ends here, before one is made
    check_file(f"{args.parquet}.tried", "--parquet")
    settings = dict(
        scales=args.scales,
        flip=False if args.no_flip else None,
        batch_size=args.batch_size or 1,
        **chosen_speed(args),
    )
    thinning = Thinning(**chosen_thinning(args))
    model = ModelSpec(args.config, args.checkpoint, parse_options(args.cfg_options), settings, thinning)
    model.load("cpu")  # what is wrong with it shows here, and not in every worker
    account = predict_on_ray(model, args.input, args.parquet, args.workers, gpus=args.device is None)
    print(f"{account.describe()}\nwritten: {args.parquet}")
    return ExitCode.DONE if account.complete else ExitCode.LEFT_OUT
