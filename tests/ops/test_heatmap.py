import math

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from aemm.ops import heatmap
from aemm.ops.heatmap import draw_gaussians, nms, subpixel, top_peaks
from aemm.structures import Maps


@pytest.mark.golden
@pytest.mark.parametrize(("style", "prefix"), [("newell", "newell_heatmaps"), ("higherhrnet", "higher_heatmaps_sigma")])
def test_targets_match_the_originals_in_every_cell(golden, style, prefix):
    file = np.load(golden / "targets.npz")
    names = [name for name in file.files if name.partition("_")[2].startswith(prefix)]
    assert names
    for name in names:
        case, _, array = name.partition("_")
        joints, expected = file[f"{case}_joints"], file[name]
        sigma = float(array.removeprefix(prefix) or expected.shape[1] / 64)
        drawn = draw_gaussians(joints[..., :2], joints[..., 2] > 0, expected.shape[1:], sigma, style)
        np.testing.assert_allclose(drawn, expected, rtol=0, atol=1e-6)


def _windows_by_the_book(x, y, size, sigma, whole):
    """The cut-out of a stored Gaussian, cell by cell, as the rule says it."""
    out = np.zeros(size)
    left, upper = int(whole(x - 3 * sigma - 1)), int(whole(y - 3 * sigma - 1))
    right, lower = int(whole(x + 3 * sigma + 2)), int(whole(y + 3 * sigma + 2))
    for row in range(max(0, upper), min(lower, size[0])):
        for column in range(max(0, left), min(right, size[1])):
            dx, dy = column - left - (3 * sigma + 1), row - upper - (3 * sigma + 1)
            out[row, column] = math.exp(-(dx**2 + dy**2) / (2 * sigma**2))
    return out


@pytest.mark.parametrize(("style", "whole"), [("newell", math.trunc), ("higherhrnet", np.rint)])
@pytest.mark.parametrize("sigma", [1.0, 1.25, 1.5, 2.0, 3.0])
def test_windows_of_fractional_sigma_follow_each_style(style, whole, sigma):
    for x, y in [(0.4, 20.2), (11.9, 3.1), (3.0, 2.0), (22.5, 30.9), (10.0, 11.0)]:
        drawn = draw_gaussians(np.array([[[x, y]]]), np.ones((1, 1), bool), (31, 23), sigma, style)[0]
        expected = _windows_by_the_book(int(x), int(y), (31, 23), sigma, whole)
        np.testing.assert_allclose(drawn, expected, rtol=0, atol=1e-6)


def test_unbiased_style_centres_the_gaussian_on_the_point_itself():
    point = np.array([[[20.3, 9.8]]])
    drawn = draw_gaussians(point, np.ones((1, 1), bool), (24, 40), 2.0, "unbiased")[0]
    y, x = np.indices(drawn.shape) + 0.5
    expected = np.exp(-((x - 20.3) ** 2 + (y - 9.8) ** 2) / 8)
    near = (abs(x - 20.3) < 6) & (abs(y - 9.8) < 6)
    np.testing.assert_allclose(drawn[near], expected[near], atol=1e-6)
    assert drawn.argmax() == 9 * 40 + 20


def _udp_by_the_book(x, y, size, sigma):
    """A Gaussian around the place, in the window around the place cut towards zero; cell j has its middle at j."""
    out, reach = np.zeros(size), int(3 * sigma) + 1
    for row in range(max(0, int(y) - reach), min(int(y) + reach + 1, size[0])):
        for column in range(max(0, int(x) - reach), min(int(x) + reach + 1, size[1])):
            out[row, column] = math.exp(-((column - x) ** 2 + (row - y) ** 2) / (2 * sigma**2))
    return out


@pytest.mark.parametrize(("x", "y"), [(9.9, 5.1), (4.0, 7.5), (-0.4, 3.2), (15.8, 11.3)])
def test_the_udp_style_cuts_its_window_and_its_cell_as_mmpose_does(x, y):
    points = np.array([[[x, y]]]) + 0.5  # continuous
    drawn = draw_gaussians(points, np.ones((1, 1), bool), (12, 16), 2.0, "udp")
    np.testing.assert_allclose(drawn[0], _udp_by_the_book(x, y, (12, 16), 2.0), atol=1e-6)
    assert heatmap.target_cells(points, "udp").tolist() == [[[int(x), int(y)]]]


def test_overlapping_gaussians_keep_the_larger_value():
    points = np.array([[[10.5, 8.5]], [[13.5, 8.5]]])
    valid = np.ones((2, 1), bool)
    both = draw_gaussians(points, valid, (16, 24), 2.0)
    single = [draw_gaussians(points[i : i + 1], valid[:1], (16, 24), 2.0) for i in (0, 1)]
    np.testing.assert_array_equal(both, np.maximum(*single))


@pytest.mark.parametrize("style", ["newell", "higherhrnet", "unbiased"])
def test_points_outside_or_not_valid_leave_the_maps_empty(style):
    points = np.array([[[-2.0, 5.0], [5.0, 16.0], [24.0, 3.0], [5.0, 5.0]]])
    drawn = draw_gaussians(points, np.array([[True, True, True, False]]), (16, 24), 2.0, style)
    assert drawn.shape == (4, 16, 24)
    assert not drawn.any()
    assert not draw_gaussians(np.zeros((0, 4, 2)), np.zeros((0, 4), bool), (16, 24), 2.0, style).any()


def test_bad_drawing_arguments_say_what_is_expected():
    points, valid = np.zeros((1, 1, 2)), np.ones((1, 1), bool)
    with pytest.raises(ValueError, match=r"sigma must be positive, got 0.*cells"):
        draw_gaussians(points, valid, (8, 8), 0)
    with pytest.raises(ValueError, match=r"style must be one of 'newell'.*got 'gauss'"):
        draw_gaussians(points, valid, (8, 8), 1.0, "gauss")


def _random_maps(shape=(2, 3, 20, 33), dims=2, shared=False, seed=0):
    generator = torch.Generator().manual_seed(seed)
    heatmaps = torch.rand(shape, generator=generator) ** 3
    tags = torch.randn(shape[0], 1 if shared else shape[1], dims, *shape[2:], generator=generator)
    return Maps(heatmaps, tags)


def test_nms_keeps_exactly_the_largest_of_each_window():
    maps = _random_maps()
    kept = nms(maps.heatmaps, 5)
    padded = F.pad(maps.heatmaps, (2, 2, 2, 2), value=-1)
    largest = padded.unfold(2, 5, 1).unfold(3, 5, 1).flatten(4).amax(4)
    assert torch.equal(kept > 0, maps.heatmaps == largest)
    assert torch.equal(kept[kept > 0], maps.heatmaps[kept > 0])


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("max_peaks", [1, 7, 2000])
@pytest.mark.parametrize("window", [3, 5])
def test_ranking_survivors_equals_ranking_the_whole_map(monkeypatch, shared, max_peaks, window):
    maps = _random_maps(shared=shared)
    fast = top_peaks(maps, max_peaks, 0.2, window)
    monkeypatch.setattr(heatmap, "_rank_survivors", heatmap._rank_all)
    whole = top_peaks(maps, max_peaks, 0.2, window)
    assert fast.scores.shape == (2, 3, max_peaks)
    for name in ("scores", "cells", "tags"):
        assert torch.equal(getattr(fast, name), getattr(whole, name))
    assert (fast.scores > 0.2).any()


def test_peaks_carry_the_score_and_tag_of_their_cell():
    maps = _random_maps()
    peaks = top_peaks(maps, 10, 0.3, 3)
    for b, c, m in (peaks.scores > 0).nonzero().tolist():
        x, y = peaks.cells[b, c, m]
        assert peaks.scores[b, c, m] == maps.heatmaps[b, c, y, x]
        assert torch.equal(peaks.tags[b, c, m], maps.tags[b, c, :, y, x])
    assert (peaks.scores.diff(dim=2) <= 0).all()


def test_rows_without_peaks_are_padded_with_zeros():
    maps = Maps(torch.full((1, 2, 8, 8), 0.05), torch.ones(1, 2, 1, 8, 8))
    peaks = top_peaks(maps, 4, 0.1, 3)
    assert not peaks.scores.any()
    assert not peaks.cells.any()
    assert not peaks.tags.any()


def test_equal_scores_come_in_the_order_of_the_map():
    maps = Maps(torch.zeros(1, 1, 9, 9), torch.zeros(1, 1, 1, 9, 9))
    for x, y in [(7, 1), (1, 1), (4, 7)]:
        maps.heatmaps[0, 0, y, x] = 0.5
    assert top_peaks(maps, 3, 0.1, 3).cells[0, 0].tolist() == [[1, 1], [7, 1], [4, 7]]


def test_top_peaks_can_be_exported_with_fixed_shapes():
    class Peaked(torch.nn.Module):
        def forward(self, heatmaps, tags):
            peaks = top_peaks(Maps(heatmaps, tags), 5, 0.1, 3)
            return peaks.scores, peaks.cells, peaks.tags

    maps = _random_maps()
    exported = torch.export.export(Peaked(), (maps.heatmaps, maps.tags)).module()
    other = _random_maps(seed=1)
    eager = top_peaks(other, 5, 0.1, 3)
    for got, expected in zip(
        exported(other.heatmaps, other.tags), (eager.scores, eager.cells, eager.tags), strict=True
    ):
        assert torch.equal(got, expected)


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_a_trace_keeps_as_many_peaks_of_larger_maps_as_it_is_asked_for():
    def peaked(heatmaps, tags):
        peaks = top_peaks(Maps(heatmaps, tags), 40, 0.1, 1)
        return peaks.scores, peaks.cells, peaks.tags

    maps = _random_maps()
    small = Maps(maps.heatmaps[..., :5, :5].contiguous(), maps.tags[..., :5, :5].contiguous())
    traced = torch.jit.trace(peaked, (small.heatmaps, small.tags), check_trace=False)
    for got, expected in zip(traced(maps.heatmaps, maps.tags), peaked(maps.heatmaps, maps.tags), strict=True):
        assert torch.equal(got, expected)


def test_maps_without_tags_and_bad_windows_are_refused():
    with pytest.raises(ValueError, match=r"tags must be .* got None"):
        top_peaks(Maps(torch.zeros(1, 1, 4, 4)), 3, 0.1, 3)
    with pytest.raises(ValueError, match="odd number of cells"):
        top_peaks(_random_maps(), 3, 0.1, 4)
    with pytest.raises(ValueError, match="threshold must be at least 0"):
        top_peaks(_random_maps(), 3, -0.1, 3)


def _row(*values):
    """One map of one row, wide enough for a shift along x."""
    return torch.tensor(values).view(1, 1, -1)


def _x(heat, at, **options):
    return subpixel(heat, torch.tensor([[[at, 0]]]), **options)[0, 0, 0].item()


def test_quarter_shift_goes_towards_the_higher_neighbour():
    assert _x(_row(0.2, 0.9, 0.5), 1) == 1.75
    assert _x(_row(0.5, 0.9, 0.2), 1) == 1.25


def test_quarter_shift_on_a_tie_stays_or_goes_back_as_asked():
    assert _x(_row(0.5, 0.9, 0.5), 1) == 1.5
    assert _x(_row(0.5, 0.9, 0.5), 1, tie="back") == 1.25


def test_quarter_shift_at_the_border_compares_with_the_border_cell_itself():
    assert _x(_row(0.9, 0.5, 0.2), 0) == 0.25
    assert _x(_row(0.2, 0.5, 0.9), 2) == 2.75
    assert _x(_row(0.2, 0.5, 0.9), 2, last=(1, 0)) == 2.25  # both neighbours are the cell 1


@pytest.mark.parametrize("at", [0.5, 0.9, 7.1, 7.5, 7.99, 15.2])
def test_gaussian_fit_finds_the_true_centre_also_at_the_border(at):
    point = np.array([[[at, 3.4]]])
    drawn = torch.from_numpy(draw_gaussians(point, np.ones((1, 1), bool), (8, 16), 1.5, "unbiased"))
    found = subpixel(drawn, torch.tensor([[[int(at), 3]]]), "gaussian")
    np.testing.assert_allclose(found[0].numpy(), point[0], atol=1e-3)


@pytest.mark.parametrize(
    "values", [(0.5, 0.5, 0.5), (0.0, 0.0, 0.0), (0.0, 0.9, 0.0), (-0.2, 0.9, 0.8), (0.9, 0.2, 0.9), (1e-30, 1.0, 1.0)]
)
def test_gaussian_fit_stays_within_half_a_cell_on_plateaus_and_valleys(values):
    for at in range(3):
        found = _x(_row(*values), at, kind="gaussian")
        assert abs(found - at - 0.5) <= 0.5
    assert _x(_row(0.5, 0.5, 0.5), 1, kind="gaussian") == 1.5


def test_maps_of_one_cell_are_decoded_at_its_centre_by_the_fit():
    assert subpixel(torch.ones(1, 1, 1), torch.zeros(1, 1, 2, dtype=torch.int64), "gaussian").tolist() == [[[0.5, 0.5]]]
    assert subpixel(torch.ones(1, 1, 1), torch.zeros(1, 1, 2, dtype=torch.int64), "none").tolist() == [[[0.5, 0.5]]]


def _newton_by_the_book(plane, x, y):
    """One step on the logarithm of the smoothed map, cell by cell."""
    smooth = np.log(cv2.GaussianBlur(plane, (3, 3), 0).clip(1e-3, 50)).astype(float)
    smooth = np.pad(smooth, 1, mode="edge")

    def at(dx, dy):
        return smooth[y + 1 + dy, x + 1 + dx]

    slope = np.array([at(1, 0) - at(-1, 0), at(0, 1) - at(0, -1)]) / 2
    bend_x, bend_y = at(1, 0) - 2 * at(0, 0) + at(-1, 0), at(0, 1) - 2 * at(0, 0) + at(0, -1)
    twist = (at(1, 1) - at(1, 0) - at(0, 1) + 2 * at(0, 0) - at(-1, 0) - at(0, -1) + at(-1, -1)) / 2
    return np.array([x, y]) + 0.5 - np.linalg.solve([[bend_x, twist], [twist, bend_y]], slope)


def test_the_hessian_step_is_that_of_the_smoothed_logarithm_also_at_the_border():
    rng = np.random.default_rng(0)
    points = rng.uniform(0, (18, 14), (1, 6, 2))
    points[0, :4] = [(0.2, 0.4), (17.8, 0.3), (0.1, 13.9), (17.9, 13.6)]
    planes = draw_gaussians(points, np.ones((1, 6), bool), (14, 18), 2.0, "unbiased")
    planes += rng.uniform(0, 0.05, planes.shape).astype(np.float32)
    cells = np.floor(points).astype(np.int64)
    found = subpixel(torch.from_numpy(planes), torch.from_numpy(cells), "hessian").numpy()
    for k, (x, y) in enumerate(cells[0]):
        np.testing.assert_allclose(found[0, k], _newton_by_the_book(planes[k], x, y), atol=1e-3)


def test_the_hessian_step_finds_the_true_centre():
    points = np.random.default_rng(0).uniform(8, 20, (1, 40, 2))
    planes = torch.from_numpy(draw_gaussians(points, np.ones((1, 40), bool), (28, 28), 2.0, "unbiased"))
    found = subpixel(planes, torch.from_numpy(np.floor(points).astype(np.int64)), "hessian")
    np.testing.assert_allclose(found, points, atol=1e-3)


def test_a_flat_map_has_no_step():
    for planes in (torch.zeros(2, 5, 5), torch.full((2, 1, 1), 0.3)):
        cells = torch.zeros(1, 2, 2, dtype=torch.int64)
        assert torch.equal(subpixel(planes, cells, "hessian"), torch.full((1, 2, 2), 0.5))
