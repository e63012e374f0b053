import numpy as np
import pytest
import torch

from aemm import geometry
from aemm.datasets import SyntheticInstanceDataset, collate
from aemm.datasets.transforms import InstanceTargets, ResizeToFit, warp_sample
from aemm.models.decoders import InstanceDecoder
from aemm.ops.masks import decode_masks, encode_masks, mask_areas, mask_iou
from aemm.structures import Batch, Maps


def _batch(size, input_size=None, warp=None, count=1, convention="continuous"):
    height, width = size if input_size is None else input_size
    warps = np.stack([np.eye(3) if warp is None else warp] * count)
    images = torch.zeros(1, 3, 1, 1).expand(count, 3, height, width)
    return Batch([images], list(range(count)), [size] * count, warps, convention=convention)


def _maps(boxes, size=(16, 16), classes=2):
    """Maps in which every (label, top, left, height, width, tag) is a rectangle of cells."""
    heat, tags = torch.zeros(1, classes, *size), torch.zeros(1, classes, 1, *size)
    for label, top, left, height, width, tag in boxes:
        area = np.s_[top : top + height, left : left + width]
        heat[0, label][area] = 1
        tags[0, label, 0][area] = tag
    return Maps(heat, tags)


def _masks(found):
    return decode_masks(found.masks, found.image_size)


def test_masks_have_the_size_of_the_original_image_and_lie_where_the_cells_lie():
    maps = _maps([(0, 2, 3, 6, 5, 0.0), (1, 8, 8, 4, 6, 0.0)])
    found = InstanceDecoder(2, threshold=0.5)(maps, _batch((64, 64)))[0]
    assert found.labels.tolist() == [0, 1]
    expected = np.zeros((2, 64, 64), bool)
    expected[0, 8:32, 12:32] = expected[1, 32:48, 32:56] = True
    np.testing.assert_allclose(np.diag(mask_iou(found.masks, encode_masks(expected))), 1, atol=0.03)
    centers = [np.argwhere(mask).mean(0) for mask in _masks(found)]
    np.testing.assert_allclose(centers, [np.argwhere(mask).mean(0) for mask in expected], atol=1e-6)
    assert found.scores.tolist() == [1, 1]
    assert found.tags.shape == (2, 1)


def test_touching_instances_share_no_pixel_and_leave_no_gap():
    maps = _maps([(0, 4, 2, 8, 6, 0.0), (0, 4, 8, 8, 5, 5.0)])
    found = InstanceDecoder(2)(maps, _batch((64, 64)))[0]
    masks = _masks(found)
    assert len(masks) == 2
    assert (masks.sum(0)[17:47, 10:50] == 1).mean() > 0.99
    assert not masks.all(0)[:, :31].any()


@pytest.mark.parametrize("convention", ["continuous", "udp"])
def test_points_between_image_and_map_agree_with_the_geometry(convention):
    maps = _maps([(0, 3, 5, 4, 6, 0.0)])
    warp = geometry.translation(8, -12) @ geometry.scaling(0.5)
    found = InstanceDecoder(2, threshold=0.5)(maps, _batch((150, 130), (64, 64), warp, convention=convention))[0]
    ends = np.array([[5.0, 3.0], [11.0, 7.0]])
    pixels = geometry.apply_warp(ends, geometry.map_warp((64, 64), maps.size, convention))
    corners = geometry.apply_warp(pixels, np.linalg.inv(warp)) + (0.5 if convention == "udp" else 0)
    rows, columns = np.nonzero(_masks(found)[0])
    box = [[columns.min(), rows.min()], [columns.max() + 1, rows.max() + 1]]
    np.testing.assert_allclose(box, corners, atol=1.01)


def test_masks_reach_the_border_of_the_image():
    found = InstanceDecoder(1)(_maps([(0, 0, 0, 16, 16, 0.0)], classes=1), _batch((64, 64)))[0]
    assert _masks(found).all()


def test_a_turned_image_is_turned_back():
    sample = SyntheticInstanceDataset(1, image_size=128, people=(0, 0), shapes=(1, 1), seed=3)[0]
    turned = warp_sample(sample, geometry.crop_warp((64, 64), 140, (128, 128), 30), (128, 128))
    batch = collate([InstanceTargets([4], 5).transform(turned)])
    maps = Maps(batch.targets[0].heatmaps.dense(), torch.zeros(1, 5, 1, 32, 32))
    found = InstanceDecoder(5)(maps, batch)[0]
    assert mask_iou(found.masks, encode_masks(sample.masks)).max() > 0.9


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.3, 0.5])
def test_ground_truth_of_drawn_scenes_comes_back(noise):
    dataset = SyntheticInstanceDataset(12, image_size=128, seed=5)
    targets, decoder, good, count = InstanceTargets([4], 5), InstanceDecoder(5), 0, 0
    g = torch.Generator().manual_seed(0)
    for index in range(len(dataset)):
        sample = dataset[index]
        batch = collate([targets.transform(sample)])
        heat = batch.targets[0].heatmaps.dense()
        tags = torch.zeros(1, 5, 1, 32, 32)
        for n, (mask, label) in enumerate(zip(sample.masks, sample.labels, strict=True)):
            share = torch.from_numpy(mask.reshape(32, 4, 32, 4).mean((1, 3)))
            tags[0, label, 0][share > 0.25] = 3.0 * n
        tags += noise * torch.randn(tags.shape, generator=g)
        found = decoder(Maps(heat, tags), batch)[0]
        iou = mask_iou(found.masks, encode_masks(sample.masks)) * (found.labels[:, None] == sample.labels)
        good, count = good + int((iou.max(0) >= 0.5).sum()), count + len(sample.masks)
    assert good >= 0.95 * count


def test_real_annotations_come_back_at_twice_the_resolution(shared):
    from aemm.datasets import CocoInstanceDataset

    root = str(shared / "data" / "coco_mini")
    resize = ResizeToFit(512, fit="long", square=True)
    dataset = CocoInstanceDataset("annotations/instances_val2017.json", "val2017", root, classes="voc", max_images=12)
    targets, decoder, good, count = InstanceTargets([4], 20), InstanceDecoder(20), 0, 0
    for index in range(len(dataset)):
        raw = dataset[index]
        sample = resize.transform(raw)
        batch = collate([targets.transform(sample)])
        tags = np.zeros((20, 128, 128), np.float32)
        for n, (mask, label) in enumerate(zip(sample.masks, sample.labels, strict=True)):
            tags[label][mask.reshape(128, 4, 128, 4).mean((1, 3)) > 0.25] = 3 * n
        found = decoder(Maps(batch.targets[0].heatmaps.dense(), torch.from_numpy(tags)[None, :, None]), batch)[0]
        truth = encode_masks(raw.masks)
        large = mask_areas(truth) >= 32**2
        iou = mask_iou(found.masks, truth) * (found.labels[:, None] == raw.labels)
        good, count = good + int((iou.max(0)[large] >= 0.5).sum()), count + int(large.sum())
    assert count > 20
    assert good == count


def test_best_instances_come_first_and_small_ones_are_left_out():
    maps = _maps([(0, 1, 1, 3, 3, 0.0), (0, 8, 1, 5, 5, 4.0), (1, 8, 8, 2, 2, 0.0)])
    maps.heatmaps[0, 0, 1:4, 1:4] = 0.6
    batch = _batch((64, 64))
    found = InstanceDecoder(2)(maps, batch)[0]
    assert found.scores.tolist() == sorted(found.scores.tolist(), reverse=True)
    assert len(found) == 3
    assert len(InstanceDecoder(2, max_instances=1)(maps, batch)[0]) == 1
    assert InstanceDecoder(2, min_area=70)(maps, batch)[0].labels.tolist() == [0, 0]
    assert InstanceDecoder(2, min_cells=5)(maps, batch)[0].labels.tolist() == [0, 0]


def test_half_precision_noncontiguous_and_empty_maps_are_decoded():
    maps = _maps([(0, 2, 3, 6, 5, 0.0)])
    batch = _batch((64, 64))
    half = Maps(maps.heatmaps.bfloat16().transpose(2, 3).contiguous().transpose(2, 3), maps.tags.bfloat16())
    assert InstanceDecoder(2)(half, batch)[0].masks == InstanceDecoder(2)(maps, batch)[0].masks
    empty = InstanceDecoder(2)(_maps([]), batch)[0]
    assert len(empty) == 0
    assert empty.masks == []
    assert empty.tags.shape == (0, 1)


def test_rms_distance_makes_repeated_dimensions_count_once():
    maps = _maps([(0, 2, 1, 6, 5, 0.0), (0, 2, 6, 6, 5, 0.8)])
    four = Maps(maps.heatmaps, maps.tags.repeat(1, 1, 4, 1, 1))
    batch = _batch((64, 64))
    assert len(InstanceDecoder(2)(maps, batch)[0]) == 1
    assert len(InstanceDecoder(2)(four, batch)[0]) == 2  # 0.8 in each of four dimensions is 1.6
    assert len(InstanceDecoder(2, distance="rms")(four, batch)[0]) == 1


def test_proposals_of_scales_are_merged_for_every_image():
    maps = _maps([(0, 2, 3, 6, 5, 0.0), (1, 8, 8, 4, 6, 0.0)])
    both = Maps(maps.heatmaps.repeat(2, 1, 1, 1), maps.tags.repeat(2, 1, 1, 1, 1))
    decoder, batch = InstanceDecoder(2), _batch((64, 64), count=2)
    views = [decoder(both.resize(size), batch) for size in ((16, 16), (8, 8), (24, 24))]
    merged = decoder.merge(views)
    assert [found.image_id for found in merged] == [0, 1]
    assert all(sorted(found.labels.tolist()) == [0, 1] for found in merged)


def test_what_does_not_fit_is_refused():
    maps, batch = _maps([]), _batch((64, 64))
    with pytest.raises(ValueError, match="must have 3 channels"):
        InstanceDecoder(3)(maps, batch)
    with pytest.raises(ValueError, match="the batch's 2 images"):
        InstanceDecoder(2)(maps, _batch((64, 64), count=2))
    with pytest.raises(ValueError, match=r"tags must be .* got None"):
        InstanceDecoder(2)(Maps(maps.heatmaps), batch)
    for wrong in (dict(threshold=0), dict(radius=-1), dict(min_cells=0), dict(max_instances=0)):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            InstanceDecoder(2, **wrong)
