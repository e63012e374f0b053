from pathlib import Path

import pytest
import torch
from torch import nn

from aemm.engine import load_config
from aemm.engine.complexity import complexity
from aemm.registry import MODELS

ROOT = Path(__file__).resolve().parents[2]


# millions, as the papers and the authors' repositories state them
@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("hrnet_w32_coco_512", 28.5),
        ("higherhrnet_w32_coco_512", 28.6),
        ("higherhrnet_w48_coco_640", 63.8),
        ("hourglass4_coco_512", 138.9),
    ],
)
def test_recipes_have_the_published_number_of_parameters(name, published):
    parameters, _ = complexity(str(ROOT / "configs" / "pose" / f"{name}.py"), (64, 64))
    assert round(parameters / 1e6, 1) == published


def test_multiply_adds_are_those_of_the_convolutions(tmp_path):
    (tmp_path / "net.py").write_text(
        "default_scope = 'aemm'\n"
        "skeleton = dict(keypoints=['a', 'b'], sigmas=[0.1, 0.1])\n"
        "model = dict(type='Embedder', backbone=dict(type='ResNet', width=8), decoder=dict(type='PoseDecoder', "
        "skeleton=skeleton), head=dict(type='AEHead', num_heatmaps=2, deconv_channels=(6, 5, 4)))\n"
    )
    model = MODELS.build(load_config(str(tmp_path / "net.py")).model)
    expected = 0

    def count(module, inputs, output):
        nonlocal expected
        cells = inputs[0] if isinstance(module, nn.ConvTranspose2d) else output
        expected += module.weight.numel() * cells.shape[-2] * cells.shape[-1]

    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.register_forward_hook(count)
    model.eval()
    model.head(model.backbone(torch.zeros(1, 3, 64, 96)))
    assert complexity(str(tmp_path / "net.py"), (64, 96)) == (
        sum(p.numel() for p in model.parameters()),
        expected,
    )
