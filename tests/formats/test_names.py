import pytest

from aemm.formats.names import compare_names, is_placeholder
from aemm.skeletons import SKELETONS, build_skeleton

COCO = SKELETONS["coco"]
NAMES = list(COCO.keypoints)


def _skeleton(*names):
    return build_skeleton(dict(keypoints=names, sigmas=[0.1] * len(names), flip_index=range(len(names))))


@pytest.mark.parametrize(
    "spelling",
    [
        str.upper,
        lambda name: name.title().replace("_", " "),
        lambda name: name.replace("left_", "L").replace("right_", "R"),
        lambda name: name.replace("left_", "l").replace("right_", "r"),
        lambda name: name.replace("_", "-"),
        lambda name: "_".join(reversed(name.split("_"))),
        lambda name: name.replace("_", ""),
        lambda name: "".join(reversed([word.title() for word in name.split("_")])),
    ],
)
def test_the_same_names_in_another_spelling_agree(spelling):
    found = compare_names([spelling(name) for name in NAMES], COCO)
    assert found.fault is None
    assert found.order == list(range(17))


def test_an_own_name_for_the_top_of_the_head_agrees():
    names = list(SKELETONS["crowdpose"].keypoints)
    for other in ("head", "Head Top", "tophead", "top_of_head"):
        renamed = [other if name == "top_head" else name for name in names]
        assert compare_names(renamed, SKELETONS["crowdpose"]).fault is None
    both = _skeleton("head", "head_top")
    assert compare_names(["head_top", "head"], both).order == [1, 0]


def test_another_order_names_the_differing_positions_and_the_switch():
    found = compare_names([*NAMES[:5], NAMES[6], NAMES[5], *NAMES[7:]], COCO)
    assert found.order == [0, 1, 2, 3, 4, 6, 5, *range(7, 17)]
    assert "in another order, at 5: right_shoulder (skeleton: left_shoulder), 6: left_shoulder" in found.fault
    assert "reorder_keypoints=True" in found.fault


def test_sides_are_not_folded_away():
    found = compare_names(["r_eye", "l_eye"], _skeleton("left_eye", "right_eye"))
    assert found.order == [1, 0]
    assert found.fault is not None


@pytest.mark.parametrize("names", [[f"point {k}" for k in range(17)], [*NAMES[:-1], "tail"], [*NAMES[:-1], NAMES[0]]])
def test_foreign_names_are_a_fault(names):
    found = compare_names(names, COCO)
    assert found.order is None
    assert "are not those of skeleton 'coco'" in found.fault
    assert f"{NAMES[-1]!r}" in found.fault or "0: point 0 (skeleton: nose)" in found.fault


def test_a_skeleton_that_only_counts_takes_the_order_of_the_file():
    assert compare_names(["beak", "tail"], _skeleton("0", "1")).fault is None
    assert compare_names(["1", "0"], _skeleton("0", "1")).fault is not None
    assert is_placeholder("kp_12")
    assert not is_placeholder("eye 2")


def test_names_of_other_scripts_are_compared():
    assert compare_names(["鼻", "左眼"], _skeleton("左眼", "鼻")).order == [1, 0]
    assert compare_names(["!", "?"], _skeleton("?", "!")).order == [1, 0]
