"""Predict images, folders and videos; draw what is found, or write it as json.

python tools/predict.py configs/pose/hourglass4_coco_512.py checkpoint.pth photos holiday.mp4 --out-dir pictures
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from mmengine.config import DictAction

from aemm.apis import Inferencer, to_plain
from aemm.engine import load_config, run


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", help="config file")
    parser.add_argument("checkpoint", help="checkpoint file")
    parser.add_argument("input", nargs="+", help="images, videos, GIFs, or folders of these")
    parser.add_argument("--out-dir", help="draw what is found into this folder, one picture for each image or frame")
    parser.add_argument("--json", help="write what is found to this file, keypoints as [x, y, score]")
    parser.add_argument("--device", help="such as cuda:1 or cpu; default the first GPU if there is one")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, help="such as model.decoder.threshold=0.2")
    return parser.parse_args()


def main() -> None:
    """Predict."""
    args = parse_args()
    if not args.out_dir and not args.json:
        raise ValueError("nothing to do with what is found; give --out-dir, --json or both")
    inferencer = Inferencer(load_config(args.config, args.cfg_options), args.checkpoint, args.device)
    rows, count = [], 0
    for found in inferencer(args.input, args.out_dir):
        count += len(found)
        rows.append(to_plain(found))
    if args.json:
        names = None if inferencer.skeleton is None else inferencer.skeleton.to_dict()
        Path(args.json).parent.mkdir(parents=True, exist_ok=True)
        Path(args.json).write_text(json.dumps({"skeleton": names, "images": rows}))
    written = " and ".join(place for place in (args.out_dir, args.json) if place)
    print(f"{count} instances in {len(rows)} images: {written}")


if __name__ == "__main__":
    run(main)
