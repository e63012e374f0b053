import numpy as np
import pytest
import torch

from aemm.engine.checkpoint import CheckpointError
from aemm.engine.convert import convert_state, rename_newell
from aemm.models import Embedder, HourglassAE
from tests.golden import checkpoint_of


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
    model.load_state_dict(convert_state(checkpoint_of(file), rename_newell, model))
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


def test_sides_that_do_not_halve_are_refused_with_the_multiple():
    with pytest.raises(ValueError, match="multiples of 16"):
        _small()(torch.zeros(1, 3, 40, 32))


def test_checkpointing_gives_the_same_gradients():
    torch.manual_seed(0)
    plain = _small()
    saving = _small(with_cp=True)
    saving.load_state_dict(plain.state_dict())
    image = torch.randn(2, 3, 32, 32)
    for net in (plain, saving):
        sum(m.square().mean() for m in net(image)).backward()
    for a, b in zip(plain.parameters(), saving.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad)


def test_tag_weights_are_drawn_wide_and_survive_initialisation():
    torch.manual_seed(0)
    net = _small(tag_channels=(3, 6), tag_std=2.0)
    net.init_weights()
    for out in net.outs:
        assert out.conv.weight[3:].std() > 1
        assert out.conv.weight[:3].std() < 0.5


def test_tag_channels_without_a_deviation_are_refused():
    with pytest.raises(ValueError, match="come together"):
        _small(tag_channels=(3, 6))


def test_converter_names_a_missing_and_a_misshapen_entry():
    model = Embedder(
        backbone=dict(type="HourglassAE", out_channels=4, stacks=1, width=8, growth=4, depth=1, stem=(4, 8, 8)),
        head=dict(type="AEHead", num_heatmaps=2, project=False),
        decoder=dict(type="PoseDecoder", skeleton=dict(keypoints=["a", "b"], sigmas=[0.1, 0.1])),
    )
    back = [
        ("backbone.stem.", "pre."),
        (".skip.", ".up1."),
        (".down.", ".low1."),
        (".inner.", ".low2."),
        (".up.", ".low3."),
    ]

    def foreign(name):
        for ours, theirs in back:
            name = name.replace(ours, theirs)
        return "model.module." + name.removeprefix("backbone.")

    state = {foreign(name): value for name, value in model.state_dict().items()}
    assert convert_state(state, rename_newell, model).keys() == model.state_dict().keys()
    lost = {k: v for k, v in state.items() if "pre.1.conv.bias" not in k}
    with pytest.raises(CheckpointError, match=r"backbone\.stem\.1\.conv\.bias is missing"):
        convert_state(lost, rename_newell, model)
    with pytest.raises(CheckpointError, match=r"stem\.0\.conv\.bias is \(3,\) in the checkpoint, \(4,\) in the model"):
        convert_state(state | {"model.module.pre.0.conv.bias": torch.zeros(3)}, rename_newell, model)
    with pytest.raises(CheckpointError, match="stranger is in the checkpoint, but not in the model"):
        convert_state(state | {"model.module.stranger": torch.zeros(3)}, rename_newell, model)
