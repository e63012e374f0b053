import numpy as np
import pytest

from aemm.interfaces import Postprocessor, check_part
from aemm.ops.masks import encode_masks
from aemm.postprocess import MaskNms, MinScore, OksNms
from aemm.registry import POSTPROCESSORS
from aemm.structures import Instances


def people(*poses, scores):
    """Each pose a shift in x and how many of its 17 keypoints are there."""
    base = np.random.default_rng(0).uniform(20, 180, (17, 2))
    counts = np.array([count for _, count in poses], int)
    keypoint_scores = 0.9 * (np.arange(17) < counts[:, None]).astype(np.float32)
    shifts = np.array([(shift, 0) for shift, _ in poses], np.float32).reshape(-1, 1, 2)
    points = (base + shifts).astype(np.float32) * (keypoint_scores > 0)[..., None]
    tags = np.arange(len(poses), dtype=np.float32)[:, None]
    return Instances("a", (200, 400), np.array(scores, np.float32), tags, points, keypoint_scores)


def test_a_person_found_three_times_stays_once_and_the_neighbour_stays():
    found = people((2, 17), (0, 17), (200, 17), (1, 5), scores=[0.5, 0.8, 0.3, 0.1])
    kept = OksNms("coco")(found, None)
    assert kept.tags[:, 0].tolist() == [1, 2]
    np.testing.assert_array_equal(kept.keypoints, found.keypoints[[1, 2]])
    assert kept.scores.dtype == found.scores.dtype


def test_the_soft_form_keeps_all_and_sorts_them_anew():
    found = people((2, 17), (0, 17), (200, 17), scores=[0.5, 0.8, 0.3])
    kept = OksNms("coco", soft=True)(found, None)
    assert kept.tags[:, 0].tolist() == [1, 2, 0]
    np.testing.assert_allclose(kept.scores[:2], [0.8, 0.3], atol=1e-6)
    assert kept.scores[2] < 0.12
    assert kept.scores.dtype == found.scores.dtype
    assert OksNms("coco", soft=True, sigma=100.0)(found, None).scores[1] > 0.49


def test_the_threshold_decides():
    found = people((0, 17), (12, 17), scores=[0.8, 0.5])
    assert len(OksNms("coco", threshold=0.99)(found, None)) == 2
    assert len(OksNms("coco", threshold=0.1)(found, None)) == 1


@pytest.mark.parametrize("soft", [False, True])
def test_nobody_stays_nobody(soft):
    found = people(scores=[])
    for step in (OksNms("coco", soft=soft), MinScore(0.3, 0.3)):
        assert step(found, None).keypoints.shape == (0, 17, 2)


def test_sigmas_of_another_skeleton_are_refused():
    with pytest.raises(ValueError, match=r"14 sigmas of skeleton 'crowdpose', but the instances have 17 keypoints"):
        OksNms("crowdpose")(people((0, 17), scores=[1.0]), None)


def test_masks_of_one_class_that_overlap_are_thinned_out():
    area = np.zeros((4, 20, 20), bool)
    area[0, :10, :10] = area[1, :10, :9] = area[2, :10, :10] = area[3, 12:, 12:] = True
    labels = np.array([0, 0, 1, 0])
    found = Instances(1, (20, 20), np.array([0.5, 0.9, 0.4, 0.3]), masks=encode_masks(area), labels=labels)
    kept = MaskNms()(found, None)
    assert kept.scores.tolist() == [0.9, 0.4, 0.3]
    assert kept.masks == [found.masks[row] for row in (1, 2, 3)]
    soft = MaskNms(soft=True)(found, None)
    assert soft.scores[:3].tolist() == [0.9, 0.4, 0.3]
    assert soft.scores[3] < 0.15


def test_low_instances_and_keypoints_leave():
    found = people((0, 17), (200, 6), (90, 17), scores=[0.5, 0.2, 0.04])
    found.keypoint_scores[0, 8:] = 0.15
    kept = MinScore(0.1)(found, None)
    assert kept.scores.tolist() == found.scores[:2].tolist()
    np.testing.assert_array_equal(kept.keypoints, found.keypoints[:2])
    kept = MinScore(0.0, keypoints=0.3)(found, None)
    assert (kept.keypoint_scores > 0).sum(1).tolist() == [8, 6, 17]
    assert not kept.keypoints[0, 8:].any()
    np.testing.assert_array_equal(kept.keypoints[0, :8], found.keypoints[0, :8])
    assert found.keypoint_scores[0, 9] > 0  # what was given is as it was
    assert len(MinScore(0.0, keypoints=0.95)(found, None)) == 0


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        ("OksNms", dict(skeleton="coco", threshold=1.5), "threshold must be a number from 0 to 1, got 1.5"),
        ("OksNms", dict(skeleton="coco", sigma=0), "sigma must be a number above 0, got 0"),
        ("MaskNms", dict(threshold=-1), "threshold must be"),
        ("MinScore", dict(instances=float("nan")), "instances must be"),
        ("MinScore", dict(keypoints="0.3"), "keypoints must be"),
    ],
)
def test_arguments_out_of_range_are_refused(kind, settings, message):
    with pytest.raises(ValueError, match=message):
        POSTPROCESSORS.build(dict(type=kind, **settings))


@pytest.mark.parametrize(
    "settings", [dict(type="OksNms", skeleton="mpii"), dict(type="MaskNms"), dict(type="MinScore")]
)
def test_they_can_stand_in_a_config(settings):
    step = POSTPROCESSORS.build(settings)
    check_part(step, Postprocessor)
    assert not step.needs_image
    step.reset()
