"""Situations of annotation files: meanings, checks, several files, limits."""

from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

import numpy as np

from aemm.cli import main
from aemm.datasets import CocoPoseDataset, ConcatDataset, RepeatDataset
from aemm.formats.labels import cvat, label_studio, labelme, yolo
from aemm.formats.segmentation import MAX_NUMBERS
from aemm.skeletons import build_skeleton
from tests.annotations import NAMES, nobody, person, person_file, write
from tests.label_files import draw_scene, write_cvat, write_label_studio, write_labelme, write_yolo
from tests.situations.told import instances, people, situation, told


def _two(first, second, used=True):
    data = person_file(2)
    data["categories"] = [dict(id=1, name=first, keypoints=NAMES), dict(id=2, name=second, keypoints=NAMES)]
    data["annotations"][1]["category_id"] = 2 if used else 1
    return data


@situation("people of two categories that both name keypoints")
def _(folder):
    return people(folder, _two("male", "female"))


@situation("the same, with `category=['male', 'female']`")
def _(folder):
    return people(folder, _two("male", "female"), category=["male", "female"])


@situation("the same, with `category='female'`")
def _(folder):
    return people(folder, _two("male", "female"), category="female")


@situation("a category with keypoints that nobody is of, before or behind the one that is used")
def _(folder):
    data = _two("person", "root", used=False)
    outcome = people(folder, data)
    data["categories"].reverse()
    return outcome + people(folder, data)


@situation("two categories of one name")
def _(folder):
    return people(folder, _two("person", "person"))


@situation("the keypoints in another order than the skeleton's")
def _(folder):
    data = person_file(1)
    data["categories"][0]["keypoints"] = NAMES[::-1]
    return people(folder, data)


@situation("the same, with `reorder_keypoints=True`")
def _(folder):
    data = person_file(1)
    data["categories"][0]["keypoints"] = NAMES[::-1]
    return people(folder, data, reorder_keypoints=True)


@situation("left and right exchanged in the list of keypoints")
def _(folder):
    data = person_file(1)
    data["categories"][0]["keypoints"] = [NAMES[0], NAMES[2], NAMES[1], *NAMES[3:]]
    return people(folder, data)


@situation("as many keypoints, of other names")
def _(folder):
    data = person_file(1)
    data["categories"][0]["keypoints"] = [f"point {k}" for k in range(17)]
    return people(folder, data)


@situation("the skeleton's names in another spelling: `LEFT_EYE`, `earRight`, `L-Hip`")
def _(folder):
    data = person_file(1)
    spelt = {"left_eye": "LEFT_EYE", "right_ear": "earRight", "left_hip": "L-Hip", "nose": "Nose"}
    data["categories"][0]["keypoints"] = [spelt.get(name, name) for name in NAMES]
    return people(folder, data)


def _flips(*names):
    return told(lambda: build_skeleton(dict(keypoints=list(names), sigmas=[0.05] * len(names))).flip_index)


@situation("a skeleton that says the side by `LEFT_EYE`, `eyeL`, `l_eye`, `Left Eye` or `auge links`")
def _(folder):
    pairs = [("LEFT_EYE", "RIGHT_EYE"), ("eyeL", "eyeR"), ("l_eye", "r_eye"), ("Left Eye", "Right Eye")]
    pairs.append(("auge_links", "auge_rechts"))
    outcomes = {_flips(*pair) for pair in pairs}
    return outcomes.pop() if len(outcomes) == 1 else str(outcomes)


@situation("a sided name without a counterpart")
def _(folder):
    return _flips("left_wing", "tail", "left_eye", "right_eye")


@situation("no name that says a side")
def _(folder):
    return _flips("north", "south")


@situation("an export that marks every mask as a crowd")
def _(folder):
    data = person_file(3)
    mask = dict(size=[40, 50], counts=[100, 200, 1700])
    data["annotations"] = [person(n, n, segmentation=mask, iscrowd=1) for n in (1, 2, 3)]
    return instances(folder, data)


@situation("somebody annotated twice")
def _(folder):
    data = person_file(1)
    data["annotations"].append(person(9, 1))
    return people(folder, data)


@situation("keypoints given as shares of the image")
def _(folder):
    data = person_file(1)
    data["annotations"][0]["keypoints"][:6] = [0.2, 0.3, 2, 0.4, 0.5, 2]
    return people(folder, data)


def _faulty(folder, **changes):
    data = person_file(1)
    data["annotations"][0].update(changes)
    return people(folder, data)


@situation('an identifier as text, `"1"` for 1')
def _(folder):
    return _faulty(folder, image_id="1") + _faulty(folder, category_id="1")


@situation('`"width": "50"`, or null')
def _(folder):
    data = person_file(2)
    data["images"][0]["width"], data["images"][1]["height"] = "50", None
    return people(folder, data)


@situation('`"iscrowd": "0"`')
def _(folder):
    return _faulty(folder, iscrowd="0")


@situation('`"area": "900.0"`')
def _(folder):
    return _faulty(folder, area="900.0")


@situation("no `category_id`")
def _(folder):
    data = person_file(1)
    del data["annotations"][0]["category_id"]
    return people(folder, data)


@situation('`"bbox": null` beside keypoints')
def _(folder):
    return _faulty(folder, bbox=None)


def _ignored(folder, segmentation):
    data = person_file(1)
    data["annotations"].append(nobody(9, 1, iscrowd=1, segmentation=segmentation))
    return people(folder, data)


@situation("a crowd whose segmentation is one flat list")
def _(folder):
    return _ignored(folder, [1, 1, 9, 1, 9, 9])


@situation("run lengths of another size, or without `counts`, or text")
def _(folder):
    size = [30, 50]
    return "".join(_ignored(folder, one) for one in (dict(size=size, counts=[1500]), dict(size=[40, 50]), "text"))


@situation("a polygon of two points")
def _(folder):
    return _ignored(folder, [[1, 1, 9, 9]])


@situation("a name without an ending, or in capitals: `people.JSON`")
def _(folder):
    return people(folder, person_file(2), "people.JSON") + people(folder, person_file(2), "people")


@situation("a byte order mark before the json, of annotations or of a skeleton")
def _(folder):
    write(folder, person_file(2))
    text = (folder / "people.json").read_bytes()
    (folder / "people.json").write_bytes(b"\xef\xbb\xbf" + text)
    (folder / "own.json").write_bytes(b'\xef\xbb\xbf{"keypoints": ["nose"], "sigmas": [0.05], "flip_index": [0]}')
    dataset = CocoPoseDataset("people.json", "", str(folder))
    return f"{len(dataset)} images, {len(build_skeleton(str(folder / 'own.json')))} keypoint"


@situation("json written as latin-1")
def _(folder):
    write(folder, person_file(1))
    (folder / "people.json").write_bytes('{"images": "é"}'.encode("latin-1"))
    return told(lambda: CocoPoseDataset("people.json", "", str(folder)))


@situation("a limb that names no keypoint")
def _(folder):
    return told(lambda: build_skeleton(dict(keypoints=["nose", "tail"], sigmas=[0.05] * 2, limbs=[["nos", "tail"]])))


@situation("categories counted from 0, a category that nobody needs, no `num_keypoints`")
def _(folder):
    data = person_file(2)
    data["categories"] = [dict(data["categories"][0], id=0), dict(id=7, name="kite")]
    for row in data["annotations"]:
        row["category_id"] = 0
        del row["num_keypoints"]
    return people(folder, data)


@situation("a test set without labels: no `annotations`, or an empty list, or names of categories alone")
def _(folder):
    sizes = set()
    for categories in ([], [dict(id=1, name="person")], person_file()["categories"]):
        for rows in ({}, dict(annotations=[])):
            data = dict(images=person_file(2)["images"], categories=categories) | rows
            write(folder, data)
            dataset = CocoPoseDataset("people.json", "", str(folder), test_mode=True)
            sizes.add((len(dataset), dataset[0].truth.withheld, dataset.metainfo.category_ids))
    return str(sizes)


def _names(folder, *names):
    data = person_file(len(names))
    for image, name in zip(data["images"], names, strict=True):
        image["file_name"] = name
    return people(folder, data, images=False)


@situation("`file_name` with a backslash")
def _(folder):
    write(folder / "sub", person_file(1))
    return _names(folder, "sub\\1.png")


@situation("`file_name` that repeats the folder of the images")
def _(folder):
    write(folder, person_file(1))
    return _names(folder, f"{folder.name}/1.png")


@situation("`file_name` with a doubled slash")
def _(folder):
    write(folder / "sub", person_file(1))
    return _names(folder, "sub//1.png")


@situation("`file_name` that begins with a slash")
def _(folder):
    write(folder, person_file(1))
    return _names(folder, "/1.png")


@situation("thousands of names that are not there")
def _(folder):
    write(folder, person_file(3))
    return _names(folder, *(f"val/{n}.png" for n in range(2000)))


@situation("several files as a list, whose identifiers repeat")
def _(folder):
    write(folder, person_file(2))
    write(folder, person_file(2), "more.json")
    dataset = CocoPoseDataset(["people.json", "more.json"], "", str(folder), test_mode=True)
    parts = {sample.truth.part.rpartition("/")[2] for sample in (dataset[n] for n in range(4))}
    return f"{len(dataset)} samples of {sorted(parts)}"


@situation("`ConcatDataset` and `RepeatDataset` by the names that mmengine gives them")
def _(folder):
    write(folder, person_file(2))
    one = dict(type="CocoPoseDataset", ann_file="people.json", img_dir="", data_root=str(folder))
    return f"{len(ConcatDataset([one, one], weights=[1, 0.5]))} and {len(RepeatDataset(one, 3))} samples"


@situation("one file named twice in a list")
def _(folder):
    return told(lambda: CocoPoseDataset(["a.json", "a.json"], "", str(folder)))


@situation("data sets of different skeletons joined")
def _(folder):
    write(folder, person_file(1))
    data = person_file(1)
    data["categories"][0]["keypoints"] = ["a", "b"]
    data["annotations"][0]["keypoints"] = [1, 2, 2, 3, 4, 2]
    write(folder, data, "two.json")
    base = dict(type="CocoPoseDataset", img_dir="", data_root=str(folder))
    skeleton = dict(keypoints=["a", "b"], sigmas=[0.05] * 2, flip_index=[0, 1])
    sets = [base | dict(ann_file="people.json"), base | dict(ann_file="two.json", skeleton=skeleton)]
    return told(lambda: ConcatDataset(sets))


@situation('run lengths that do not add up, such as the text `"0"`')
def _(folder):
    return _ignored(folder, dict(size=[40, 50], counts="0"))


@situation("run lengths of 100000 x 100000 pixels")
def _(folder):
    return _ignored(folder, dict(size=[100000, 100000], counts=[10**10]))


@situation("a polygon of more than a million numbers")
def _(folder):
    return _ignored(folder, [[0] * (MAX_NUMBERS + 2)])


@situation("a polygon with corners at 10⁷ pixels, over and over")
def _(folder):
    return _ignored(folder, [[0, 0, 10_000_000, 10_000_000] * 3])


@situation("YOLO labels in pixels")
def _(folder):
    source = write_yolo(folder, draw_scene(np.random.default_rng(0), 1))
    labels = folder / "labels" / "train" / "shot0.txt"
    labels.write_text("0 100 35 20 20" + " 90 30 2" * 4)
    return told(lambda: yolo.read(str(source)))


@situation("a CVAT file that declares entities")
def _(folder):
    source = write_cvat(folder, draw_scene(np.random.default_rng(0), 1))
    source.write_text('<!DOCTYPE a [<!ENTITY b "bb">]>' + source.read_text().partition("?>")[2])
    return told(lambda: cvat.read(str(source)))


@situation("Label Studio's JSON-MIN")
def _(folder):
    source = write_label_studio(folder, draw_scene(np.random.default_rng(0), 1))
    source.write_text('[{"id": 1, "image": "/data/upload/1/shot0.png", "kp-1": []}]')
    return told(lambda: label_studio.read(str(source)))


@situation("a labelme file whose image was resized")
def _(folder):
    write_labelme(folder, draw_scene(np.random.default_rng(0), 1))
    text = (folder / "shot0.json").read_text()
    (folder / "shot0.json").write_text(text.replace('"imageHeight": 70', '"imageHeight": 140'))
    return str(labelme.read(str(folder)).lost)


def _checked(folder, data):
    write(folder, data)
    words = [str(folder / "people.json"), str(folder), "--page", str(folder / "page.html")]
    with redirect_stdout(StringIO()) as out, redirect_stderr(out):
        code = main(["check-data", *words])
    return f"{out.getvalue()}\nexit {int(code)}"


@situation("`check-data` on a file without faults")
def _(folder):
    return _checked(folder, person_file(2))


@situation("`check-data` on a file with faults")
def _(folder):
    data = person_file(2)
    data["annotations"][0].update(area="x", iscrowd="0")
    return _checked(folder, data)


@situation("`check-data` on somebody outside of the image")
def _(folder):
    data = person_file(2)
    data["annotations"][0]["keypoints"][:2] = [90, 12]
    outcome = _checked(folder, data)
    return f"{outcome}, {(folder / 'page.html').read_text().count('<img')} pictures"
