import pytest
import torch

from aemm.models import FeaturePyramid
from aemm.models.backbones.pyramid import SimplePyramid, TopDownPyramid


def test_a_simple_pyramid_makes_finer_and_coarser_maps_of_one():
    net = SimplePyramid(12, 16, 8, (2, 4, 16, 32))
    shapes = [feat.shape for feat in net(torch.zeros(1, 12, 6, 4))]
    assert shapes == [(1, 8, 48, 32), (1, 8, 24, 16), (1, 8, 6, 4), (1, 8, 3, 2)]


def test_what_only_the_coarsest_map_shows_reaches_the_finest():
    torch.manual_seed(0)
    net = TopDownPyramid((4, 6, 8), (4, 8, 16), 5, (8, 4)).eval()
    feats = [torch.randn(1, c, side, side) for c, side in zip((4, 6, 8), (8, 4, 2), strict=True)]
    before = net(*feats)
    assert [feat.shape for feat in before] == [(1, 5, 4, 4), (1, 5, 8, 8)]
    after = net(*feats[:2], feats[2] + torch.tensor([1.0, 0.0]))
    left = [(b - a)[..., : b.shape[-1] // 2 - 1].abs().amax() for a, b in zip(before, after, strict=True)]
    right = [(b - a)[..., b.shape[-1] // 2 + 1 :].abs().amax() for a, b in zip(before, after, strict=True)]
    assert min(left) > 0.01
    assert max(right) < 1e-6


def test_stages_finer_than_all_that_is_wanted_have_no_weights():
    net = TopDownPyramid((4, 6, 8), (4, 8, 16), 5, (16, 8))
    assert len(net.sideways) == 2
    assert [feat.shape[-1] for feat in net(*(torch.zeros(2, c, s, s) for c, s in ((4, 8), (6, 4), (8, 2))))] == [2, 4]


@pytest.mark.parametrize(
    ("backbone", "strides", "words"),
    [
        (dict(type="ResNet", width=8), (5,), "stride 32 is brought to others by factors of 2, which do not lead to 5"),
        (dict(type="HourglassAE", out_channels=6, stacks=2, width=8, growth=4), (2,), r"some of \(4, 4\), .* got 2"),
    ],
)
def test_strides_that_cannot_be_reached_are_refused(backbone, strides, words):
    with pytest.raises(ValueError, match=words):
        FeaturePyramid(backbone, strides=strides)
