from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine import Config

from aemm.engine.convert import LAYOUTS, convert_state
from aemm.models import Embedder, HourglassAE
from tests.golden import checkpoint_of

CONFIGS = Path(__file__).resolve().parents[3] / "configs"


def _published():
    return Embedder(
        backbone=dict(type="HourglassAE", out_channels=68),
        head=dict(type="AEHead", num_heatmaps=17, project=False),
        decoder=dict(type="PoseDecoder", skeleton="coco"),
    ).eval()


@pytest.mark.golden
def test_net_newell_posenet_equals_the_original_through_the_converter(golden):
    file = np.load(golden / "net_newell_posenet.npz")
    model = _published()
    model.load_state_dict(convert_state(checkpoint_of(file), LAYOUTS["newell"], model))
    with torch.no_grad():
        stages = model.backbone(torch.from_numpy(file["image"]))
    expected = [file[f"stack{i}"] for i in range(len([k for k in file.files if k.startswith("stack")]))]
    assert len(stages) == len(expected)
    for stage, want in zip(stages, expected, strict=True):
        np.testing.assert_allclose(stage.numpy(), want, rtol=0, atol=1e-4 * np.abs(want).max())
    maps = model.head.predict(model.head(stages))
    np.testing.assert_array_equal(maps.heatmaps, stages[-1][:, :17])
    np.testing.assert_array_equal(maps.tags[:, :, 0], stages[-1][:, 17:34])


def _small(**changes):
    return HourglassAE(out_channels=6, stacks=2, width=8, growth=4, depth=2, stem=(4, 8, 8), **changes)


def test_tag_weights_are_drawn_wide_and_survive_initialisation():
    torch.manual_seed(0)
    net = _small(tag_channels=(3, 6), tag_std=2.0)
    net.init_weights()
    for out in net.outs:
        assert out.conv.weight[3:].std() > 1
        assert out.conv.weight[:3].std() < 0.5


def test_the_recipe_with_batch_norm_starts_all_its_convolutions_near_zero():
    settings = Config.fromfile(CONFIGS / "_base_/models/hourglass4_bn_ae.py").model.backbone
    settings.pop("type")
    net = HourglassAE(**{**settings, "stacks": 2, "width": 32, "growth": 16, "stem": (8, 16, 16)})
    net.init_weights()
    for module in net.modules():
        if isinstance(module, torch.nn.Conv2d):
            assert module.weight.std().item() == pytest.approx(0.001, rel=0.2)
            assert module.bias is None or not module.bias.any()
        elif isinstance(module, torch.nn.BatchNorm2d):
            assert (module.weight == 1).all()


def test_tag_channels_without_a_deviation_are_refused():
    with pytest.raises(ValueError, match="come together"):
        _small(tag_channels=(3, 6))


def test_without_pooling_the_second_convolution_halves_with_the_same_weights():
    torch.manual_seed(0)
    pooled, strided = _small().stem.eval(), _small(pool=False).stem.eval()
    strided.load_state_dict(pooled.state_dict())
    image = torch.rand(1, 3, 32, 48)
    with torch.no_grad():
        full = pooled[1](pooled[0](image))
        assert strided[:3](image).shape == pooled[:3](image).shape == (1, 8, 8, 12)
        torch.testing.assert_close(strided[:3](image), full[:, :, ::2, ::2])
