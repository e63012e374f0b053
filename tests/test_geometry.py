"""Every pixel convention: images, points and maps agree with each other in it."""

from typing import get_args

import numpy as np
import pytest
import torch

from aemm import geometry
from aemm.datasets import collate
from aemm.datasets.transforms import PoseTargets, RandomAffine, ResizeToFit, flip_sample
from aemm.geometry import PixelConvention
from aemm.ops.image import warp_image
from aemm.registry import DECODERS
from aemm.skeletons import SKELETONS
from aemm.structures import Maps, Sample

CONVENTIONS = get_args(PixelConvention)
CENTER = {"continuous": 0.5, "index": 0.5, "newell": 0.5, "udp": 0.0}  # of pixel 0


def blob(points: np.ndarray, size: tuple[int, int], convention: str, sigma: float = 12.0) -> np.ndarray:
    """An image with a bright spot at a point; pixel 0 has its middle where the convention says."""
    y, x = np.mgrid[: size[0], : size[1]] + CENTER[convention]
    value = np.exp(-((x - points[0]) ** 2 + (y - points[1]) ** 2) / (2 * sigma**2))
    return (255 * value).astype(np.uint8)[..., None].repeat(3, 2)


def brightest(image: np.ndarray, convention: str) -> np.ndarray:
    """Centre of mass of an image of one spot."""
    weight = image[..., 0].astype(float) ** 2
    y, x = np.mgrid[: image.shape[0], : image.shape[1]] + CENTER[convention]
    return np.array([(x * weight).sum(), (y * weight).sum()]) / weight.sum()


def spot_sample(convention: str) -> Sample:
    point = np.array([110.3, 82.6], np.float32)
    image = blob(point, (192, 256), convention)
    keypoints = np.tile(point, (1, 17, 1))
    size = image.shape[:2]
    return Sample(image, 0, size, keypoints, np.full((1, 17), 2), skeleton=SKELETONS["coco"], convention=convention)


@pytest.mark.parametrize("convention", ["continuous", "udp"])
@pytest.mark.parametrize("seed", range(4))
def test_pixels_and_points_move_together(convention, seed):
    sample = spot_sample(convention)
    sample.rng = np.random.default_rng(seed)
    moved = RandomAffine(256, scale=(0.75, 1.25), convention=convention)(sample)
    np.testing.assert_allclose(brightest(moved.image, convention), moved.keypoints[0, 0], atol=0.1)
    flipped = flip_sample(moved)
    np.testing.assert_allclose(brightest(flipped.image, convention), flipped.keypoints[0, 0], atol=0.1)


@pytest.mark.parametrize("convention", ["index", "newell"])
def test_index_pixels_lie_half_a_pixel_off_the_points(convention):
    sample = spot_sample("continuous")
    moved = ResizeToFit(512, convention=convention)(sample)
    gap = brightest(moved.image, "continuous") - moved.keypoints[0, 0]
    np.testing.assert_allclose(gap, 0.5 - 0.5 * moved.warp[0, 0], atol=0.1)  # a factor of 2 shows it


def test_index_images_are_resampled_in_steps_of_a_32nd_pixel():
    image = np.arange(0, 256, 8, dtype=np.uint8)[None].repeat(4, 0)
    # 1/128 px rounds away, 3/128 px up to 1/32; each pixel is 8 grey levels brighter than the last
    for shift, expected in ((1 / 128, 0.0), (3 / 128, 8 / 32), (0.5, 4.0)):
        moved = warp_image(image, geometry.translation(-shift, 0), (4, 32), convention="index")
        assert moved[1, 5] == int(40 + expected + 0.5)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_map_coordinates_and_back_are_the_identity(convention, mirrored):
    points = np.random.default_rng(0).uniform(0, 500, (7, 2))
    sizes = (512, 768), (128, 192)
    there = geometry.to_map(points, *sizes, convention, mirrored)
    back = geometry.map_warp(*sizes, convention, mirrored)
    np.testing.assert_allclose(geometry.apply_warp(there, back), points)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_a_mirrored_map_is_the_map_mirrored_as_the_convention_says(convention):
    farthest = 191 if convention == "index" else 192
    points, sizes = np.array([[10.0, 20.0], [300.5, 7.25]]), ((512, 768), (128, 192))
    cells = geometry.to_map(points, *sizes, convention)
    there = geometry.to_map(geometry.apply_warp(points, geometry.mirror(768, convention)), *sizes, convention, True)
    np.testing.assert_allclose(there[:, 0], farthest - cells[:, 0])
    np.testing.assert_allclose(there[:, 1], cells[:, 1])


@pytest.mark.parametrize("convention", ["index", "newell", "udp"])
def test_the_pixels_that_stand_for_cells_are_mirrored_with_the_map(convention):
    rows, columns = geometry.cell_pixels((64, 96), (16, 24), convention)
    mirrored_rows, mirrored_columns = geometry.cell_pixels((64, 96), (16, 24), convention, True)
    np.testing.assert_array_equal(mirrored_rows, rows)
    np.testing.assert_array_equal(mirrored_columns, 95 - columns[::-1])
    assert (columns[0], columns[-1]) == ((0, 95) if convention == "udp" else (0, 92))


def test_no_pixel_stands_for_a_continuous_cell():
    with pytest.raises(ValueError, match="got 'continuous'"):
        geometry.cell_pixels((64, 96), (16, 24), "continuous")


def test_udp_puts_the_corners_of_image_and_map_together():
    corners = np.array([[0.0, 0.0], [511.0, 255.0]])
    on_map = geometry.to_map(corners, (256, 512), (64, 128), "udp")
    np.testing.assert_allclose(on_map, [[0.5, 0.5], [127.5, 63.5]])  # the middles of the outer cells
    np.testing.assert_allclose(geometry.apply_warp(corners, geometry.mirror(512, "udp")), [[511, 0], [0, 255]])


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("style", ["newell", "higherhrnet", "udp", "unbiased"])
def test_what_is_encoded_comes_back_without_bias(style, convention):
    rng = np.random.default_rng(0)
    quantised = style in ("newell", "higherhrnet")
    subpixel = {"udp": "hessian", "unbiased": "gaussian"}.get(style, "quarter")
    decoder = DECODERS.build(dict(type="PoseDecoder", skeleton="coco", subpixel=subpixel, fill_missing=False))
    ways = []
    for _ in range(40):
        keypoints = rng.uniform((40, 40), (600, 380), (1, 17, 2)).astype(np.float32)
        image = np.zeros((427, 640, 3), np.uint8)
        sample = Sample(image, 0, (427, 640), keypoints, np.full((1, 17), 2), skeleton=SKELETONS["coco"])
        sample = ResizeToFit(512, fit="short", convention=convention)(sample)
        sample = PoseTargets((4,), sigma=2.0, style=style)(sample)
        (target,) = sample.targets
        maps = Maps(target.heatmaps[None], torch.zeros(1, 17, 1, *target.size))
        (found,) = decoder(maps, collate([sample]))
        ways.append((found.keypoints - keypoints)[0])
    ways = np.concatenate(ways)
    cell = 4 * 427 / 512  # in pixels of the original
    assert np.abs(ways).max() < (0.75 if quantised else 0.02) * cell
    assert np.abs(ways.mean(0)).max() < (0.05 if quantised else 0.005) * cell


def test_a_batch_holds_one_convention():
    samples = [ResizeToFit(64, square=True, convention=name)(spot_sample("continuous")) for name in CONVENTIONS[:2]]
    with pytest.raises(ValueError, match="convention"):
        collate(samples)


@pytest.mark.parametrize("transform", [RandomAffine, ResizeToFit])
def test_an_unknown_convention_is_refused(transform):
    with pytest.raises(ValueError, match=r"continuous.*index.*udp"):
        transform(64, convention="corner")
