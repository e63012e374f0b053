import copy
import json
import logging

import pytest
from mmengine.logging import MMLogger

from aemm.datasets import AnnotationError, CocoInstanceDataset, CocoPoseDataset, CrowdPoseDataset
from aemm.formats.decoders import MAX_PIXELS
from aemm.formats.segmentation import MAX_NUMBERS
from tests.annotations import NAMES, nobody, person, person_file, write


@pytest.fixture
def log(caplog):
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    with caplog.at_level(logging.INFO):
        yield caplog
    logger.removeHandler(caplog.handler)


def _faults(tmp_path, data, kind=CocoPoseDataset, **changes):
    with pytest.raises(AnnotationError) as caught:
        kind(write(tmp_path, data, images=False), str(tmp_path), **changes)
    return caught.value.faults


@pytest.fixture
def data(tmp_path):
    data = person_file()
    write(tmp_path, data)
    return data


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(image_id="1"), "image_id '1' is not among the images, which have 1; write both as numbers"),
        (dict(category_id="1"), "category_id '1' is not among the categories, which have 1"),
        (dict(category_id=None), "category_id is null"),
        (dict(category_id=[1]), "category_id [1] is not among"),
        (dict(image_id=True), "image_id True is not among the images"),
        (dict(image_id=1.5), "image_id 1.5 is not among the images"),
        (dict(area="300"), "area must be a positive number of square pixels, got '300'"),
        (dict(area=-3), "area must be a positive number of square pixels, got -3"),
        (dict(area=True), "area must be a positive number of square pixels, got True"),
        (dict(area=float("inf")), "area must be a positive number of square pixels, got inf"),
        (dict(area=None), "area must be a positive number of square pixels, got None"),
        (dict(iscrowd="0"), "iscrowd must be 0 or 1, got '0'"),
        (dict(iscrowd=2), "iscrowd must be 0 or 1, got 2"),
        (dict(iscrowd=[]), "iscrowd must be 0 or 1, got []"),
        (dict(bbox=["5", 5, 20, 30]), "bbox must be four finite numbers [x, y, width, height], got ['5', 5, 20, 30]"),
        (dict(bbox=[5, 5, 20]), "bbox must be four finite numbers"),
        (dict(bbox={"x": 1}), "bbox must be four finite numbers"),
        (dict(bbox=[5, 5, -20, 30]), "with sizes of 0 or more, got [5, 5, -20, 30]"),
        (dict(bbox=[5, 5, 10**400, 3]), "bbox must be four finite numbers"),
        (dict(keypoints="nose"), "got 'nose'"),
        (dict(keypoints=None), "keypoints must hold 3 x 17 numbers (x, y, visibility), got None"),
        (dict(keypoints=[[1, 2, 2]] * 17), "got 17 numbers"),
        (dict(keypoints=["1", 2, 2] + [0] * 48), "something that is no number: '1'"),
        (dict(keypoints=[True, 2, 2] + [0] * 48), "something that is no number: True"),
        (dict(keypoints=[None] + [0] * 50), "something that is no number: None"),
        (dict(keypoints=[10**400, 2, 2] + [0] * 48), "a number too large"),
        (dict(keypoints=[1, float("inf"), 2] + [0] * 48), "inf"),
        (dict(keypoints=[1, 2, "2"] + [0] * 48), "something that is no number: '2'"),
        (dict(keypoints=[0, 0, 2] * 17), "all its 17 keypoints lie at (0, 0)"),
        (dict(keypoints=[1, 1, 1] * 17, iscrowd=1, segmentation=[5, 5, 9, 9, 5, 9]), "one flat list of 6"),
        (dict(keypoints=[1] * 50, iscrowd=1), "keypoints must hold 3 x 17 numbers"),
        (dict(id=None), "annotations[0]: id must be a number or text, got None"),
        (dict(id=True), "annotations[0]: id must be a number or text, got True"),
        (dict(head_box=[1, "2", 3, 4]), "head_box must be xyxy"),
    ],
)
def test_wrong_values_of_an_annotation_are_shown_as_they_stand(tmp_path, data, changes, message):
    data["annotations"][0] |= changes
    faults = _faults(tmp_path, data)
    assert len(faults) == 1
    assert message in faults[0]


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ([5, 5, 25, 5, 25, 35], "segmentation is one flat list of 6, expected a list of polygons"),
        ([[5, 5, 25, 5]], "polygon 0 needs three points or more, x and y of each, got 4 numbers"),
        ([[5, 5, 25, 5, 25, 35, 3]], "polygon 0 needs three points"),
        ([[5, 5, 25, 5, 25, "35"]], "polygon 0 holds NaN, infinity"),
        ([[5, 5, 25, 5, 25, float("nan")]], "polygon 0 holds NaN, infinity"),
        ([[0, 0, 1e6, 1e6, 0, 1e6]], "its polygons run over"),
        ([[0, 1] * (MAX_NUMBERS // 2 + 1)], f"up to {MAX_NUMBERS} are read"),
        (dict(size=[40, 51], counts=[2040]), "of size [40, 51], but the image's height and width are [40, 50]"),
        (dict(size=[40, 50]), "must be a list of polygons or a dict of size and counts"),
        (dict(counts=[2000]), "must be a list of polygons or a dict of size and counts"),
        (dict(size="40x50", counts=[2000]), "size of the run lengths must be [height, width], got '40x50'"),
        (dict(size=[40, 50], counts=[1999]), "the run lengths add up to 1999, expected 40 x 50"),
        (dict(size=[40, 50], counts=[3000, -1000]), "counts holds the run length -1000"),
        (dict(size=[40, 50], counts=[1000.0, 1000]), "counts must hold whole numbers, but holds 1000.0"),
        (dict(size=[40, 50], counts=5), "counts must be a list of run lengths or COCO's compressed text, got 5"),
        (dict(size=[40, 50], counts="0"), "the run lengths add up to 0"),
        (dict(size=[40, 50], counts="~~~"), "is not COCO's compressed text"),
        (dict(size=[40, 50], counts=""), "is not COCO's compressed text"),
        (dict(size=[40, 50], counts="PPPP"), "is not COCO's compressed text"),
        ("a polygon", "got 'a polygon'"),
        (7, "got 7"),
    ],
)
@pytest.mark.parametrize("crowd", [0, 1])
def test_regions_of_poses_are_checked_as_masks_are(tmp_path, data, segmentation, message, crowd):
    broken = copy.deepcopy(data)
    broken["annotations"].append(nobody(9, 1, iscrowd=crowd, segmentation=segmentation))
    assert message in _faults(tmp_path, broken)[0]
    instances = data | dict(annotations=[person(9, 1, segmentation=segmentation, iscrowd=crowd)])
    assert message in _faults(tmp_path, instances, CocoInstanceDataset)[0]


@pytest.mark.parametrize("none", [None, [], [[]], {}])
def test_a_region_or_box_that_says_nothing_counts_as_left_out(tmp_path, data, none):
    data["annotations"] += [nobody(9, 1, segmentation=none), person(10, 2, bbox=None), person(11, 2, bbox=[])]
    dataset = CocoPoseDataset(write(tmp_path, data), str(tmp_path))
    assert dataset[0].ignore[5:35, 5:25].all()
    assert len(dataset[1].keypoints) == 3
    data["annotations"][2]["bbox"] = None
    assert "a person without keypoints needs a segmentation or a bbox" in _faults(tmp_path, data)[0]


def test_segmentations_of_people_with_keypoints_are_not_read(tmp_path, data):
    data["annotations"][0]["segmentation"] = [5, 5, 9, 9]
    assert len(CocoPoseDataset(write(tmp_path, data), str(tmp_path))) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(width="50"), "image 1: width must be a whole positive number of pixels, got '50'"),
        (dict(height=None), "image 1: height must be a whole positive number of pixels, got None"),
        (dict(width=0), "got 0"),
        (dict(width=-50), "got -50"),
        (dict(width=49.5), "got 49.5"),
        (dict(height=float("nan")), "got nan"),
        (dict(height=True), "got True"),
        (dict(width=10**5, height=10**5), f"it is 100000x100000, images of up to {MAX_PIXELS} pixels are read"),
        (dict(file_name=5), "image 1: file_name must be text, got 5"),
        (dict(file_name=""), "file_name must be the name of a file, got ''"),
        (dict(file_name="a\0b"), "file_name must be the name of a file"),
        (dict(file_name="../1.png"), "file_name '../1.png' leads out of the folder"),
        (dict(file_name="/1.png"), "file_name '/1.png' is absolute"),
        (dict(file_name="a/../../1.png"), "leads out of the folder"),
        (dict(crowdIndex="0.5"), "crowdIndex must be a number from 0 to 1, got '0.5'"),
        (dict(id=None), "images[0]: id must be a number or text, got None"),
    ],
)
def test_wrong_values_of_an_image_are_shown_as_they_stand(tmp_path, data, changes, message):
    data["images"][0] |= changes
    assert any(message in fault for fault in _faults(tmp_path, data))


def test_whole_numbers_may_be_written_as_floats_and_ids_as_text(tmp_path, data):
    data["images"][0] |= dict(id=1.0, width=50.0)
    data["annotations"][0] |= dict(image_id=1.0, category_id=1.0, iscrowd=False)
    dataset = CocoPoseDataset(write(tmp_path, data), str(tmp_path))
    assert [type(sample.image_id) for sample in (dataset[0], dataset[1])] == [int, int]
    data["images"][1]["id"] = data["annotations"][1]["image_id"] = "b/1"
    assert CocoPoseDataset(write(tmp_path, data), str(tmp_path))[1].image_id == "b/1"


def test_files_outside_the_folder_need_a_switch(tmp_path, data):
    inner = tmp_path / "inner"
    inner.mkdir()
    data["images"] = data["images"][:1]
    data["annotations"] = data["annotations"][:1]
    for name in ("../1.png", str(tmp_path / "1.png")):
        data["images"][0]["file_name"] = name
        path = write(inner, data, images=False)
        with pytest.raises(AnnotationError, match="allow_outside=True"):
            CocoPoseDataset(path, str(inner))
        assert CocoPoseDataset(path, str(inner), allow_outside=True)[0].image_id == 1


def test_a_file_under_two_ids_is_refused_where_both_are_annotated(tmp_path, data):
    data["images"][1]["file_name"] = "./1.png"
    assert (
        "1 files are listed under several ids and annotated under each, such as '1.png'" in (_faults(tmp_path, data)[0])
    )
    data["annotations"].pop()
    assert len(CocoPoseDataset(write(tmp_path, data), str(tmp_path))) == 1


@pytest.mark.parametrize(
    ("categories", "message"),
    [
        ([], "categories: there is none, expected a list of id, name and keypoints"),
        ([dict(id=1, name="person", keypoints=None)], "none of ['person'] has 'keypoints'"),
        ([dict(id=1, name="person", keypoints="nose")], "keypoints must be a list of names, got 'nose'"),
        ([dict(id=1, name="person", keypoints=[1] * 17)], "keypoints must be a list of names, got [1, 1"),
        ([dict(id=1, name="person", keypoints=[*NAMES[1:], NAMES[1]])], "holds the name 'left_eye' more than once"),
        ([dict(id="1", name="person", keypoints=NAMES)], "category_id 1 is not among the categories, which have '1'"),
        ([dict(name="person", keypoints=NAMES)], "categories[0]: id must be a number or text, got None"),
        ([dict(id=1, keypoints=NAMES)], "categories[0]: name must be text, got None"),
        ([dict(id=1, name="a", keypoints=NAMES)] * 2, "categories: id 1 stands there more than once"),
    ],
)
def test_faulty_categories_are_named(tmp_path, data, categories, message):
    data["categories"] = categories
    assert any(message in fault for fault in _faults(tmp_path, data))


def test_of_several_categories_the_used_ones_count_and_must_be_chosen(tmp_path, data, log):
    root = dict(id=0, name="root", keypoints=NAMES)
    other = dict(id=2, name="child", keypoints=list(reversed(NAMES)))
    data["categories"] = [root, *data["categories"], other, dict(id=3, name="dog")]
    data["annotations"].append(person(3, 1, category_id=3, keypoints=[]))
    assert CocoPoseDataset(write(tmp_path, data), str(tmp_path)).metainfo.category_ids == (1,)
    assert "1 annotations of other categories are left out" in log.text
    data["annotations"] += [person(4, 2, category_id=2), person(5, 2, category_id=2)]
    assert (
        "'person' (2 annotations), 'child' (2 annotations); choose one by category='person'"
        in (_faults(tmp_path, data)[0])
    )
    assert len(CocoPoseDataset(write(tmp_path, data), str(tmp_path), category="person")) == 2
    both = CocoPoseDataset(write(tmp_path, data), str(tmp_path), category=["person", "child"], reorder_keypoints=True)
    assert both[1].visible[:, 0].tolist() == [2, 0, 0]
    assert both[1].visible[:, 16].tolist() == [0, 2, 2]
    assert "category='cat' is none of those with keypoints" in _faults(tmp_path, data, category=["person", "cat"])[0]
    with pytest.raises(ValueError, match="category must be a name or a list of names, got 3"):
        CocoPoseDataset("people.json", "", category=3)


def test_categories_of_one_name_count_as_one_and_are_said(tmp_path, data, log):
    data["categories"].append(dict(id=7, name="person", keypoints=NAMES))
    data["annotations"].append(person(3, 1, category_id=7))
    path = write(tmp_path, data)
    assert len(CocoPoseDataset(path, str(tmp_path))[0].keypoints) == 2
    assert "2 categories are called 'person', ids 1 (2 annotations), 7 (1 annotations)" in log.text
    instances = CocoInstanceDataset(path, str(tmp_path))
    assert instances.metainfo.category_ids == (1,)
    assert instances[0].labels.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["annotations"].append(person(9, 1)), "1 people, to the pixel, are annotated twice in one image"),
        (
            lambda d: d["annotations"].append(person(9, 1, keypoints=[10.2, 12.2, 1, 20.4, 30.1, 1] + [0] * 45)),
            "such as ids 1 and 9",
        ),
        (lambda d: d["annotations"][0].update(num_keypoints=5), "num_keypoints of 1 annotations is not the number"),
        (lambda d: d["annotations"][0].update(keypoints=[70, 1, 2, 9, 9, 2] + [0] * 45), "1 keypoints of 1 people lie"),
        (lambda d: d["annotations"][0].update(keypoints=[0, 0, 2, 9, 9, 2] + [0] * 45), "1 keypoints are visible at"),
        (lambda d: d["annotations"][0].update(keypoints=[9, 9, 0] * 17), "1 annotations have coordinates, but"),
        (
            lambda d: [a.update(keypoints=[0.2, 0.4, 2] * 17) for a in d["annotations"]],
            "they look like shares of the image",
        ),
    ],
)
def test_what_is_odd_loads_and_is_said_with_its_count(tmp_path, data, log, change, message):
    change(data)
    CocoPoseDataset(write(tmp_path, data), str(tmp_path))
    assert message in log.text


def test_a_sound_file_is_summed_up_without_warnings(tmp_path, data, log):
    data["images"].append(dict(id=3, file_name="3.png", width=50, height=40))
    data["annotations"] += [nobody(8, 1), nobody(9, 2, iscrowd=1)]
    CocoPoseDataset(write(tmp_path, data), str(tmp_path))
    assert "2 of 3 images take part; 4 annotations of 'person', 1 of them crowds and 1 without keypoints" in log.text
    assert not [record for record in log.records if record.levelno > logging.INFO]


def test_masks_that_are_all_crowds_are_said_in_training_and_evaluation(tmp_path, data, log):
    for row in data["annotations"]:
        row["iscrowd"] = 1
    path = write(tmp_path, data)
    for kind in (CocoInstanceDataset, CocoPoseDataset):
        with pytest.raises(AnnotationError, match="all 2 annotations are iscrowd=1, regions of many instances"):
            kind(path, str(tmp_path))
        log.clear()
        assert len(kind(path, str(tmp_path), test_mode=True)) == 2
        assert "all 2 annotations are iscrowd=1" in log.text
    data["categories"].append(dict(id=2, name="dog"))
    data["annotations"].append(person(3, 1, category_id=2, iscrowd=0))
    CocoInstanceDataset(write(tmp_path, data), str(tmp_path))
    assert "all 2 'person' are iscrowd=1" in log.text


def test_a_mask_annotated_twice_is_said(tmp_path, data, log):
    data["annotations"].append(person(3, 1))
    CocoInstanceDataset(write(tmp_path, data), str(tmp_path))
    assert "1 instances, with the same mask, are annotated twice in one image, such as ids 1 and 3" in log.text


@pytest.mark.parametrize("name", ["people.JSON", "people", "people.coco", "people.pkl", "people.yaml"])
def test_json_is_read_whatever_the_name_ends_in(tmp_path, data, name):
    assert len(CocoPoseDataset(write(tmp_path, data, name), str(tmp_path), test_mode=True)) == 2


def test_encodings(tmp_path, data):
    path = tmp_path / "people.json"
    text = json.dumps(data)
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert len(CocoPoseDataset(str(path), str(tmp_path))) == 2
    path.write_bytes(text.replace('"person"', '"pers\u00f6n"').encode("latin-1"))
    with pytest.raises(AnnotationError, match=r"not UTF-8 text .byte 0xf6 at .*latin-1"):
        CocoPoseDataset(str(path), str(tmp_path))


@pytest.mark.parametrize("content", ["[1]", "7", "null", "{", "", "[" * 100_000, '{"images": [NaN]}'])
def test_what_is_no_annotation_file_is_refused(tmp_path, content):
    (tmp_path / "people.json").write_text(content)
    with pytest.raises(AnnotationError, match=r"people\.json has"):
        CocoPoseDataset("people.json", "", str(tmp_path))


@pytest.mark.parametrize("key", ["images", "annotations", "categories"])
@pytest.mark.parametrize("value", [{}, 5, "text", [5], [[]], [None]])
def test_lists_of_another_kind_are_named(tmp_path, data, key, value):
    data[key] = value
    assert key in _faults(tmp_path, data)[0]
    assert key in _faults(tmp_path, data, test_mode=True)[0]


def test_a_box_without_area_cannot_stand_in_for_the_area(tmp_path):
    data = person_file()
    data["categories"][0]["keypoints"] = list(NAMES)
    write(tmp_path, data)
    del data["annotations"][0]["area"]
    data["annotations"][0]["bbox"] = [5, 5, 0, 30]
    faults = _faults(tmp_path, data, CrowdPoseDataset, skeleton="coco")
    assert "it has no area, and its box of 0 x 30 pixels gives none" in faults[0]
    data["annotations"][0]["bbox"] = None
    dataset = CrowdPoseDataset(write(tmp_path, data), str(tmp_path), skeleton="coco", test_mode=True)
    assert dataset[0].truth.area[0] == pytest.approx(0.53 * 10.5 * 18.25)
