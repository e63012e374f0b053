import copy
import json

import cv2
import numpy as np
import pytest

from aemm.datasets import AnnotationError, CocoInstanceDataset
from aemm.formats.classes import VOC_CLASSES
from aemm.ops.masks import encode_mask

SIZE = (40, 50)


def _instance(key, image_id, category=1, **changes):
    square = [[5, 5, 25, 5, 25, 35, 5, 35]]
    base = dict(id=key, image_id=image_id, category_id=category, area=600.0, iscrowd=0, bbox=[5, 5, 20, 30])
    return base | dict(segmentation=square) | changes


@pytest.fixture
def folder(tmp_path):
    """Three images, the last without instances; categories that are not numbered from 1."""
    for name in ("a.png", "b.png", "c.png"):
        cv2.imwrite(str(tmp_path / name), np.zeros((*SIZE, 3), np.uint8))
    images = [dict(id=10 + i, file_name=f"{name}.png", width=50, height=40) for i, name in enumerate("abc")]
    categories = [dict(id=1, name="dog"), dict(id=44, name="cat"), dict(id=7, name="tree")]
    rows = [_instance(1, 10), _instance(2, 10, 44, area=90.0), _instance(3, 11, 7)]
    return tmp_path, dict(images=images, categories=categories, annotations=rows)


def _build(folder, **changes):
    root, data = folder
    (root / "objects.json").write_text(json.dumps(data))
    return CocoInstanceDataset("objects.json", "", str(root), **changes)


def _faults(folder):
    with pytest.raises(AnnotationError) as caught:
        _build(folder)
    return str(caught.value)


def test_sample_holds_masks_and_labels_of_the_chosen_classes(folder):
    dataset = _build(folder, classes=["cat", "dog"])
    assert len(dataset) == 1
    sample = dataset[0]
    expected = np.zeros(SIZE, bool)
    expected[5:35, 5:25] = True
    np.testing.assert_array_equal(sample.masks, [expected, expected])
    assert sample.labels.tolist() == [1, 0]
    assert _build(folder, classes=["cat", "dog"], test_mode=True)[0].truth.area.tolist() == [600, 90]
    assert not sample.ignore.any()
    assert dataset.metainfo.category_ids == (44, 1)
    assert dataset.metainfo.classes == ("cat", "dog")
    assert _build(folder)[0].labels.tolist() == [0, 1]


def test_images_without_instances_are_left_out_of_training_only(folder):
    assert len(_build(folder)) == 2
    everything = _build(folder, test_mode=True)
    assert len(everything) == 3
    assert everything[2].masks.shape == (0, *SIZE)
    assert len(_build(folder, classes=["cat"], test_mode=True, only_with_instances=True)) == 1
    assert len(_build(folder, max_images=1)) == 1
    assert len(_build(folder, classes=["dog", "cat"], min_area=100)) == 1
    with pytest.raises(AnnotationError, match="no image has an instance of cat"):
        _build(folder, classes=["cat"], min_area=100)


@pytest.mark.parametrize("kind", ["compressed", "counts"])
def test_crowds_are_ignored_not_learnt(folder, kind):
    region = np.zeros(SIZE, bool)
    region[10:20, 30:45] = True
    flat = region.T.ravel()
    edges = np.flatnonzero(np.diff(flat, prepend=False))
    counts = dict(size=list(SIZE), counts=np.diff(edges, prepend=0, append=flat.size).tolist())
    crowd = encode_mask(region) if kind == "compressed" else counts
    folder[1]["annotations"].append(_instance(9, 10, segmentation=crowd, iscrowd=1))
    sample = _build(folder)[0]
    assert len(sample.masks) == 2
    np.testing.assert_array_equal(sample.ignore, region)


def test_classes_of_voc_are_found_under_their_names_in_coco(folder, shared):
    root = shared / "data" / "coco_mini"
    dataset = CocoInstanceDataset("annotations/instances_val2017.json", "val2017", str(root), classes="voc")
    assert len(dataset.classes) == len(VOC_CLASSES) == 20
    assert dataset.classes[17] == "couch"
    names = {
        c["id"]: c["name"] for c in json.loads((root / "annotations/instances_val2017.json").read_text())["categories"]
    }
    assert [names[key] for key in dataset.category_ids] == dataset.classes
    sample = dataset[0]
    assert sample.masks.shape == (len(sample.labels), *sample.image.shape[:2])
    assert (sample.masks.sum((1, 2)) > 0).all()


def test_every_fault_of_a_file_is_reported_at_once(folder):
    data = folder[1]
    mask = np.zeros((40, 51), bool)
    bad = [
        (_instance(20, 10, segmentation=[[1, 1, 8, 8]]), "annotation 20: polygon 0 needs three points or more"),
        (_instance(21, 10, segmentation=encode_mask(mask)), "annotation 21: the run lengths are of size [40, 51]"),
        (_instance(22, 10, segmentation=dict(size=[40, 50], counts=[5])), "annotation 22: the run lengths add up to 5"),
        (_instance(23, 10, segmentation=[]), "annotation 23: segmentation must be polygons or run lengths"),
        (_instance(24, 10, segmentation=[[1, 1, 8, 8, 1, float("nan")]]), "annotation 24: polygon 0 holds NaN"),
        (_instance(25, 10, category=99), "annotation 25: category_id 99 is not among"),
        (_instance(26, 99), "annotation 26: image_id 99 is not among"),
        (_instance(1, 10), "id 1 stands there more than once"),
        (_instance(27, 10, segmentation=[[1, 1, 8, 8, 1, 5, 3]]), "annotation 27: polygon 0 needs three points"),
    ]
    data["annotations"] += [row for row, _ in bad]
    data["images"].append(dict(id=70, file_name="gone.png", width=50, height=40))
    message = _faults(folder)
    for _, part in bad:
        assert part in message
    assert "gone.png" in message
    assert "has 10 faults" in message


def test_unknown_and_repeated_classes_are_named(folder):
    with pytest.raises(ValueError, match=r"\['bird'\] are not among the file's categories \['cat', 'dog', 'tree'\]"):
        _build(folder, classes=["dog", "bird"])
    with pytest.raises(ValueError, match="different names"):
        _build(folder, classes=["dog", "dog"])
    with pytest.raises(ValueError, match="'voc' or None, got 'dog'"):
        _build(folder, classes="dog")


def test_a_file_without_categories_is_refused(folder):
    root, data = folder
    assert "categories: there is none" in _faults((root, copy.deepcopy(data) | dict(categories=[])))
