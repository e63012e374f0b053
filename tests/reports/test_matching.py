"""Who was found by what, and how good that makes an image."""

from dataclasses import replace

import numpy as np
import pytest

from aemm.evaluation.functional.coco import evaluate_keypoints, keypoint_dicts
from aemm.reports.matching import RIGHT, match_keypoints, match_masks, nearness, needed, only_needed
from aemm.reports.measures import HEAD_UNIT
from tests.reports.runs import found_like, mask_run, moved, people, pose_run


def test_similarity_is_the_evaluators():
    run = pose_run(shift=3.0)
    pair = run.pairs[0]
    similarity = match_keypoints(*pair, run.measure.units(pair[0])).similarity[0, 0]
    truth, found = keypoint_dicts([pair], run.measure.info)
    sigmas = np.array(run.measure.skeleton.sigmas)
    stats = evaluate_keypoints(truth, found, [1], sigmas)
    reached = sum(similarity >= level / 100 for level in range(50, 100, 5)) / 10
    assert stats["AR"] == pytest.approx(reached)


def test_the_surest_takes_its_person_and_each_person_is_taken_once():
    truth = people(1, 2)
    twice = found_like(truth)[np.array([0, 0, 1])]
    twice = replace(twice, scores=np.array([0.5, 0.9, 0.7]))
    match = match_keypoints(truth, twice, np.full((2, 17), 5.0))
    assert match.owner.tolist() == [-1, 0, 1]
    assert match.quality(twice.scores) == pytest.approx(2 / 2.5)


def test_an_image_without_anybody_is_good_unless_somebody_is_found():
    nobody = people(1, 0)
    match = match_keypoints(nobody, found_like(nobody), np.zeros((0, 17)))
    assert match.quality(np.zeros(0)) == 1.0
    invented = found_like(people(1, 1), [0.9])
    match = match_keypoints(nobody, invented, np.zeros((0, 17)))
    assert match.owner.tolist() == [-1]
    assert match.quality(invented.scores) == 0.0


def test_crowds_and_people_without_keypoints_need_not_be_found_and_excuse_what_is_found_there():
    truth = people(1, 3, crowd=np.array([False, True, False]))
    truth.visible[2] = 0
    assert needed(truth).tolist() == [True, False, False]
    assert len(only_needed(truth)) == 1
    match = match_keypoints(truth, found_like(people(1, 3)), np.full((3, 17), 5.0))
    assert match.owner.tolist() == [0, -1, -1]
    assert match.excused.tolist() == [False, True, True]
    assert match.quality(np.ones(3)) == 1.0


def test_half_a_head_is_the_border_of_what_is_right_in_groups():
    near = nearness(np.array([[[6.0, 0]]]), np.ones((1, 1), bool), np.zeros((1, 1, 2)), np.full((1, 1), 12 * HEAD_UNIT))
    assert near[0, 0, 0] == pytest.approx(RIGHT)


def test_masks_match_within_their_class_alone():
    truth, found = mask_run().pairs[0]
    assert match_masks(truth, found).owner.tolist() == [0, 1]
    swapped = replace(found, labels=found.labels[::-1])
    assert match_masks(truth, swapped).owner.tolist() == [-1, -1]


def test_a_far_prediction_stands_for_nobody():
    truth = people(1, 1)
    far = moved(found_like(truth), (500, 0))
    match = match_keypoints(truth, far, np.full((1, 17), 5.0))
    assert match.owner.tolist() == [-1]
    assert match.quality(far.scores) == pytest.approx(0, abs=1e-6)
