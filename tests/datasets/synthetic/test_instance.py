import numpy as np
import pytest

from aemm.datasets import SyntheticInstanceDataset
from aemm.datasets.synthetic.instance import SYNTHETIC_CLASSES, draw_shape
from aemm.ops.masks import decode_masks


def test_an_image_depends_on_seed_and_index_alone():
    dataset = SyntheticInstanceDataset(4, 96)
    once, again = dataset.load(2), SyntheticInstanceDataset(9, 96).load(2)
    np.testing.assert_array_equal(once.image, again.image)
    np.testing.assert_array_equal(once.masks, again.masks)
    assert not np.array_equal(once.image, dataset.load(3).image)
    assert not np.array_equal(once.image, SyntheticInstanceDataset(4, 96, seed=1).load(2).image)


def test_masks_do_not_overlap_and_all_classes_occur():
    samples = [SyntheticInstanceDataset(25, 96).load(i) for i in range(25)]
    assert set(np.concatenate([s.labels for s in samples])) == set(range(len(SYNTHETIC_CLASSES)))
    for sample in samples:
        assert sample.masks.sum(0).max(initial=0) <= 1
        assert (sample.masks.sum((1, 2)) >= 25).all()
        assert not (sample.masks & sample.ignore).any()
        assert len(sample.labels) == len(sample.masks)


def test_instances_of_one_class_often_touch():
    touching = 0
    for i in range(25):
        sample = SyntheticInstanceDataset(25, 96, people=(0, 0), shapes=(3, 5)).load(i)
        grown = sample.masks.copy()
        grown[:, 1:] |= sample.masks[:, :-1]
        grown[:, :, 1:] |= sample.masks[:, :, :-1]
        near = (grown[:, None] & sample.masks).any((2, 3)) & (sample.labels[:, None] == sample.labels)
        touching += bool(np.triu(near, 1).any())
    assert touching >= 8


def test_identical_shapes_differ_in_nothing_but_their_place():
    for i in range(6):
        sample = SyntheticInstanceDataset(6, 128, shapes=(3, 5), identical=True).load(i)
        assert len(sample.masks) >= 2
        assert len(set(sample.labels)) == 1
        crops = set()
        for mask in sample.masks:
            rows, columns = np.nonzero(mask)
            crops.add(np.packbits(mask[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]).tobytes())
        assert len(crops) == 1


def test_a_shape_lies_where_it_is_said_to_and_a_ring_has_a_hole():
    disc = draw_shape("disc", (30.0, 20.0), 10, 0, (48, 64))
    rows, columns = np.nonzero(disc)
    np.testing.assert_allclose([columns.mean() + 0.5, rows.mean() + 0.5], [30, 20], atol=0.1)
    assert disc.sum() == pytest.approx(np.pi * 100, rel=0.08)
    ring = draw_shape("ring", (30.0, 20.0), 10, 0, (48, 64))
    assert not ring[20, 30]
    assert (ring <= disc).all()


def test_ground_truth_is_what_the_samples_hold():
    dataset = SyntheticInstanceDataset(5, 64, test_mode=True)
    assert dataset.metainfo.classes == SYNTHETIC_CLASSES
    for i in range(5):
        sample = dataset.load(i)
        np.testing.assert_array_equal(decode_masks(sample.truth.masks, (64, 64)), sample.masks)
        assert sample.truth.labels.tolist() == sample.labels.tolist()
        np.testing.assert_array_equal(decode_masks([sample.truth.void], (64, 64))[0], sample.ignore)


def test_empty_scenes_and_wrong_counts():
    empty = SyntheticInstanceDataset(1, 64, shapes=(0, 0), people=(0, 0)).load(0)
    assert empty.masks.shape == (0, 64, 64)
    assert SyntheticInstanceDataset(1, 64, shapes=(0, 0), identical=True).load(0).masks.shape == (0, 64, 64)
    for wrong in (dict(shapes=(3, 1)), dict(people=(-1, 0)), dict(length=-1), dict(image_size=16)):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            SyntheticInstanceDataset(**(dict(length=1) | wrong))
