"""Evaluate a checkpoint, and if asked draw what it finds.

python tools/test.py configs/synthetic/pose_hourglass_tiny_128.py work_dirs/demo/best.pth --show-dir pictures
bash tools/dist_test.sh configs/pose/hourglass4_coco_512.py checkpoint.pth 8
"""

from __future__ import annotations

import argparse

from mmengine.config import DictAction

from aemm.engine import build_runner, load_config, run, set_work_dir


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", help="config file")
    parser.add_argument("checkpoint", help="checkpoint file")
    parser.add_argument("--work-dir", help="logs; default work_dirs/<name of the config>")
    parser.add_argument("--dump", help="write the predictions to this file, in the format of the data set's evaluator")
    parser.add_argument("--show-dir", help="draw predictions, heatmaps and tags into this folder")
    parser.add_argument("--show-limit", type=int, default=20, help="draw at most this many images (default 20)")
    parser.add_argument("--seed", type=int, help="default from the config")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, help="such as model.decoder.threshold=0.2")
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm"], default="none", help="set by the scripts")
    return parser.parse_args()


def main() -> None:
    """Evaluate."""
    args = parse_args()
    cfg = load_config(args.config, args.cfg_options)
    set_work_dir(cfg, args.config, args.work_dir)
    cfg.load_from = args.checkpoint
    if args.seed is not None:
        cfg.randomness.seed = args.seed
    if args.dump:
        cfg.custom_hooks = [*cfg.get("custom_hooks", []), dict(type="DumpHook", path=args.dump)]
    if args.show_dir:
        show = dict(type="ShowHook", folder=args.show_dir, limit=args.show_limit)
        cfg.custom_hooks = [*cfg.get("custom_hooks", []), show]
    build_runner(cfg, args.launcher).test()


if __name__ == "__main__":
    run(main)
