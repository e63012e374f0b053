"""Networks of timm and Hugging Face: any stage, weights of their makers, errors in words."""

import sys

import pytest
import torch

from aemm.engine.trial_data import without_downloads
from aemm.formats.checkpoint import CheckpointError
from aemm.libraries import torchvision_fault
from aemm.registry import MODELS
from tests.networks import SMALL_PARTS, need_extra, small_backbone

SWIN = dict(model_type="swin", **SMALL_PARTS["swin"])


@pytest.fixture
def timm():
    need_extra("TimmBackbone")
    return sys.modules["timm"]


@pytest.fixture
def transformers():
    need_extra("HuggingFaceBackbone")
    return sys.modules["transformers"]


def build(kind, /, **settings):
    return MODELS.build(dict(type=kind, **settings))


def test_a_transformer_takes_images_of_any_size_and_gives_any_of_its_blocks(timm):
    net = build("TimmBackbone", name="test_vit", stages=(0, -1))
    assert (net.channels, net.strides, net.multiple_of) == ((64, 64), (16, 16), 16)
    assert [feat.shape for feat in net(torch.zeros(1, 3, 32, 80))] == [(1, 64, 2, 5)] * 2


def test_channels_come_first_where_the_library_puts_them_last(timm):
    small = dict(embed_dim=8, depths=(1, 1, 1, 1), num_heads=(1, 1, 1, 1))
    net = build("TimmBackbone", name="swin_tiny_patch4_window7_224", stages=(0, 2), settings=small)
    assert [feat.shape for feat in net(torch.zeros(1, 3, 64, 96))] == [(1, 8, 16, 24), (1, 32, 4, 6)]


def test_what_no_chosen_stage_depends_on_is_frozen(transformers):
    dino = dict(model_type="dinov2", hidden_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=28)
    frozen = [
        {key for key, value in build("HuggingFaceBackbone", architecture=dino, stages=stages).named_parameters()
         if not value.requires_grad}
        for stages in [(-1,), (1,)]
    ]  # fmt: skip
    assert frozen[0] == {"net.embeddings.mask_token"}
    assert any("layer.1." in key for key in frozen[1])
    assert not any("layer.0." in key for key in frozen[1])


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_training_starts_from_a_file_with_the_names_of_timm(timm, tmp_path, ending):
    made = timm.create_model("test_efficientnet")
    path = str(tmp_path / f"weights.{ending}")
    if ending == "pth":
        torch.save(made.state_dict(), path)
    else:
        from safetensors.torch import save_file

        save_file(made.state_dict(), path)
    net = small_backbone("TimmBackbone", pretrained=path)
    assert not torch.equal(net.net.conv_stem.weight, made.conv_stem.weight)
    net.init_weights()
    torch.testing.assert_close(net.net.conv_stem.weight, made.conv_stem.weight)


@pytest.mark.parametrize("name", ["damaged.pth", "damaged.safetensors", "other.pth"])
def test_a_file_that_holds_no_such_weights_is_named(timm, tmp_path, name):
    if name == "other.pth":
        torch.save({"conv_stem.weight": torch.zeros(2)}, tmp_path / name)
    else:
        (tmp_path / name).write_bytes(b"nothing of the kind" * 9)
    net = small_backbone("TimmBackbone", pretrained=str(tmp_path / name))
    with pytest.raises(CheckpointError, match=rf"{name}|test_efficientnet cannot be had .*pretrained must be a file"):
        net.init_weights()


def test_training_starts_from_a_folder_of_hugging_face(transformers, tmp_path):
    made = transformers.AutoBackbone.from_config(transformers.AutoConfig.for_model(**SWIN))
    made.save_pretrained(tmp_path)
    weights = {key: value for key, value in made.state_dict().items() if "hidden_states_norms" not in key}
    net = build("HuggingFaceBackbone", name=str(tmp_path), stages=(1, 2), pretrained=True)
    assert (net.channels, net.strides) == ((8, 16), (4, 8))
    net.init_weights()
    for key, value in weights.items():
        torch.testing.assert_close(net.net.state_dict()[key], value, msg=key)


def test_a_folder_that_lacks_weights_of_the_architecture_is_refused(transformers, tmp_path):
    transformers.AutoBackbone.from_config(transformers.AutoConfig.for_model(**SWIN)).save_pretrained(tmp_path)
    deeper = SWIN | dict(depths=[1, 1, 3, 1])
    net = build("HuggingFaceBackbone", name=str(tmp_path), architecture=deeper, pretrained=True)
    with pytest.raises(CheckpointError, match=r"lack \d+ entries of the network .*does architecture say"):
        net.init_weights()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (dict(name="test_vitt"), "no network 'test_vitt'; did you mean 'test_vit'"),
        (dict(name="test_vit", stages=(9,)), r"some of the \d of timm's test_vit, .* got \(9,\)"),
        (dict(name="test_resnet", stages=(1, 0)), "ascending order"),
        (dict(name="test_resnet", settings=dict(width=3)), r"settings={'width': 3}: .*unexpected"),
    ],
)
def test_what_timm_lacks_is_told_with_what_it_has(timm, settings, words):
    with pytest.raises(ValueError, match=words):
        build("TimmBackbone", **settings)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "needs name, of a model on the hub"),
        (dict(architecture=dict(model_type="swim")), "no backbone of model_type 'swim'; did you mean .*'swin'"),
        (dict(architecture=dict(model_type="swin", embed_dims=8)), "has no 'embed_dims'; did you mean 'embed_dim'"),
        (dict(architecture=SWIN, stages=(5,)), r"some of the 5 .* got \(5,\)"),
        (dict(name="no/such folder"), "cannot be had .*config.json into architecture"),
    ],
)
def test_what_hugging_face_lacks_is_told_with_what_it_has(transformers, settings, words, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ValueError, match=words):
        build("HuggingFaceBackbone", **settings)


def test_a_size_that_the_network_does_not_take_is_refused(timm):
    net = build("TimmBackbone", name="test_vit", settings=dict(dynamic_img_size=False, img_size=32))
    with pytest.raises(ValueError, match="takes no images of 64x32 pixels"):
        net(torch.zeros(1, 3, 64, 32))


@pytest.mark.parametrize(
    ("name", "settings"), [("timm", dict(name="resnet18")), ("transformers", dict(architecture=SWIN))]
)
def test_a_library_that_is_not_installed_is_named_with_its_extra(name, settings, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    kind = dict(timm="TimmBackbone", transformers="HuggingFaceBackbone")[name]
    with pytest.raises(ImportError, match=rf'{kind} needs {name}, .* pip install "aemm\[{name}\]"'):
        build(kind, **settings)


def test_a_torchvision_that_does_not_start_is_explained(tmp_path, monkeypatch):
    for name in ("timm", "torchvision"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')\n")
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    torchvision_fault.cache_clear()
    try:
        with pytest.raises(ImportError, match=r"timm, which is installed but does not start .*from the same index"):
            build("TimmBackbone", name="resnet18")
        with pytest.raises(ImportError, match=r"torchvision .* does not start .*or pip uninstall torchvision"):
            build("HuggingFaceBackbone", architecture=SWIN)
    finally:
        torchvision_fault.cache_clear()


def test_checking_a_config_fetches_no_weights_of_other_libraries():
    backbone = dict(type="FeaturePyramid", backbone=dict(type="TimmBackbone", name="resnet18", pretrained=True))
    node, notes = without_downloads(dict(backbone=backbone))
    assert node["backbone"]["backbone"]["pretrained"] is False
    assert notes == ["those of resnet18 are left out here; the training fetches them"]
