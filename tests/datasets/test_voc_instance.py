import shutil

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from aemm.datasets import AnnotationError, UnreadableImageError, VocInstanceDataset
from aemm.formats.classes import VOC_CLASSES
from aemm.formats.voc import read_indices, split_instances
from aemm.ops.masks import decode_masks

SIZE = (30, 40)


def _palette(path, indices):
    image = Image.fromarray(indices, mode="P")
    image.putpalette(np.random.default_rng(0).integers(0, 256, 768).tolist())
    image.save(path)


def _indices():
    """Two instances of dog (class 12), one of person (15), void between them."""
    objects, classes = np.zeros((2, *SIZE), np.uint8)
    for number, (left, category) in enumerate([(1, 12), (12, 12), (25, 15)], start=1):
        objects[5:25, left : left + 10] = number
        classes[5:25, left : left + 10] = category
    objects[4, 1:35] = classes[4, 1:35] = 255
    return objects, classes


@pytest.fixture
def folder(tmp_path):
    for name in ("JPEGImages", "SegmentationObject", "SegmentationClass", "ImageSets/Segmentation"):
        (tmp_path / name).mkdir(parents=True)
    objects, classes = _indices()
    for name in ("one", "two"):
        cv2.imwrite(str(tmp_path / "JPEGImages" / f"{name}.jpg"), np.full((*SIZE, 3), 90, np.uint8))
        _palette(tmp_path / "SegmentationObject" / f"{name}.png", objects)
        _palette(tmp_path / "SegmentationClass" / f"{name}.png", classes)
    (tmp_path / "ImageSets/Segmentation/train.txt").write_text("one\ntwo\n\n")
    return tmp_path


def _faults(folder, **changes):
    with pytest.raises(AnnotationError) as caught:
        VocInstanceDataset(str(folder), **changes)
    return str(caught.value)


def test_sample_holds_instances_their_classes_and_void(folder):
    dataset = VocInstanceDataset(str(folder))
    assert len(dataset) == 2
    sample = dataset[1]
    objects, _ = _indices()
    assert sample.image_id == "two"
    np.testing.assert_array_equal(sample.masks, objects == np.array([1, 2, 3])[:, None, None])
    assert [VOC_CLASSES[label] for label in sample.labels] == ["dog", "dog", "person"]
    np.testing.assert_array_equal(sample.ignore, objects == 255)


def test_ground_truth_for_metrics_is_what_the_samples_hold(folder):
    dataset = VocInstanceDataset(str(folder), test_mode=True)
    assert [dataset[i].truth.image_id for i in range(2)] == ["one", "two"]
    truth = dataset[0].truth
    assert [dataset.metainfo.category_ids[label] for label in truth.labels] == [12, 12, 15]
    np.testing.assert_array_equal(decode_masks(truth.masks, SIZE), dataset[0].masks)
    np.testing.assert_array_equal(decode_masks([truth.void], SIZE)[0], dataset[0].ignore)
    assert VocInstanceDataset(str(folder))[0].truth is None


def test_images_without_voc_masks_come_from_sbd(folder):
    objects, _ = _indices()
    objects[objects == 255] = 0
    (folder / "sbd").mkdir()
    (folder / "sbd_train.txt").write_text("three\none\ntwo\n")
    cv2.imwrite(str(folder / "JPEGImages/three.jpg"), np.zeros((*SIZE, 3), np.uint8))
    truth = dict(Segmentation=objects, Boundaries=np.zeros((3, 1)), Categories=np.array([[8], [3], [20]]))
    savemat(folder / "sbd" / "three.mat", dict(GTinst=truth))
    lists = ["ImageSets/Segmentation/train.txt", "sbd_train.txt"]
    dataset = VocInstanceDataset(str(folder), image_sets=lists, sbd_dir="sbd")
    assert [dataset[i].image_id for i in range(len(dataset))] == ["one", "two", "three"]
    assert dataset[2].labels.tolist() == [7, 2, 19]
    np.testing.assert_array_equal(dataset[2].masks, objects == np.array([1, 2, 3])[:, None, None])
    rest = VocInstanceDataset(str(folder), image_sets=lists, exclude=lists[:1], sbd_dir="sbd")
    assert len(rest) == 1
    (folder / "sbd" / "three.mat").write_bytes(b"no matlab")
    with pytest.raises(UnreadableImageError, match=r"three\.mat is no instance file of SBD"):
        dataset[2]
    (folder / "sbd" / "three.mat").unlink()
    assert "three: neither VOC nor sbd has its masks" in _faults(folder, image_sets=lists, sbd_dir="sbd")


def test_every_fault_of_the_files_is_reported_at_once(folder):
    colors = np.zeros((*SIZE, 3), np.uint8)
    Image.fromarray(colors).save(folder / "SegmentationObject" / "one.png")
    (folder / "SegmentationClass" / "two.png").unlink()
    (folder / "ImageSets/Segmentation/train.txt").write_text("one\ntwo\nnowhere\nlarge\n")
    cv2.imwrite(str(folder / "JPEGImages/large.jpg"), colors)
    _palette(folder / "SegmentationObject" / "large.png", np.zeros((30, 41), np.uint8))
    shutil.copy(folder / "SegmentationClass/one.png", folder / "SegmentationClass/large.png")
    message = _faults(folder)
    for part in (
        "SegmentationObject/one.png stores RGB colours, expected a palette PNG",
        "SegmentationClass/two.png is missing; with_classes=False does without",
        "JPEGImages/nowhere.jpg is missing",
        "SegmentationObject/nowhere.png is missing",
        "large: its two masks differ in size",
        "has 6 faults",
    ):
        assert part in message


def test_lists_that_are_missing_or_empty_are_named(folder):
    with pytest.raises(FileNotFoundError, match=r"val\.txt does not exist"):
        VocInstanceDataset(str(folder), image_sets=["val.txt"])
    assert "leave no image" in _faults(folder, exclude=["ImageSets/Segmentation/train.txt"])
    with pytest.raises(ValueError, match="lists of files"):
        VocInstanceDataset(str(folder), image_sets="ImageSets/Segmentation/train.txt")


def test_an_instance_has_the_class_of_most_of_its_pixels():
    objects, classes = _indices()
    classes[5:9, 1:11] = 3
    classes[9:12, 1:11] = 255
    assert split_instances(objects, classes).labels.tolist() == [11, 11, 14]
    classes[objects == 2] = 255
    with pytest.raises(ValueError, match="instance 2 of SegmentationObject lies on no class"):
        split_instances(objects, classes)
    assert split_instances(objects).labels.tolist() == [0, 0, 0]


def test_a_mask_in_colours_is_not_taken_for_numbers(folder):
    path = folder / "SegmentationObject" / "one.png"
    Image.open(path).convert("RGB").save(path)
    with pytest.raises(UnreadableImageError, match="stores RGB colours"):
        read_indices(str(path))


def test_genuine_files_are_read(shared, tmp_path):
    root = tmp_path / "voc"
    shutil.copytree(shared / "data" / "voc_samples", root)
    (root / "all.txt").write_text("\n".join(p.stem for p in sorted((root / "JPEGImages").glob("*.jpg"))))
    (root / "one.txt").write_text("2007_000063\n")
    sample = VocInstanceDataset(str(root), image_sets=["one.txt"])[0]
    assert [VOC_CLASSES[label] for label in sample.labels] == ["dog", "chair"]
    assert sample.ignore.any()
    assert "3 faults" in _faults(root, image_sets=["all.txt"])
    dataset = VocInstanceDataset(str(root), image_sets=["all.txt"], with_classes=False, test_mode=True)
    assert [len(dataset[i].masks) for i in range(4)] == [2, 2, 1, 2]
    assert dataset.metainfo.classes == ("object",)
