"""What each labelling tool may write beside the plain case, and what is said of a file that is faulty."""

import json

import cv2
import numpy as np
import pytest
import yaml

from aemm.datasets import AnnotationError
from aemm.formats.labels import coco_points, cvat, label_studio, labelme, write_labelled, yolo
from aemm.formats.labels.texts import MAX_BYTES, read_text, read_xml


def picture(folder, name="a.png", size=(40, 50)):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / name), np.zeros((*size, 3), np.uint8))


def points_of(thing):
    return {name: tuple(point) for name, point in thing.points.items()}


def yolo_set(folder, lines, about=None, name="a"):
    picture(folder / "images", f"{name}.png")
    (folder / "labels").mkdir(exist_ok=True)
    (folder / "labels" / f"{name}.txt").write_text(lines)
    base = dict(train="images", names=["ant", "bee"], kpt_shape=[2, 3])
    (folder / "data.yaml").write_text(yaml.safe_dump(base | (about or {})))
    return str(folder / "data.yaml")


def test_yolo_points_of_two_numbers_are_absent_at_the_corner(tmp_path):
    found = yolo.read(yolo_set(tmp_path, "1 0.5 0.5 0.2 0.4 0.5 0.25 0 0\n\n", dict(kpt_shape=[2, 2])))
    (thing,) = found.images[0].objects
    assert thing.name == "bee"
    assert points_of(thing) == {"keypoint 0": (25, 10, 2)}
    assert tuple(thing.box) == pytest.approx((20, 12, 10, 16))


def test_yolo_visible_points_at_the_corner_count_as_absent(tmp_path):
    found = yolo.read(yolo_set(tmp_path, "0 0.5 0.5 0.2 0.4 0.5 0.25 1 0 0 2"))
    assert points_of(found.images[0].objects[0]) == {"keypoint 0": (25, 10, 1)}
    assert found.changed["points at (0, 0), which count as not annotated"] == 1


def test_yolo_classes_become_files_of_their_own(tmp_path):
    lines = "0 0.5 0.5 0.2 0.4 0.5 0.25 1 0.1 0.1 2\n1 0.5 0.5 0.2 0.4 0.5 0.25 1 0.1 0.1 2"
    written = write_labelled(yolo.read(yolo_set(tmp_path, lines)), str(tmp_path / "out"))
    assert [file.category for file in written] == ["ant", "bee"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("train_ant.json", "train_bee.json", "skeleton_ant.json", "skeleton_bee.json")
    }


def test_yolo_parts_lists_and_moved_folders(tmp_path):
    source = yolo_set(tmp_path, "0 0.5 0.5 0.2 0.4 0.5 0.25 1 0.1 0.1 2", dict(path="/gone", val="val.txt"))
    picture(tmp_path / "images", "b.png")
    (tmp_path / "val.txt").write_text("./images/b.png\n\n")
    found = yolo.read(source)
    assert [(image.split, image.path.rsplit("/", 1)[1]) for image in found.images] == [
        *(("train", "a.png"), ("train", "b.png"), ("val", "b.png"))
    ]
    assert found.read["images without a label file, which show nothing"] == 2


def test_yolo_flips_that_pair_as_cocos_name_its_keypoints(tmp_path):
    flips = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]
    about = dict(kpt_shape=[17, 3], flip_idx=flips, names=["person"], kpt_oks_sigmas=[0.1] * 17)
    found = yolo.read(yolo_set(tmp_path, "0 0.5 0.5 0.2 0.4" + " 0.5 0.25 2" * 17, about))
    (file,) = write_labelled(found, str(tmp_path / "out"))
    assert file.skeleton.keypoints[15] == "left_ankle"
    assert file.skeleton.flip_index == tuple(flips)
    assert set(file.skeleton.sigmas) == {0.1}
    assert (len(file.pairs()), file.guessed) == (8, ())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 0.5 0.5 0.2 0.4 0.5 0.25 1", "line 1: expected 11 numbers (class, box, 2 keypoints of 3), got 8"),
        ("0 0.5 0.5 0.2 0.4 0.5 0.25 1 x 0.1 2", "line 1: expected numbers, got"),
        ("7 0.5 0.5 0.2 0.4 0.5 0.25 1 0.1 0.1 2", "line 1: class 7 is none of names"),
        ("0 0.5 0.5 0.2 0.4 25 10 1 0.1 0.1 2", "coordinates must be shares of the image, 0 to 1, got 25"),
        ("0 0.5 0.5 0.2 nan 0.5 0.25 1 0.1 0.1 2", "coordinates must be shares of the image, 0 to 1, got nan"),
        ("0 0.5 0.5 0.2 0.4 0.5 0.25 0.87 0.1 0.1 2", "visibility must be 0, 1 or 2, got 0.87"),
    ],
)
def test_yolo_lines_that_are_faulty(line, message, tmp_path):
    with pytest.raises(AnnotationError) as caught:
        yolo.read(yolo_set(tmp_path, line))
    assert message in str(caught.value)
    assert "a.txt" in str(caught.value)


@pytest.mark.parametrize(
    ("about", "message"),
    [
        (dict(kpt_shape=None), "kpt_shape must be [number of keypoints, 2 or 3], got None"),
        (dict(kpt_shape=[2, 4]), "kpt_shape must be"),
        (dict(names=None), "names must list the classes, got None"),
        (dict(names=["a", "a"]), "names must hold different texts"),
        (dict(flip_idx=[0, 0]), "flip_idx must swap 0 to 1 in pairs"),
        (dict(kpt_oks_sigmas=[0.1, 0]), "kpt_oks_sigmas must be 2 positive numbers"),
        (dict(kpt_names={0: ["a"]}), "kpt_names must be 2 different names for class 0"),
        (dict(train="nowhere"), "nowhere does not exist; set path in the file, or --images"),
        (dict(train=None), "train, val and test name no image"),
    ],
)
def test_yolo_settings_that_are_faulty(about, message, tmp_path):
    with pytest.raises(AnnotationError) as caught:
        yolo.read(yolo_set(tmp_path, "", about))
    assert message in str(caught.value)


def test_yolo_text_that_is_no_yaml_or_would_run_code(tmp_path):
    for text in ("a: [", "!!python/object/apply:os.system ['true']", "- 1", "\0"):
        (tmp_path / "data.yaml").write_text(text)
        with pytest.raises(AnnotationError):
            yolo.read(str(tmp_path / "data.yaml"))


def labelme_file(folder, *shapes, **changes):
    picture(folder)
    data = dict(imagePath="a.png", imageHeight=40, imageWidth=50, shapes=list(shapes)) | changes
    (folder / "a.json").write_text(json.dumps(data))
    return str(folder)


def mark(label, x, y, group=None, kind="point"):
    points = [[x, y]] if kind == "point" else [[x, y], [x + 10, y + 10]]
    return dict(label=label, shape_type=kind, points=points, group_id=group)


def test_labelme_points_without_groups_belong_to_the_one_box_around_them(tmp_path):
    shapes = [mark("bee", 0, 0, kind="rectangle"), mark("bee", 20, 20, kind="rectangle")]
    shapes += [mark("head", 5, 5), mark("head", 25, 25), mark("tail", 15, 15)]
    found = labelme.read(labelme_file(tmp_path, *shapes))
    assert [points_of(thing) for thing in found.images[0].objects] == [{"head": (5, 5, 2)}, {"head": (25, 25, 2)}]
    assert found.changed["points without a group, given to the only box around them"] == 2
    assert found.dropped["points of which nothing tells whose they are"] == 1
    assert found.read["points"] == 3


def test_labelme_points_alone_are_one_object_unless_a_name_comes_twice(tmp_path):
    found = labelme.read(labelme_file(tmp_path, mark("head", 5, 5), mark("tail", 9, 9)))
    assert points_of(found.images[0].objects[0]) == {"head": (5, 5, 2), "tail": (9, 9, 2)}
    found = labelme.read(labelme_file(tmp_path, mark("head", 5, 5), mark("head", 9, 9)))
    assert (found.images[0].objects, found.dropped.total()) == ([], 2)


def test_labelme_polygons_are_outlines_and_other_shapes_are_counted(tmp_path):
    outline = dict(label="bee", shape_type="polygon", points=[[0, 0], [10, 0], [0, 10]], group_id=1)
    circle = dict(label="bee", shape_type="circle", points=[[0, 0], [10, 0]])
    found = labelme.read(labelme_file(tmp_path, outline, mark("head", 2, 2, 1), mark("head", 3, 3, 1), circle))
    assert found.dropped == {"shapes of the kind circle": 1, "points that an object has already, by their name": 1}
    (file,) = write_labelled(found, str(tmp_path / "out"))
    (row,) = json.loads((tmp_path / "out" / "annotations.json").read_text())["annotations"]
    assert (row["area"], row["bbox"]) == (50, [0, 0, 10, 10])
    assert row["segmentation"] == [[0, 0, 10, 0, 0, 10]]
    assert file.category == "bee"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(imagePath=None), "imagePath must be text, got None"),
        (dict(shapes=[3]), "shapes[0] must be an object, got 3"),
        (dict(shapes=[mark("", 1, 1)]), "shapes[0]: label must be text, got ''"),
        (dict(shapes=[mark("a", "1", 1)]), "shapes[0]: points must be pairs of numbers, got [['1', 1]]"),
        (dict(shapes=[mark("a", 1, 1, [2])]), "shapes[0]: group_id must be a number, text or null, got [2]"),
        (dict(shapes=3), "expected an object with shapes and imagePath"),
    ],
)
def test_labelme_files_that_are_faulty(changes, message, tmp_path):
    labelme_file(tmp_path, **changes)
    with pytest.raises(AnnotationError) as caught:
        labelme.read(str(tmp_path / "a.json"))
    assert message in str(caught.value)
    assert "a.json" in str(caught.value)


def task(*results, **changes):
    done = dict(id=1, result=list(results))
    return dict(id=7, data={"text": "x", "picture": "/data/local-files/?d=set/a.png"}, annotations=[done]) | changes


def result(key, x=50, y=50, label="head", **changes):
    value = dict(x=x, y=y, width=0.5, keypointlabels=[label])
    return dict(id=key, type="keypointlabels", value=value, original_width=50, original_height=40) | changes


def studio_file(folder, *tasks):
    picture(folder)
    (folder / "export.json").write_text(json.dumps(list(tasks)))
    return str(folder / "export.json")


def test_label_studio_relations_join_points_and_boxes(tmp_path):
    box = dict(x=0, y=0, width=100, height=100, rotation=0, rectanglelabels=["bee"])
    boxes = [result(key, value=box, type="rectanglelabels") for key in ("b1", "b2")]
    joins = [dict(type="relation", from_id="k1", to_id="b2"), dict(type="relation", from_id="b1", to_id="k2")]
    found = label_studio.read(studio_file(tmp_path, task(*boxes, result("k1"), result("k2", 10, 10), *joins)))
    assert [points_of(thing) for thing in found.images[0].objects] == [{"head": (5, 4, 2)}, {"head": (25, 20, 2)}]


def test_label_studio_leaves_out_what_is_no_label_and_counts_it(tmp_path):
    other = dict(id="x", type="brushlabels", value={"rle": [1]})
    turned = task(result("k", image_rotation=90))
    nobody = task(annotations=[])
    twice = task(result("k1"), other, annotations=[dict(was_cancelled=True), dict(result=[result("k1"), other])] * 2)
    found = label_studio.read(studio_file(tmp_path, turned, nobody, twice))
    assert +found.dropped == {
        "images that were turned while labelling": 1,
        "images without an annotation": 1,
        "annotations that were cancelled": 2,
        "further annotations of an image": 1,
        "results that are no keypoint, box or polygon": 1,
    }


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ([dict(id=7, image="a.png", kp=[])], "task 7: expected data and a list of annotations; export as JSON"),
        ([task(data={"text": "hello"})], "task 7: data names no image"),
        ([task(result("k", x="1"))], "result 'k': x must be a number, got '1'"),
        ([task(result("k", original_width=None))], "original_width and original_height must be whole numbers"),
        ([task(result("k"), result("j", original_width=51))], "its results state several sizes of the image"),
        ([3], "expected a list of tasks"),
    ],
)
def test_label_studio_files_that_are_faulty(tasks, message, tmp_path):
    if message is None:
        tasks, message = (
            [task(result("k", value=dict(x="1", y=2, keypointlabels=["a"])))],
            "x must be a number, got '1'",
        )
    with pytest.raises(AnnotationError) as caught:
        label_studio.read(studio_file(tmp_path, *tasks))
    assert message in str(caught.value)


def cvat_file(folder, shapes, head="", attributes='name="a.png" width="50" height="40"'):
    picture(folder)
    (folder / "annotations.xml").write_text(f"{head}<annotations><image {attributes}>{shapes}</image></annotations>")
    return str(folder / "annotations.xml")


def test_cvat_points_without_names_are_named_by_their_order(tmp_path):
    found = cvat.read(cvat_file(tmp_path, '<points label="bee" points="1,2;3.5,4" occluded="1"/>'))
    assert points_of(found.images[0].objects[0]) == {"point 1": (1, 2, 1), "point 2": (3.5, 4, 1)}
    assert found.changed["objects of points without names, which are named by their order"] == 1


def test_cvat_group_0_is_none(tmp_path):
    shapes = "".join(f'<points label="{name}" points="{n},1" group_id="0"/>' for n, name in enumerate(("a", "b")))
    found = cvat.read(cvat_file(tmp_path, shapes + "<mask/>"))
    assert points_of(found.images[0].objects[0]) == {"a": (0, 1, 2), "b": (1, 1, 2)}
    assert found.dropped["shapes of the kind mask"] == 1


@pytest.mark.parametrize(
    ("shapes", "changes", "message"),
    [
        ("", dict(head='<!DOCTYPE a [<!ENTITY b "bbb">]>'), "it declares a document type"),
        ("<points", {}, "not valid xml"),
        ('<points label="a" points="1;2"/>', {}, "points of a <points> must be x,y;x,y, got '1;2'"),
        ('<points label="a" points="nan,2"/>', {}, "must be pixels"),
        ('<points points="1,2"/>', {}, "a <points> has no label"),
        ('<box label="a" xtl="1" ytl="x" xbr="2" ybr="3"/>', {}, "a <box> needs numbers"),
        (
            "",
            dict(attributes='name="a.png" width="5e1" height="40"'),
            "width must be a whole number of pixels, got '5e1'",
        ),
    ],
)
def test_cvat_files_that_are_faulty(shapes, changes, message, tmp_path):
    with pytest.raises(AnnotationError) as caught:
        cvat.read(cvat_file(tmp_path, shapes, **changes))
    assert message in str(caught.value)


def test_cvat_tracks_and_other_documents_are_refused(tmp_path):
    for text, message in (
        ("<annotations><track/></annotations>", "CVAT for images 1.1"),
        ("<annotation/>", "expected <annotations> of CVAT, got <annotation>"),
        ("<annotations>" * 100_000, "not valid xml"),
    ):
        (tmp_path / "a.xml").write_text(text)
        with pytest.raises(AnnotationError, match=message):
            cvat.read(str(tmp_path / "a.xml"))


def points_file(folder, *rows):
    picture(folder)
    images = [dict(id=1, file_name="a.png", width=50, height=40)]
    categories = [dict(id=n, name=name) for n, name in enumerate(("head", "tail", "bee"))]
    rows = [dict(id=n, image_id=1) | row for n, row in enumerate(rows)]
    (folder / "points.json").write_text(json.dumps(dict(images=images, annotations=rows, categories=categories)))
    return str(folder / "points.json")


def test_coco_points_may_be_boxes_without_extent_grouped_by_an_attribute(tmp_path):
    rows = [dict(category_id=0, bbox=[5, 6, 0, 0], attributes=dict(track_id="x"))]
    rows += [dict(category_id=1, keypoints=[7, 8, 1], attributes=dict(track_id="x"))]
    rows += [dict(category_id=1, keypoints=[0, 0, 0], attributes=dict(track_id="y"))]
    found = coco_points.read(points_file(tmp_path, *rows, dict(category_id=2, bbox=[1, 1, 20, 20], attributes=7)))
    joined = [points_of(thing) for thing in found.images[0].objects]
    assert joined == [{}, {"head": (5, 6, 2), "tail": (7, 8, 1)}, {}]
    assert found.dropped == {"points without coordinates": 1}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (dict(category_id=9, keypoints=[1, 2, 2]), "category_id 9 is not among the categories"),
        (dict(category_id=0, keypoints=[1, 2, 2] * 17), "keypoints must be x, y, visibility of one point, got [1, 2"),
        (dict(category_id=0, keypoints=[1, 2, 5]), "keypoints must be x, y, visibility of one point"),
        (dict(category_id=0), "expected keypoints, or bbox"),
        (dict(category_id=0, bbox=[1, 2, -3, 4]), "expected keypoints, or bbox"),
    ],
)
def test_coco_points_that_are_faulty(row, message, tmp_path):
    with pytest.raises(AnnotationError) as caught:
        coco_points.read(points_file(tmp_path, row))
    assert f"annotations[0]: {message}" in str(caught.value)


def test_a_file_of_whole_objects_is_said_to_need_no_conversion(tmp_path):
    with pytest.raises(AnnotationError, match="in one annotation needs no conversion"):
        coco_points.read(points_file(tmp_path, dict(category_id=0, keypoints=[1, 2, 2] * 17)))


def test_texts_that_cannot_be_opened(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"a\.xml does not exist"):
        read_xml(str(tmp_path / "a.xml"))
    (tmp_path / "a.xml").write_bytes("é".encode("latin-1"))
    with pytest.raises(AnnotationError, match="not UTF-8 text"):
        read_text(str(tmp_path / "a.xml"))
    with pytest.raises(AnnotationError, match="is a folder"):
        read_text(str(tmp_path))
    (tmp_path / "b.txt").write_text("abc")
    monkeypatch.setattr("aemm.formats.labels.texts.MAX_BYTES", 2)
    with pytest.raises(AnnotationError, match="up to 2 are read"):
        read_text(str(tmp_path / "b.txt"))
    assert MAX_BYTES > 2**20
