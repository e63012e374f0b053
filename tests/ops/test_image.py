"""Images are resampled at the places of OpenCV 4, by every version."""

import cv2
import numpy as np
import pytest

from aemm import geometry
from aemm.ops.image import resampling_grid, warp_image

SOURCE, SIZE = (480, 640), (96, 128)


def _warp(seed):
    rng = np.random.default_rng(seed)
    center = (rng.uniform(-100, 740), rng.uniform(-100, 580))
    return geometry.crop_warp(center, rng.uniform(20, 2000), SIZE, rng.uniform(-180, 180))


def _whole_steps(warp, step):
    """Places x and y in whole ``step`` of a pixel, rounded from sums in 1/1024 as OpenCV 4 does."""
    rows, columns = np.indices(SIZE)
    back, found = np.linalg.inv(warp), []
    for by_x, by_y, start in back[:2]:
        total = np.rint(by_x * columns * 1024) + np.rint((by_y * rows + start) * 1024)
        found.append((total.astype(np.int64) + 512 // step) // (1024 // step))
    return found


@pytest.mark.parametrize("seed", range(8))
def test_places_are_rounded_to_a_32nd_of_a_pixel_from_whole_1024ths(seed):
    cells, fractions = resampling_grid(_warp(seed), SIZE, "index").places()
    x, y = _whole_steps(_warp(seed), 32)
    np.testing.assert_array_equal(cells[..., 0], (x >> 5).clip(-32768, 32767))
    np.testing.assert_array_equal(cells[..., 1], (y >> 5).clip(-32768, 32767))
    np.testing.assert_array_equal(fractions, (x & 31) + ((y & 31) << 5))


def test_places_halfway_between_two_steps_go_up():
    warp = geometry.translation(-1 / 64, -3 / 64)
    _, fractions = resampling_grid(warp, SIZE, "index").places()
    assert (fractions == 1 + (2 << 5)).all()


@pytest.mark.parametrize("convention", ["continuous", "index"])
@pytest.mark.parametrize("seed", range(4))
def test_the_nearest_pixel_is_the_one_whose_middle_is_nearest(seed, convention):
    """Masks, too, lie where the image does, whatever the convention."""
    numbers = np.arange(SOURCE[0] * SOURCE[1], dtype=np.float32).reshape(SOURCE)
    taken = warp_image(numbers, _warp(seed), SIZE, -1, cv2.INTER_NEAREST, convention)
    x, y = _whole_steps(geometry.resampling_warp(_warp(seed), convention), 1)
    inside = (x >= 0) & (y >= 0) & (x < SOURCE[1]) & (y < SOURCE[0])
    np.testing.assert_array_equal(taken, np.where(inside, y * SOURCE[1] + x, -1))


@pytest.mark.parametrize("seed", range(8))
def test_outside_is_where_less_than_half_a_pixel_of_the_source_is(seed):
    grid = resampling_grid(_warp(seed), SIZE)
    share = grid.take(np.full(SOURCE, 255, np.uint8))
    assert (grid.outside(SOURCE) != (share < 128)).sum() <= 2  # at its corners, where both directions count


def test_a_place_that_rounds_to_half_a_pixel_is_inside():
    grid = resampling_grid(geometry.translation(0.5, 0), SIZE, "index")
    assert not grid.outside(SIZE).any()
    assert resampling_grid(geometry.translation(0.54, 0), SIZE, "index").outside(SIZE)[:, 0].all()


@pytest.mark.parametrize("interpolation", [cv2.INTER_LINEAR, cv2.INTER_NEAREST])
def test_images_of_many_rows_are_taken_as_all_at_once(monkeypatch, interpolation):
    source = np.random.default_rng(0).integers(0, 255, (*SOURCE, 3), np.uint8)
    grid = resampling_grid(_warp(0), SIZE)
    whole = grid.take_each([source, source[..., 0]], 7, interpolation)
    monkeypatch.setattr("aemm.ops.image._BAND", 7 * SIZE[1])  # the last band is shorter
    for banded, expected in zip(grid.take_each([source, source[..., 0]], 7, interpolation), whole, strict=True):
        np.testing.assert_array_equal(banded, expected)


@pytest.mark.parametrize("degrees", [0, 90, 137, 180])
def test_outside_is_told_cell_by_cell_from_the_places(degrees):
    grid = resampling_grid(geometry.crop_warp((320, 240), 700, SIZE, degrees), SIZE)
    x, y = (np.add.outer(rows, columns) for rows, columns in zip(grid.rows, grid.columns, strict=True))
    reach = 0.5 + 1 / 64
    inside = (x >= -reach) & (x <= SOURCE[1] - 1 + reach) & (y >= -reach) & (y <= SOURCE[0] - 1 + reach)
    np.testing.assert_array_equal(grid.outside(SOURCE), ~inside)
