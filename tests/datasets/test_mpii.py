import json

import cv2
import numpy as np
import pytest

from aemm import geometry
from aemm.datasets import UnreadableImageError
from aemm.datasets.mpii import MpiiDataset, MpiiGroupDataset
from aemm.evaluation.mpii_metric import MpiiMetric
from aemm.formats import AnnotationError
from aemm.ops.boxes import body_box, group_box
from aemm.registry import DATASETS
from aemm.skeletons import SKELETONS
from aemm.structures import Instances
from tests.pairs import measured

NAMES = list(SKELETONS["mpii"].keypoints)
SIZE = (200, 400)
SCALE = 0.2  # people of 40 px


def person(key, place, count=16, groups=(), **fields):
    """Somebody of 40 px whose first `count` keypoints are annotated."""
    rng = np.random.default_rng(key)
    points = np.zeros((16, 3))
    points[:count, :2] = rng.uniform(-15, 15, (count, 2)) + place
    points[:count, 2] = 2
    low, high = (points[:count, :2].min(0), points[:count, :2].max(0)) if count else (np.array(place), np.array(place))
    return {
        "id": key,
        "image_id": 5,
        "category_id": 1,
        "keypoints": points.ravel().tolist(),
        "bbox": [*low.tolist(), *(high - low).tolist()],
        "area": 900.0,
        "iscrowd": 0,
        "head_box": [*place, place[0] + 8, place[1] + 8],
        "scale": SCALE,
        "objpos": list(place),
        "group_ids": list(groups),
        **fields,
    }


PEOPLE = [
    person(1, (60, 100), groups=[31]),
    person(2, (90, 110), groups=[31]),
    person(3, (150, 100), groups=[32]),
    person(4, (250, 100), count=3, groups=[33]),
    person(5, (310, 100), count=0),
]
GROUPS = [
    {"id": 31, "image_id": 5, "rectangle": [60, 100, 90, 110], "scale": SCALE},
    {"id": 32, "image_id": 5, "rectangle": [150, 100, 150, 100], "scale": SCALE},
    {"id": 33, "image_id": 5, "rectangle": [250, 100, 250, 100], "scale": SCALE},
]


@pytest.fixture
def folder(tmp_path):
    image = np.random.default_rng(0).integers(0, 255, (*SIZE, 3)).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), image)
    write(tmp_path)
    return tmp_path


def write(folder, people=PEOPLE, groups=GROUPS):
    images = [{"id": 5, "file_name": "a.png", "height": SIZE[0], "width": SIZE[1]}]
    data = {
        "images": images,
        "annotations": people,
        "groups": groups,
        "categories": [{"id": 1, "name": "person", "keypoints": NAMES, "skeleton": []}],
    }
    (folder / "mpii.json").write_text(json.dumps(data))


def train(folder, **options):
    return MpiiDataset("mpii.json", "", data_root=str(folder), **options)


def groups_of(folder, **options):
    return MpiiGroupDataset("mpii.json", "", data_root=str(folder), **options)


def covered(mask, box):
    x, y, right, bottom = np.clip(np.round(box), 0, (*SIZE[::-1], *SIZE[::-1])).astype(int)
    return mask[y:bottom, x:right]


def test_people_with_few_keypoints_are_ignored_with_all_of_their_body(folder):
    sample = train(folder, reach=None)[0]
    assert len(sample.keypoints) == 3
    for place in ((250, 100), (310, 100)):
        x, y, right, bottom = body_box(place, SCALE)
        assert covered(sample.ignore, (x, y, right, bottom)).all()
        assert not covered(sample.ignore, (x, y - 12, right, y - 2)).any()
    assert not covered(sample.ignore, body_box((60, 100), SCALE)).any()


def test_min_keypoints_decides_who_is_learnt(folder):
    assert len(train(folder, min_keypoints=3)[0].keypoints) == 4
    assert len(train(folder, min_keypoints=0)[0].keypoints) == 4  # somebody without any is never learnt


def test_what_is_far_from_everybody_annotated_is_ignored(folder):
    write(folder, people=PEOPLE[:1])
    ignore = train(folder, reach=1.0)[0].ignore
    body = body_box((60, 100), SCALE)
    height = body[3] - body[1]
    near = body + height * np.array([-1, -1, 1, 1])
    assert not covered(ignore, near + np.array([2, 2, -2, -2])).any()
    assert ignore[:, int(near[2]) + 2 :].all()
    assert ignore[: int(near[1]) - 2].all()
    assert not train(folder, reach=None)[0].ignore.any()


def test_crowds_keep_their_own_region(folder):
    crowd = person(9, (350, 150), iscrowd=1, segmentation=[[340, 140, 360, 140, 360, 160, 340, 160]])
    write(folder, people=[*PEOPLE[:1], crowd])
    ignore = train(folder, reach=None)[0].ignore
    assert ignore.sum() == pytest.approx(400, abs=45)
    assert ignore[145:155, 345:355].all()


def test_groups_with_somebody_to_learn_from_become_crops(folder):
    whole, crops = train(folder)[0], train(folder, regions="group", margin=0.75)
    assert [crops[i].image_id for i in range(len(crops))] == [31, 32]  # group 33 has nobody
    crop = crops[0]
    x, y, right, bottom = group_box(GROUPS[0]["rectangle"], SCALE, 0.75, SIZE)
    assert (x, y, right, bottom) == (30, 70, 120, 140)
    np.testing.assert_array_equal(crop.image, whole.image[y:bottom, x:right])
    np.testing.assert_array_equal(crop.ignore, whole.ignore[y:bottom, x:right])
    np.testing.assert_allclose(crop.keypoints, geometry.apply_warp(whole.keypoints, crop.warp), atol=1e-4)
    assert crop.image_size == SIZE


def test_people_of_other_groups_in_a_crop_are_labelled_as_far_as_they_are_seen(folder):
    crop = train(folder, regions="group", margin=1.5)[0]
    assert (crop.visible[:2] > 0).all()
    stranger = PEOPLE[2]["keypoints"][0::3]
    assert ((crop.visible[2] > 0) == (np.array(stranger) < 150)).all()
    assert 0 < (crop.visible[2] > 0).sum() < 16


@pytest.mark.parametrize(
    ("rectangle", "expected"),
    [
        ([60, 100, 90, 110], (30, 70, 120, 140)),
        ([5, 5, 395, 195], (0, 0, 400, 200)),
        ([60.5, 100, 60.5, 100], (30, 70, 91, 130)),
        ([-500, 90, -400, 110], (0, 60, 1, 140)),  # positions outside the image leave something to look at
    ],
)
def test_a_crop_is_rectangle_and_margin_inside_the_image(rectangle, expected):
    assert group_box(rectangle, SCALE, 0.75, SIZE) == expected


def test_testing_crops_as_training_does(folder):
    tested, trained = groups_of(folder), train(folder, regions="group")
    assert len(tested) == 3
    for i in range(len(trained)):
        np.testing.assert_array_equal(tested[i].image, trained[i].image)
        np.testing.assert_array_equal(tested[i].warp, trained[i].warp)
        assert tested[i].image_id == trained[i].image_id


def test_nothing_but_rectangle_and_scale_reaches_a_test_sample(folder):
    before = [groups_of(folder)[i] for i in range(3)]
    write(folder, people=[])
    for old, new in zip(before, groups_of(folder), strict=False):
        np.testing.assert_array_equal(old.image, new.image)
        for name in ("keypoints", "visible", "labels", "masks"):
            assert getattr(old, name) is None
        assert not old.truth.withheld
        assert new.truth.withheld
    assert vars(before[0]).keys() >= {"keypoints", "visible", "labels", "masks"}


def test_perfect_predictions_on_crops_reach_one_in_the_metric(folder):
    write(folder, people=PEOPLE[:3], groups=GROUPS[:2])
    dataset = groups_of(folder, pipeline=[{"type": "ResizeToFit", "size": 128}])
    pairs = []
    for i in range(len(dataset)):
        sample = dataset[i]
        members = [p for p in PEOPLE if sample.image_id in p["group_ids"]]
        seen = geometry.apply_warp(np.array([p["keypoints"] for p in members]).reshape(-1, 16, 3)[..., :2], sample.warp)
        assert (seen > 0).all()
        assert (seen < sample.image.shape[1::-1]).all()
        found = geometry.apply_warp(seen, np.linalg.inv(sample.warp))
        scores = np.ones(found.shape[:2])
        found = Instances(sample.image_id, SIZE, scores[:, 0], keypoints=found, keypoint_scores=scores)
        pairs.append((sample.truth, found))
    assert measured(MpiiMetric(), dataset.metainfo, pairs)["mpii/mAP"] == 1


def test_both_are_built_from_configs(folder):
    where = {"ann_file": "mpii.json", "img_dir": "", "data_root": str(folder)}
    assert len(DATASETS.build({"type": "MpiiDataset", **where})) == 1
    dataset = DATASETS.build({"type": "MpiiGroupDataset", **where})
    assert dataset.metainfo.skeleton == SKELETONS["mpii"]
    assert dataset[0].truth.part == str(folder / "mpii.json")


def test_unlabelled_images_are_kept_for_evaluation_only(folder):
    write(folder, people=PEOPLE[3:])
    with pytest.raises(AnnotationError, match="nobody in it has min_keypoints=4 keypoints or more"):
        train(folder)
    assert len(train(folder, test_mode=True)) == 1


def test_all_faults_of_groups_are_listed(folder):
    broken = [
        {"id": 1, "image_id": 6, "rectangle": [1, 2, 3, 4], "scale": 1},
        {"id": 2, "image_id": 5, "rectangle": [3, 2, 1, 4], "scale": 1},
        {"id": 2, "image_id": 5, "rectangle": [1, 2, 3, 4], "scale": 0},
        {"id": 3, "image_id": 5, "rectangle": None, "scale": None},
    ]
    write(folder, groups=broken)
    for build in (groups_of, lambda where: train(where, regions="group")):
        with pytest.raises(AnnotationError) as caught:
            build(folder)
        assert len(caught.value.faults) == 6
        assert "group 1: image_id 6" in str(caught.value)
        assert "an id stands there more than once" in str(caught.value)


def test_files_without_groups_say_so(folder):
    data = json.loads((folder / "mpii.json").read_text())
    del data["groups"]
    (folder / "mpii.json").write_text(json.dumps(data))
    with pytest.raises(AnnotationError, match="'groups' is missing"):
        groups_of(folder)
    assert len(train(folder)) == 1


def test_an_unreadable_image_stops_testing(folder):
    dataset = groups_of(folder)
    (folder / "a.png").write_bytes(b"")
    with pytest.raises(UnreadableImageError, match=r"a\.png"):
        dataset[0]


def test_an_unknown_kind_of_region_is_named(folder):
    with pytest.raises(ValueError, match="'image' or 'group', got 'crop'"):
        train(folder, regions="crop")
