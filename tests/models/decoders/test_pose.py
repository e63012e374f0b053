from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine import Config

from aemm.ops.heatmap import draw_gaussians
from aemm.ops.maps import clear_padding
from aemm.ops.people import Place
from aemm.registry import DECODERS
from aemm.structures import Batch, Maps
from tests.golden import meta_of

CONFIGS = Path(__file__).resolve().parents[3] / "configs/_base_/protocols"
STYLES = {"newell": "newell", "higherhrnet": "higher"}


def _decoder(config, **options):
    settings = Config.fromfile(CONFIGS / f"{config}.py").decoder
    settings.update(options)
    return DECODERS.build(settings)


def _toy(keypoints, **options):
    """A decoder for any number of keypoints."""
    skeleton = dict(keypoints=[f"k{i}" for i in range(keypoints)], sigmas=[0.1] * keypoints)
    return _decoder(options.pop("config", "higherhrnet"), **{"skeleton": skeleton, **options})


def _batch(size, count=1, warp=None, stride=1):
    height, width = size[0] * stride, size[1] * stride
    warps = np.stack([np.eye(3)] * count) if warp is None else warp
    return Batch([torch.zeros(count, 3, height, width)], list(range(count)), [(height, width)] * count, warps)


def _scene(people, keypoints=5, dims=1, size=(64, 96), shared=False, seed=0):
    """Maps of people with distinct tags, and their keypoints; nobody's keypoints touch another's."""
    rng = np.random.default_rng(seed)
    area = size[0] // 8 * (size[1] // 8)
    spots = np.stack([rng.permutation(area)[:people] for _ in range(keypoints)], 1)  # (N, K)
    if shared:
        spots = rng.permutation(area)[: people * keypoints].reshape(people, keypoints)
    points = np.stack([spots % (size[1] // 8), spots // (size[1] // 8)], -1) * 8 + 4.5
    heat = draw_gaussians(points, np.ones(spots.shape, bool), size, 1.0)
    heat *= rng.uniform(0.4, 0.9, (keypoints, 1, 1)).astype(np.float32)
    tags = np.full((1 if shared else keypoints, dims, *size), -50.0, np.float32)
    for n, k in np.ndindex(*spots.shape):
        x, y = (points[n, k] - 0.5).astype(int)
        tags[0 if shared else k, :, y - 3 : y + 4, x - 3 : x + 4] = 3.0 * n
    return Maps(torch.from_numpy(heat)[None], torch.from_numpy(tags)[None]), points


def _by_tag(found):
    return found[np.argsort(found.tags[:, 0], kind="stable")]


@pytest.fixture(scope="module")
def cases(golden):
    """Every case of the golden file: its arrays by name, and its maps with a batch."""
    file = np.load(golden / "grouping_decode.npz")
    found = []
    for i in range(len(meta_of(file)["cases"])):
        arrays = {name.partition("_")[2]: file[name] for name in file.files if name.startswith(f"c{i}_")}
        heatmaps = torch.from_numpy(arrays["heatmaps"])[None]
        tags = torch.from_numpy(arrays["tags"]).transpose(0, 1)[None]
        found.append((arrays, Maps(heatmaps, tags), _batch(heatmaps.shape[-2:])))
    assert found
    return found


@pytest.mark.golden
@pytest.mark.parametrize("config", STYLES)
def test_grouping_decode_groups_the_same_people(cases, config):
    decoder = _decoder(config, max_instances=None, fill_missing=False, subpixel="none")
    for arrays, maps, batch in cases:
        expected = arrays[f"{STYLES[config]}_grouped"]
        (found,) = decoder(maps, batch)
        assert len(found) == len(expected)
        present = expected[..., 2] > 0
        np.testing.assert_array_equal(found.keypoint_scores > 0, present)
        np.testing.assert_allclose(found.keypoints[present] - 0.5, expected[present][:, :2], atol=1e-4)
        np.testing.assert_allclose(found.keypoint_scores, expected[..., 2], atol=1e-5)
        np.testing.assert_allclose(found.scores, arrays[f"{STYLES[config]}_person_score"], atol=1e-5)


@pytest.mark.golden
@pytest.mark.parametrize(
    ("config", "stage"), [("newell", "adjusted"), ("newell", "refined"), ("higherhrnet", "refined")]
)
def test_grouping_decode_shifts_and_fills_like_the_originals(cases, config, stage):
    decoder = _decoder(config, max_instances=None, fill_missing=stage == "refined")
    for arrays, maps, batch in cases:
        expected = arrays[f"{STYLES[config]}_{stage}"]
        (found,) = decoder(maps, batch)
        assert len(found) == len(expected)
        np.testing.assert_allclose(found.keypoints, expected[..., :2], atol=1e-4)
        np.testing.assert_allclose(found.keypoint_scores, expected[..., 2], atol=1e-5)
        np.testing.assert_allclose(found.scores, arrays[f"{STYLES[config]}_person_score"], atol=1e-5)


@pytest.mark.golden
def test_grouping_decode_holds_no_ties_between_neighbours(cases):
    """Why tie='stay' may differ from the originals: their arrays cannot tell."""
    for _, maps, batch in cases:
        for config in STYLES:
            stay, back = (_decoder(config, max_instances=None, tie=tie)(maps, batch)[0] for tie in ("stay", "back"))
            np.testing.assert_array_equal(stay.keypoints, back.keypoints)


@pytest.mark.parametrize("people", [0, 1, 31, 45])
@pytest.mark.parametrize("config", ["newell", "higherhrnet", "unbiased"])
def test_any_number_of_people_is_decoded(people, config):
    maps, points = _scene(people)
    decoder = _toy(5, config=config, max_instances=None, max_peaks=50, max_matched=50)
    found = _by_tag(decoder(maps, _batch((64, 96)))[0])
    np.testing.assert_allclose(found.keypoints, points, atol=1e-3)
    np.testing.assert_allclose(found.tags[:, 0], 3.0 * np.arange(people))


@pytest.mark.parametrize("dims", [1, 2, 4])
@pytest.mark.parametrize("shared", [False, True])
def test_tags_of_any_dimension_and_one_map_for_all_keypoints(dims, shared):
    maps, points = _scene(6, dims=dims, shared=shared)
    found = _by_tag(_toy(5)(maps, _batch((64, 96)))[0])
    assert found.tags.shape == (6, dims)
    np.testing.assert_allclose(found.keypoints, points, atol=1e-4)


def test_the_best_instances_stay_when_there_are_too_many():
    maps, _ = _scene(45)
    everyone = _toy(5, max_instances=None, max_peaks=50, max_matched=50)(maps, _batch((64, 96)))[0]
    best = _toy(5, max_instances=30, max_peaks=50, max_matched=50)(maps, _batch((64, 96)))[0]
    kept = np.sort(np.argsort(-everyone.scores, kind="stable")[:30])
    np.testing.assert_array_equal(best.keypoints, everyone[kept].keypoints)
    np.testing.assert_array_equal(best.scores, everyone[kept].scores)


@pytest.mark.parametrize("config", ["newell", "higherhrnet", "unbiased"])
def test_maps_below_the_threshold_hold_nobody(config):
    maps = Maps(torch.full((2, 17, 32, 48), 0.09), torch.zeros(2, 17, 2, 32, 48))
    for found in _decoder(config)(maps, _batch((32, 48), 2)):
        assert found.scores.shape == (0,)
        assert found.keypoints.shape == (0, 17, 2)
        assert found.keypoint_scores.shape == (0, 17)
        assert found.tags.shape == (0, 2)


def test_the_person_score_is_the_mean_over_all_keypoints_before_filling():
    maps, points = _scene(2)
    x, y = points[1, 3].astype(int)
    maps.heatmaps[0, 3, y - 3 : y + 4, x - 3 : x + 4] *= 0.05 / maps.heatmaps[0, 3, y, x]  # below the threshold
    found = _by_tag(_toy(5)(maps, _batch((64, 96)))[0])
    assert found.keypoint_scores[1, 3] == pytest.approx(0.05)
    np.testing.assert_allclose(found.scores[1], np.delete(found.keypoint_scores[1], 3).sum() / 5, rtol=1e-6)
    np.testing.assert_allclose(found.keypoints[1, 3], points[1, 3], atol=1e-4)
    one = _by_tag(_toy(5, filled_score="one")(maps, _batch((64, 96)))[0])
    assert one.keypoint_scores[1, 3] == 1
    np.testing.assert_array_equal(one.scores, found.scores)


def test_filled_keypoints_can_be_read_in_another_way_than_those_found():
    maps, points = _scene(2)
    x, y = points[1, 3].astype(int)
    maps.heatmaps[0, 3, y - 3 : y + 4, x - 3 : x + 4] *= 0.05 / maps.heatmaps[0, 3, y, x]  # below the threshold
    maps.heatmaps[0, 3, y, x + 1] *= 1.1
    batch = _batch((64, 96))
    same = _by_tag(_toy(5, subpixel="hessian")(maps, batch)[0])
    found = _by_tag(_toy(5, subpixel="hessian", filled_subpixel="quarter")(maps, batch)[0])
    np.testing.assert_allclose(found.keypoints[1, 3], points[1, 3] + (0.25, 0), atol=1e-4)
    assert np.abs(same.keypoints[1, 3] - found.keypoints[1, 3]).max() > 0.01
    np.testing.assert_array_equal(np.delete(same.keypoints[1], 3, 0), np.delete(found.keypoints[1], 3, 0))


def test_the_grouping_order_is_the_skeletons_unless_given():
    """Tags drift from keypoint to keypoint: who comes first decides what is near enough to join."""
    heat, tags = torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 1, 8, 8)
    for k, tag in enumerate((0.0, 0.9, 1.7)):
        heat[0, k, 4, 4], tags[0, k] = 0.9, tag
    first_two, last_two = [[True, True, False], [False, False, True]], [[True, False, False], [False, True, True]]
    for order, expected in ((None, first_two), ((0, 1, 2), first_two), ((0, 2, 1), last_two)):
        decoder = _toy(3, grouping_order=order, fill_missing=False, assignment_tie="nearest")
        (found,) = decoder(Maps(heat, tags), _batch((8, 8)))
        assert (found.keypoint_scores > 0).tolist() == expected


def test_absent_keypoints_are_zero_without_filling_and_where_the_heat_is_not_positive():
    maps, points = _scene(2)
    x, y = points[1, 3].astype(int)
    maps.heatmaps[0, 3, y - 4 : y + 5, x - 4 : x + 5] = 0
    for decoder in (_toy(5), _toy(5, fill_missing=False)):
        found = _by_tag(decoder(maps, _batch((64, 96)))[0])
        assert found.keypoint_scores[1, 3] == 0
        assert (found.keypoints[1, 3] == 0).all()
        assert (np.delete(found.keypoint_scores[1], 3) > 0).all()


def test_points_come_back_to_the_original_image_through_the_warp():
    maps, points = _scene(3)
    warp = np.array([[0.5, 0.1, 7.0], [-0.1, 0.5, 3.0], [0, 0, 1.0]])
    batch = _batch((64, 96), warp=warp[None], stride=4)
    found = _by_tag(_toy(5)(maps, batch)[0])
    pixels = found.keypoints @ warp[:2, :2].T + warp[:2, 2]
    np.testing.assert_allclose(pixels, points * 4, atol=1e-2)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_maps_are_decoded_in_float32(dtype):
    maps, _ = _scene(4, dims=2)
    half = Maps(maps.heatmaps.to(dtype), maps.tags.to(dtype))
    batch = _batch((64, 96))
    found, expected = _toy(5)(half, batch)[0], _toy(5)(half.float(), batch)[0]
    assert found.keypoints.dtype == found.scores.dtype == found.keypoint_scores.dtype == np.float32
    np.testing.assert_array_equal(found.keypoints, expected.keypoints)
    np.testing.assert_array_equal(found.scores, expected.scores)


@pytest.mark.parametrize("config", ["newell", "higherhrnet", "unbiased"])
def test_padding_the_maps_moves_nobody(config):
    maps, _ = _scene(5)
    padding = (0, 19, 0, 11)
    wider = Maps(
        torch.nn.functional.pad(maps.heatmaps, padding), torch.nn.functional.pad(maps.tags, padding, value=-50.0)
    )
    found = _toy(5, config=config)(maps, _batch((64, 96)))[0]
    padded = _toy(5, config=config)(wider, _batch((75, 115)))[0]
    np.testing.assert_allclose(found.keypoints, padded.keypoints, atol=1e-4)
    np.testing.assert_array_equal(found.keypoint_scores, padded.keypoint_scores)


@pytest.mark.parametrize("options", [{}, dict(filled_border="authors", filled_score="one"), dict(fill_missing=False)])
def test_maps_left_on_a_device_give_the_same_people(options):
    """By the operations that run on any device; the threshold leaves some keypoints out, which are looked up."""
    maps, _ = _scene(6, dims=2)
    batch = _batch((64, 96), stride=4)
    decoder = _toy(5, threshold=0.65, **options)
    (expected,) = decoder(maps, batch)
    (found,) = decoder._by_device(maps, [Place(0, batch.image_sizes[0], batch.map_warp(0, maps.size))])
    assert len(expected) == 6
    for name in ("scores", "tags", "keypoints", "keypoint_scores"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_images_of_a_batch_do_not_meet():
    (one, _), (two, _) = _scene(3), _scene(6, seed=1)
    both = Maps(torch.cat([one.heatmaps, two.heatmaps]), torch.cat([one.tags, two.tags]))
    together = _toy(5)(both, _batch((64, 96), 2))
    alone = [_toy(5)(maps, _batch((64, 96)))[0] for maps in (one, two)]
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_array_equal(a.keypoints, b.keypoints)
    assert [found.image_id for found in together] == [0, 1]


def test_maps_that_do_not_fit_are_refused_with_a_hint():
    maps, _ = _scene(1)
    with pytest.raises(ValueError, match=r"heatmaps must have 17 channels, .* skeleton 'coco', got 5"):
        _decoder("higherhrnet")(maps, _batch((64, 96)))
    with pytest.raises(ValueError, match=r"tags must be .* got None"):
        _toy(5)(replace(maps, tags=None), _batch((64, 96)))
    with pytest.raises(ValueError, match="of the batch's 2 images, got 1"):
        _toy(5)(maps, _batch((64, 96), 2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(distance="l1"), "distance must be one of 'rms', 'l2', got 'l1'"),
        (dict(subpixel="dark"), "subpixel must be one of"),
        (dict(tie="none"), "tie must be one of"),
        (dict(filled_score=1), "filled_score must be one of"),
        (dict(filled_subpixel="half"), "filled_subpixel must be one of"),
        (dict(grouping_order=[0, 1]), "grouping_order must hold each of the 17 keypoints of skeleton 'coco' once"),
        (dict(max_instances=0), "max_instances=None returns all"),
        (dict(skeleton="cocos"), "skeleton 'cocos'"),
    ],
)
def test_wrong_settings_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        _decoder("higherhrnet", **options)


@pytest.mark.parametrize("convention", ["continuous", "udp"])
def test_nothing_is_found_or_filled_in_padding(convention):
    """An image of 40 x 24 px at the upper right of an input of 64 x 64 px, maps of 16 x 16 cells."""
    heat, tags = torch.zeros(1, 2, 16, 16), torch.zeros(1, 2, 1, 16, 16)
    heat[0, 0, 9, 12], heat[0, 0, 10, 3], heat[0, 1, 15, 15] = 0.5, 0.9, 0.8
    tags[0, 0, 0, 10, 3] = 9
    warp = np.eye(3)[None]
    warp[0, 0, 2] = 40 - (convention == "udp")
    batch = Batch([torch.zeros(1, 3, 64, 64)], [0], [(44, 24)], warp, convention=convention)
    (kept,) = _toy(2)(Maps(heat, tags), batch)
    (cleared,) = _toy(2, padding="clear")(Maps(heat, tags), batch)
    assert kept.keypoint_scores[:, 0].max() == pytest.approx(0.9)
    np.testing.assert_allclose(cleared.keypoint_scores, [[0.5, 0]], atol=1e-6)
    assert heat[0, 0, 10, 3] == pytest.approx(0.9)  # the maps themselves stay


def test_maps_without_padding_are_not_copied():
    heat = torch.rand(2, 3, 8, 8)
    assert clear_padding(heat, _batch((8, 8), 2, stride=4)) is heat
