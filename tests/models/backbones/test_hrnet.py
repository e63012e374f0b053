import numpy as np
import pytest
import torch

from aemm.engine.convert import LAYOUTS, convert_state
from aemm.models import Embedder, HRNet
from tests.golden import checkpoint_of


def _same_as_the_original(file, head):
    model = Embedder(
        backbone=dict(type="HRNet"),
        head=dict(type=head, num_heatmaps=17),
        decoder=dict(type="PoseDecoder", skeleton="coco"),
    ).eval()
    model.load_state_dict(convert_state(checkpoint_of(file), LAYOUTS["higherhrnet"], model))
    with torch.no_grad():
        stages = model.head(model.backbone(torch.from_numpy(file["image"])))
    expected = [file[f"out{i}"] for i in range(sum(key.startswith("out") for key in file.files))]
    assert len(stages) == len(expected)
    for stage, want in zip(stages, expected, strict=True):
        tags = [] if stage.tags is None else [stage.tags.flatten(1, 2)]
        got = torch.cat([stage.heatmaps, *tags], 1).numpy()
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-4 * np.abs(want).max())
    return model, stages


@pytest.mark.golden
def test_net_higherhrnet_w32_equals_the_original_through_the_converter(golden):
    model, stages = _same_as_the_original(np.load(golden / "net_higherhrnet_w32.npz"), "HigherHead")
    maps = model.head.predict(stages)
    up = stages[0].resize(stages[1].size)
    torch.testing.assert_close(maps.heatmaps, (up.heatmaps + stages[1].heatmaps) / 2)
    torch.testing.assert_close(maps.tags, up.tags)


@pytest.mark.golden
def test_net_hrnet_w32_ae_equals_the_original_through_the_converter(golden):
    _same_as_the_original(np.load(golden / "net_hrnet_w32_ae.npz"), "AEHead")


def test_modules_are_told_for_each_number_of_branches():
    with pytest.raises(ValueError, match="three numbers"):
        HRNet(modules=(1, 4))
