import contextlib
import importlib.util
import io
import json
import sys
from pathlib import Path
from unittest import mock

import cv2
import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from scipy.io import savemat

from aemm.datasets.mpii import MpiiDataset, MpiiGroupDataset

TOOL = Path(__file__).resolve().parents[2] / "tools" / "dataset_tools" / "mpii_to_coco.py"
EMPTY = np.zeros((0, 0))
SIZE = (60, 100)


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("mpii_to_coco", TOOL)
    module = importlib.util.module_from_spec(spec)
    sys.modules["mpii_to_coco"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["mpii_to_coco"]


def struct(*rows):
    """A MATLAB struct array of rows that may lack fields."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    array = np.empty((1, len(rows)), dtype=[(name, object) for name in names])
    for i, row in enumerate(rows):
        for name in names:
            array[name][0, i] = row.get(name, EMPTY)
    return array


def cell(*values):
    array = np.empty((1, len(values)), object)
    array[0, :] = values
    return array


def point(k, x, y, **extra):
    return dict(x=float(x), y=float(y), id=k, **extra)


def rect(points=(), head=None, place=None, scale=0.1):
    fields = {}
    if head:
        fields.update(zip(("x1", "y1", "x2", "y2"), map(float, head), strict=True))
    if points:
        fields["annopoints"] = struct({"point": struct(*points)})
    if place:
        fields.update(objpos=struct({"x": float(place[0]), "y": float(place[1])}), scale=scale)
    return fields


FULL = [point(k, 10 + k, 20 + k, is_visible="1") for k in range(6)]
# name, train, people, groups (indices from 1), single people
IMAGES = [
    ("train.png", 1, struct(rect(FULL, (8, 9, 20, 25), (15, 25))), cell(np.array([[1]])), np.array([[1]])),
    (
        "odd.png",
        1,
        struct(
            rect([point(9, 30, 10, is_visible="0"), point(8, 31, 20), point(0, 32, 50, is_visible=1)], None, (30, 30)),
            rect((), (50, 5, 60, 15), (55, 25), 0.2),
            rect([point(2, 70, 20, is_visible=0), point(77, 1, 1), {"x": EMPTY, "y": 3.0, "id": 4}], (60, 5, 70, 15)),
            rect(),
        ),
        cell(np.array([[1, 2]]), np.array([[3]]), np.array([[4]]), np.array([[1]])),
        EMPTY,
    ),
    ("nobody.png", 1, EMPTY, EMPTY, EMPTY),
    (
        "val.png",
        1,
        struct(*[rect(FULL, (8, 9, 20, 25), (10 * x, 25), 0.1 * x) for x in (1, 2, 5, 6)]),
        cell(np.array([[1, 2]]), np.array([[3, 4]])),
        EMPTY,
    ),
    (
        "test.png",
        0,
        struct(*[rect((), None, (10 * x, 5 * x), 0.1 * x) for x in (1, 2, 3)]),
        cell(np.array([[3]]), np.array([[1, 2]])),
        np.array([[3]]),
    ),
    ("gone.png", 1, struct(rect(FULL, (8, 9, 20, 25), (15, 25))), cell(np.array([[1]])), EMPTY),
]
VAL_LIST = {
    "root": [
        {"im_name": "val.png", "center_bbox": [50.0, 25.0, 60.4, 25.0]},
        {"im_name": "val.png", "center_bbox": [10.0, 25.0, 20.0, 25.0]},
        {"im_name": "train2.png", "center_bbox": [1.0, 1.0, 2.0, 2.0]},
    ]
}


@pytest.fixture(scope="module")
def official(tmp_path_factory):
    """A small data set in the official layout, with all that real files hold."""
    folder = tmp_path_factory.mktemp("mpii")
    release = {
        "annolist": struct(
            *[{"image": struct({"name": name}), "annorect": people} for name, _, people, _, _ in IMAGES]
        ),
        "img_train": np.array([[train for _, train, *_ in IMAGES]], np.uint8),
        "single_person": cell(*[single for *_, single in IMAGES]).T,
        "version": "12",
    }
    savemat(folder / "mpii_human_pose_v1_u12_1.mat", {"RELEASE": struct(release)})
    savemat(folder / "groups_v12.mat", {"groups": cell(*[groups for *_, groups, _ in IMAGES]).T})
    (folder / "MPI_MP_VAL_annotations.json").write_text(json.dumps(VAL_LIST))
    (folder / "images").mkdir()
    for name, *_ in IMAGES[:-1]:
        cv2.imwrite(str(folder / "images" / name), np.zeros((*SIZE, 3), np.uint8))
    return folder


@pytest.fixture(scope="module")
def converted(tool, official):
    """The three json files and what the command printed."""
    files = [official / "mpii_human_pose_v1_u12_1.mat", official / "groups_v12.mat", official / "images"]
    command = [TOOL, *files, "--val-list", official / "MPI_MP_VAL_annotations.json", "--out", official / "annotations"]
    printed = io.StringIO()
    with mock.patch.object(sys, "argv", list(map(str, command))), contextlib.redirect_stdout(printed):
        tool.main()
    parts = {name: json.loads((official / "annotations" / f"mpii_{name}.json").read_text()) for name in PARTS}
    return parts, printed.getvalue()


PARTS = ("train", "val", "test")


def people_of(part, name):
    key = next(image["id"] for image in part["images"] if image["file_name"] == name)
    return [annotation for annotation in part["annotations"] if annotation["image_id"] == key]


def test_images_are_sorted_into_train_val_and_test(converted):
    parts, _ = converted
    names = {name: [image["file_name"] for image in part["images"]] for name, part in parts.items()}
    assert names == {"train": ["train.png", "odd.png"], "val": ["val.png"], "test": ["test.png"]}
    assert all((i["height"], i["width"]) == SIZE for part in parts.values() for i in part["images"])


def test_a_person_keeps_all_that_is_known_counted_from_zero(converted):
    (person,) = people_of(converted[0]["train"], "train.png")
    points = np.array(person["keypoints"]).reshape(16, 3)
    assert points[:6].tolist() == [[9 + k, 19 + k, 2] for k in range(6)]
    assert not points[6:].any()
    assert person["num_keypoints"] == 6
    assert person["head_box"] == [7, 8, 19, 24]
    assert person["objpos"] == [14, 24]
    assert person["scale"] == 0.1
    assert person["bbox"] == [7, 8, 12, 16]
    assert person["area"] == 12 * 16


def test_visibility_is_read_as_text_number_or_nothing(converted):
    first, _, third = people_of(converted[0]["train"], "odd.png")
    visible = np.array(first["keypoints"]).reshape(16, 3)[:, 2]
    assert (visible[9], visible[8], visible[0]) == (1, 2, 2)
    assert third["keypoints"][8] == 1


def test_a_missing_head_rectangle_leaves_the_field_out(converted):
    first, second, third = people_of(converted[0]["train"], "odd.png")
    assert "head_box" not in first
    assert second["head_box"] == [49, 4, 59, 14]
    assert "scale" not in third


def test_people_without_points_stay_as_a_region_of_their_body(converted):
    _, second, _ = people_of(converted[0]["train"], "odd.png")
    assert second["num_keypoints"] == 0
    x, y, width, height = second["bbox"]
    assert x < 49  # wider than the head
    assert x + width > 59
    assert y == 2.4  # 0.54 of 40 px above the position
    assert y + height == pytest.approx(24 + 0.66 * 40)


def test_points_without_place_and_people_without_anything_are_dropped(converted):
    people = people_of(converted[0]["train"], "odd.png")
    assert len(people) == 3
    assert people[2]["num_keypoints"] == 1


def test_groups_have_the_rectangle_of_positions_and_the_mean_scale(converted):
    group = converted[0]["train"]["groups"][1]
    assert group["rectangle"] == [29, 24, 54, 29]
    assert group["scale"] == pytest.approx(0.15)
    people = people_of(converted[0]["train"], "odd.png")
    other = converted[0]["train"]["groups"][2]
    assert [person["group_ids"] for person in people] == [[group["id"], other["id"]], [group["id"]], []]
    members = [
        p for p in converted[0]["val"]["annotations"] if converted[0]["val"]["groups"][1]["id"] in p["group_ids"]
    ]
    assert [p["objpos"][0] for p in members] == [9, 19]


def test_val_groups_stand_in_the_order_of_their_list(converted):
    groups = converted[0]["val"]["groups"]
    assert [group["rectangle"][0] for group in groups] == [49, 9]
    assert len({group["id"] for part in converted[0].values() for group in part["groups"]}) == 6


def test_the_test_part_tells_nothing_but_rectangle_and_scale_of_several_people(converted):
    part = converted[0]["test"]
    assert part["annotations"] == []
    (group,) = part["groups"]  # the other group is one person alone
    assert set(group) == {"id", "image_id", "rectangle", "scale"}
    assert group["rectangle"] == [9, 4, 19, 9]


def test_the_summary_says_what_was_read_and_dropped(converted):
    counted = {}
    for line in converted[1].splitlines():
        amount, _, what = line.strip().partition(" ")
        if amount.isdigit():
            counted[what] = int(amount)
    assert counted == {
        "images": 6,
        "images without people": 1,
        "images dropped: no such file": 1,
        "people": 13,
        "people without points (kept as regions to ignore)": 1,
        "people with points but no head rectangle": 1,
        "people dropped: no points, head rectangle or position": 1,
        "points": 34,
        "points dropped: unknown id or no coordinates": 2,
        "groups": 10,
        "groups dropped: no member has position and scale": 2,
        "val groups not found": 1,
    }


def test_coco_readers_read_it(converted, official):
    for name in PARTS:
        loaded = COCO(official / "annotations" / f"mpii_{name}.json")
        assert len(loaded.imgs) == len(converted[0][name]["images"])
        assert len(loaded.loadCats([1])[0]["keypoints"]) == 16


def test_without_a_val_list_everything_public_is_for_training(tool, official):
    images = tool.read_release(
        official / "mpii_human_pose_v1_u12_1.mat", tool.read_members(official / "groups_v12.mat")
    )
    parts, _ = tool.convert(images, {name: SIZE for name, *_ in IMAGES})
    assert len(parts["train"]["images"]) == 4
    assert parts["val"]["images"] == parts["val"]["groups"] == []


def test_a_turned_photograph_has_the_size_it_is_seen_in(tool, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (30, 20)).save(tmp_path / "turned.jpg", exif=exif)
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    assert tool.image_size(tmp_path / "turned.jpg") == cv2.imread(str(tmp_path / "turned.jpg")).shape[:2] == (30, 20)
    assert tool.image_size(tmp_path / "broken.jpg") is None


def test_files_of_two_releases_are_refused(tool, official):
    members = tool.read_members(official / "groups_v12.mat")
    with pytest.raises(ValueError, match=r"6 images, .* groups for 5 images; expected files of one release"):
        tool.read_release(official / "mpii_human_pose_v1_u12_1.mat", members[:-1])


@pytest.mark.parametrize("reader", ["read_members", "read_release"])
def test_another_mat_file_is_named(tool, tmp_path, reader):
    savemat(tmp_path / "other.mat", {"x": 1})
    with pytest.raises(ValueError, match=r"other.mat has no variable '(groups|RELEASE)', it has \['x'\]"):
        getattr(tool, reader)(tmp_path / "other.mat", *[[]] * (reader == "read_release"))


def test_the_official_groups_are_read(tool, shared):
    members = tool.read_members(shared / "data" / "mpii_groups" / "groups_v12.mat")
    assert len(members) == 24987
    assert sum(map(len, members)) == 32034
    assert members[47] == [(0,), (1,), (2,), (3,)]
    assert members[17434] == [(5,), (6,), (2, 3, 7, 8), (4, 9), (0, 1, 8)]  # one person stands in two groups
    assert min(person for image in members for group in image for person in group) == 0


def test_the_data_sets_read_what_was_written(converted, official):
    where = {"img_dir": str(official / "images"), "data_root": str(official / "annotations")}
    whole = MpiiDataset("mpii_train.json", **where)
    assert [len(whole[i].keypoints) for i in range(len(whole))] == [1]  # nobody in odd.png has enough keypoints
    assert [MpiiDataset("mpii_val.json", regions="group", **where)[i].image_id for i in range(2)] == [
        group["id"] for group in converted[0]["val"]["groups"]
    ]
    assert len(MpiiGroupDataset("mpii_test.json", **where)) == 1
