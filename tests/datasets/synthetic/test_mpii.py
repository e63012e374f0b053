import json

import cv2
import numpy as np
import pytest

from aemm.datasets import MpiiDataset, MpiiGroupDataset, SampleKey, SyntheticMpiiDataset, collate
from aemm.evaluation.mpii_metric import MpiiMetric
from aemm.ops.boxes import group_box
from aemm.registry import DATASETS, TRANSFORMS
from aemm.structures import Instances
from tests.pairs import batch_with


@pytest.fixture(scope="module")
def tested():
    return SyntheticMpiiDataset(length=30, seed=4, test_mode=True)


@pytest.fixture(scope="module")
def truth(tested):
    return tested.coco_annotations()


@pytest.fixture(scope="module")
def exported(tested, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    tested.export_coco(folder)
    return folder


def people_of(truth, key, field="image_id"):
    return [p for p in truth["annotations"] if (key in p[field] if field == "group_ids" else p[field] == key)]


def measure(tested, found):
    metric = MpiiMetric()
    metric.dataset_meta = tested.metainfo
    metric.process(batch_with(tested[i].truth for i in range(len(tested))), found)
    return metric.compute_metrics(metric.results)


def as_found(key, people, shift=0.0):
    points = np.array([p["keypoints"] for p in people]).reshape(len(people), 16, 3)
    shown = (points[..., 2] > 0).astype(float)
    return Instances(key, (128, 128), np.ones(len(people)), keypoints=points[..., :2] + shift, keypoint_scores=shown)


def test_every_group_is_tested_once_and_some_images_hold_two(tested, truth):
    ids = [tested[i].image_id for i in range(len(tested))]
    assert ids == [group["id"] for group in truth["groups"]] == list(range(1, len(tested) + 1))
    held = [sum(group["image_id"] == image["id"] for group in truth["groups"]) for image in truth["images"]]
    assert set(held) == {1, 2}
    widths = {count: image["width"] for count, image in zip(held, truth["images"], strict=True)}
    assert widths[2] > 2 * widths[1]


def test_a_test_sample_is_a_crop_and_no_ground_truth(tested, truth):
    sizes = {image["id"]: (image["height"], image["width"]) for image in truth["images"]}
    for index, group in enumerate(truth["groups"]):
        sample = tested[index]
        x, y, right, bottom = group_box(group["rectangle"], group["scale"], 0.75, sizes[group["image_id"]])
        assert sample.image.shape[:2] == (bottom - y, right - x)
        np.testing.assert_array_equal(sample.warp[:2, 2], [-x, -y])
        assert sample.image_size == sizes[group["image_id"]]
        for field in ("keypoints", "visible", "masks", "labels"):
            assert getattr(sample, field) is None


def test_rectangle_and_scale_follow_from_the_members(truth):
    for group in truth["groups"]:
        members = people_of(truth, group["id"], "group_ids")
        assert members
        places = np.array([p["objpos"] for p in members])
        np.testing.assert_allclose(group["rectangle"], [*places.min(0), *places.max(0)], atol=1e-9)
        assert group["scale"] == pytest.approx(np.mean([p["scale"] for p in members]), abs=2e-6)


def test_heads_and_positions_lie_where_the_keypoints_say(truth):
    names = truth["categories"][0]["keypoints"]
    neck, top, hips = names.index("upper_neck"), names.index("head_top"), names.index("pelvis")
    for p in truth["annotations"]:
        points = np.array(p["keypoints"]).reshape(16, 3)
        low, high = np.array(p["head_box"][:2]) - 1, np.array(p["head_box"][2:]) + 1
        for k in (neck, top):
            if points[k, 2]:
                assert (low <= points[k, :2]).all()
                assert (points[k, :2] <= high).all()
        assert 0.15 < (high - low).max() / (200 * p["scale"]) < 0.3
        if points[hips, 2]:
            assert np.linalg.norm(points[hips, :2] - p["objpos"]) < 0.25 * 200 * p["scale"]


def test_true_people_of_the_whole_image_score_full_marks_for_every_group(tested, truth):
    found = [as_found(g["id"], people_of(truth, g["image_id"])) for g in truth["groups"]]
    assert measure(tested, found)["mAP"] == pytest.approx(1.0)


def test_people_moved_by_a_head_score_nothing(tested, truth):
    found = [as_found(g["id"], people_of(truth, g["image_id"]), shift=30.0) for g in truth["groups"]]
    assert measure(tested, found)["mAP"] < 0.2


def test_training_crops_show_what_test_crops_show_with_everybody_in_them(tested):
    trained = SyntheticMpiiDataset(length=30, seed=4)
    assert len(trained) == len(tested)
    for index in range(8):
        sample = trained[index]
        np.testing.assert_array_equal(sample.image, tested[index].image)
        assert (sample.visible > 0).any()
        shown = sample.keypoints[sample.visible > 0]
        assert ((shown >= 0) & (shown < sample.image.shape[1::-1])).all()


def test_whole_images_hold_the_people_of_all_groups(truth):
    whole = SyntheticMpiiDataset(length=30, seed=4, regions="image")
    assert len(whole) == 30
    for index in range(8):
        sample, people = whole[index], people_of(truth, index)
        points = np.array([p["keypoints"] for p in people]).reshape(-1, 16, 3)
        np.testing.assert_allclose(sample.keypoints, points[..., :2], atol=1e-3)
        np.testing.assert_array_equal(sample.visible, points[..., 2])


def test_images_depend_on_seed_and_index_alone():
    first, again, other = (SyntheticMpiiDataset(length=n, seed=s) for n, s in ((3, 7), (9, 7), (3, 8)))
    for index in range(3):
        np.testing.assert_array_equal(first[index].image, again[SampleKey(index, epoch=5, seed=2)].image)
    assert first[0].image.shape != other[0].image.shape or (first[0].image != other[0].image).any()


def test_exported_files_give_the_crops_and_the_metric_of_the_original(tested, truth, exported):
    read = MpiiGroupDataset("annotations.json", "images", data_root=str(exported))
    assert len(read) == len(tested)
    for index in (0, 1, len(read) - 1):
        np.testing.assert_array_equal(read[index].image, tested[index].image)
        assert read[index].image_id == tested[index].image_id
    found = [as_found(g["id"], people_of(truth, g["id"], "group_ids"), shift=2.5) for g in truth["groups"]]
    assert measure(read, found) == pytest.approx(measure(tested, found))


def test_the_whole_image_comes_along_where_it_is_asked_for(exported):
    options = dict(data_root=str(exported), pipeline=[dict(type="ResizeToFit", size=64, fit="long", square=True)])
    batch = collate([MpiiGroupDataset("annotations.json", "images", **options, keep_original=True)[0]])
    assert batch.originals[0].shape[:2] == batch.image_sizes[0]
    np.testing.assert_array_equal(batch.originals[0], cv2.imread(str(exported / "images/000000.png"))[..., ::-1])
    assert not collate([MpiiGroupDataset("annotations.json", "images", **options)[0]]).originals


def test_exported_files_train_as_the_original(exported):
    original = SyntheticMpiiDataset(length=30, seed=4)
    options = dict(data_root=str(exported), min_keypoints=1, reach=None)
    read = MpiiDataset("annotations.json", "images", regions="group", **options)
    assert len(read) == len(original)
    for index in range(5):
        ours, theirs = original[index], read[index]
        np.testing.assert_array_equal(theirs.image, ours.image)
        np.testing.assert_array_equal(theirs.visible, ours.visible)
        shown = ours.visible > 0
        np.testing.assert_allclose(theirs.keypoints[shown], ours.keypoints[shown], atol=1e-3)


def test_the_exported_json_is_plain_and_images_are_complete(exported):
    data = json.loads((exported / "annotations.json").read_text())
    for image in data["images"]:
        assert cv2.imread(str(exported / "images" / image["file_name"])).shape == (image["height"], image["width"], 3)


def test_the_whole_path_from_crop_to_batch_leads_back_to_the_image(tested):
    fit = TRANSFORMS.build(dict(type="ResizeToFit", size=128, fit="long", square=True))
    batch = collate([fit(tested[0]), fit(tested[1])])
    assert batch.input_size == (128, 128)
    crop = tested[1]
    inverse = np.linalg.inv(batch.warp[1])
    height, width = crop.image.shape[:2]
    middle = inverse @ [64, 64, 1]
    np.testing.assert_allclose(middle[:2], np.array([width, height]) / 2 - crop.warp[:2, 2], atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (dict(length=-1), "length"),
        (dict(panel=16), "panel"),
        (dict(people=(0, 2)), "people"),
        (dict(groups=(2, 1)), "groups"),
        (dict(people=(1, 20), groups=(2, 4)), "people x groups"),
        (dict(regions="crop"), "regions"),
        (dict(regions="image", test_mode=True), "regions"),
        (dict(skeleton=dict(keypoints=["tail"], sigmas=[0.1])), "tail"),
    ],
)
def test_bad_arguments_are_refused(arguments, field):
    with pytest.raises(ValueError, match=field):
        SyntheticMpiiDataset(**dict(length=1) | arguments)


def test_the_registry_builds_it():
    assert len(DATASETS.build(dict(type="SyntheticMpiiDataset", length=3, groups=(2, 2)))) == 6
