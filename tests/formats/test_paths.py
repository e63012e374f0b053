import os
import re

import pytest

from aemm.formats.image_folder import ImageFolder
from aemm.formats.paths import resolve_inside


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.png", "images/a.png"),
        ("train/a.png", "images/train/a.png"),
        ("train//a.png", "images/train/a.png"),
        ("./a.png", "images/a.png"),
        ("ü ñ 图.png", "images/ü ñ 图.png"),
        ("a..png", "images/a..png"),
        ("...png", "images/...png"),
        ("sub/../a.png", "images/a.png"),
    ],
)
def test_names_within_the_folder_are_taken(name, expected):
    assert resolve_inside("images", name) == expected.replace("/", os.sep)


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "//host/share/a.png",
        "../a.png",
        "..",
        "a/../../b.png",
        "..\\a.png",
        "a\\..\\..\\b.png",
        "C:\\photos\\a.png",
        "c:a.png",
        "\\\\host\\share\\a.png",
        "\\a.png",
    ],
)
def test_names_that_lead_out_need_the_switch(name):
    with pytest.raises(ValueError, match=r"(is absolute|leads out).*looked up in images.*allow_outside=True"):
        resolve_inside("images", name)


def test_the_switch_lets_them_out():
    assert resolve_inside("images", "/etc/a.png", allow_outside=True) == "/etc/a.png"
    assert resolve_inside("images", "../a.png", allow_outside=True) == "images/../a.png"


@pytest.mark.parametrize("name", ["", None, 3, "a\0b", ["a"]])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(ValueError, match="file_name must be the name of a file"):
        resolve_inside("images", name)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images" / "sub").mkdir(parents=True)
    for name in ("a.png", "sub/b.png", "ü ñ 图.png", "sub/Ähre.PNG"):
        (tmp_path / "images" / name).write_bytes(b"x")
    return tmp_path / "images"


@pytest.mark.parametrize(
    "names", [["a.png"], ["sub/b.png"], ["sub//b.png"], ["./a.png"], ["ü ñ 图.png"], ["a.png", "sub/b.png"]]
)
def test_files_that_are_there_are_found_however_they_are_written(folder, names):
    assert ImageFolder(str(folder)).faults(names) == []
    assert ImageFolder(f"{folder}/").faults(names) == []


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("sub\\b.png", "file_name separates folders by a backslash"),
        ("images/a.png", "file_name repeats the folder .images.; set img_dir to"),
        ("train2017/a.png", "file_name states a folder that is not there; leave it out"),
        ("A.PNG", "written in other letters"),
        ("sub/A\u0308hre.PNG", "written in other letters"),
        ("gone.png", r"set img_dir \(and data_root\)"),
    ],
)
def test_a_missing_file_shows_where_it_was_looked_for_and_a_hint(folder, name, hint):
    (fault,) = ImageFolder(str(folder)).faults(["a.png", name])
    assert f"1 of 2 files are not in {folder}; looked up: {f'{folder}/{name}'!r}" in fault
    assert re.search(hint, fault)


def test_a_folder_that_is_not_there_is_the_cause(tmp_path):
    (fault,) = ImageFolder(str(tmp_path / "nowhere")).faults(["a.png"])
    assert "nowhere does not exist; set img_dir" in fault


def test_thousands_of_missing_files_are_counted_not_listed(folder):
    (fault,) = ImageFolder(str(folder)).faults(f"{n}.png" for n in range(5000))
    assert "5000 of 5000 files" in fault
    assert len(fault) < 1500


def test_each_name_that_leads_out_is_a_fault(folder):
    faults = ImageFolder(str(folder)).faults(["/etc/passwd", "../b.png", "a.png"])
    assert len(faults) == 2
    assert ImageFolder(str(folder), allow_outside=True).faults(["/etc/passwd"]) == []
