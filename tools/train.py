"""Train a model from a config.

python tools/train.py configs/synthetic/pose_hourglass_tiny_128.py
bash tools/dist_train.sh configs/pose/hourglass4_coco_512.py 8
"""

from __future__ import annotations

import argparse

from mmengine.config import DictAction

from aemm.engine import build_runner, load_config, run, set_work_dir, use_mixed_precision


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", help="config file")
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
    parser.add_argument("--amp", action="store_true", help="mixed precision (GPU)")
    parser.add_argument("--seed", type=int, help="of weights, order and augmentation; default from the config")
    parser.add_argument(
        "--cfg-options", nargs="+", action=DictAction, help="overrides, such as optim_wrapper.optimizer.lr=1e-4"
    )
    parser.add_argument(
        "--launcher", choices=["none", "pytorch", "slurm"], default="none", help="set by the launch scripts"
    )
    return parser.parse_args()


def main() -> None:
    """Train."""
    args = parse_args()
    cfg = load_config(args.config, args.cfg_options)
    set_work_dir(cfg, args.config, args.work_dir)
    if args.seed is not None:
        cfg.randomness.seed = args.seed
    if args.amp:
        use_mixed_precision(cfg)
    if args.resume is not None:
        cfg.resume = True
        cfg.load_from = None if args.resume == "auto" else args.resume
    if args.overwrite:
        cfg.default_hooks.checkpoint.overwrite = True
    build_runner(cfg, args.launcher).train()


if __name__ == "__main__":
    run(main)
