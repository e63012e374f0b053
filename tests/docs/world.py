"""A folder with what the examples of the documentation name: drawn images, annotations, tiny networks."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from aemm.datasets import SyntheticPoseDataset
from aemm.engine import load_config
from aemm.registry import MODELS
from tests.end_to_end import write_config
from tests.label_files import draw_scene, write_yolo

STICK = dict(keypoints=["nose", "left_wrist", "right_wrist", "left_ankle", "right_ankle"], sigmas=[0.05] * 5)
CONFIGS = ("config.py", "configs/pose/hrnet_w32_coco_512.py", "configs/pose/hourglass4_mpii_512.py")
CHECKPOINTS = ("CHECKPOINT", "checkpoint.pth")
# a head that a page names without showing it
MY_HEAD = """
from aemm.models.heads import AEHead
from aemm.registry import MODELS


@MODELS.register_module()
class MyHead(AEHead):
    pass
"""


def draw_world(folder: Path) -> Path:
    """Write it all; the networks of every name are one of 2 k parameters that finds something everywhere."""
    for name in (".", "birds"):
        SyntheticPoseDataset(6, 64, people=(1, 2), skeleton=STICK).export_coco(folder / name)
    tigers = folder / "tigers"
    tigers.mkdir()
    write_yolo(tigers, draw_scene(np.random.default_rng(0)))
    (folder / "photos").mkdir()
    people = SyntheticPoseDataset(2, 64, people=(1, 2))
    for n, names in enumerate((("photos/a.jpg", "holiday.jpg"), ("photos/b.jpg", "party.jpg"))):
        for name in names:
            Image.fromarray(people[n].image).save(folder / name)
    (folder / "my_head.py").write_text(MY_HEAD)
    _write_networks(folder)
    return folder


def _write_networks(folder: Path) -> None:
    config = write_config(folder / "configs" / "pose")
    torch.manual_seed(0)
    model = MODELS.build(load_config(str(config)).model)
    out = model.backbone.outs[0].conv
    torch.nn.init.normal_(out.weight.data[: model.head.num_heatmaps], std=0.3)
    out.bias.data[: model.head.num_heatmaps] = 1
    for name in CHECKPOINTS:
        torch.save({"state_dict": model.state_dict()}, folder / name)
    for name in CONFIGS:
        (folder / name).write_text(config.read_text())
