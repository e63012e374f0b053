"""Train a model from a config."""

from __future__ import annotations

import argparse

from aemm.cli.arguments import add_config, add_launcher, parse_options, seed
from aemm.cli.outcome import ExitCode

EXAMPLES = (
    "configs/synthetic/pose_hourglass_tiny_128.py",
    "configs/pose/hourglass4_coco_512.py --resume --cfg-options optim_wrapper.optimizer.lr=1e-4",
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
    parser.add_argument("--amp", action="store_true", help="mixed precision (GPU)")
    parser.add_argument("--seed", type=seed, help="of weights, order and augmentation; default from the config")
    add_launcher(parser)


def main(args: argparse.Namespace) -> ExitCode:
    """Train."""
    from aemm.engine import build_runner, load_config, require, set_seed, set_work_dir, use_mixed_precision

    cfg = load_config(args.config, parse_options(args.cfg_options))
    require(cfg, ("model", "train_dataloader", "train_cfg", "optim_wrapper"), "be trained")
    set_work_dir(cfg, args.config, args.work_dir)
    set_seed(cfg, args.seed)
    if args.amp:
        use_mixed_precision(cfg)
    if args.resume is not None:
        cfg.resume = True
        cfg.load_from = None if args.resume == "auto" else args.resume
    build_runner(cfg, args.launcher).train()
    return ExitCode.DONE
