import json
import warnings

import numpy as np
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
    skeleton = build_skeleton(dict(keypoints=["a", "b"], sigmas=[1, 1], limbs=[["a", "b"]], flip_index=["b", 0]))
    assert skeleton.limbs == ((0, 1),)
    assert skeleton.flip_index == (1, 0)
    assert build_skeleton(dict(keypoints=["left", "right"], sigmas=np.array([0.1, 0.2]))).sigmas == (0.1, 0.2)


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
        (dict(sigmas=0.05), "sigmas must be a list of numbers, one for each keypoint, got 0.05"),
        (dict(sigmas=[0.1, "0.1"]), "sigmas must be a list of numbers, one for each keypoint, but holds '0.1'"),
        (dict(sigmas=[0.1, True]), "but holds True"),
        (dict(sigmas=[0.1, None]), "but holds None"),
        (dict(sigmas=[0.1, float("nan")]), "sigmas must be positive"),
        (dict(sigmas=[0.1, 10**400]), "sigmas must be a list of numbers"),
        (dict(keypoints="ab"), "keypoints must be a list of names, none of them empty, got 'ab'"),
        (dict(keypoints=["a", 2]), "but holds 2"),
        (dict(keypoints=["a", ""]), "but holds ''"),
        (dict(limbs=[["a", "bb"]]), "limbs holds 'bb', which is none of the keypoints"),
        (dict(limbs=[[0, "1"]]), "limbs holds '1', which is none of the keypoints"),
        (dict(limbs=[[0]]), r"limbs must be a list of pairs, .* but holds \[0\]"),
        (dict(limbs=[0, 1]), "but holds 0"),
        (dict(limbs=[[0, 1.0]]), r"but holds \[0, 1.0\]"),
        (dict(limbs=None), "limbs must be a list of pairs"),
        (dict(limbs={"a": "b"}), "limbs must be a list of pairs"),
        (dict(flip_index=[0, 1.0]), "flip_index must be a list of indices or names of keypoints, but holds 1.0"),
        (dict(flip_index=["a", "tail"]), "flip_index holds 'tail'"),
        (dict(grouping_order=[True, False]), "but holds True"),
        (dict(name=3), "name must be text, got 3"),
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


def test_definitions_of_another_kind_are_named():
    for wrong in (None, 5, ["a"], [["left", "right"]]):
        with pytest.raises(ValueError, match=r"a skeleton is a name .*, a dict or the path of a json file, got"):
            build_skeleton(wrong)
    with pytest.raises(ValueError, match="nor a json file that exists"):
        build_skeleton("a\0b")


def test_a_near_miss_among_the_limbs_is_suggested():
    with pytest.raises(ValueError, match=r"limbs holds 'nos', .*did you mean 'nose'\?"):
        build_skeleton(dict(keypoints=["nose", "left_eye"], sigmas=[0.1, 0.1], limbs=[["left_eye", "nos"]]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[1]", "must hold a json object, got a list"),
        (b"{", "is no json file"),
        (b"", "is no json file"),
        (b"[" * 100_000, "is no json file"),
        (
            '{"keypoints": ["\u00fc"], "sigmas": [1]}'.encode("latin-1"),
            r"is not UTF-8 text \(byte 0xfc at 16\).*latin-1",
        ),
        (b"\x80\x03}q\x00.", "is not UTF-8 text"),
        (b"keypoints: [a]", "is no json file"),
    ],
)
def test_files_that_are_no_definition_are_named(tmp_path, content, message):
    (tmp_path / "own.json").write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        build_skeleton(str(tmp_path / "own.json"))
    assert "own.json" in str(caught.value)


def test_a_byte_order_mark_does_no_harm(tmp_path):
    path = tmp_path / "own.txt"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(dict(keypoints=["L", "R"], sigmas=[0.1, 0.1])).encode())
    assert build_skeleton(str(path)).flip_index == (1, 0)


@pytest.mark.parametrize(
    "names",
    [
        *(["L_eye", "R_eye"], ["eye_l", "eye_r"], ["Left Eye", "Right Eye"], ["eyeLeft", "eyeRight"]),
        *(["LEFT_EYE", "RIGHT_EYE"], ["l-eye", "r-eye"], ["LElbow", "RElbow"], ["left1", "right1"]),
        *(["lefteye", "righteye"], ["eyeleft", "eyeright"], ["lhip", "rhip"], ["EyeL", "EyeR"], ["eye.L", "eye.R"]),
        *(["L", "R"], ["Left_Eye", "R_Eye"], ["左眼", "右眼"], ["left eye, right corner", "right eye, left corner"]),
    ],
)
def test_sides_are_recognised_however_they_are_written(names):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        skeleton = build_skeleton(dict(keypoints=[*names, "lip", "ear_lobe", "heel"], sigmas=[0.1] * 5))
    assert skeleton.flip_index == (1, 0, 2, 3, 4)


@pytest.mark.parametrize(
    ("names", "flips"),
    [
        (["light", "right", "left"], (0, 2, 1)),
        (["l1", "r1", "l2", "r2"], (1, 0, 3, 2)),
        ([f"kp{k}" for k in range(12)], tuple(range(12))),
        (["upright", "bright"], (0, 1)),
        (["left_hip", "LeftHip", "right_hip"], (0, 1, 2)),
    ],
)
@pytest.mark.filterwarnings("ignore:skeleton")
def test_letters_within_words_are_no_sides(names, flips):
    assert build_skeleton(dict(keypoints=names, sigmas=[0.1] * len(names))).flip_index == flips


def test_doubts_about_the_sides_are_said_unless_flip_index_settles_them():
    alone = dict(keypoints=["left_eye", "nose"], sigmas=[0.1, 0.1])
    with pytest.warns(UserWarning, match="'left_eye' say a side, but no other name is their counterpart.*flip_index"):
        build_skeleton(alone)
    unsided = dict(keypoints=["head", "tail"], sigmas=[0.1, 0.1])
    with pytest.warns(UserWarning, match=r"no name of \['head', 'tail'\] says a side that is recognised"):
        build_skeleton(unsided)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for definition in (alone, unsided):
            assert build_skeleton(definition | dict(flip_index=[0, 1])).flip_index == (0, 1)
        build_skeleton(dict(keypoints=["dot"], sigmas=[0.1]))
