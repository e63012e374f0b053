"""Train a model from a config."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from aemm.cli.arguments import add_config, add_launcher, parse_options, seed
from aemm.cli.outcome import ExitCode
from aemm.ops.collector import collector_off

if TYPE_CHECKING:
    from mmengine.runner import Runner

EXAMPLES = (
    "configs/synthetic/pose_hourglass_tiny_128.py",
    "configs/pose/hourglass4_coco_512.py --auto-batch --resume",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is trained, and how."""
    add_config(parser)
    parser.add_argument("--work-dir", help="logs and checkpoints; default work_dirs/<name of the config>")
    parser.add_argument(
        "--resume",
        nargs="?",
        const="auto",
        help="go on from a checkpoint, or without a value (or with 'auto') from the newest of the work dir",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="start anew where the work dir holds checkpoints, and delete these"
    )
    batch = parser.add_mutually_exclusive_group()
    batch.add_argument(
        "--auto-batch", action="store_true", help="add up gradients until a step has seen the recipe's global batch"
    )
    batch.add_argument(
        "--scale-lr",
        action="store_true",
        help="train with the batch there is; the rate is scaled with it, iteration counts against it",
    )
    parser.add_argument(
        "--amp",
        nargs="?",
        const="auto",
        choices=["auto", "float16", "bfloat16"],
        help="mixed precision; without a value bfloat16 on a CPU and where a GPU computes in it, else float16",
    )
    parser.add_argument("--seed", type=seed, help="of weights, order and augmentation; default from the config")
    add_launcher(parser)


def main(args: argparse.Namespace) -> ExitCode:
    """Train."""
    with collector_off():  # hardly anything of what is imported and built is ever given back
        runner = _build(args)
    runner.train()
    return ExitCode.DONE


def _build(args: argparse.Namespace) -> Runner:
    from aemm.engine import (
        build_runner,
        count_processes,
        fit_batch,
        load_config,
        require,
        set_seed,
        set_work_dir,
        use_mixed_precision,
    )
    from aemm.engine.threads import choose_threads

    cfg = load_config(args.config, parse_options(args.cfg_options))
    require(cfg, ("model", "train_dataloader", "train_cfg", "optim_wrapper"), "be trained")
    processes = count_processes(args.launcher)
    batch = fit_batch(cfg, processes, args.auto_batch, args.scale_lr)
    set_work_dir(cfg, args.config, args.work_dir)
    set_seed(cfg, args.seed)
    if args.amp:
        use_mixed_precision(cfg, None if args.amp == "auto" else args.amp)
    if args.resume is not None:
        cfg.resume = True
        cfg.load_from = None if args.resume == "auto" else args.resume
    if args.overwrite:
        cfg.merge_from_dict({"default_hooks.checkpoint.overwrite": True})
    threads = choose_threads(processes, exact=bool(cfg.get("randomness", {}).get("deterministic")))
    runner = build_runner(cfg, args.launcher)
    runner.logger.info(threads)
    if batch:
        runner.logger.info(batch)
    return runner
