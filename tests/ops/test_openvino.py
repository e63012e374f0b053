from dataclasses import replace

import numpy as np
import pytest

from aemm.ops.openvino import (
    Candidates,
    OpenVinoRules,
    decode_openvino,
    fit_openvino,
    group_nearby,
    openvino_order,
    top_cells,
)
from tests.golden import meta_of


@pytest.fixture(scope="module")
def cases(golden):
    """Every decoder case of the golden file: its settings, its arrays by name, and what decoding needs."""
    file = np.load(golden / "openvino_decode.npz")
    found = []
    for i, case in enumerate(meta_of(file)["cases"]):
        arrays = {name.partition("_")[2]: file[name] for name in file.files if name.startswith(f"c{i}_")}
        rules = OpenVinoRules(
            order=openvino_order(case["K"]),
            pose_threshold=case["pose_threshold"],
            delta=case["delta"],
            dist_reweight=case["dist_reweight"],
            fill_missing=case["refine"],
        )
        tags = np.moveaxis(arrays["tags"], 3, 1)
        found.append((arrays, tags, top_cells(arrays.get("nms_heatmaps", arrays["heatmaps"]), tags, 30), rules))
    assert found
    return found


@pytest.mark.golden
def test_openvino_decode_groups_the_same_people(cases):
    for arrays, _, candidates, rules in cases:
        expected = arrays["grouped"]
        pick, tags = group_nearby(candidates, rules)
        assert len(pick) == len(expected)
        k = np.arange(expected.shape[1])
        present = pick >= 0
        np.testing.assert_array_equal(present, expected[..., 2] > 0)
        np.testing.assert_array_equal(np.where(present[..., None], candidates.cells[k, pick], 0), expected[..., :2])
        np.testing.assert_allclose(np.where(present, candidates.scores[k, pick], 0), expected[..., 2], atol=1e-6)
        np.testing.assert_allclose(tags, arrays["grouped_tags"], atol=1e-5)


@pytest.mark.golden
@pytest.mark.parametrize(("filled_tags", "name"), [("unfiltered", "people"), ("own", "people_fixed")])
def test_openvino_decode_shifts_and_fills_like_the_original(cases, filled_tags, name):
    for arrays, tags, candidates, rules in cases:
        before = arrays["heatmaps"].copy()
        people = decode_openvino(arrays["heatmaps"], tags, candidates, replace(rules, filled_tags=filled_tags))
        expected = arrays[name]
        assert people.points.shape == expected[..., :2].shape
        np.testing.assert_allclose(people.points, expected[..., :2], atol=1e-4)
        np.testing.assert_allclose(people.keypoint_scores, expected[..., 2], atol=1e-5)
        np.testing.assert_allclose(people.scores, arrays["scores"], atol=1e-5)
        np.testing.assert_array_equal(arrays["heatmaps"], before)


def _candidates(cells, tags, scores):
    return Candidates(np.array(scores, np.float32), np.array(cells), np.array(tags, np.float32))


def test_of_two_people_with_like_tags_the_nearer_one_gets_the_keypoint():
    found = _candidates(
        [[[10, 10], [50, 50]], [[52, 50], [11, 10]]], [[[0.0], [0.3]], [[0.05], [0.25]]], [[0.9, 0.8], [0.7, 0.6]]
    )
    rules = OpenVinoRules((0, 1), 0.0)
    assert group_nearby(found, rules)[0].tolist() == [[0, 1], [1, 0]]
    near_the_other = found._replace(cells=np.stack([found.cells[0], found.cells[1, ::-1]]))
    assert group_nearby(near_the_other, rules)[0].tolist() == [[0, 0], [1, 1]]


def test_a_tag_at_the_threshold_starts_another_person():
    found = _candidates([[[3, 3]], [[3, 4]]], [[[0.0]], [[1.0]]], [[0.9], [0.8]])
    assert group_nearby(found, OpenVinoRules((0, 1), 0.0))[0].tolist() == [[0, -1], [-1, 0]]


@pytest.mark.parametrize("fill", [False, True])
def test_empty_maps_hold_nobody(fill):
    heat, tags = np.zeros((3, 8, 8), np.float32), np.zeros((3, 1, 8, 8), np.float32)
    people = decode_openvino(heat, tags, top_cells(heat, tags, 30), OpenVinoRules((0, 1, 2), 0.1, fill_missing=fill))
    assert people.points.shape == (0, 3, 2)
    assert people.keypoint_scores.shape == (0, 3)
    assert people.tags.shape == (0, 1)


def test_filling_refuses_tags_of_several_dimensions():
    heat, tags = np.zeros((3, 8, 8), np.float32), np.zeros((3, 2, 8, 8), np.float32)
    with pytest.raises(ValueError, match="fill_missing=True needs tags of one dimension, got 2"):
        decode_openvino(heat, tags, top_cells(heat, tags, 30), OpenVinoRules((0, 1, 2), 0.1))


def test_maps_of_fewer_cells_than_candidates_are_decoded():
    heat, tags = np.zeros((2, 4, 5), np.float32), np.zeros((1, 1, 4, 5), np.float32)
    heat[:, 2, 2] = 0.9
    people = decode_openvino(heat, tags, top_cells(heat, tags, 30), OpenVinoRules((0, 1), 0.1, delta=0.5))
    np.testing.assert_array_equal(people.points, [[[2.5, 2.5]] * 2])


@pytest.mark.parametrize(
    ("height", "width", "size"), [(40, 60, (64, 96)), (60, 40, (96, 64)), (1, 300, (32, 96)), (33, 33, (96, 64))]
)
def test_padding_at_right_and_bottom_is_undone(height, width, size):
    image = np.full((height, width, 3), 255, np.uint8)
    shown, warp = fit_openvino(image, size)
    assert shown.shape == (*size, 3)
    ends = [np.flatnonzero(shown.any(axes)).max() + 1 for axes in ((0, 2), (1, 2))]
    np.testing.assert_allclose(np.linalg.inv(warp) @ [*ends, 1], (width, height, 1))


def test_rules_say_what_is_wrong_with_them():
    with pytest.raises(ValueError, match=r"order must hold each of 0..1 once, got \[0, 0\]"):
        OpenVinoRules((0, 0), 0.1)
    with pytest.raises(ValueError, match="filled_tags must be one of 'unfiltered', 'own', got 'mine'"):
        OpenVinoRules((0,), 0.1, filled_tags="mine")
