import pickle

import pytest
import torch

from aemm.engine import CheckpointError, load_config, read_checkpoint
from aemm.engine.keypoint_map import map_keypoints
from aemm.models.heads.stages import split_maps
from aemm.registry import MODELS
from aemm.skeletons import SKELETONS
from tests.end_to_end import ROOT, check, run_tool
from tests.networks import SMALL

COCO, MPII = SKELETONS["coco"].keypoints, SKELETONS["mpii"].keypoints
SHARED = [name for name in MPII if name in COCO]
IMAGE = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def model(backbone, skeleton, head="AEHead", seed=0, **settings):
    torch.manual_seed(seed)
    count = len(SKELETONS[skeleton])
    network = dict(type=backbone, **SMALL[backbone])
    if backbone == "HourglassAE":
        network |= dict(out_channels=2 * count + settings.pop("spare", 0), stacks=2)
        settings["project"] = False
    built = MODELS.build(
        dict(
            type="Embedder",
            backbone=network,
            head=dict(type=head, num_heatmaps=count, **settings),
            decoder=dict(type="PoseDecoder", skeleton=skeleton),
        )
    )
    return built.eval()


def rows(skeleton):
    return [SKELETONS[skeleton].keypoints.index(name) for name in SHARED]


@torch.no_grad()
def stages(net):
    return net.head(net.backbone(IMAGE))


def mapped(source, target):
    found = map_keypoints(source.state_dict(), source, target)
    target.load_state_dict(found.state)
    return found


def assert_shared_maps_agree(ours, theirs):
    torch.testing.assert_close(ours.heatmaps[:, rows("mpii")], theirs.heatmaps[:, rows("coco")])
    if theirs.tags is not None:
        torch.testing.assert_close(ours.tags[:, rows("mpii")], theirs.tags[:, rows("coco")])


@pytest.mark.parametrize("tag_dims", [1, 3])
def test_a_projecting_head_predicts_the_same_for_keypoints_of_one_name(tag_dims):
    source = model("ResNet", "coco", tag_dims=tag_dims)
    target = model("ResNet", "mpii", tag_dims=tag_dims, seed=1)
    mapped(source, target)
    assert_shared_maps_agree(stages(target)[0], stages(source)[0])


def test_the_first_stack_of_an_hourglass_predicts_the_same():
    source, target = model("HourglassAE", "coco", spare=5), model("HourglassAE", "mpii", spare=2, seed=1)
    mapped(source, target)
    assert_shared_maps_agree(stages(target)[0], stages(source)[0])


def test_what_a_stack_feeds_back_goes_with_its_channel():
    source, target = model("HourglassAE", "coco", spare=5), model("HourglassAE", "mpii", spare=7, seed=1)
    drawn = target.state_dict()["backbone.merge_preds.0.conv.weight"].clone()
    mapped(source, target)
    theirs = split_maps(source.state_dict()["backbone.merge_preds.0.conv.weight"], 17, 17, 1)
    ours = target.state_dict()["backbone.merge_preds.0.conv.weight"]
    assert_shared_maps_agree(split_maps(ours, 16, 16, 1), theirs)
    spare = source.state_dict()["backbone.merge_preds.0.conv.weight"][:, 34:]
    torch.testing.assert_close(ours[:, 32:37], spare)
    pelvis = MPII.index("pelvis")
    for channel in (pelvis, 16 + pelvis, 37, 38):
        torch.testing.assert_close(ours[:, channel], drawn[:, channel])


def test_a_higher_head_maps_both_stages_and_what_lies_between():
    source, target = model("ResNet", "coco", "HigherHead"), model("ResNet", "mpii", "HigherHead", seed=1)
    mapped(source, target)
    assert_shared_maps_agree(stages(target)[0], stages(source)[0])
    ours, theirs = (net.state_dict()["head.deconvs.0.0.0.weight"] for net in (target, source))
    features = ours.shape[0] - 32
    torch.testing.assert_close(ours[:features], theirs[:features])
    for start, other in ((features, features), (features + 16, features + 17)):
        places = torch.tensor([[start + MPII.index(n), other + COCO.index(n)] for n in SHARED])
        torch.testing.assert_close(ours[places[:, 0]], theirs[places[:, 1]])
    last = "head.convs.1.weight"
    torch.testing.assert_close(target.state_dict()[last][rows("mpii")], source.state_dict()[last][rows("coco")])


def test_shared_tags_go_over_whole():
    source = model("ResNet", "coco", tag_per_keypoint=False, tag_dims=2)
    target = model("ResNet", "mpii", tag_per_keypoint=False, tag_dims=2, seed=1)
    found = mapped(source, target)
    torch.testing.assert_close(stages(target)[0].tags, stages(source)[0].tags)
    assert {"tag 0 of all keypoints", "tag 1 of all keypoints"} <= set(found.kept)


def test_the_fate_of_every_channel_is_told():
    found = mapped(model("ResNet", "coco"), model("ResNet", "mpii", seed=1))
    fresh, gone = set(MPII) - set(COCO), set(COCO) - set(MPII)
    assert fresh == {"pelvis", "thorax", "upper_neck", "head_top"}
    assert set(found.new) == {f"{kind} of {name}" for name in fresh for kind in ("heatmap", "tag 0")}
    assert set(found.dropped) == {f"{kind} of {name}" for name in gone for kind in ("heatmap", "tag 0")}
    assert set(found.kept) == {f"{kind} of {name}" for name in SHARED for kind in ("heatmap", "tag 0")}


def test_the_same_keypoints_change_nothing():
    source, target = model("HourglassAE", "coco"), model("HourglassAE", "coco", seed=1)
    found = mapped(source, target)
    assert not found.new
    assert all(torch.equal(found.state[name], value) for name, value in source.state_dict().items())


def test_all_else_goes_over_unchanged():
    source = model("HourglassAE", "coco")
    found = mapped(source, model("HourglassAE", "mpii", seed=1))
    same = [name for name in found.state if "outs" not in name and "merge_preds" not in name]
    assert same
    assert all(torch.equal(found.state[name], source.state_dict()[name]) for name in same)


def test_other_networks_and_checkpoints_are_refused():
    source = model("ResNet", "coco")
    with pytest.raises(CheckpointError, match="another model"):
        map_keypoints(source.state_dict(), source, model("MobileNetV2", "mpii"))
    with pytest.raises(CheckpointError, match="another model"):
        map_keypoints(model("MobileNetV2", "coco").state_dict(), source, model("ResNet", "mpii"))


def test_a_skeleton_that_does_not_go_with_the_head_is_named():
    wrong = model("ResNet", "mpii")
    wrong.decoder.skeleton = SKELETONS["crowdpose"]
    with pytest.raises(ValueError, match=r"crowdpose.*14 keypoints.*16"):
        map_keypoints(model("ResNet", "coco").state_dict(), model("ResNet", "coco"), wrong)


SMALL_RECIPE = """
_base_ = ["{root}/configs/synthetic/{name}.py"]
model = dict(backbone=dict(width=8, growth=4, depth=2, stem=(4, 8, 8)))
"""


@pytest.fixture
def recipes(tmp_path):
    paths = []
    for name in ("pose_hourglass_tiny_128", "mpii_hourglass_tiny_128"):
        paths.append(tmp_path / f"{name}.py")
        paths[-1].write_text(SMALL_RECIPE.format(root=ROOT, name=name))
    return paths


def test_the_tool_writes_a_checkpoint_and_lists_new_channels(recipes, tmp_path):
    source = MODELS.build(load_config(str(recipes[0])).model)
    torch.save({"state_dict": source.state_dict()}, tmp_path / "coco.pth")
    tool = "tools/checkpoint_tools/map_keypoints.py"
    output = check(run_tool(tool, tmp_path / "coco.pth", *recipes, tmp_path / "mpii.pth"))
    drawn = output[output.index("drawn anew") : output.index("left out")]
    assert "12 map channels drawn anew" in output  # four keypoints: a heatmap and two tag dimensions each
    assert all(f"heatmap of {name}" in drawn for name in ("pelvis", "thorax", "upper_neck", "head_top"))
    written = read_checkpoint(str(tmp_path / "mpii.pth"))
    MODELS.build(load_config(str(recipes[1])).model).load_state_dict(written["state_dict"])
    assert written["meta"]["keypoints_mapped"] == ["coco", "mpii"]


class Harmful:
    def __reduce__(self):
        return print, ("this must never run",)


def test_the_tool_runs_no_code_of_a_checkpoint(recipes, tmp_path):
    (tmp_path / "bad.pth").write_bytes(pickle.dumps({"state_dict": Harmful()}))
    tool = "tools/checkpoint_tools/map_keypoints.py"
    result = run_tool(tool, tmp_path / "bad.pth", *recipes, tmp_path / "mpii.pth")
    assert result.returncode == 1
    assert "this must never run" not in result.stdout
    assert not (tmp_path / "mpii.pth").exists()
