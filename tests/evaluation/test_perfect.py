"""Whatever loads, however its categories are laid out, is perfect when its own annotations are the result."""

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from aemm.datasets import (
    CocoInstanceDataset,
    CocoPoseDataset,
    ConcatDataset,
    CrowdPoseDataset,
    MpiiGroupDataset,
    SinglePersonDataset,
    VocInstanceDataset,
)
from aemm.evaluation import CocoInstanceMetric, CocoMetric, CrowdPoseMetric, MpiiMetric, VocInstanceMetric
from aemm.formats.mpii_mat import read_submission, read_truths, write_submission
from aemm.records import DatasetInfo
from aemm.skeletons import SKELETONS
from tests.pairs import measured

hypothesis = pytest.importorskip("hypothesis", reason="needs hypothesis: pip install -r requirements/tests.txt")

from tests.drawn_sets import SEEDS, SIZE, draw_groups, draw_keypoints, draw_masks, examples, write_all  # noqa: E402
from tests.fuzz.loaders import perfect  # noqa: E402


def ap_of(dataset, metric):
    truths = [dataset[n].truth for n in range(len(dataset))]
    figures = measured(metric, dataset.metainfo, [(truth, perfect(truth)) for truth in truths])
    return {name: value for name, value in figures.items() if value != -1}


def _root(data, first):
    root = dict(data["categories"][0], id=9, name="root")
    data["categories"].insert(0 if first else 1, root)


def _second(data, name):
    data["categories"].append(dict(data["categories"][0], id=2, name=name))
    for row in data["annotations"][::2]:
        row["category_id"] = 2


def _numbered(data, change):
    for entry in data["categories"]:
        entry["id"] = change(entry["id"])
    for row in data["annotations"]:
        row["category_id"] = change(row["category_id"])


def _texts(data):
    for entry in data["images"]:
        entry["id"] = f"im {entry['id']}"
    for row in data["annotations"]:
        row.update(image_id=f"im {row['image_id']}", id=f"a{row['id']}")


def _turned(data):
    data["categories"][0]["keypoints"].reverse()
    for row in data["annotations"]:
        row["keypoints"] = np.reshape(row["keypoints"], (-1, 3))[::-1].ravel().tolist()


def _kites(data):
    data["categories"].append(dict(id=7, name="kite"))
    data["annotations"].append(dict(id=999, image_id=1, category_id=7, bbox=[1, 1, 5, 5], iscrowd=0, area=25))


def _without_areas(data):
    for row in data["annotations"]:
        del row["area"]


def _without_boxes(data):
    for row in data["annotations"]:
        if any(row["keypoints"][2::3]) and not row["iscrowd"]:
            row["bbox"] = None


LAYOUTS = {
    "one category": (lambda data: None, {}),
    "an unused root before": (lambda data: _root(data, True), {}),
    "an unused root behind": (lambda data: _root(data, False), {}),
    "two of one name": (lambda data: _second(data, "person"), {}),
    "two, one chosen": (lambda data: _second(data, "child"), dict(category="person")),
    "two as one": (lambda data: _second(data, "child"), dict(category=["child", "person"])),
    "numbered from 0": (lambda data: _numbered(data, lambda key: key - 1), {}),
    "numbered by 2.0": (lambda data: _numbered(data, lambda key: 2.0 * key), {}),
    "numbered by text": (lambda data: _numbered(data, lambda key: f"c{key}"), {}),
    "identifiers as text": (_texts, {}),
    "another order": (_turned, dict(reorder_keypoints=True)),
    "others without keypoints": (_kites, {}),
    "areas of boxes": (_without_areas, dict(area_per_box=0.53)),
    "boxes of keypoints": (_without_boxes, {}),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_keypoints_of_every_layout_are_perfect(name, tmp_path):
    change, options = LAYOUTS[name]

    @examples(5)
    @hypothesis.given(SEEDS)
    def run(seed):
        data = draw_keypoints(np.random.default_rng(seed))
        hypothesis.assume(any(any(a["keypoints"][2::3]) and not a["iscrowd"] for a in data["annotations"][1:4:2]))
        change(data)
        write_all(tmp_path, data)
        figures = ap_of(CocoPoseDataset("people.json", "", str(tmp_path), test_mode=True, **options), CocoMetric())
        assert figures["coco/AP"] == pytest.approx(1), figures
        assert set(np.round(list(figures.values()), 9)) == {1}

    run()


def test_people_one_by_one_are_perfect(tmp_path):
    write_all(tmp_path, draw_keypoints(np.random.default_rng(3)))
    figures = ap_of(SinglePersonDataset("people.json", "", str(tmp_path), test_mode=True), CocoMetric())
    assert figures["coco/AP"] == pytest.approx(1)


def test_several_files_are_perfect_as_a_whole_and_each(tmp_path):
    for n, name in enumerate(("one.json", "two.json")):
        data = draw_keypoints(np.random.default_rng(n))
        if n:
            _numbered(data, lambda key: key + 5)
        write_all(tmp_path, data, name)
    listed = CocoPoseDataset(["one.json", "two.json"], "", str(tmp_path), test_mode=True)
    one = dict(type="CocoPoseDataset", img_dir="", data_root=str(tmp_path), test_mode=True)
    joined = ConcatDataset([one | dict(ann_file=name) for name in ("one.json", "two.json")])
    for dataset in (listed, joined):
        figures = ap_of(dataset, CocoMetric())
        assert {"coco/AP", "coco/one/AP", "coco/two/AP"} <= set(figures)
        assert set(np.round(list(figures.values()), 9)) == {1}


def test_crowdpose_is_perfect(tmp_path):
    @examples(5)
    @hypothesis.given(SEEDS)
    def run(seed):
        rng = np.random.default_rng(seed)
        data = draw_keypoints(rng, skeleton="crowdpose")
        for image in data["images"]:
            image["crowdIndex"] = float(rng.random())
        for row in data["annotations"]:
            del row["area"]
            row["iscrowd"] = 0
        hypothesis.assume(any(any(row["keypoints"][2::3]) for row in data["annotations"]))
        write_all(tmp_path, data)
        figures = ap_of(CrowdPoseDataset("people.json", "", str(tmp_path), test_mode=True), CrowdPoseMetric())
        assert next(value for key, value in figures.items() if key.endswith("/AP")) == pytest.approx(1), figures

    run()


@pytest.mark.parametrize("classes", [None, ["dog", "cat"], ["cat"]], ids=str)
def test_masks_of_every_choice_of_classes_are_perfect(classes, tmp_path):
    @examples(5)
    @hypothesis.given(SEEDS)
    def run(seed):
        data = draw_masks(np.random.default_rng(seed))
        hypothesis.assume(any(row["category_id"] == 1 and not row["iscrowd"] for row in data["annotations"]))
        write_all(tmp_path, data)
        dataset = CocoInstanceDataset("people.json", "", str(tmp_path), classes=classes, test_mode=True)
        figures = ap_of(dataset, CocoInstanceMetric())
        assert next(value for name, value in figures.items() if name.endswith("/AP")) == pytest.approx(1), figures
        figures = ap_of(dataset, VocInstanceMetric())
        assert set(np.round(list(figures.values()), 9)) == {1}

    run()


@pytest.mark.parametrize("form", ["palette", "classless", "deep", "sbd"])
def test_voc_of_every_form_is_perfect(form, tmp_path):
    for name in ("JPEGImages", "SegmentationObject", "SegmentationClass", "inst"):
        (tmp_path / name).mkdir()
    cv2.imwrite(str(tmp_path / "JPEGImages" / "a.jpg"), np.full((*SIZE, 3), 90, np.uint8))
    (tmp_path / "list.txt").write_text("a\n")

    @examples(4)
    @hypothesis.given(SEEDS)
    def run(seed):
        rng = np.random.default_rng(seed)
        objects, classes = np.zeros((2, *SIZE), np.uint8)
        kinds = rng.integers(1, 21, 4)
        for n, left in enumerate(range(2, 80, 22)):
            spot = (slice(4, 4 + int(rng.integers(5, 50))), slice(left, left + int(rng.integers(5, 20))))
            objects[spot], classes[spot] = n + 1, kinds[n]
        objects[58:], classes[58:] = 255, 255
        if form == "sbd":
            truth = dict(Segmentation=objects, Categories=kinds[:, None])
            savemat(tmp_path / "inst" / "a.mat", {"GTinst": truth})
        else:
            Image.fromarray(objects.astype(np.uint16) if form == "deep" else objects).save(
                tmp_path / "SegmentationObject" / "a.png"
            )
            Image.fromarray(classes).save(tmp_path / "SegmentationClass" / "a.png")
        options = dict(sbd_dir="inst") if form == "sbd" else dict(with_classes=form != "classless")
        dataset = VocInstanceDataset(str(tmp_path), ["list.txt"], test_mode=True, **options)
        for metric in (VocInstanceMetric(), VocInstanceMetric(form="11point", void="exclude")):
            assert set(np.round(list(ap_of(dataset, metric).values()), 9)) == {1}

    run()


def test_groups_of_mpii_are_perfect_from_json_and_as_a_submission(tmp_path):
    @examples(6)
    @hypothesis.given(SEEDS)
    def run(seed):
        write_all(tmp_path, draw_groups(np.random.default_rng(seed)))
        dataset = MpiiGroupDataset("people.json", "", str(tmp_path))
        truths = [dataset[n].truth for n in range(len(dataset))]
        pairs = [(truth, perfect(truth)) for truth in truths]
        assert measured(MpiiMetric(), dataset.metainfo, pairs)["mpii/mAP"] == pytest.approx(1)
        write_submission(tmp_path / "pred.mat", [found for _, found in pairs], SKELETONS["mpii"])
        again = read_submission(tmp_path / "pred.mat")
        info = DatasetInfo("MPII", SKELETONS["mpii"])
        named = [(truth, found) for truth, found in zip(truths, again, strict=True)]
        for truth, found in named:
            found.image_id = truth.image_id
        assert measured(MpiiMetric(), info, named)["mpii/mAP"] == pytest.approx(1)

    run()


def test_annotations_of_mpii_in_its_own_files_are_perfect(shared):
    truths = read_truths(shared / "data" / "mpii_groups" / "mpi_val_groundtruth.mat")[:40]
    info = DatasetInfo("MPII", SKELETONS["mpii"])
    figures = measured(MpiiMetric(keep_margin=None), info, [(truth, perfect(truth)) for truth in truths])
    assert figures["mpii/mAP"] == pytest.approx(1)
