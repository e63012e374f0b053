"""Evaluate a checkpoint, and if asked draw what it finds and report on it."""

from __future__ import annotations

import argparse

from aemm.cli.arguments import (
    add_checkpoint,
    add_config,
    add_device,
    add_launcher,
    add_speed,
    add_thinning,
    add_views,
    choose_views,
    chosen_speed,
    chosen_thinning,
    count,
    parse_options,
    seed,
)
from aemm.cli.outcome import ExitCode
from aemm.cli.progress import Progress

EXAMPLES = (
    "configs/synthetic/pose_hourglass_tiny_128.py work_dirs/demo/best.pth --report report",
    "configs/pose/hourglass4_coco_512.py checkpoint.pth --scales 2 1 0.5 --dump found.json --nms hard",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is evaluated, and what is written."""
    add_config(parser)
    add_checkpoint(parser)
    parser.add_argument("--work-dir", help="logs; default work_dirs/<name of the config>")
    parser.add_argument("--dump", help="write the predictions to this file, in the format of the data set's evaluator")
    parser.add_argument("--show-dir", help="draw predictions, heatmaps and tags into this folder")
    parser.add_argument("--show-limit", type=count, help="draw at most this many images (default 20)")
    parser.add_argument("--report", help="write a page about what is found, and what is not, into this folder")
    add_device(parser)
    add_views(parser)
    add_speed(parser)
    add_thinning(parser, nms="off", min_score=0.0)
    parser.add_argument("--seed", type=seed, help="default from the config")
    add_launcher(parser)


def main(args: argparse.Namespace) -> ExitCode:
    """Evaluate."""
    if args.show_limit is not None and not args.show_dir:
        args.parser.error("--show-limit says how much is drawn; give --show-dir, too")
    if args.device and args.launcher != "none":
        args.parser.error("--device is for a single process; a launcher gives each process its own")
    from aemm.engine import (
        Speed,
        Thinning,
        build_runner,
        check_device,
        load_config,
        require,
        set_dump,
        set_prediction,
        set_report,
        set_seed,
        set_show,
        set_work_dir,
    )
    from aemm.engine.outputs import check_file, check_folder
    from aemm.engine.published import weights_or_published

    check_device(args.device)
    cfg = load_config(args.config, parse_options(args.cfg_options), trains=False)
    require(cfg, ("model", "test_dataloader", "test_cfg", "test_evaluator"), "be evaluated")
    choose_views(cfg, args)
    set_prediction(cfg, Speed(**chosen_speed(args)), Thinning(**chosen_thinning(args)), args.batch_size)
    set_work_dir(cfg, args.config, args.work_dir)
    cfg.resume = False  # a run that was resumed says otherwise in the config that it saves
    set_seed(cfg, args.seed)
    if args.dump:
        check_file(args.dump, "--dump", args.checkpoint, args.config)
        set_dump(cfg, args.dump)
    if args.show_dir:
        check_folder(args.show_dir, "--show-dir")
        set_show(cfg, args.show_dir, args.show_limit or 20)
    if args.report:
        check_folder(args.report, "--report")
        set_report(cfg, args.report)
    cfg.load_from = weights_or_published(args.config, args.checkpoint, Progress(args.config))
    build_runner(cfg, args.launcher, args.device, trains=False).test()
    return ExitCode.DONE
