import json

import pytest

from aemm.skeletons import SKELETONS, build_skeleton


@pytest.mark.parametrize(("name", "count"), [("coco", 17), ("mpii", 16), ("mpii14", 14), ("crowdpose", 14)])
def test_known_skeletons_are_whole(name, count):
    skeleton = SKELETONS[name]
    assert len(skeleton) == count
    for k, other in enumerate(skeleton.flip_index):
        swapped = skeleton.keypoints[k].replace("left", "L").replace("right", "left").replace("L", "right")
        assert skeleton.keypoints[other] == swapped
    assert len(skeleton.limbs) >= 11


def test_coco_is_grouped_in_the_order_of_the_authors():
    assert SKELETONS["coco"].grouping_order == (0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13, 14, 15, 16)
    assert SKELETONS["coco"].flip_index == (0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15)


def test_the_plain_form_builds_the_same_skeleton(tmp_path):
    for skeleton in SKELETONS.values():
        plain = json.loads(json.dumps(skeleton.to_dict()))
        assert build_skeleton(plain) == skeleton
    path = tmp_path / "bird.json"
    path.write_text(json.dumps(dict(keypoints=["beak"], sigmas=[0.1])))
    assert build_skeleton(str(path)).name == "bird"


def test_limbs_may_be_named():
    skeleton = build_skeleton(dict(keypoints=["a", "b"], sigmas=[1, 1], limbs=[["a", "b"]]))
    assert skeleton.limbs == ((0, 1),)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(sigmas=[0.1]), "sigmas must have one value for each of the 2 keypoints, got 1"),
        (dict(sigmas=[0.1, 0.0]), "sigmas must be positive"),
        (dict(flip_index=[0, 0]), "flip_index must hold each of 0..1 once"),
        (dict(grouping_order=[0]), "grouping_order must hold each of 0..1 once"),
        (dict(limbs=[[0, 2]]), "two indices below 2"),
        (dict(keypoints=["a", "a"]), "holds a name twice"),
        (dict(keypoints=[], sigmas=[]), "keypoints is empty"),
        (dict(sigmata=[0.1, 0.1]), r"unknown fields \['sigmata'\]"),
    ],
)
def test_faults_of_a_definition_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        build_skeleton(dict(keypoints=["a", "b"], sigmas=[0.1, 0.1]) | change)


def test_a_cycle_is_no_flip():
    with pytest.raises(ValueError, match="undo itself"):
        build_skeleton(dict(keypoints=["a", "b", "c"], sigmas=[1] * 3, flip_index=[1, 2, 0]))


def test_missing_fields_and_unknown_names_are_explained():
    with pytest.raises(ValueError, match=r"sigmas missing\. sigmas are the OKS constants"):
        build_skeleton(dict(keypoints=["a"]))
    with pytest.raises(ValueError, match=r"neither a known name .coco, mpii, mpii14, crowdpose. nor a json file"):
        build_skeleton("cocoo")
