import numpy as np
import pytest

from aemm.datasets import SampleKey, SyntheticInstanceDataset, collate
from aemm.datasets.transforms import InstanceTargets
from aemm.structures import Sample


def _sample(boxes, labels, size=(32, 48), ignore=None, seed=0):
    """Rectangles (top, left, height, width) as instances."""
    masks = np.zeros((len(boxes), *size), bool)
    for mask, (top, left, height, width) in zip(masks, boxes, strict=True):
        mask[top : top + height, left : left + width] = True
    image = np.zeros((*size, 3), np.uint8)
    labels = np.array(labels, np.int64)
    rng = np.random.default_rng(seed)
    return Sample(image, 0, size, masks=masks, labels=labels, ignore=ignore, rng=rng)


def _one(sample, **changes):
    targets = InstanceTargets(**(dict(strides=[4], num_classes=3) | changes)).transform(sample).targets
    return targets[0]


def test_heatmaps_are_the_covered_share_of_the_union_of_a_class():
    target = _one(_sample([(0, 0, 8, 8), (4, 4, 8, 8), (0, 0, 4, 2)], [1, 1, 2]))
    expected = np.zeros((3, 8, 12))
    expected[1, :2, :2] = expected[1, 1:3, 1:3] = 1
    expected[2, 0, 0] = 0.5
    np.testing.assert_allclose(target.heatmaps, expected)
    assert (target.weight == 1).all()


def test_every_stride_has_its_own_size():
    sample = InstanceTargets([4, 2, 8], 2, tag_strides=[4]).transform(_sample([(0, 0, 8, 8)], [0]))
    targets = sample.targets
    assert [t.size for t in targets] == [(8, 12), (16, 24), (4, 6)]
    assert [t.tag_index is None for t in targets] == [False, True, True]
    assert sample.masks is not None


def test_sampled_cells_lie_inside_their_instance_without_repetition():
    sample = _sample([(0, 0, 16, 16), (8, 20, 20, 16)], [0, 2])
    target = _one(sample, samples=10)
    assert target.tag_index.shape == (2, 10)
    for row, mask, label in zip(target.tag_index.numpy(), sample.masks, sample.labels, strict=True):
        plane, cell = np.divmod(row, 8 * 12)
        assert (plane == label).all()
        assert mask[4 * (cell // 12) + 2, 4 * (cell % 12) + 2].all()
        assert len(set(row)) == 10
    shared = _one(_sample([(0, 0, 16, 16), (8, 20, 20, 16)], [0, 2]), samples=10, tag_per_class=False)
    np.testing.assert_array_equal(shared.tag_index, target.tag_index % (8 * 12))


def test_small_and_thin_instances_give_the_cells_they_have():
    target = _one(_sample([(0, 0, 8, 8), (20, 0, 1, 40), (30, 46, 1, 1)], [0, 1, 1]), samples=6)
    assert (target.tag_index >= 0).sum(1).tolist() == [4, 1, 1]
    assert (target.tag_index[:, 0] >= 0).all()
    assert target.tag_index[2, 0] == 2 * 8 * 12 - 1  # the cell in which the single pixel lies


def test_instances_outside_the_range_of_sizes_are_masked_not_taught():
    sample = _sample([(0, 0, 4, 4), (8, 8, 12, 12), (0, 24, 32, 24)], [0, 0, 0])
    target = _one(sample, size_range=(8, 20))
    assert target.heatmaps.sum() == 9
    assert len(target.tag_index) == 1
    expected = np.ones((8, 12))
    expected[0, 0] = expected[:, 6:] = 0
    np.testing.assert_array_equal(target.weight, expected)


def test_ignored_pixels_mask_the_cells_they_mostly_fill():
    ignore = np.zeros((32, 48), bool)
    ignore[:4, :3], ignore[4:8, :2] = True, True
    weight = _one(_sample([], [], ignore=ignore)).weight
    assert weight[0, 0] == 0
    assert weight[1, 0] == 1


def test_images_without_instances_and_instances_moved_out_of_the_image():
    empty = _one(_sample([], []))
    assert empty.tag_index.shape == (0, 20)
    assert not empty.heatmaps.any()
    outside = _one(_sample([(0, 0, 0, 0)], [1]))
    assert outside.tag_index.shape == (0, 20)
    assert (outside.weight == 1).all()
    batch = collate(
        [InstanceTargets([4], 3).transform(_sample(boxes, [0] * len(boxes))) for boxes in ([], [(0, 0, 9, 9)])]
    )
    assert batch.targets[0].tag_index.shape == (2, 1, 20)


def test_sampling_depends_on_seed_epoch_and_index_alone():
    dataset = SyntheticInstanceDataset(
        3, 64, shapes=(3, 4), pipeline=[dict(type="InstanceTargets", strides=[4], num_classes=5)]
    )
    draw = lambda *key: dataset[SampleKey(*key)].targets[0].tag_index.numpy()  # noqa: E731
    np.testing.assert_array_equal(draw(0, 2, 1), draw(0, 2, 1))
    assert not np.array_equal(draw(0, 2, 1), draw(0, 3, 1))
    assert not np.array_equal(draw(0, 2, 1), draw(0, 2, 2))


def test_wrong_input_is_explained():
    with pytest.raises(ValueError, match=r"labels must be in 0\.\.2, got 3"):
        _one(_sample([(0, 0, 8, 8)], [3]))
    with pytest.raises(ValueError, match="must divide the image"):
        _one(_sample([], []), strides=[5])
    with pytest.raises(ValueError, match="masks and labels are needed"):
        _one(Sample(np.zeros((8, 8, 3), np.uint8), 0, (8, 8)))
    for wrong in (dict(strides=[]), dict(size_range=(5, 1)), dict(samples=0), dict(tag_strides=[8])):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            InstanceTargets(**(dict(strides=[4], num_classes=1) | wrong))
