import json

import cv2
import numpy as np
import pytest
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from aemm.datasets.base import SampleKey
from aemm.datasets.coco_pose import CocoPoseDataset
from aemm.datasets.synthetic.body import BODY_POINTS, JOINED, draw_figure
from aemm.datasets.synthetic.drawing import MAX_PEOPLE, draw_background, draw_people, paint_figures
from aemm.datasets.synthetic.pose import SyntheticPoseDataset
from aemm.registry import DATASETS
from aemm.skeletons import SKELETONS

COCO_SET = SKELETONS["coco"]


@pytest.fixture(scope="module")
def crowd():
    return SyntheticPoseDataset(length=60, people=(1, 4), seed=5, with_masks=True, test_mode=True)


def grey(size=128):
    return np.full((size, size, 3), 128, np.uint8)


@pytest.mark.parametrize("name", ["coco", "mpii", "mpii14", "crowdpose"])
def test_every_known_skeleton_can_be_drawn(name):
    sample = SyntheticPoseDataset(length=1, people=(3, 3), skeleton=name).load(0)
    assert sample.keypoints.shape == (3, len(SKELETONS[name]), 2)
    assert sample.skeleton.name == name


def test_skeletons_agree_on_shared_names_and_on_the_picture():
    samples = {name: SyntheticPoseDataset(length=1, skeleton=name).load(0) for name in ("coco", "crowdpose")}
    names = {name: SKELETONS[name].keypoints for name in samples}
    np.testing.assert_array_equal(samples["coco"].image, samples["crowdpose"].image)
    for k, point in enumerate(names["crowdpose"]):
        if point in names["coco"]:
            same = samples["coco"].keypoints[:, names["coco"].index(point)]
            np.testing.assert_array_equal(same, samples["crowdpose"].keypoints[:, k])


def test_unknown_keypoints_are_named():
    tail = dict(name="cats", keypoints=["nose", "tail", "left_paw"], sigmas=[0.1] * 3, flip_index=[0, 1, 2])
    with pytest.raises(ValueError, match=r"cats.*tail, left_paw"):
        SyntheticPoseDataset(length=1, skeleton=tail)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (dict(length=-1), "length"),
        (dict(length=1, image_size=16), "image_size"),
        (dict(length=1, people=(3, 1)), "people"),
        (dict(length=1, people=(0, MAX_PEOPLE + 1)), "people"),
    ],
)
def test_bad_arguments_are_refused(arguments, field):
    with pytest.raises(ValueError, match=field):
        SyntheticPoseDataset(**arguments)


def test_registry_builds_it_and_a_misspelt_argument_fails():
    assert len(DATASETS.build(dict(type="SyntheticPoseDataset", length=7))) == 7
    with pytest.raises(TypeError, match="lenght"):
        DATASETS.build(dict(type="SyntheticPoseDataset", lenght=7))


def test_image_depends_on_seed_and_index_alone():
    first, again = (SyntheticPoseDataset(length=n, seed=3) for n in (4, 9))
    other = SyntheticPoseDataset(length=4, seed=4)
    assert [s.image_id for s in map(first.load, range(4))] == [0, 1, 2, 3]
    for index in (3, 0):
        np.testing.assert_array_equal(first.load(index).image, again[SampleKey(index, epoch=8, seed=1)].image)
        np.testing.assert_array_equal(first.load(index).keypoints, again.load(index).keypoints)
        assert (first.load(index).image != other.load(index).image).mean() > 0.5
    assert (first.load(0).image != first.load(1).image).mean() > 0.5
    with pytest.raises(IndexError, match="4 images"):
        first.load(4)


def test_image_size_may_be_a_rectangle():
    sample = SyntheticPoseDataset(length=1, image_size=(96, 160), with_masks=True, people=(2, 2)).load(0)
    assert sample.image.shape == (96, 160, 3)
    assert sample.masks.shape == (2, 96, 160)


def test_scene_without_people_is_empty_but_well_formed():
    sample = SyntheticPoseDataset(length=1, people=(0, 0), with_masks=True).load(0)
    assert sample.keypoints.shape == (0, 17, 2)
    assert SyntheticPoseDataset(length=1, people=(0, 0), test_mode=True).load(0).truth.boxes.shape == (0, 4)
    assert sample.masks.shape == (0, 128, 128)
    picture = grey()
    np.testing.assert_array_equal(paint_figures(picture, [], COCO_SET).image, picture)


def test_ground_truth_is_consistent(crowd):
    for sample in map(crowd.load, range(len(crowd))):
        assert 1 <= len(sample.keypoints) <= 4
        height, width = sample.image.shape[:2]
        known = sample.visible > 0
        assert (sample.keypoints[~known] == 0).all()
        assert ((sample.keypoints[known] >= 0) & (sample.keypoints[known] < [width, height])).all()
        assert ((sample.visible == 2).sum(1) >= 3).all()
        assert (sample.masks.sum(0) <= 1).all()
        np.testing.assert_array_equal(sample.truth.area, sample.masks.sum((1, 2)))
        assert not sample.ignore.any()
        for box, mask in zip(sample.truth.boxes.astype(int), sample.masks, strict=True):
            inside = np.zeros_like(mask)
            inside[box[1] : box[3], box[0] : box[2]] = True
            assert not (mask & ~inside).any()
            assert mask[box[1]].any()
            assert mask[box[3] - 1].any()
            assert mask[:, box[0]].any()
            assert mask[:, box[2] - 1].any()


def test_seen_keypoints_lie_on_their_own_person_and_some_are_hidden(crowd):
    """A keypoint on the silhouette's rim may fall into a pixel whose centre is not covered."""
    on, seen, hidden, absent = 0, 0, 0, 0
    for sample in map(crowd.load, range(len(crowd))):
        n, k = np.nonzero(sample.visible == 2)
        x, y = sample.keypoints[n, k].astype(int).T
        on, seen = on + sample.masks[n, y, x].sum(), seen + len(n)
        hidden, absent = hidden + (sample.visible == 1).sum(), absent + (sample.visible == 0).sum()
    assert on > 0.98 * seen
    assert 0.07 < hidden / (seen + hidden) < 0.3
    assert 0.03 < absent / (seen + hidden + absent) < 0.3


def test_what_is_covered_with_everything_joined_to_it_is_not_annotated():
    """Nobody could tell where it is: photographs are annotated so, too."""
    every_point = {"keypoints": list(BODY_POINTS), "sigmas": [0.05] * len(BODY_POINTS)}
    data = SyntheticPoseDataset(length=40, people=(3, 4), height=(0.7, 0.9), skeleton=every_point, seed=1)
    visible = np.concatenate([data.load(index).visible for index in range(len(data))])
    told = (visible == 2) @ JOINED
    assert told[visible == 1].all()
    wrist, elbow = BODY_POINTS.index("left_wrist"), BODY_POINTS.index("left_elbow")
    assert ((visible[:, wrist] == 1) & (visible[:, elbow] == 2)).any()
    assert ((visible[:, wrist] == 0) & (visible[:, elbow] == 1)).any()


def test_sizes_and_numbers_of_people_vary(crowd):
    samples = [crowd.load(index) for index in range(len(crowd))]
    assert {len(s.keypoints) for s in samples} == {1, 2, 3, 4}
    shares = np.concatenate([s.truth.area for s in samples]) / 128**2
    assert shares.max() > 8 * shares.min()


@pytest.mark.parametrize("kind", ["SyntheticPoseDataset", "SyntheticMpiiDataset", "SyntheticInstanceDataset"])
def test_a_cache_changes_no_sample(kind):
    """Transforms, of which some mirror the image and some leave it, must not reach what is kept."""
    pipeline = [dict(type="RandomFlip")]
    if kind != "SyntheticInstanceDataset":
        pipeline.append(dict(type="RandomAffine", size=64))
    drawn, kept = (DATASETS.build(dict(type=kind, length=3, pipeline=pipeline, cache=cache)) for cache in (False, True))
    for epoch in range(3):
        for index in range(3):
            first, second = (data[SampleKey(index, epoch)] for data in (drawn, kept))
            np.testing.assert_array_equal(first.image, second.image)
            np.testing.assert_array_equal(first.ignore, second.ignore)
            np.testing.assert_array_equal(first.labels, second.labels)
            for name in ("keypoints", "visible", "masks"):
                np.testing.assert_equal(getattr(first, name), getattr(second, name))


def test_the_same_keypoint_of_two_people_seldom_coincides(crowd):
    gaps = []
    for sample in map(crowd.load, range(len(crowd))):
        between = np.linalg.norm(sample.keypoints[:, None] - sample.keypoints[None], axis=3)
        both = (sample.visible[:, None] > 0) & (sample.visible[None] > 0)
        gaps.append(between[both & ~np.eye(len(between), dtype=bool)[..., None]])
    gaps = np.concatenate(gaps)
    assert (gaps < 4).mean() < 0.02  # one cell of a map of stride 4


def test_a_person_in_front_hides_the_one_behind():
    rng = np.random.default_rng(1)
    front, back = (draw_figure(rng, 80.0).moved(64, 64) for _ in range(2))
    alone = paint_figures(grey(), [back], COCO_SET)
    both = paint_figures(grey(), [back, front], COCO_SET)
    np.testing.assert_array_equal(both.masks[1], paint_figures(grey(), [front], COCO_SET).masks[0])
    np.testing.assert_array_equal(both.masks[0], alone.masks[0] & ~both.masks[1])
    assert (both.visible[0] == 2).sum() < (alone.visible[0] == 2).sum()
    np.testing.assert_array_equal(both.visible[0] > 0, alone.visible[0] > 0)
    np.testing.assert_array_equal(both.keypoints[0], alone.keypoints[0])


def test_more_people_than_can_be_told_apart_are_refused():
    figure = draw_figure(np.random.default_rng(0), 20.0).moved(64, 64)
    assert len(paint_figures(grey(), [figure] * MAX_PEOPLE, COCO_SET).masks) == MAX_PEOPLE
    with pytest.raises(ValueError, match=f"at most {MAX_PEOPLE} people"):
        paint_figures(grey(), [figure] * (MAX_PEOPLE + 1), COCO_SET)


def test_picture_changes_only_where_people_are():
    scene = draw_background(np.random.default_rng(0), (128, 128))
    before = scene.copy()
    people = draw_people(np.random.default_rng(7), scene, 3, COCO_SET)
    np.testing.assert_array_equal(scene, before)
    rim = cv2.dilate(people.masks.any(0).astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    np.testing.assert_array_equal(people.image[~rim], scene[~rim])
    core = cv2.erode(people.masks.any(0).astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    assert (people.image[core] != scene[core]).any(1).mean() > 0.95


def test_drawing_is_true_to_the_pixel_convention():
    """The middle of a silhouette lies where its points are, at any resolution: no half-pixel anywhere."""
    shifts = []
    for seed in range(12):
        figure = draw_figure(np.random.default_rng(seed), 60.0)
        large = draw_figure(np.random.default_rng(seed), 240.0)
        small = paint_figures(grey(128), [figure.moved(64, 64)], COCO_SET).masks[0]
        whole = paint_figures(grey(512), [large.moved(256, 256)], COCO_SET).masks[0]
        shifts.append(np.argwhere(small).mean(0) + 0.5 - (np.argwhere(whole).mean(0) + 0.5) / 4)
    down, right = np.mean(shifts, axis=0)  # half a pixel of the canvas would add 0.17 to both
    assert abs(right) < 0.05
    assert abs(down) < 0.15  # small people have heavier feet
    np.testing.assert_allclose(small.sum(), whole.sum() / 16, rtol=0.06)  # a filled outline includes its own line


@pytest.mark.parametrize("side_colors", [True, False])
def test_left_limbs_are_red_and_right_limbs_blue_only_if_wanted(side_colors):
    data = SyntheticPoseDataset(length=40, people=(1, 1), skeleton="coco", side_colors=side_colors)
    redder = {"left": [], "right": []}
    for sample in map(data.load, range(len(data))):
        smooth = cv2.GaussianBlur(sample.image, (3, 3), 0).astype(int)
        for k, name in enumerate(COCO_SET.keypoints):
            side, _, joint = name.partition("_")
            if joint == "wrist" and sample.visible[0, k] == 2:
                red, _, blue = smooth[tuple(sample.keypoints[0, k].astype(int)[::-1])]
                redder[side].append(red > blue)
    assert min(map(len, redder.values())) > 10
    left, right = np.mean(redder["left"]), np.mean(redder["right"])
    if side_colors:
        assert left > 0.95
        assert right < 0.05
    else:
        assert abs(left - right) < 0.35


def test_test_mode_carries_the_ground_truth_along():
    assert SyntheticPoseDataset(length=3).load(1).truth is None
    tested = SyntheticPoseDataset(length=3, test_mode=True)
    sample = tested.load(1)
    np.testing.assert_array_equal(sample.truth.keypoints, sample.keypoints)
    np.testing.assert_array_equal(sample.truth.visible, sample.visible)
    assert tested.metainfo.skeleton == COCO_SET


def test_exported_files_say_the_same_as_the_samples(tmp_path):
    data = SyntheticPoseDataset(length=5, people=(0, 3), seed=2, with_masks=True)
    data.export_coco(tmp_path)
    api = COCO(str(tmp_path / "annotations.json"))
    assert json.loads((tmp_path / "annotations.json").read_text()) == data.coco_annotations()
    assert sorted(api.imgs) == list(range(5))
    for sample in map(data.load, range(5)):
        image = cv2.imread(str(tmp_path / "images" / api.imgs[sample.image_id]["file_name"]))
        np.testing.assert_array_equal(image[..., ::-1], sample.image)
        rows = api.loadAnns(api.getAnnIds(imgIds=sample.image_id))
        assert len(rows) == len(sample.keypoints)
        for n, row in enumerate(rows):
            points = np.reshape(row["keypoints"], (-1, 3))
            np.testing.assert_allclose(points[:, :2], sample.keypoints[n], atol=1e-3)
            np.testing.assert_array_equal(points[:, 2], sample.visible[n])
            np.testing.assert_array_equal(api.annToMask(row).astype(bool), sample.masks[n])
            packed = rle.frPyObjects(row["segmentation"], *row["segmentation"]["size"])
            assert row["area"] == rle.area(packed) == sample.masks[n].sum()
            np.testing.assert_array_equal(row["bbox"], rle.toBbox(packed))
            assert row["num_keypoints"] == (sample.visible[n] > 0).sum()


def test_exported_files_are_read_back_by_the_coco_data_set(tmp_path):
    data = SyntheticPoseDataset(length=3, people=(1, 2), seed=2, skeleton="crowdpose", test_mode=True)
    data.export_coco(tmp_path)
    files = CocoPoseDataset("annotations.json", "images", str(tmp_path), skeleton="crowdpose", test_mode=True)
    for drawn, read in zip(map(data.load, range(3)), map(files.load, range(3)), strict=True):
        np.testing.assert_array_equal(read.image, drawn.image)
        np.testing.assert_allclose(read.keypoints, drawn.keypoints, atol=1e-3)
        np.testing.assert_array_equal(read.visible, drawn.visible)
        np.testing.assert_allclose(read.truth.boxes, drawn.truth.boxes)
        np.testing.assert_allclose(read.truth.area, drawn.truth.area)


def test_true_keypoints_score_a_perfect_average_precision(tmp_path, capsys):
    data = SyntheticPoseDataset(length=6, people=(1, 3), seed=8)
    data.export_coco(tmp_path)
    api = COCO(str(tmp_path / "annotations.json"))
    found = [
        dict(image_id=a["image_id"], category_id=1, keypoints=a["keypoints"], score=1.0)
        for a in data.coco_annotations()["annotations"]
    ]
    judge = COCOeval(api, api.loadRes(found), "keypoints")
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    assert judge.stats[0] == pytest.approx(1.0)
