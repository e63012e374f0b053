import numpy as np
import pytest

from aemm.datasets import SinglePersonDataset
from aemm.datasets.transforms import PersonCrop
from aemm.evaluation import CocoMetric
from aemm.geometry import apply_warp
from aemm.skeletons import SKELETONS
from aemm.structures import Instances, Sample
from tests.pairs import measured


def dataset(shared, **settings) -> SinglePersonDataset:
    root = str(shared / "data/coco_mini")
    return SinglePersonDataset("annotations/person_keypoints_train2017.json", "train2017", root, **settings)


def test_every_annotated_person_is_a_sample(shared):
    everybody = dataset(shared)
    assert len({everybody.load(i).image_id for i in range(0, len(everybody), 9)}) == len(range(0, len(everybody), 9))
    few = dataset(shared, min_keypoints=10)
    assert 0 < len(few) < len(everybody)
    assert all((few.load(i).visible > 0).sum() >= 10 for i in range(0, len(few), 7))


def test_a_crop_shows_the_person_and_nobody_elses_keypoints(shared):
    data = dataset(shared, pipeline=[PersonCrop(256)])
    for i in range(0, len(data), 10):
        sample = data[i]
        assert sample.image.shape == (256, 256, 3)
        assert sample.keypoints.shape == (1, 17, 2)
        seen = sample.keypoints[0][sample.visible[0] > 0]
        assert len(seen) == (data.load(i).visible > 0).sum()  # nothing is cut off
        np.testing.assert_allclose((seen.min(0) + seen.max(0)) / 2, 128, atol=0.01)


def test_ap_of_the_truth_is_1_though_people_share_images(shared):
    data = dataset(shared, pipeline=[PersonCrop(256)], test_mode=True)
    metric = CocoMetric()
    pairs = []
    for i in range(len(data)):
        sample = data[i]
        keypoints = apply_warp(sample.keypoints, np.linalg.inv(sample.warp))
        seen = (sample.visible > 0).astype(np.float32)
        found = Instances(sample.image_id, sample.image_size, seen.mean(1), None, keypoints, seen)
        pairs.append((sample.truth, found))
    assert measured(metric, data.metainfo, pairs)["coco/AP"] == pytest.approx(1)


def person() -> Sample:
    keypoints = np.zeros((1, 17, 2), np.float32)
    keypoints[0, :2] = [[50, 60], [80, 200]]
    visible = np.zeros((1, 17), np.int64)
    visible[0, :2] = 2
    return Sample(np.zeros((240, 320, 3), np.uint8), 1, (240, 320), keypoints, visible, skeleton=SKELETONS["coco"])


def test_crops_vary_in_training_and_are_repeatable():
    crop = PersonCrop(128, rotation=30, scale=(0.8, 1.2), translation=0.1)
    warps = []
    for seed in (0, 0, 1):
        sample = person()
        sample.rng = np.random.default_rng(seed)
        warps.append(crop(sample).warp)
    np.testing.assert_array_equal(warps[0], warps[1])
    assert np.abs(warps[0] - warps[2]).max() > 0.01


def test_a_sample_without_exactly_one_person_is_refused():
    sample = person()
    sample.keypoints, sample.visible = sample.keypoints.repeat(2, 0), sample.visible.repeat(2, 0)
    with pytest.raises(ValueError, match="exactly one person, got 2"):
        PersonCrop(128)(sample)
