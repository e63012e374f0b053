"""Switches of prediction: each does something, and what is found stays within rounding."""

import pytest
import torch
from torch import nn

from aemm.engine import ConfigError, Speed, Thinning, prepare_model
from aemm.engine.folding import fold_norms
from aemm.engine.prediction import UNTHINNED
from aemm.postprocess import MaskNms, MinScore, OksNms
from aemm.registry import MODELS
from aemm.skeletons import build_skeleton
from aemm.structures import Maps

HOURGLASS = dict(type="HourglassAE", out_channels=34, stacks=1, width=8, growth=4, depth=2, stem=(4, 8, 8))
BACKBONES = {
    "HourglassAE": dict(**HOURGLASS, norm_cfg=dict(type="BN")),
    "ResNet": dict(type="ResNet", width=8),
    "MobileNetV2": dict(type="MobileNetV2"),
    "HRNet": dict(type="HRNet", width=8),
}


def build(backbone):
    torch.manual_seed(0)
    projects = backbone["type"] != "HourglassAE"
    ups = (8, 8) if backbone["type"] == "ResNet" else ()
    head = dict(type="AEHead", num_heatmaps=17, project=projects, deconv_channels=ups)
    decoder = dict(type="PoseDecoder", skeleton="coco")
    model = MODELS.build(dict(type="Embedder", backbone=backbone, head=head, decoder=decoder)).eval()
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm2d):  # fresh ones nearly do nothing
            for value, low, high in ((norm.running_var, 0.5, 1.5), (norm.weight, 0.5, 1.0), (norm.bias, -0.1, 0.1)):
                nn.init.uniform_(value, low, high)
            nn.init.normal_(norm.running_mean, std=0.1)
    return model


def norms(*parts):
    return sum(isinstance(module, nn.BatchNorm2d) for part in parts for module in part.modules())


@pytest.fixture(scope="module")
def image():
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def maps(model, image, **speed):
    model.__dict__.pop("network", None)
    prepare_model(model, Speed(**speed), UNTHINNED)
    return model.network(image).heatmaps


@pytest.mark.parametrize("name", BACKBONES)
def test_norms_are_folded_and_the_maps_stay(name, image):
    model = build(BACKBONES[name])
    plain = maps(model, image)
    fused = maps(model, image, fuse=True)
    assert (fused - plain).abs().max() < 1e-4 * plain.abs().max()
    before, after = norms(model.backbone, model.head), norms(model.network.backbone, model.network.head)
    assert before > 0
    assert after == 0
    torch.testing.assert_close(maps(model, image), plain)  # the model itself is as it was


class Odd(nn.Module):
    """A norm defined behind a convolution that runs before it, a convolution used twice, an own kind of norm."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.twice, self.behind = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.up, self.last = nn.ConvTranspose2d(3, 5, 2, 2), nn.BatchNorm2d(5)
        for norm in (self.norm, self.behind, self.last):
            nn.init.uniform_(norm.running_var, 0.5, 1.5)

    def forward(self, x):
        x = self.conv(self.norm(x))
        x = self.behind(self.twice(self.twice(x)))
        return Maps(self.last(self.up(x)))


def test_only_norms_that_get_what_one_convolution_makes_are_folded(image):
    network = Odd().eval()
    with torch.no_grad():
        plain = network(image).heatmaps
        assert fold_norms(network, [network], image) == 1
        torch.testing.assert_close(network(image).heatmaps, plain, atol=1e-5, rtol=1e-5)
    assert isinstance(network.last, nn.Identity)
    assert isinstance(network.norm, nn.BatchNorm2d)


def test_a_batch_norm_that_is_shared_or_read_by_others_stays():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = (nn.Conv2d(3, 3, 1) for _ in range(3))
            self.shared, self.alone, self.read = (nn.BatchNorm2d(3) for _ in range(3))

        def forward(self, x):
            kept = self.c(x)
            return Maps(self.shared(self.a(x)) + self.shared(self.alone(self.b(x))) + self.read(kept) + kept)

    torch.manual_seed(0)
    net = Net().eval()
    for norm in (net.shared, net.alone, net.read):
        norm.running_var.uniform_(0.2, 3)
    image = torch.randn(1, 3, 4, 4)
    with torch.no_grad():
        before = net(image).heatmaps
        assert fold_norms(net, [net], image) == 1
        assert isinstance(net.alone, nn.Identity)
        assert isinstance(net.read, nn.BatchNorm2d)
        torch.testing.assert_close(net(image).heatmaps, before)


def test_a_network_without_norms_says_that_fuse_does_nothing(image):
    model = build(HOURGLASS)
    with pytest.warns(UserWarning, match="fuse changes nothing"):
        maps(model, image, fuse=True)


def test_half_rounds_the_maps_and_gives_them_in_float32(image):
    model = build(BACKBONES["HourglassAE"])
    plain, half = maps(model, image), maps(model, image, half=True)
    assert half.dtype == torch.float32
    assert 0 < (half - plain).abs().max() < 0.05 * plain.abs().max()


def test_the_network_is_compiled(image):
    compiled = []

    def backend(graph, inputs):
        compiled.append(graph)
        return graph.forward

    model = build(BACKBONES["HourglassAE"])
    plain = maps(model, image)
    torch.testing.assert_close(maps(model, image, compile=dict(backend=backend)), plain)
    assert compiled
    torch.compiler.reset()


def test_channels_last_changes_how_images_and_weights_lie(image):
    model = build(BACKBONES["HourglassAE"])
    plain = maps(model, image, channels_last=False)
    assert not model.data_preprocessor.channels_last
    last = maps(model, image, channels_last=True)
    assert model.data_preprocessor.channels_last
    weight = next(m.weight for m in model.backbone.modules() if isinstance(m, nn.Conv2d) and m.weight[0, 0].numel() > 1)
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert (last - plain).abs().max() < 1e-5 * plain.abs().max()


@pytest.mark.parametrize("wrong", [dict(compile="yes"), dict(compile=1.5)])
def test_options_of_a_compiler_are_checked(wrong):
    with pytest.raises(ConfigError, match="compile must be True, False or options"):
        Speed(**wrong)


def test_a_missing_compiler_is_named(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=r"needs a C\+\+ compiler"):
        Speed(compile=True)
    Speed(compile=dict(backend="eager"))


def test_what_is_thinned_out_depends_on_what_is_found():
    pose, masks = (type("Decoder", (), values)() for values in ({"skeleton": build_skeleton("mpii")}, {}))
    nms, low = Thinning().steps(pose)
    assert isinstance(nms, OksNms)
    assert (nms.threshold, nms.soft, nms.skeleton.name) == (0.7, False, "mpii")
    assert isinstance(low, MinScore)
    nms, low = Thinning("soft", 0.4, 0.2, 0.3).steps(masks)
    assert isinstance(nms, MaskNms)
    assert (nms.threshold, nms.soft, low.instances, low.keypoints) == (0.4, True, 0.2, 0.3)
    assert not UNTHINNED.steps(pose)


@pytest.mark.parametrize("wrong", [dict(nms="on"), dict(min_score=-0.1), dict(nms_threshold=2), dict(min_score="0.3")])
def test_thinning_is_checked(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Thinning(**wrong)
