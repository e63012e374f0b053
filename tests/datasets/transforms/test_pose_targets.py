import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from aemm.datasets.transforms.pose_targets import PoseTargets
from aemm.geometry import apply_warp, mirror
from aemm.ops.heatmap import draw_gaussians
from aemm.registry import TRANSFORMS
from aemm.structures import Sample


def _sample(people=3, keypoints=5, height=64, width=96, seed=0):
    rng = np.random.default_rng(seed)
    points = rng.uniform((0, 0), (width, height), (people, keypoints, 2)).astype(np.float32)
    return Sample(
        image=np.zeros((height, width, 3), np.uint8),
        image_id=7,
        image_size=(height, width),
        keypoints=points,
        visible=np.full((people, keypoints), 2),
    )


def test_the_registered_transform_draws_one_target_per_stride():
    sample = _sample()
    out = TRANSFORMS.build(dict(type="PoseTargets", strides=[4, 2], sigma=2.0))(sample)
    targets = out.targets
    assert not sample.targets
    assert [t.size for t in targets] == [(16, 24), (32, 48)]
    for target, stride in zip(targets, (4, 2), strict=True):
        expected = draw_gaussians(sample.keypoints / stride, sample.visible > 0, target.size, 2.0)
        np.testing.assert_array_equal(target.heatmaps.numpy(), expected)


@pytest.mark.parametrize(
    ("size", "sigma"),
    [((512, 512), 2.0), ((384, 384), 1.5), ((512, 704), 3.0), ((64, 96), 1.0), ((128, 128), 1.0)],
)
def test_sigma_follows_the_size_of_the_map_unless_given(size, sigma):
    sample = _sample(height=size[0], width=size[1])
    (target,) = PoseTargets([4])(sample).targets
    (explicit,) = PoseTargets([4], sigma=sigma)(sample).targets
    assert torch.equal(target.heatmaps, explicit.heatmaps)


@pytest.mark.parametrize("style", ["newell", "higherhrnet", "unbiased"])
def test_tag_index_points_at_the_peak_of_each_keypoint(style):
    sample = _sample(people=1, keypoints=9)
    (target,) = PoseTargets([4], sigma=1.0, style=style)(sample).targets
    assert target.tag_index.dtype == torch.int64
    picked = target.heatmaps.flatten()[target.tag_index[0]]
    torch.testing.assert_close(picked, target.heatmaps.flatten(1).amax(1))


def test_shared_tags_are_indexed_in_one_map():
    sample = _sample()
    (own,) = PoseTargets([4])(sample).targets
    (shared,) = PoseTargets([4], tag_per_keypoint=False)(sample).targets
    assert torch.equal(own.tag_index % (16 * 24), shared.tag_index)
    assert torch.equal(own.tag_index // (16 * 24), torch.arange(5).expand(3, 5))


def test_keypoints_not_annotated_or_outside_are_absent_and_empty_people_take_no_place():
    sample = _sample(people=4)
    sample.visible[0, 2] = 0
    sample.visible[1] = 0
    sample.keypoints[2] += 1000
    sample.keypoints[3, 0] = (96, 10)
    (target,) = PoseTargets([4])(sample).targets
    assert target.tag_index.shape == (2, 5)
    assert (target.tag_index < 0).tolist() == [[False, False, True, False, False], [True] + [False] * 4]


@pytest.mark.parametrize("people", [0, 1, 31, 45])
def test_any_number_of_people_is_taken(people):
    (target,) = PoseTargets([4])(_sample(people=people)).targets
    assert target.tag_index.shape == (people, 5)
    assert target.heatmaps.shape == (5, 16, 24)


def test_rows_of_people_without_annotation_change_nothing():
    sample = _sample()
    padded = replace(
        sample,
        keypoints=np.concatenate([sample.keypoints, np.zeros((3, 5, 2), np.float32)]),
        visible=np.concatenate([sample.visible, np.zeros((3, 5), int)]),
    )
    (target,), (same,) = PoseTargets([4])(sample).targets, PoseTargets([4])(padded).targets
    assert torch.equal(target.heatmaps, same.heatmaps)
    assert torch.equal(target.tag_index, same.tag_index)


def test_strides_without_tags_have_no_index():
    coarse, fine = PoseTargets([4, 2], sigma=2.0, tag_strides=[4])(_sample()).targets
    assert coarse.tag_index is not None
    assert fine.tag_index is None


def test_a_cell_is_masked_where_most_of_it_is_to_be_ignored():
    ignore = np.zeros((64, 96), bool)
    ignore[:8, :8] = True
    ignore[8:12, 8:11] = True  # three quarters of a cell
    ignore[20:24, 20:21] = True  # one quarter
    (target,) = PoseTargets([4])(replace(_sample(), ignore=ignore)).targets
    expected = torch.ones(16, 24)
    expected[:2, :2] = 0
    expected[2, 2] = 0
    assert torch.equal(target.weight, expected)


@pytest.mark.parametrize("mirrored", [False, True])
def test_where_middles_lie_on_whole_numbers_one_pixel_decides_for_its_cell(mirrored):
    ignore = np.zeros((64, 96), bool)
    ignore[8, 12] = True
    ignore[1:4, 1:4] = True  # most of a cell, but not its pixel
    sample = replace(_sample(), ignore=ignore, convention="index")
    if mirrored:
        sample = replace(sample, ignore=ignore[:, ::-1], warp=mirror(96, "index"))
    (target,) = PoseTargets([4])(sample).targets
    assert np.argwhere(target.weight.numpy() == 0).tolist() == [[2, 20 if mirrored else 3]]


def test_keypoints_of_a_mirrored_index_sample_lie_in_the_mirrored_cells():
    sample = replace(_sample(people=1), convention="index")
    flipped = replace(sample, keypoints=apply_warp(sample.keypoints, mirror(96, "index")), warp=mirror(96, "index"))
    (target,), (other,) = PoseTargets([4])(sample).targets, PoseTargets([4])(flipped).targets
    column, mirrored = target.tag_index % 24, other.tag_index % 24
    # a cell holds [j, j + 1): mirrored by 23 - x a keypoint inside it lands in the next one to the left
    assert torch.equal(mirrored[column < 23], 22 - column[column < 23])


def test_wrong_settings_and_samples_are_named():
    with pytest.raises(ValueError, match=r"tag_strides must be some of the strides \[4\], got also \[2\]"):
        PoseTargets([4], tag_strides=[2])
    with pytest.raises(ValueError, match="strides must hold at least one"):
        PoseTargets([])
    with pytest.raises(ValueError, match="style must be one of"):
        PoseTargets([4], style="round")
    with pytest.raises(ValueError, match=r"image 7: every stride .* height 64 and width 98"):
        PoseTargets([4])(_sample(width=98))
    with pytest.raises(ValueError, match="image 7: keypoints and visible are needed"):
        PoseTargets([4])(replace(_sample(), keypoints=None, visible=None))


@pytest.mark.parametrize("style", ["newell", "higherhrnet"])
def test_a_sigma_that_draws_beside_the_cell_is_named(style):
    with pytest.warns(UserWarning, match=r"unless 3 sigma is whole, got sigma=1\.5 for maps of \(16, 24\)"):
        PoseTargets(strides=(4,), sigma=1.5, style=style)(_sample())


@pytest.mark.parametrize(
    ("style", "sigma"), [("newell", 2.0), ("higherhrnet", 1.0), ("newell", 4 / 3), ("unbiased", 1.5)]
)
def test_other_sigmas_are_taken_in_silence(style, sigma):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        PoseTargets(strides=(4,), sigma=sigma, style=style)(_sample())
