import json
import time

import numpy as np
import pytest

from aemm.evaluation.functional.pckh import (
    GroupTruth,
    assign_people,
    group_average_precision,
    match_group,
    pckh,
    pckh_matches,
    pooled_average_precision,
)
from aemm.formats.mpii_mat import read_submission, read_truths
from aemm.ops.boxes import head_sizes
from aemm.skeletons import SKELETONS

MPII = SKELETONS["mpii"].keypoints
COLUMNS = [MPII.index(name) for name in SKELETONS["mpii14"].keypoints]
OFFICIAL_NAMES = {"neck": "upper_neck", "top head": "head_top"}


def person_array(people):
    """Keypoints, presence and scores of the people of a golden group, in the order of the mpii14 skeleton."""
    points, scores = np.zeros((len(people), len(MPII), 2)), np.full((len(people), len(MPII)), np.nan)
    for row, person in enumerate(people):
        for point in person["points"]:
            points[row, point["id"]] = point["x"], point["y"]
            scores[row, point["id"]] = point.get("score", 1)
    return points[:, COLUMNS], ~np.isnan(scores[:, COLUMNS]), scores[:, COLUMNS]


def golden_groups(golden):
    truths = []
    for people in json.loads(next((golden / "mpii").glob("ground_truth_*.json")).read_text())["groups"]:
        keypoints, annotated, _ = person_array(people)
        boxes = np.array([person["head_box"] for person in people], float).reshape(-1, 4)
        truths.append(GroupTruth(keypoints, annotated, head_sizes(boxes)))
    data = json.loads(next((golden / "mpii").glob("predictions_*.json")).read_text())
    found = [person_array(people) for people in data["groups"]]
    expected = {OFFICIAL_NAMES.get(k, k.replace(" ", "_")): v for k, v in data["expected_ap"].items()}
    return truths, found, expected


def group_truth(truth):
    """The people of a group who have one of the keypoints that count."""
    known = truth.visible[:, COLUMNS] > 0
    counts = known.any(1)
    return GroupTruth(truth.keypoints[counts][:, COLUMNS], known[counts], truth.head_sizes[counts])


def evaluate(truths, found, **options):
    matches = [match_group(k, s, p, truth) for truth, (k, p, s) in zip(truths, found, strict=True)]
    return group_average_precision(matches, **options)


def check_expected(values, expected):
    total = expected.pop("avg_full_body")
    named = dict(zip(SKELETONS["mpii14"].keypoints, 100 * values, strict=True))
    assert named == pytest.approx(expected, abs=1e-4)
    assert 100 * values.mean() == pytest.approx(total, abs=1e-4)


@pytest.mark.golden
def test_ap_of_mpii_predictions_is_that_of_the_published_evaluator(golden):
    truths, found, expected = golden_groups(golden)
    start = time.perf_counter()
    values = evaluate(truths, found)
    assert time.perf_counter() - start < 3
    check_expected(values, expected)


@pytest.mark.golden
def test_official_mat_files_of_mpii_give_the_same_ap(golden, shared):
    folder = shared / "data" / "mpii_groups"
    start = time.perf_counter()
    truths = [group_truth(truth) for truth in read_truths(folder / "mpi_val_groundtruth.mat")]
    found = [
        (f.keypoints[:, COLUMNS], f.keypoint_scores[:, COLUMNS] != 0, f.keypoint_scores[:, COLUMNS])
        for f in read_submission(folder / "pred_keypoints_mpii_multi.mat")
    ]
    values = evaluate(truths, found)
    assert time.perf_counter() - start < 3
    # these two files are the published pair, whatever the golden arrays hold
    assert 100 * values.mean() == pytest.approx(79.3134608, abs=1e-4)


@pytest.mark.golden
def test_order_of_mpii_people_and_groups_does_not_count(golden):
    truths, found, expected = golden_groups(golden)
    rng = np.random.default_rng(0)
    for i, (truth, (keypoints, present, scores)) in enumerate(zip(truths, found, strict=True)):
        a, b = rng.permutation(len(truth.keypoints)), rng.permutation(len(keypoints))
        truths[i] = GroupTruth(truth.keypoints[a], truth.annotated[a], truth.head_size[a])
        found[i] = keypoints[b], present[b], scores[b]
    order = rng.permutation(len(truths))
    check_expected(evaluate([truths[i] for i in order], [found[i] for i in order]), expected)


def people_at(*places, count=3):
    """People of `count` keypoints on a line, 10 px apart, heads of 10 px."""
    keypoints = np.array([[[x + 10.0 * k, y] for k in range(count)] for x, y in places]).reshape(-1, count, 2)
    return GroupTruth(keypoints, np.ones(keypoints.shape[:2], bool), np.full(len(places), 10.0))


def predicted(truth, score=0.9, move=0.0):
    keypoints = truth.keypoints + move
    return keypoints, np.ones(keypoints.shape[:2], bool), np.full(keypoints.shape[:2], score)


def nothing(count=3):
    return np.zeros((0, count, 2)), np.zeros((0, count), bool), np.zeros((0, count))


def test_head_size_is_a_share_of_the_diagonal_of_the_head_rectangle():
    assert head_sizes(np.array([[0, 0, 30, 40], [5, 5, 11, 13]])).tolist() == pytest.approx([30, 6])


def test_a_keypoint_matches_up_to_half_a_head_and_not_beyond():
    truth = people_at((0, 0))
    for move, right in [(5.0, True), (5.001, False)]:
        keypoints = truth.keypoints + np.array([move, 0])
        assert pckh_matches(keypoints, truth.annotated, truth).all() == right


def test_keypoints_that_either_side_lacks_never_match():
    truth = people_at((0, 0))
    truth.annotated[0, 0] = False
    matches = pckh_matches(truth.keypoints, np.array([[True, False, True]]), truth)
    assert matches.tolist() == [[[False, False, True]]]


def test_a_prediction_stands_for_its_best_person_alone():
    annotated = np.ones((2, 4), bool)
    matches = np.zeros((2, 2, 4), bool)
    matches[0, 0, :3] = matches[0, 1, :2] = True  # best for person 0, though nobody else finds person 1
    matches[1, 0, :] = True  # better still for person 0
    assert assign_people(matches, annotated).tolist() == [-1, 0]


def test_nobody_gets_a_prediction_that_matches_nothing():
    assert assign_people(np.zeros((2, 1, 4), bool), np.ones((1, 4), bool)).tolist() == [-1, -1]


def test_pckh_of_a_person_counts_annotated_keypoints_only():
    annotated = np.array([[True, True, True, True], [True, False, False, False]])
    matches = np.zeros((1, 2, 4), bool)
    matches[0, 0, :3] = matches[0, 1, 0] = True  # 3 of 4 against 1 of 1
    assert assign_people(matches, annotated).tolist() == [1]


def test_perfect_predictions_reach_one():
    truths = [people_at((0, 0), (100, 0)), people_at((50, 50))]
    assert evaluate(truths, [predicted(truth) for truth in truths]).tolist() == [1, 1, 1]


def test_a_person_annotated_nowhere_is_met_by_false_positives_only():
    truth = people_at((0, 0))
    truth.annotated[:] = False
    match = match_group(*[predicted(truth)[i] for i in (0, 2, 1)], truth)
    assert not match.hits.any()
    assert match.positives.tolist() == [0, 0, 0]


def test_no_prediction_at_all_gives_zero_and_no_error():
    truths = [people_at((0, 0)), people_at((0, 0), (100, 0))]
    for empty_groups in ("skip", "count"):
        assert evaluate(truths, [nothing(), nothing()], empty_groups=empty_groups).tolist() == [0, 0, 0]


def test_a_group_without_prediction_is_left_out_or_counted_as_missed():
    truths = [people_at((0, 0)), people_at((0, 0), (100, 0))]
    found = [predicted(truths[0]), nothing()]
    assert evaluate(truths, found, empty_groups="skip").tolist() == [1, 1, 1]
    assert evaluate(truths, found, empty_groups="count").tolist() == pytest.approx([1 / 3] * 3)


def test_skipping_empty_groups_is_the_default_as_published():
    truths = [people_at((0, 0)), people_at((0, 0))]
    assert evaluate(truths, [predicted(truths[0]), nothing()]).tolist() == [1, 1, 1]


def test_a_duplicate_counts_as_a_false_positive_where_it_stands():
    truths = [people_at((0, 0)), people_at((0, 0))]
    second = predicted(truths[1], score=0.5)
    for score, value in [(0.8, (1 + 2 / 3) / 2), (0.3, 1.0)]:  # before the second person, after it
        keypoints, present, scores = predicted(truths[0])
        doubled = tuple(np.concatenate([a, a]) for a in (keypoints, present, scores))
        doubled[2][1] = score
        assert evaluate(truths, [doubled, second]).tolist() == pytest.approx([value] * 3)


def test_equal_scores_enter_together_in_whatever_order():
    scores, hits = np.full(4, 0.5), np.array([True, False, True, False])
    for order in ([0, 1, 2, 3], [1, 3, 0, 2], [2, 0, 3, 1]):
        assert pooled_average_precision(scores[order], hits[order], 2) == pytest.approx(0.5)


def test_a_keypoint_nobody_has_annotated_is_no_number_and_a_prediction_of_it_no_error():
    truths = [people_at((0, 0)), people_at((0, 0), (100, 0))]
    for truth in truths:
        truth.annotated[:, 1] = False
    values = evaluate(truths, [predicted(truth) for truth in truths])
    assert values[[0, 2]].tolist() == [1, 1]
    assert np.isnan(values[1])


def test_predictions_in_a_group_without_people_are_false_positives():
    truths = [people_at(), people_at((0, 0))]
    found = [predicted(people_at((7, 7)), score=0.95), predicted(truths[1])]
    assert evaluate(truths, found).tolist() == pytest.approx([0.5] * 3)


def test_single_person_pckh_counts_missing_predictions_as_missed():
    truth = people_at((0, 0), (100, 0))
    truth.annotated[1, 2] = False
    keypoints, present, _ = predicted(truth)
    keypoints[0, 0] += 50
    present[1, 1] = False
    right, annotated = pckh(keypoints, present, truth)
    assert right.tolist() == [1, 1, 1]
    assert annotated.tolist() == [2, 2, 1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: group_average_precision([], "never"), "'skip', 'count'"),
        (lambda: group_average_precision([]), "at least one group"),
        (lambda: GroupTruth(np.zeros((1, 3, 2)), np.ones((1, 3), bool), np.zeros(1)), "head rectangle"),
        (lambda: GroupTruth(np.zeros((1, 3, 2)), np.ones((1, 2), bool), np.ones(1)), r"\(1, 2\)"),
        (lambda: pckh(np.zeros((2, 3, 2)), np.ones((2, 3), bool), people_at((0, 0))), "each of 1 people, got 2"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
