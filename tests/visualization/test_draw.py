import cv2
import numpy as np
import pytest
import torch

from aemm.geometry import apply_warp, mirror, scaling
from aemm.skeletons import SKELETONS, build_skeleton
from aemm.structures import Batch, Instances, Maps, Sample
from aemm.visualization import (
    SeenMaps,
    draw_heatmaps,
    draw_masks,
    draw_pose,
    draw_result,
    draw_tags,
    draw_truth,
    instance_color,
    save_picture,
    side_by_side,
)

PAIR = build_skeleton({"name": "pair", "keypoints": ["a", "b"], "sigmas": [0.1, 0.1], "limbs": [["a", "b"]]})


def grey(height=64, width=96):
    return np.full((height, width, 3), 128, np.uint8)


def pair(keypoints, keypoint_scores=None, **fields):
    keypoints = np.array(keypoints, np.float32)
    keypoint_scores = np.ones(keypoints.shape[:2]) if keypoint_scores is None else np.array(keypoint_scores)
    scores = np.linspace(0.9, 0.1, len(keypoints))
    return Instances(1, (64, 96), scores, keypoints=keypoints, keypoint_scores=keypoint_scores, **fields)


def changed(before, after):
    return (before != after).any(2)


def two_instances(dims, shared=False, size=(16, 24)):
    """Maps of one image: instance 0 on the left in both channels, instance 1 on the right."""
    heatmaps, tags = torch.zeros(1, 2, *size), torch.zeros(1, 1 if shared else 2, dims, *size)
    for n, x in enumerate((5, 18)):
        heatmaps[0, :, 4:12, x - 2 : x + 3] = 1
        tags[0, :, :, 4:12, x - 2 : x + 3] = 3.0 * n - 1
    return Maps(heatmaps, tags)


def test_pose_is_drawn_where_the_keypoints_are_and_the_image_is_kept():
    image = grey()
    drawn = draw_pose(image, pair([[[20.5, 10], [20.5, 50]]]), PAIR, show_scores=False)
    assert (image == 128).all()
    rows, columns = np.nonzero(changed(image, drawn))
    assert abs(columns.mean() + 0.5 - 20.5) < 0.1
    assert abs(rows.mean() + 0.5 - 30) < 0.1
    assert rows.min() < 10 < 50 < rows.max() + 1
    np.testing.assert_allclose(drawn[30, 20], instance_color(0), atol=20)


def test_absent_and_unsure_keypoints_are_left_out_with_their_limbs():
    image = grey()
    for scores in ([[1, 0]], [[1, 0.09]]):
        drawn = draw_pose(image, pair([[[20.5, 10], [20.5, 50]]], scores), PAIR, threshold=0.1, show_scores=False)
        assert changed(image, drawn)[:20].any()
        assert not changed(image, drawn)[20:].any()
    absent = draw_pose(image, pair([[[20, 10], [0, 0]]], [[0, 0]]), PAIR, threshold=0.0)
    np.testing.assert_array_equal(absent, image)


def test_surer_keypoints_are_more_opaque():
    strength = []
    for score in (0.2, 0.6, 1.0):
        drawn = draw_pose(grey(), pair([[[20.5, 10], [20.5, 50]]], [[score, score]]), PAIR, show_scores=False)
        strength.append(np.abs(drawn[30, 20].astype(int) - 128).sum())
    assert strength[0] < strength[1] < strength[2]


def test_surest_instance_lies_on_top():
    crossing = [[[10, 30.5], [80, 30.5]], [[45.5, 5], [45.5, 60]]]
    drawn = draw_pose(grey(), pair(crossing), PAIR, show_scores=False)
    np.testing.assert_allclose(drawn[30, 45], instance_color(0), atol=20)
    np.testing.assert_allclose(drawn[20, 45], instance_color(1), atol=20)


def test_colour_follows_the_track():
    drawn = draw_pose(grey(), pair([[[20.5, 10], [20.5, 50]]], track_ids=np.array([7])), PAIR, show_scores=False)
    np.testing.assert_allclose(drawn[30, 20], instance_color(7), atol=20)


def test_colours_of_many_instances_differ():
    colors = np.array([instance_color(n) for n in range(30)], int)
    gaps = np.abs(colors[:, None] - colors[None]).sum(2) + 999 * np.eye(30, dtype=int)
    assert gaps.min() > 15
    assert np.abs(np.diff(colors, axis=0)).sum(1).min() > 150


@pytest.mark.parametrize("point", [[-500.0, 20.0], [1e4, 1e4], [np.nan, 3.0]])
def test_keypoints_outside_the_picture_do_no_harm(point):
    drawn = draw_pose(grey(), pair([[[20, 10], point]]), PAIR)
    assert drawn.shape == (64, 96, 3)


def test_nobody_leaves_the_picture_as_it_is():
    nobody = Instances(1, (64, 96), np.zeros(0), keypoints=np.zeros((0, 2, 2)), keypoint_scores=np.zeros((0, 2)))
    np.testing.assert_array_equal(draw_pose(grey(), nobody, PAIR), grey())


def test_wrong_skeleton_is_refused():
    with pytest.raises(ValueError, match=r"17 keypoints of skeleton 'coco', got 2"):
        draw_pose(grey(), pair([[[20.5, 10], [20.5, 50]]]), SKELETONS["coco"])
    with pytest.raises(ValueError, match="got none"):
        draw_pose(grey(), Instances(1, (64, 96), np.zeros(0)), PAIR)


def test_truth_shows_hidden_keypoints_paler_and_darkens_what_is_ignored():
    ignore = np.zeros((64, 96), bool)
    ignore[:, 80:] = True
    points = np.array([[[20.5, 10], [20.5, 50]], [[50.5, 10], [50.5, 50]], [[70, 30], [0, 0]]], np.float32)
    visible = np.array([[2, 2], [1, 1], [2, 0]])
    sample = Sample(grey(), 1, (64, 96), points, visible, ignore=ignore, skeleton=PAIR)
    drawn = draw_truth(sample).astype(int)
    contrast = [np.abs(drawn[30, x] - 128).sum() for x in (20, 50)]
    assert contrast[0] > 1.5 * contrast[1] > 0
    assert (drawn[:, 80:] == 42).all()
    assert not changed(grey()[:6, :6], drawn[:6, :6]).any()
    assert (sample.image == 128).all()


def test_truth_needs_a_skeleton_only_for_keypoints():
    np.testing.assert_array_equal(draw_truth(Sample(grey(), 1, (64, 96))), grey())
    with pytest.raises(ValueError, match="skeleton"):
        draw_truth(Sample(grey(), 1, (64, 96), np.zeros((1, 2, 2)), np.ones((1, 2))))


def test_masks_tint_their_area():
    mask = np.zeros((1, 64, 96), bool)
    mask[0, 20:40, 30:60] = True
    drawn = draw_masks(grey(), mask)
    assert changed(grey(), drawn)[mask[0]].all()
    assert not changed(grey(), drawn)[:15].any()


def test_heatmap_lights_up_over_its_cell():
    maps = two_instances(1)
    drawn = draw_heatmaps(grey(), maps).astype(int)  # cells of 4 pixels
    redness = drawn[..., 0] - drawn[..., 2]
    assert redness[32, 22] > 80
    assert redness[32, 74] > 80
    assert np.abs(redness[:8]).max() < 30


@pytest.mark.parametrize("dims", [1, 2, 3, 4])
@pytest.mark.parametrize("shared", [False, True])
def test_instances_show_distinct_tag_colours(dims, shared):
    drawn = draw_tags(grey(), two_instances(dims, shared)).astype(int)
    left, right = drawn[20:44, 14:30].reshape(-1, 3), drawn[20:44, 66:82].reshape(-1, 3)
    assert np.abs(left.mean(0) - right.mean(0)).sum() > 150
    assert max(left.std(0).max(), right.std(0).max()) < 5
    assert (drawn[:10] == drawn[0, 0]).all()  # no heatmap, no colour


def test_tags_without_any_confident_cell_leave_a_dark_image():
    maps = Maps(torch.zeros(1, 2, 16, 24), torch.randn(1, 2, 1, 16, 24))
    assert len(np.unique(draw_tags(grey(), maps))) == 1


def test_tags_are_asked_for():
    with pytest.raises(ValueError, match=r"maps\.tags is None"):
        draw_tags(grey(), Maps(torch.zeros(1, 2, 16, 24)))


def test_maps_follow_the_warp_back_to_the_original_image():
    """A network that saw the image mirrored and twice as large shows its left peak on the right."""
    heatmaps = torch.zeros(1, 1, 32, 48)  # stride 4 of 128 x 192
    heatmaps[0, 0, 15:17, 5:7] = 1
    maps = Maps(heatmaps)
    warp = (scaling(2) @ mirror(96))[None]
    batch = Batch([torch.zeros(1, 3, 128, 192)], [1], [(64, 96)], warp)
    drawn = draw_heatmaps(grey(), maps, warp=batch.map_warp(0, maps.size)).astype(int)
    rows, columns = np.nonzero(drawn[..., 0] - drawn[..., 2] > 80)
    assert abs(columns.mean() + 0.5 - (96 - 12)) < 0.3
    assert abs(rows.mean() + 0.5 - 32) < 0.3


def test_panels_share_a_height_and_carry_captions():
    row = side_by_side([grey(64, 96), grey(32, 16)], ["one", "two"])
    assert row.shape == (64 + 16, 96 + 2 + 32, 3)
    assert side_by_side([grey()]).shape == (64, 96, 3)
    with pytest.raises(ValueError, match="caption"):
        side_by_side([grey()], ["one", "two"])
    with pytest.raises(ValueError, match="panels"):
        side_by_side([])


def test_result_is_one_picture_with_maps_beside_it():
    found, maps = pair([[[20.5, 10], [20.5, 50]]]), two_instances(1)
    alone = draw_result(grey(), found, PAIR, min_side=96)
    np.testing.assert_array_equal(alone, draw_pose(grey(), found, PAIR))
    both = draw_result(grey(), found, PAIR, SeenMaps(maps), min_side=96)
    assert both.shape[1] == 3 * 96 + 2 * 2
    assert draw_result(grey(), found, PAIR, SeenMaps(Maps(maps.heatmaps)), min_side=96).shape[1] == 2 * 96 + 2


def test_small_images_are_enlarged_with_all_that_is_drawn():
    found = pair([[[20.5, 10], [20.5, 50]]], masks=np.ones((1, 64, 96), bool))
    drawn = draw_result(grey(), found, PAIR, SeenMaps(two_instances(1), warp=scaling(4)), min_side=200)
    assert drawn.shape[1] == 3 * 3 * 96 + 2 * 2
    title = drawn.shape[0] - 3 * 64
    np.testing.assert_allclose(drawn[title + 90, 60], instance_color(0), atol=20)


def test_saved_picture_keeps_its_colours(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (8, 9, 3), dtype=np.uint8)
    save_picture(tmp_path / "deep" / "er" / "picture.png", picture)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "deep/er/picture.png"))[..., ::-1], picture)
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        save_picture(tmp_path / "file" / "picture.png", picture)


def test_a_picture_for_which_there_is_no_room_is_an_error_that_names_it(tmp_path):
    resource = pytest.importorskip("resource", reason="this system limits no files")
    picture = np.random.default_rng(0).integers(0, 256, (8, 9, 3), np.uint8)  # OpenCV notices larger ones
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        with pytest.raises(OSError, match=r"picture\.png"):
            save_picture(tmp_path / "picture.png", picture)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not (tmp_path / "picture.png").exists()


@pytest.mark.parametrize("convention", ["continuous", "udp"])
def test_overlays_follow_the_pixel_convention(convention):
    """The heat of a cell and a keypoint decoded from it lie at one place of the picture."""
    heatmaps = torch.zeros(1, 1, 32, 48)
    heatmaps[0, 0, 30, 45] = 1  # far from the origin, where a wrong scale shows
    batch = Batch([torch.zeros(1, 3, 128, 192)], [1], [(128, 192)], np.eye(3)[None], convention=convention)
    warp = batch.map_warp(0, (32, 48))
    point = apply_warp(np.array([[45.5, 30.5]]), warp)
    expected = (182.0, 122.0) if convention == "continuous" else (45 * 191 / 47, 30 * 127 / 31)
    np.testing.assert_allclose(point[0], expected)
    found = Instances(1, (128, 192), np.ones(1), keypoints=point[None], keypoint_scores=np.ones((1, 1)))
    dot = build_skeleton(dict(keypoints=["dot"], sigmas=[0.1]))
    blank = np.zeros((128, 192, 3), np.uint8)
    picture = draw_result(blank, found, dot, SeenMaps(Maps(heatmaps), 0, warp), convention, min_side=192)
    middles = []
    for panel in (picture[-128:, :192], picture[-128:, 194:386]):
        rows, columns = np.nonzero(panel[..., 0].astype(int) + panel[..., 1] > 250)
        middles.append((columns.mean() + 0.5, rows.mean() + 0.5))
    corner = 0.5 if convention == "udp" else 0.0
    np.testing.assert_allclose(middles[1], np.add(expected, corner), atol=0.6)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_scores_may_be_of_any_type(kind):
    found = pair([[[20.5, 10], [60, 50]]], [[0.75, 0.5]])
    plain = draw_pose(grey(), found, PAIR)
    found.keypoint_scores, found.scores = found.keypoint_scores.astype(kind), found.scores.astype(kind)
    found.keypoints = found.keypoints.astype(kind)
    drawn = draw_pose(grey(), found, PAIR)
    assert changed(grey(), drawn).any()
    assert np.abs(drawn.astype(int) - plain).max() <= 1


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((8, 8), np.uint8),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((8, 8, 3)),
        np.zeros((0, 8, 3), np.uint8),
        "a",
    ],
    ids=["grey", "alpha", "float", "empty", "path"],
)
def test_what_is_no_rgb_picture_is_refused(tmp_path, image):
    found = pair([[[2.0, 2.0], [5.0, 5.0]]])
    draws = [
        lambda: draw_pose(image, found, PAIR),
        lambda: draw_result(image, found, PAIR),
        lambda: draw_masks(image, []),
        lambda: draw_heatmaps(image, two_instances(1)),
        lambda: draw_tags(image, two_instances(1)),
        lambda: save_picture(tmp_path / "a.png", image),
    ]
    for draw in draws:
        with pytest.raises(ValueError, match=r"a picture to draw on must be \(H, W, 3\) uint8 RGB, got"):
            draw()


def test_masks_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"masks\[0\] must be of the image's size \(64, 96\), got \(64, 95\)"):
        draw_masks(grey(), [np.ones((64, 95), bool)])


def test_a_picture_of_an_unknown_ending_is_refused(tmp_path):
    with pytest.raises(OSError, match=r"a\.xyz; call it \.png or \.jpg"):
        save_picture(tmp_path / "a.xyz", grey())


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1)])
def test_pictures_of_one_pixel_are_drawn(size):
    image = grey(*size)
    found = pair([[[0.5, 0.5], [900.0, 2.0]]])
    assert draw_pose(image, found, PAIR).shape == image.shape
    drawn = draw_result(image, found, PAIR, SeenMaps(two_instances(1)))
    assert min(drawn.shape) > 0
