"""Data sets checked before training: counts, faults, what is odd, and the page that shows it."""

import base64
import re

import cv2
import numpy as np
import pytest

from aemm.apis.data_check import DataCheck
from aemm.apis.data_page import describe_tally, draw_example, sections_of
from aemm.formats.files import write_json
from aemm.skeletons import SKELETONS
from aemm.visualization.page import Section, page_of, write_page
from tests.annotations import NAMES, nobody, person, person_file, write


def pose(folder, name="people.json", **changes):
    return dict(type="CocoPoseDataset", ann_file=name, img_dir="", data_root=str(folder)) | changes


def checked(cfg, **options):
    check = DataCheck(**options)
    check.check_config(cfg)
    return check.reports


def odd_file():
    data = person_file(3)
    data["annotations"] += [person(9, 1), nobody(10, 2)]
    data["annotations"][1]["keypoints"][:6] = [60, 12, 2, -20, 30, 1]
    data["annotations"][2].update(keypoints=[9, 9, 2, 0, 0, 2] + [0] * 45)
    return data


def test_what_is_there_is_counted(tmp_path):
    write(tmp_path, odd_file())
    (report,) = checked(dict(train_dataloader=dict(dataset=pose(tmp_path))))
    assert (report.samples, report.images_read, report.faults) == (3, 3, [])
    tally = report.tally
    assert (tally.images, tally.annotated, tally.instances, tally.unlabelled) == (3, 3, {"person": 4}, 1)
    assert tally.visibility.sum(0).tolist() == [60, 3, 5]
    assert tally.visibility[:2].tolist() == [[0, 0, 4], [0, 3, 1]]
    shown = dict(describe_tally(tally))
    assert shown["keypoints"] == "5 visible (2), 3 hidden (1), 60 not annotated (0)"
    assert shown["sizes, as COCO counts them"] == "4 small (< 32²), 0 medium, 0 large (≥ 96²)"


def test_every_warning_has_examples_of_what_it_means(tmp_path):
    write(tmp_path, odd_file())
    (report,) = checked(dict(train_dataloader=dict(dataset=pose(tmp_path))))
    meant = {
        warned.text.partition(",")[0]: [example.caption for example in warned.examples] for warned in report.warned
    }
    assert meant["1 people"] == ["image 1 (1.png), annotation 9"]
    assert meant["2 keypoints of 1 people lie outside of their images (1 people altogether); they are not learnt"] == [
        "image 2 (2.png), annotation 2"
    ]
    assert meant["1 keypoints are visible at (0"] == ["image 3 (3.png), annotation 3"]
    assert len(meant) == 3


def test_keypoints_outside_are_drawn_beside_the_image(tmp_path):
    write(tmp_path, odd_file())
    (report,) = checked(dict(train_dataloader=dict(dataset=pose(tmp_path))))
    example = next(warned for warned in report.warned if "outside" in warned.text).examples[0]
    picture = draw_example(example)
    assert picture.shape[1] / picture.shape[0] == pytest.approx((20 + 50 + 10) / 40, rel=0.01)
    assert (picture[:, : picture.shape[1] // 5] == 128).all(2).mean() > 0.8  # beside the image all is grey


def test_the_page_holds_its_pictures_and_escapes_what_files_say(tmp_path):
    data = odd_file()
    data["categories"][0]["name"] = "<b>person</b>"
    write(tmp_path, data)
    page = page_of(sections_of(checked(dict(train_dataloader=dict(dataset=pose(tmp_path))))))
    pictures = re.findall(r"src='data:image/jpeg;base64,([^']+)'", page)
    assert len(pictures) == 3 + 3
    assert all(cv2.imdecode(np.frombuffer(base64.b64decode(one), np.uint8), 1) is not None for one in pictures)
    assert "<b>person" not in page
    assert "&lt;b&gt;person" in page
    assert "http" not in page


def test_a_page_shows_tables_lists_and_captions():
    page = page_of(
        [Section("A & B", 1, rows=[("a", "<1>")], lines=["one"], pictures=[(np.zeros((2, 2, 3), np.uint8), "c")])]
    )
    assert "<h1>A &amp; B</h1>" in page
    assert "<td>a</td><td>&lt;1&gt;</td>" in page
    assert "<li>one</li>" in page
    assert "<figcaption>c</figcaption>" in page


def test_faults_of_all_data_sets_are_reported_each_under_its_place(tmp_path):
    data = person_file(2)
    write(tmp_path, data)
    data["annotations"][1]["keypoints"] = [1, 2]
    write(tmp_path, data, "short.json")
    data["annotations"][1].update(keypoints=[0] * 51, bbox="x")
    write(tmp_path, data, "text.json")
    joined = dict(type="ConcatDataset", datasets=[pose(tmp_path), pose(tmp_path, "short.json")])
    lost = pose(tmp_path, "lost.json")
    several = pose(tmp_path, ["short.json", "text.json"])
    sets = {"train_dataloader": joined, "val_dataloader": lost, "test_dataloader": several}
    cfg = {name: dict(dataset=node) for name, node in sets.items()}
    reports = checked(cfg)
    assert [report.place for report in reports] == [
        "train_dataloader.datasets[0]",
        "train_dataloader.datasets[1]",
        "val_dataloader",
        "test_dataloader",
    ]
    assert not reports[0].faults
    assert reports[1].faults == ["annotation 2: keypoints must hold 3 x 17 numbers (x, y, visibility), got 2 numbers"]
    assert "lost.json does not exist" in reports[2].faults[0]
    assert [("short.json" in fault, "text.json" in fault) for fault in reports[3].faults] == [
        (True, False),
        (False, True),
    ]


def test_one_data_set_of_two_loaders_is_looked_at_once(tmp_path):
    write(tmp_path, person_file())
    loader = dict(dataset=pose(tmp_path, test_mode=True))
    (report,) = checked(dict(val_dataloader=loader, test_dataloader=dict(loader)))
    assert report.place == "val_dataloader, test_dataloader"


def test_images_are_opened_unless_told_otherwise(tmp_path):
    write(tmp_path, person_file(3))
    (tmp_path / "2.png").write_bytes(b"no picture")
    cfg = dict(train_dataloader=dict(dataset=pose(tmp_path)))
    (report,) = checked(cfg)
    assert report.images_read == 2
    assert len(report.faults) == 1
    assert "2.png cannot be decoded" in report.faults[0]
    (report,) = checked(cfg, read_images=False)
    assert (report.images_read, report.faults) == (0, [])


def test_a_batch_that_no_data_fill_is_a_fault(tmp_path):
    write(tmp_path, person_file(2))
    reports = checked(dict(train_dataloader=dict(dataset=pose(tmp_path), batch_size=3, drop_last=True)))
    assert "has 2 samples, which fill no batch of 3" in reports[-1].faults[0]


def test_a_data_set_without_annotation_file_is_counted_by_its_samples():
    node = dict(type="SyntheticInstanceDataset", length=3, image_size=64)
    (report,) = checked(dict(train_dataloader=dict(dataset=node)))
    assert (report.samples, report.tally.images, report.tally.annotated) == (3, 3, 3)
    assert sum(report.tally.instances.values()) == len(report.tally.areas) > 3


def test_a_file_is_held_against_the_set_that_it_names(tmp_path):
    check = DataCheck()
    write(tmp_path, person_file())
    check.check_file(str(tmp_path / "people.json"), str(tmp_path), None, None)
    own = person_file()
    own["categories"][0].update(keypoints=["beak", "tail"], skeleton=[[1, 2], [0, 9], "x"])
    for row in own["annotations"]:
        row["keypoints"] = row["keypoints"][:6]
    write(tmp_path, own)
    check.check_file(str(tmp_path / "people.json"), str(tmp_path), None, None)
    assert [report.keypoints for report in check.reports] == [tuple(NAMES), ("beak", "tail")]
    assert "no name of ['beak', 'tail'] says a side" in check.reports[1].warned[0].text
    assert not any(report.faults for report in check.reports)
    turned = person_file()
    turned["categories"][0]["keypoints"] = NAMES[::-1]
    write(tmp_path, turned)
    check.check_file(str(tmp_path / "people.json"), str(tmp_path), None, None)
    assert "in another order, at 0: right_ankle (skeleton: nose)" in check.reports[-1].faults[0]


def test_a_file_of_masks_is_read_as_masks(tmp_path):
    data = person_file()
    data["categories"] = [dict(id=1, name="cell")]
    write(tmp_path, data)
    check = DataCheck()
    check.check_file(str(tmp_path / "people.json"), str(tmp_path), None, None)
    (report,) = check.reports
    assert (report.tally.instances, report.tally.visibility) == ({"cell": 2}, None)
    assert draw_example(report.examples[0]).shape == (384, 480, 3)


def test_groups_of_people_are_counted_too(tmp_path):
    names = list(SKELETONS["mpii"].keypoints)
    data = person_file(1)
    data["categories"][0]["keypoints"] = names
    points = [value for k in range(16) for value in (5 + k, 8 + 1.5 * k, 2)]
    data["annotations"][0].update(keypoints=points, num_keypoints=16, group_ids=[31], scale=0.2, objpos=[20, 20])
    data["groups"] = [dict(id=31, image_id=1, rectangle=[10, 10, 30, 30], scale=0.2)]
    write(tmp_path, data)
    node = pose(tmp_path, type="MpiiGroupDataset")
    (report,) = checked(dict(test_dataloader=dict(dataset=node)))
    assert (report.samples, report.tally.instances, report.faults) == (1, {"person": 1}, [])


def test_the_faults_of_a_file_name_every_one_however_many(tmp_path):
    data = person_file(30)
    for row in data["annotations"]:
        row["category_id"] = "1"
    write(tmp_path, data)
    (report,) = checked(dict(train_dataloader=dict(dataset=pose(tmp_path))))
    assert [fault.partition(":")[0] for fault in report.faults] == [f"annotation {n}" for n in range(1, 31)]


def test_a_category_that_stands_there_twice_is_shown_by_its_annotations(tmp_path):
    data = person_file(2)
    data["categories"] = [dict(id=1, name="cell"), dict(id=2, name="cell"), dict(id=3, name="dust")]
    data["annotations"][1]["category_id"] = 2
    write_json(tmp_path / "cells.json", data)
    write(tmp_path, data)
    node = dict(type="CocoInstanceDataset", ann_file=["people.json", "cells.json"], img_dir="", data_root=str(tmp_path))
    (report,) = checked(dict(train_dataloader=dict(dataset=node)))
    assert [len(warned.examples) for warned in report.warned] == [2, 2]
    assert [len(warned.text) > 20 for warned in report.warned] == [True, True]


def test_a_page_takes_names_that_are_no_text(tmp_path):
    write_page(tmp_path / "page.html", [Section("b\udcfcro.json")])
    assert r"b\udcfcro.json" in (tmp_path / "page.html").read_text(encoding="utf-8")
