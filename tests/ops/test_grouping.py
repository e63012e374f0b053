import pickle

import numpy as np
import pytest

from aemm.ops.grouping import group_by_tags, read_picks
from aemm.records import GroupingRules


def _people(count, keypoints, dims=1, seed=0, spread=5.0):
    """Peaks of people who are all complete and far apart in tag; rows are shuffled for each keypoint."""
    rng = np.random.default_rng(seed)
    base = rng.permutation(count)[:, None] * spread + rng.normal(0, 0.05, (count, dims))
    owner = np.stack([rng.permutation(count) for _ in range(keypoints)])  # (K, count)
    tags = base[owner] + rng.normal(0, 0.05, (keypoints, count, dims))
    scores = rng.uniform(0.3, 1, owner.shape)
    return scores.astype(np.float32), tags.astype(np.float32), owner


def _owners(pick, owner):
    """The owner of each picked peak, (N, K)."""
    return np.where(pick >= 0, owner[np.arange(owner.shape[0]), pick], -1)


@pytest.mark.parametrize("dims", [1, 2, 4])
@pytest.mark.parametrize("distance", ["l2", "rms"])
@pytest.mark.parametrize("tie", ["solver", "nearest"])
def test_people_far_apart_in_tag_are_separated(dims, distance, tie):
    scores, tags, owner = _people(12, 6, dims)
    found = _owners(group_by_tags(scores, tags, GroupingRules(range(6), distance=distance, tie=tie)), owner)
    assert found.shape == (12, 6)
    assert (found == found[:, :1]).all()
    assert sorted(found[:, 0]) == list(range(12))


@pytest.mark.parametrize("tie", ["solver", "nearest"])
def test_grouping_does_not_depend_on_the_order_of_peaks(tie):
    scores, tags, owner = _people(9, 5, 2, seed=3)
    scores[1:, 4:6] = 0  # some are absent
    expected = {tuple(row) for row in _owners(group_by_tags(scores, tags, GroupingRules(range(5), tie=tie)), owner)}
    order = np.random.default_rng(0).permutation(9)
    pick = group_by_tags(scores[:, order], tags[:, order], GroupingRules(range(5), tie=tie))
    assert {tuple(row) for row in _owners(pick, owner[:, order])} == expected


def test_equal_tags_stay_two_people():
    scores = np.array([[0.9, 0.8], [0.7, 0.6]], np.float32)
    tags = np.full((2, 2, 1), 0.25, np.float32)
    pick = group_by_tags(scores, tags, GroupingRules([0, 1]))
    assert pick.shape == (2, 2)
    assert sorted(pick[:, 1]) == [0, 1]


def test_the_first_keypoint_with_peaks_starts_the_people():
    scores = np.array([[0.0, 0.0], [0.7, 0.6]], np.float32)
    pick = group_by_tags(scores, np.zeros((2, 2, 1), np.float32), GroupingRules([0, 1]))
    assert pick.tolist() == [[-1, 0], [-1, 1]]


def test_a_peak_beyond_the_tag_threshold_starts_a_person():
    tags = np.array([[[0.0]], [[0.99]], [[1.6]]], np.float32)
    scores = np.ones((3, 1), np.float32)
    assert group_by_tags(scores, tags, GroupingRules([0, 1, 2])).tolist() == [
        [0, 0, -1],
        [-1, -1, 0],
    ]  # 1.6 is 1.1 from the mean
    assert len(group_by_tags(scores, tags, GroupingRules([0, 1, 2], tag_threshold=2.0))) == 1


def test_keypoints_are_taken_up_in_the_order_given():
    tags = np.array([[[0.0]], [[0.8]], [[1.6]]], np.float32)
    scores = np.ones((3, 1), np.float32)
    assert group_by_tags(scores, tags, GroupingRules([0, 1, 2])).tolist() == [
        [0, 0, -1],
        [-1, -1, 0],
    ]  # 1.6 is 1.2 from the mean
    assert group_by_tags(scores, tags, GroupingRules([2, 1, 0])).tolist() == [[-1, 0, 0], [0, -1, -1]]


def test_rms_distance_divides_by_the_dimensions():
    tags = np.array([[[0.0, 0.0]], [[0.9, 0.9]]], np.float32)
    scores = np.ones((2, 1), np.float32)
    assert len(group_by_tags(scores, tags, GroupingRules([0, 1], distance="l2"))) == 2
    assert len(group_by_tags(scores, tags, GroupingRules([0, 1], distance="rms"))) == 1


def test_a_tie_in_rounding_goes_to_the_nearest_tag_when_asked():
    rng = np.random.default_rng(0)
    changed = 0
    for _ in range(50):
        centers = rng.permutation(6) * 0.08
        scores = np.stack([np.linspace(0.9, 0.5, 6), rng.uniform(0.3, 0.9, 6)]).astype(np.float32)
        tags = np.stack([centers, rng.permutation(centers)])[..., None].astype(np.float32)
        gap = np.abs(tags[0, :, 0, None] - tags[1, None, :, 0])
        nearest = group_by_tags(scores, tags, GroupingRules([0, 1], tie="nearest"))
        assert gap[nearest[:, 0], nearest[:, 1]].max() < 1e-6
        changed += not np.array_equal(nearest, group_by_tags(scores, tags, GroupingRules([0, 1])))
    assert changed  # the solver alone does not look at the distance


@pytest.mark.parametrize("tie", ["solver", "nearest"])
def test_among_more_peaks_than_people_the_higher_score_joins(tie):
    scores = np.array([[0.9, 0.0, 0.0], [0.3, 0.8, 0.5]], np.float32)
    tags = np.array([[[0.0]] * 3, [[0.0], [0.2], [0.1]]], np.float32)
    assert group_by_tags(scores, tags, GroupingRules([0, 1], tie=tie))[0].tolist() == [0, 1]


@pytest.mark.parametrize("count", [0, 1, 31, 45])
def test_any_number_of_people_is_grouped(count):
    scores, tags, owner = _people(max(count, 1), 3)
    scores[:, count:] = 0
    found = _owners(group_by_tags(scores, tags, GroupingRules(range(3), max_matched=100)), owner)
    assert found.shape == (count, 3)
    assert (found == found[:, :1]).all()


def test_only_the_first_people_are_matched_and_the_rest_starts_new_ones_or_is_skipped():
    scores, tags, _ = _people(6, 3)
    grown = group_by_tags(scores, tags, GroupingRules(range(3), max_matched=4))
    assert len(grown) == 6 + 2 + 2
    assert (grown[:4] >= 0).all()
    assert ((grown[4:] >= 0).sum(1) == 1).all()
    skipped = group_by_tags(scores, tags, GroupingRules(range(3), max_matched=4, stop_when_full=True))
    assert len(skipped) == 6
    assert (skipped[:, 1:] == -1).all()


def test_rules_for_another_number_of_keypoints_are_refused():
    with pytest.raises(ValueError, match=r"rules\.order must hold the 3 keypoints that have peaks, got 2"):
        group_by_tags(np.zeros((3, 2)), np.zeros((3, 2, 1)), GroupingRules([0, 1]))


def test_grouping_can_run_in_another_process():
    scores, tags, _ = _people(9, 5, 2)
    rules = GroupingRules(range(5))
    work = pickle.loads(pickle.dumps((group_by_tags, scores, tags, rules)))
    np.testing.assert_array_equal(work[0](*work[1:]), group_by_tags(scores, tags, rules))


def test_the_best_of_the_picked_instances_stay_in_their_order():
    scores = np.array([[0.4, 0.9, 0.6], [0.0, 0.3, 0.7]], np.float32)
    cells = np.arange(12).reshape(2, 3, 2)
    tags = np.arange(6, dtype=np.float32).reshape(2, 3, 1)
    people = read_picks(scores, cells, tags, np.array([[0, -1], [1, 1], [2, 2]]), max_instances=2)
    np.testing.assert_allclose(people.scores, [0.6, 0.65])
    assert people.cells.tolist() == [[[2, 3], [8, 9]], [[4, 5], [10, 11]]]
    np.testing.assert_allclose(people.tags, [[2.5], [3.5]])
    everybody = read_picks(scores, cells, tags, np.array([[0, -1]]))
    assert everybody.present.tolist() == [[True, False]]
    np.testing.assert_allclose(everybody.keypoint_scores, [[0.4, 0]])
    np.testing.assert_allclose(everybody.tags, [[0]])
