import numpy as np
import pytest

from aemm.ops.suppression import keypoint_areas, pose_overlaps, soften, suppress
from aemm.skeletons import SKELETONS

SIGMAS = np.array(SKELETONS["coco"].sigmas)


def _poses(count, seed=0, size=200.0):
    rng = np.random.default_rng(seed)
    return rng.uniform(0, size, (count, 17, 2)), rng.random((count, 17)) < 0.7


def _overlap(a, b, in_a, in_b):
    """How far pose b lies on pose a, written out."""
    areas = []
    for points, present in ((a, in_a), (b, in_b)):
        box = points[present]
        areas.append(np.prod(box.max(0) - box.min(0)))
    total = 0.0
    for k in range(17):
        if in_a[k] and in_b[k]:
            total += np.exp(-np.sum((a[k] - b[k]) ** 2) / (2 * np.mean(areas) * (2 * SIGMAS[k]) ** 2))
    return total / in_b.sum()


def test_overlaps_are_those_of_a_plain_loop():
    points, present = _poses(5)
    points[1:3] = points[0] + np.random.default_rng(1).normal(0, 6, (2, 17, 2))
    found = pose_overlaps(points, present, SIGMAS)
    for i in range(5):
        for j in range(5):
            assert found[i, j] == pytest.approx(_overlap(points[i], points[j], present[i], present[j]), abs=1e-12)


def test_a_part_lies_wholly_on_the_whole_and_the_whole_by_less_on_the_part():
    points, present = _poses(1)
    present[:] = True
    part = np.arange(17) < 4
    overlaps = pose_overlaps(np.concatenate([points, points]), np.stack([present[0], part]), SIGMAS)
    assert overlaps[0, 1] == pytest.approx(1)
    assert overlaps[1, 0] == pytest.approx(4 / 17)


def test_no_pose_and_poses_without_keypoints_overlap_nothing():
    assert pose_overlaps(np.zeros((0, 17, 2)), np.zeros((0, 17), bool), SIGMAS).shape == (0, 0)
    points, present = _poses(2)
    present[1] = False
    overlaps = pose_overlaps(points, present, SIGMAS)
    assert (overlaps[1] == 0).all()
    assert (overlaps[:, 1] == 0).all()
    assert keypoint_areas(points, present)[1] == 0
    assert keypoint_areas(points[:0], present[:0]).shape == (0,)


def test_one_point_lies_on_itself():
    present = np.arange(17) == 3
    overlaps = pose_overlaps(np.full((2, 17, 2), 7.0), np.stack([present] * 2), SIGMAS)
    np.testing.assert_allclose(overlaps, 1)


def test_what_is_removed_removes_nothing():
    overlaps = np.array([[1, 0.9, 0.1], [0.9, 1, 0.9], [0.1, 0.9, 1]])
    assert suppress(overlaps, np.array([0.9, 0.8, 0.7]), 0.5).tolist() == [0, 2]
    assert suppress(overlaps, np.array([0.8, 0.9, 0.7]), 0.5).tolist() == [1]
    assert suppress(overlaps, np.array([0.7, 0.7, 0.8]), 0.95).tolist() == [2, 0, 1]
    assert suppress(np.zeros((0, 0)), np.zeros(0), 0.5).shape == (0,)


def test_the_soft_form_lowers_the_worse_by_what_has_been_lowered_before():
    overlaps = np.array([[1, 0.8, 0.0], [0.8, 1, 0.6], [0.0, 0.6, 1]])
    lowered = soften(overlaps, np.array([0.9, 0.8, 0.7]), 0.5)
    assert lowered[0] == 0.9
    first = 0.8 * np.exp(-0.64 / 0.5)  # comes after the third, which is untouched by the first
    np.testing.assert_allclose(lowered, [0.9, first * np.exp(-0.36 / 0.5), 0.7])
    assert soften(np.zeros((0, 0)), np.zeros(0), 0.5).shape == (0,)
