from dataclasses import replace

import numpy as np
import pytest

from aemm import geometry
from aemm.datasets.transforms import AffineDraw, ColorJitter, RandomAffine, RandomFlip, ResizeToFit, flip_sample
from aemm.skeletons import build_skeleton
from aemm.structures import Sample

SKELETON = build_skeleton(dict(keypoints=["left", "right", "top"], sigmas=[0.1] * 3))


def _sample(height=60, width=80, seed=0):
    rng = np.random.default_rng(seed)
    points = rng.uniform((0, 0), (width, height), (4, 3, 2)).astype(np.float32)
    return Sample(
        image=rng.integers(0, 255, (height, width, 3)).astype(np.uint8),
        image_id=1,
        image_size=(height, width),
        keypoints=points,
        visible=np.full((4, 3), 2),
        masks=rng.random((4, height, width)) > 0.5,
        ignore=np.zeros((height, width), bool),
        skeleton=SKELETON,
        rng=np.random.default_rng(seed),
    )


def _dot(height, width, x, y):
    """A sample with one bright pixel and a keypoint in its middle."""
    image = np.zeros((height, width, 3), np.uint8)
    image[y, x] = 255
    sample = _sample(height, width)
    points = np.full((1, 3, 2), (x + 0.5, y + 0.5), np.float32)
    return replace(sample, image=image, keypoints=points, visible=np.full((1, 3), 2), masks=None)


def _centroid(image):
    weight = image[..., 0].astype(float)
    y, x = np.indices(weight.shape) + 0.5
    return np.array([(x * weight).sum(), (y * weight).sum()]) / weight.sum()


@pytest.mark.parametrize("fit", ["long", "short"])
def test_keypoints_follow_the_pixels_through_a_random_affine(fit):
    for seed in range(10):
        sample = replace(_dot(60, 80, 42, 31), rng=np.random.default_rng(seed))
        out = RandomAffine(size=(256, 192), fit=fit, translation=10)(sample)
        np.testing.assert_allclose(_centroid(out.image), out.keypoints[0, 0], atol=0.1)
        np.testing.assert_allclose(geometry.apply_warp(sample.keypoints, out.warp), out.keypoints, atol=1e-3)


def test_keypoints_follow_the_pixels_through_a_test_resize():
    for square, shape in ((False, (192, 256)), (True, (256, 256))):
        out = ResizeToFit(size=256, fit="long", square=square)(_dot(60, 80, 42, 31))
        assert out.image.shape[:2] == shape
        np.testing.assert_allclose(_centroid(out.image), out.keypoints[0, 0], atol=0.05)


def test_test_resize_keeps_proportions_and_multiples():
    for height, width in ((427, 640), (640, 427), (64, 64), (100, 333)):
        for fit in ("long", "short"):
            out = ResizeToFit(size=128, fit=fit)(_sample(height, width))
            assert out.image.shape[0] % 64 == out.image.shape[1] % 64 == 0
            assert out.warp[0, 0] == pytest.approx(out.warp[1, 1])
            side = (max if fit == "long" else min)(height, width)
            assert side * out.warp[0, 0] == pytest.approx(128)


def test_what_lies_outside_the_source_is_ignored():
    out = ResizeToFit(size=128, fit="long", square=True)(_sample())
    assert out.ignore[:15].all()
    assert not out.ignore[20:108].any()


def test_keypoints_may_leave_the_image_and_stay_annotated():
    """Targets leave them out, each style by its own rounding."""
    sample = _sample()
    moved = RandomAffine(size=64, rotation=0, scale=(0.5, 0.5), translation=0)(sample)
    assert not ((moved.keypoints >= 0) & (moved.keypoints < 64)).all()
    np.testing.assert_array_equal(moved.visible, sample.visible)


def test_flipping_twice_is_the_identity():
    sample = _sample()
    twice = flip_sample(flip_sample(sample))
    for name in ("image", "keypoints", "visible", "masks", "ignore", "warp"):
        np.testing.assert_allclose(getattr(twice, name), getattr(sample, name), atol=1e-4, err_msg=name)


def test_a_flip_mirrors_places_and_swaps_left_and_right():
    sample = _sample()
    out = flip_sample(sample)
    np.testing.assert_allclose(out.keypoints[:, 0], [80, 0] + sample.keypoints[:, 1] * [-1, 1])
    np.testing.assert_allclose(out.keypoints[:, 2, 0], 80 - sample.keypoints[:, 2, 0])
    np.testing.assert_array_equal(out.image, sample.image[:, ::-1])


def test_a_flip_happens_as_often_as_asked():
    flips = [RandomFlip(0.3)(replace(_sample(), rng=np.random.default_rng(i))).warp[0, 0] < 0 for i in range(400)]
    assert 0.2 < np.mean(flips) < 0.4


def test_whole_moves_are_cut_towards_zero_and_leave_the_largest_out():
    step = RandomAffine(size=64, scale=(1, 1), translation=10, moves="whole")  # at most 4.9 px for a side of 98
    moves = np.array([step.draw(np.random.default_rng(i), (60, 98)).move for i in range(200)])
    assert sorted(set(moves.ravel().tolist())) == [-4, -3, -2, -1, 0, 1, 2, 3]
    none = RandomAffine(size=64, scale=(1, 1), translation=1, moves="whole")
    assert none.draw(np.random.default_rng(0), (60, 98)).move == (0, 0)


def test_moves_count_in_the_region_or_in_the_sides_of_the_image():
    def farthest(**options):
        step = RandomAffine(size=64, scale=(1, 1), translation=100, **options)
        return np.abs([step.draw(np.random.default_rng(i), (60, 80)).move for i in range(400)]).max(0)

    np.testing.assert_allclose(farthest(fit="short"), (30, 30), atol=1)
    np.testing.assert_allclose(farthest(fit="long"), (40, 40), atol=1)
    np.testing.assert_allclose(farthest(fit="short", move_unit="sides"), (40, 30), atol=1)


def test_a_turn_is_counter_clockwise_as_one_sees_it():
    step = RandomAffine(size=64, translation=0, scale=(1, 1), rotation=0)
    step.draw = lambda *_: AffineDraw(1.0, 90.0, (0.0, 0.0))
    out = step(_dot(64, 64, 60, 31))  # at the right, in the middle of its height
    np.testing.assert_allclose(out.keypoints[0, 0], (31.5, 3.5), atol=1e-3)


def test_a_mirrored_index_sample_is_one_pixel_left():
    sample = replace(_sample(), convention="index")
    out = flip_sample(sample)
    np.testing.assert_allclose(out.keypoints[:, 2, 0], 79 - sample.keypoints[:, 2, 0])
    np.testing.assert_array_equal(out.image, sample.image[:, ::-1])


def test_scale_conventions_differ_as_named():
    fixed = dict(size=64, rotation=0, scale=(1, 1), translation=0)
    long, short = RandomAffine(fit="long", **fixed)(_sample()), RandomAffine(fit="short", **fixed)(_sample())
    assert long.warp[0, 0] == pytest.approx(64 / 80)
    assert short.warp[0, 0] == pytest.approx(64 / 60)


def test_color_jitter_stays_in_range_and_leaves_geometry_alone():
    sample = _sample()
    out = ColorJitter()(sample)
    assert out.image.dtype == np.uint8
    assert not np.array_equal(out.image, sample.image)
    np.testing.assert_array_equal(out.keypoints, sample.keypoints)
    still = ColorJitter(hue=0, saturation=(1, 1), brightness=0, contrast=(1, 1))(sample)
    assert np.abs(still.image.astype(int) - sample.image).max() <= 1


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: RandomAffine(size=64, fit="width"), "fit must be"),
        (lambda: RandomAffine(size=64, moves="half"), "moves must be"),
        (lambda: RandomAffine(size=64, move_unit="image"), "move_unit must be"),
        (lambda: RandomAffine(size=64, scale=(1.5, 0.5)), "smaller first"),
        (lambda: ResizeToFit(size=100), "multiple of 64"),
        (lambda: ResizeToFit(size=64, center="left"), "center must be one of 'exact', 'whole', 'corner'"),
        (lambda: ResizeToFit(size=128, fit="short", square=True), "goes with fit='long'"),
    ],
)
def test_impossible_settings_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()
