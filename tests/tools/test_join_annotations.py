import json

import pytest

from aemm.formats.files import AnnotationError
from aemm.formats.joining import join_files
from tests.end_to_end import check, run_tool

PERSON = [dict(id=1, name="person", keypoints=["head"])]


def _write(path, images, annotations, categories=PERSON):
    """A file of images and of annotations, given as pairs of their own and their image's id."""
    data = dict(images=[dict(id=key) for key in images], categories=categories)
    data["annotations"] = [dict(id=key, image_id=image, category_id=1) for key, image in annotations]
    path.write_text(json.dumps(data))
    return str(path)


def test_files_are_joined_in_their_order(tmp_path):
    one = _write(tmp_path / "train.json", [7, 3], [(1, 7), (2, 7)])
    two = _write(tmp_path / "val.json", [4], [(9, 4)])
    data, renumbered = join_files([one, two])
    assert [image["id"] for image in data["images"]] == [7, 3, 4]
    assert [(a["id"], a["image_id"]) for a in data["annotations"]] == [(1, 7), (2, 7), (9, 4)]
    assert data["categories"] == PERSON
    assert not renumbered


def test_annotations_of_the_same_id_are_numbered_anew(tmp_path):
    one, two = (_write(tmp_path / f"{key}.json", [key], [(5, key)]) for key in (1, 2))
    data, renumbered = join_files([one, two])
    assert renumbered
    assert [(a["id"], a["image_id"]) for a in data["annotations"]] == [(1, 1), (2, 2)]


def test_what_cannot_be_joined_is_named(tmp_path):
    one = _write(tmp_path / "one.json", [1], [])
    with pytest.raises(AnnotationError, match=r"images: id 1 stands in .*one\.json, too"):
        join_files([one, _write(tmp_path / "two.json", [1], [])])
    with pytest.raises(AnnotationError, match=r"its categories are not those of .*one\.json"):
        join_files([one, _write(tmp_path / "three.json", [2], [], [dict(id=1, name="dog")])])


def test_the_tool_says_what_it_joined(tmp_path):
    one, two = (_write(tmp_path / f"{key}.json", [key], [(5, key)]) for key in (1, 2))
    out = tmp_path / "both.json"
    output = check(run_tool("tools/dataset_tools/join_annotations.py", one, two, "--out", out))
    assert "2 images, 2 annotations of 2 files" in output
    assert "numbered anew" in output
    assert len(json.loads(out.read_text())["images"]) == 2
    refused = run_tool("tools/dataset_tools/join_annotations.py", one, two, "--out", one)
    assert refused.returncode == 1
    assert "it is also what is read" in refused.stderr
