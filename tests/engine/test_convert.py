import re

import pytest
import torch

from aemm.engine.convert import LAYOUTS, convert_state, renamer
from aemm.formats.checkpoint import CheckpointError
from aemm.models import Embedder
from tests.networks import SMALL

K = 3
HOURGLASS = [(".skip.", ".up1."), (".down.", ".low1."), (".inner.", ".low2."), (".up.", ".low3.")]
FIRST_BLOCK = (1, 2, 4, 7, 11, 14, 17, 18)  # of each of MobileNetV2's layers; 0 is the stem


def replaced(name, pairs):
    for ours, theirs in pairs:
        name = name.replace(ours, theirs)
    return name


def newell(name):
    """Our name as the authors' checkpoint has it."""
    name = replaced(name.removeprefix("backbone.").replace("stem.", "pre."), HOURGLASS)
    return "model.module." + re.sub(r"^(merge_\w+\.\d\.)", r"\1conv.", name)


def higherhrnet(name):
    """Our name as HigherHRNet's repository has it."""
    name = name.removeprefix("backbone.").replace("head.convs.", "final_layers.")
    name = re.sub(r"^head\.deconvs\.(\d+)\.([1-9])\.", r"deconv_layers.\1.\2.0.", name)
    return name.replace("head.deconvs.", "deconv_layers.")


def mobilenet(name):
    """A name of torchvision's MobileNetV2 as mmpose has it."""
    found = re.match(r"backbone\.features\.(\d+)\.(.*)", name)
    if found is None:
        return name
    block, rest = int(found[1]), found[2]
    if block in (0, 18):
        kind = "conv" if rest.startswith("0.") else "bn"
        return f"backbone.conv{1 if block == 0 else 2}.{kind}.{rest[2:]}"
    layer = max(i for i, first in enumerate(FIRST_BLOCK) if first <= block)
    last = 1 if layer == 0 else 2
    place = rest.removeprefix("conv.")
    if place.startswith((f"{last}.w", f"{last}.b")):
        place = f"{last}.conv{place[1:]}"
    elif place.startswith(f"{last + 1}."):
        place = f"{last}.bn{place[1:]}"
    else:
        place = re.sub(r"^(\d)\.([01])\.", lambda m: f"{m[1]}.{('conv', 'bn')[int(m[2])]}.", place)
    return f"backbone.layer{layer + 1}.{block - FIRST_BLOCK[layer]}.conv.{place}"


def mmpose(head, backbone):
    """The function from our names to those of mmpose, where the head is called ``head``."""

    def name_of(name):
        if name.startswith("head.") and backbone == "HigherHRNet":
            return f"{head}.{higherhrnet(name)}"
        if name.startswith("head."):
            name = re.sub(r"deconvs\.0\.(\d)\.(\d)", lambda m: f"deconv_layers.{3 * int(m[1]) + int(m[2])}", name)
            return f"{head}." + name.removeprefix("head.").replace("convs.0.", "final_layer.")
        if backbone == "HourglassAE":
            pairs = [("merge_preds", "remap_out_convs"), ("merge_features", "remap_feature_convs")]
            name = replaced(
                name, [("backbone.features", "backbone.hourglass_modules"), (".outs.", ".out_convs."), *pairs]
            )
            return replaced(name, HOURGLASS)
        return mobilenet(name) if backbone == "MobileNetV2" else name

    return name_of


def model_of(network):
    """A small network with an associative-embedding head of three keypoints."""
    head = dict(type="AEHead", num_heatmaps=K)
    settings = {}
    if network == "HigherHRNet":
        network, head = "HRNet", dict(type="HigherHead", num_heatmaps=K, blocks=2)
    elif network == "HourglassAE":
        settings, head["project"] = dict(out_channels=2 * K, stacks=2), False
    elif network == "HourglassAE with norms":
        network, head["project"] = "HourglassAE", False
        settings = dict(out_channels=2 * K, stacks=2, norm_cfg=dict(type="BN"), norm_between=True)
    elif network != "HRNet":
        head["deconv_channels"] = (8, 6, 4)
    skeleton = dict(keypoints=[str(k) for k in range(K)], sigmas=[0.1] * K)
    return Embedder(
        backbone=dict(type=network, **SMALL[network], **settings),
        head=head,
        decoder=dict(type="PoseDecoder", skeleton=skeleton),
    )


CASES = [
    ("newell", "HourglassAE", newell),
    ("higherhrnet", "HRNet", higherhrnet),
    ("higherhrnet", "HigherHRNet", higherhrnet),
    ("mmpose", "HourglassAE with norms", mmpose("keypoint_head", "HourglassAE")),
    *[
        ("mmpose", network, mmpose(head, network))
        for head in ("keypoint_head", "head")
        for network in ("HRNet", "HigherHRNet", "ResNet", "MobileNetV2")
    ],
]


@pytest.mark.parametrize(("layout", "network", "foreign"), CASES, ids=lambda v: v if isinstance(v, str) else "")
def test_every_entry_of_a_layout_finds_its_place(layout, network, foreign):
    model = model_of(network)
    own = {name: torch.full(value.shape, float(i)) for i, (name, value) in enumerate(model.state_dict().items())}
    state = {foreign(name): value for name, value in own.items()}
    assert len(state) == len(own)
    assert all(foreign(name) != name for name in own if name.startswith("head.convs"))
    for prefix in ("", "module.") if layout != "newell" else ("",):
        placed = convert_state({prefix + name: value for name, value in state.items()}, LAYOUTS[layout], model)
        assert placed.keys() == own.keys()
        assert all(placed[name] is own[name] for name in own)


# entries of published files, and the part of our networks that they belong to
@pytest.mark.parametrize(
    ("layout", "theirs", "ours"),
    [
        ("newell", "model.module.pre.4.conv.weight", "backbone.stem.4.conv.weight"),
        (
            "newell",
            "model.module.features.1.0.low2.low2.up1.conv.bias",
            "backbone.features.1.0.inner.inner.skip.conv.bias",
        ),
        ("newell", "model.module.merge_preds.2.conv.conv.weight", "backbone.merge_preds.2.conv.weight"),
        ("higherhrnet", "stage3.0.fuse_layers.2.0.0.0.weight", "backbone.stage3.0.fuse_layers.2.0.0.0.weight"),
        ("higherhrnet", "final_layers.1.bias", "head.convs.1.bias"),
        ("higherhrnet", "deconv_layers.0.0.1.running_mean", "head.deconvs.0.0.1.running_mean"),
        ("higherhrnet", "deconv_layers.0.4.0.conv2.weight", "head.deconvs.0.4.conv2.weight"),
        ("mmpose", "keypoint_head.final_layer.weight", "head.convs.0.weight"),
        ("mmpose", "keypoint_head.deconv_layers.7.weight", "head.deconvs.0.2.1.weight"),
        ("mmpose", "keypoint_head.deconv_layers.0.0.0.weight", "head.deconvs.0.0.0.weight"),
        ("mmpose", "keypoint_head.deconv_layers.0.3.0.bn1.weight", "head.deconvs.0.3.bn1.weight"),
        ("mmpose", "head.final_layer.bias", "head.convs.0.bias"),
        ("mmpose", "backbone.layer1.0.conv1.weight", "backbone.layer1.0.conv1.weight"),
        ("mmpose", "backbone.conv1.conv.weight", "backbone.features.0.0.weight"),
        ("mmpose", "backbone.layer1.0.conv.1.bn.bias", "backbone.features.1.conv.2.bias"),
        ("mmpose", "backbone.layer5.2.conv.1.conv.weight", "backbone.features.13.conv.1.0.weight"),
        ("mmpose", "backbone.layer7.0.conv.2.conv.weight", "backbone.features.17.conv.2.weight"),
        ("mmpose", "backbone.hourglass_modules.3.0.low1.bn.weight", "backbone.features.3.0.down.bn.weight"),
        ("mmpose", "backbone.remap_out_convs.0.conv.weight", "backbone.merge_preds.0.conv.weight"),
    ],
)
def test_published_names_become_ours(layout, theirs, ours):
    assert LAYOUTS[layout](theirs) == ours


@pytest.mark.parametrize(("layout", "network", "foreign"), CASES[:5], ids=lambda v: v if isinstance(v, str) else "")
def test_a_missing_misshapen_or_further_entry_is_refused_by_name(layout, network, foreign):
    model = model_of(network)
    own = model.state_dict()
    state = {foreign(name): value for name, value in own.items()}
    weights = [name for name in own if name.endswith("weight")]
    lost, bent = weights[1], weights[-1]
    partial = {name: value for name, value in state.items() if name != foreign(lost)}
    with pytest.raises(CheckpointError, match=rf"{re.escape(lost)} is missing from the checkpoint"):
        convert_state(partial, LAYOUTS[layout], model)
    with pytest.raises(CheckpointError, match=rf"{re.escape(bent)} is \(7,\) in the checkpoint, \("):
        convert_state(state | {foreign(bent): torch.zeros(7)}, LAYOUTS[layout], model)
    with pytest.raises(CheckpointError) as raised:
        convert_state(state | {f"stranger{i}": torch.zeros(1) for i in range(40)}, LAYOUTS[layout], model)
    assert all(f"stranger{i} is in the checkpoint, but not in the model" in str(raised.value) for i in range(40))


def test_two_entries_for_one_place_are_refused():
    model = torch.nn.Linear(1, 1, bias=False)
    state = {"weight": torch.zeros(1, 1), "a.weight": torch.zeros(1, 1)}
    with pytest.raises(CheckpointError, match=r"become weight; a\.weight is the second"):
        convert_state(state, renamer([(r"^a\.", "")]), model)
