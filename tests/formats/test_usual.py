"""What passes the quick look at a whole file is what the close look at each annotation passes."""

import copy

import numpy as np
import pytest

from aemm.formats import coco_checks
from aemm.formats.categories import CategoryChoice
from aemm.formats.coco_checks import instance_faults, keypoint_faults
from aemm.formats.image_folder import ImageFolder
from aemm.skeletons import SKELETONS
from tests.annotations import person_file, write

NUMBERS = [-1, 0, 1, 2, 0.5, float("nan"), float("inf"), 1e8, 10**400]
STRANGE = [None, True, "1", "", *NUMBERS, [], {}, [1, 2, 3, 4], [1, 2]]
FIELDS = ["id", "image_id", "category_id", "iscrowd", "area", "bbox", "keypoints", "segmentation", "head_box"]


def _variants(data):
    """Files with one odd value, or one that is left out, in an annotation or an image."""
    for kind, fields in (("annotations", FIELDS), ("images", ["id", "file_name", "width", "height", "crowdIndex"])):
        for field in fields:
            for value in STRANGE:
                changed = copy.deepcopy(data)
                changed[kind][0][field] = value
                yield f"{kind} {field} {value!r:.20}", changed
            changed = copy.deepcopy(data)
            changed[kind][0].pop(field, None)
            yield f"{kind} without {field}", changed
    for place in (0, 1, 2, 50):
        for value in STRANGE:
            changed = copy.deepcopy(data)
            changed["annotations"][0]["keypoints"][place] = value
            yield f"keypoints[{place}] {value!r:.20}", changed
    square, far = [1, 1, 9, 1, 9, 9, 1, 9.5], [0, 0, 9e6, 9e6, 0, 9e6]
    for value in STRANGE:
        for polygons in ([[*square[:7], value]], [square, value], [square, [*square, value, 1]], [[*square, value]]):
            yield f"polygons {polygons!r:.60}", _with_polygons(data, polygons)
    for polygons in ([square, square], [square[:4]], [far], [square, far], [square * 125_001], [square * 70_000] * 2):
        yield f"polygons {polygons!r:.60}", _with_polygons(data, polygons)


def _with_polygons(data, polygons):
    """A file in which an annotation without keypoints has these polygons."""
    changed = copy.deepcopy(data)
    changed["annotations"][0] |= dict(segmentation=polygons, keypoints=[0] * 51)
    return changed


@pytest.mark.parametrize("kind", ["keypoints", "instances"])
def test_the_quick_look_overlooks_nothing(tmp_path, monkeypatch, kind):
    data = person_file()
    write(tmp_path, data)
    folder = ImageFolder(str(tmp_path))

    def look(changed):
        if kind == "instances":
            return instance_faults(changed, folder)
        return keypoint_faults(changed, SKELETONS["coco"], folder, CategoryChoice())

    variants = list(_variants(data))
    quick = [look(changed) for _, changed in variants]
    monkeypatch.setattr(coco_checks, "usual_images", lambda *_: False)
    monkeypatch.setattr(coco_checks, "usual_fields", lambda rows, *_: np.zeros(len(rows), bool))
    for (name, changed), found in zip(variants, quick, strict=True):
        assert look(changed) == found, name
    assert any(quick)
    assert not all(quick)


def test_a_usual_file_needs_no_closer_look(tmp_path, monkeypatch):
    """Else the quick look would be in vain."""
    data = person_file()
    write(tmp_path, data)

    def look_closer(row):
        raise AssertionError(row)

    monkeypatch.setattr(coco_checks, "_common_faults", look_closer)
    assert keypoint_faults(data, SKELETONS["coco"], ImageFolder(str(tmp_path)), CategoryChoice()) == []
