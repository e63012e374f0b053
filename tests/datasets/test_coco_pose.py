import copy
import json

import cv2
import numpy as np
import pytest
from pycocotools import mask as rle

from aemm.datasets import AnnotationError, CocoPoseDataset, SampleKey, UnreadableImageError, collate
from aemm.registry import check_arguments
from aemm.skeletons import SKELETONS

NAMES = list(SKELETONS["coco"].keypoints)


def _person(key, image_id, **changes):
    keypoints = [10.0, 12.0, 2, 20.5, 30.25, 1] + [0, 0, 0] * 15
    base = dict(id=key, image_id=image_id, category_id=1, keypoints=keypoints, num_keypoints=2, area=300.0, iscrowd=0)
    return base | dict(bbox=[5, 5, 20, 30], segmentation=[[5, 5, 25, 5, 25, 35, 5, 35]]) | changes


@pytest.fixture
def folder(tmp_path):
    """Three images of 40 x 50 (height x width), the last without people."""
    rng = np.random.default_rng(0)
    names = ["a.png", "odd name, no number.png", "c.png"]
    for name in names:
        cv2.imwrite(str(tmp_path / name), rng.integers(0, 255, (40, 50, 3), np.uint8))
    images = [dict(id=7 * i, file_name=name, width=50, height=40) for i, name in enumerate(names)]
    categories = [dict(id=1, name="person", keypoints=NAMES, skeleton=[]), dict(id=2, name="dog")]
    data = dict(images=images, categories=categories, annotations=[_person(1, 0), _person(2, 0), _person(3, 7)])
    return tmp_path, data


def _build(folder, **changes):
    root, data = folder
    (root / "people.json").write_text(json.dumps(data))
    return CocoPoseDataset("people.json", "", str(root), **changes)


def _faults(folder, **changes):
    with pytest.raises(AnnotationError) as caught:
        _build(folder, **changes)
    return str(caught.value)


def test_sample_holds_what_the_file_says(folder):
    sample = _build(folder)[0]
    assert sample.image_id == 0
    assert sample.image_size == (40, 50)
    np.testing.assert_allclose(sample.keypoints[0, :2], [[10, 12], [20.5, 30.25]])
    assert sample.visible[0, :3].tolist() == [2, 1, 0]
    assert sample.truth is None
    truth = _build(folder, test_mode=True)[0].truth
    np.testing.assert_allclose(truth.boxes[0], [5, 5, 25, 35])
    assert truth.area.tolist() == [300, 300]
    assert not sample.ignore.any()


def test_images_without_people_are_left_out_of_training_only(folder):
    assert len(_build(folder)) == 2
    assert len(_build(folder, images="all")) == 3
    assert len(_build(folder, test_mode=True)) == 3
    assert _build(folder, test_mode=True)[2].keypoints.shape == (0, 17, 2)


@pytest.mark.parametrize(("images", "count"), [("with_keypoints", 2), ("with_people", 3), ("all", 4)])
def test_which_images_are_trained_on_is_a_choice(folder, images, count):
    """The third image shows a crowd alone, the last nobody."""
    folder[1]["images"].append(dict(id=21, file_name="c.png", width=50, height=40))
    folder[1]["annotations"].append(_person(9, 14, iscrowd=1, keypoints=[0] * 51, num_keypoints=0, segmentation=[]))
    for test_mode in (False, True):
        dataset = _build(folder, images=images, test_mode=test_mode)
        assert len(dataset) == count
        assert len(dataset[count - 1].keypoints) == (1 if images == "with_keypoints" else 0)
    with pytest.raises(ValueError, match="images must be one of 'all', 'with_people', 'with_keypoints'"):
        _build(folder, images="with_persons")


def test_the_former_word_for_images_is_refused_with_the_new_one():
    with pytest.raises(ValueError, match='write images="with_keypoints" for True'):
        check_arguments(CocoPoseDataset, {"only_with_keypoints": True}, "train_dataloader.dataset")


@pytest.mark.parametrize("kind", ["polygon", "rle", "counts", "box"])
def test_crowds_and_people_without_keypoints_are_ignored(folder, kind):
    region = np.zeros((40, 50), np.uint8)
    region[10:20, 30:45] = 1
    encoded = rle.encode(np.asfortranarray(region))
    plain = dict(size=[40, 50], counts=encoded["counts"].decode())
    runs = np.diff(np.flatnonzero(np.diff(region.T.ravel(), prepend=1 - region[0, 0], append=2)))
    segmentation = {
        "polygon": [[30, 10, 45, 10, 45, 20, 30, 20]],
        "rle": plain,
        "counts": dict(size=[40, 50], counts=runs.tolist()),
        "box": [],
    }[kind]
    crowd = kind in ("rle", "counts")
    other = _person(9, 0, segmentation=segmentation, bbox=[30, 10, 15, 10], iscrowd=int(crowd), keypoints=[0] * 51)
    folder[1]["annotations"].append(other)
    sample = _build(folder)[0]
    assert len(sample.keypoints) == 2
    np.testing.assert_array_equal(sample.ignore, region.astype(bool))


@pytest.mark.parametrize("ignore", [(), ("crowd",), ("unlabelled",), ("unlabelled", "crowd")])
def test_who_is_ignored_is_a_choice(folder, ignore):
    nobody = dict(keypoints=[0] * 51, num_keypoints=0)
    folder[1]["annotations"] += [
        _person(4, 0, **nobody, iscrowd=1, bbox=[0, 0, 5, 5], segmentation=[]),
        _person(5, 0, **nobody, bbox=[40, 30, 5, 5], segmentation=[]),
    ]
    sample = _build(folder, ignore=ignore)[0]
    assert sample.ignore[2, 2] == ("crowd" in ignore)
    assert sample.ignore[32, 42] == ("unlabelled" in ignore)
    assert len(sample.keypoints) == 2


@pytest.mark.parametrize("ignore", ["crowd", ("crowds",)])
def test_nobody_else_can_be_ignored(folder, ignore):
    with pytest.raises(ValueError, match="ignore must list any of 'crowd' and 'unlabelled'"):
        _build(folder, ignore=ignore)


def test_more_people_than_any_slot_count(folder):
    folder[1]["annotations"] += [_person(100 + i, 0) for i in range(60)]
    assert _build(folder)[0].keypoints.shape == (62, 17, 2)


def test_every_fault_of_a_file_is_reported_at_once(folder):
    people = folder[1]["annotations"]
    people[0]["keypoints"] = people[0]["keypoints"][:-3]
    people[1]["area"] = 0
    people[2]["image_id"] = 999
    people.append(_person(3, 7))
    people.append(_person(20, 7, keypoints=[float("nan"), 1, 2] + [0] * 48))
    people.append(_person(21, 7, category_id=2))
    people.append(_person(22, 7, keypoints=[1, 1, 3] + [0] * 48))
    people.append({k: v for k, v in _person(23, 7).items() if k != "area"})
    folder[1]["images"].append(dict(id=70, file_name="gone.png", width=50, height=40))
    message = _faults(folder)
    for part in (
        "annotation 1: keypoints must hold 3 x 17 numbers (x, y, visibility), got 48 numbers",
        "annotation 2: area must be a positive number of square pixels, got 0",
        "annotation 3: image_id 999 is not among the images",
        "annotations: id 3 stands there more than once",
        "annotation 20: keypoints holds NaN",
        "annotation 21: it has keypoints, but category 2 names none",
        "annotation 22: visibility must be 0, 1 or 2",
        "annotation 23: area must be a positive number of square pixels, got None",
        "1 of 4 files are not in",
        "gone.png",
        "people.json has 9 faults",
    ):
        assert part in message


def test_another_number_of_keypoints_names_the_skeleton(folder):
    assert "it names 17 keypoints, but the skeleton 'mpii' has 16" in _faults(folder, skeleton="mpii")


def test_a_file_without_people_and_one_without_keypoint_names_are_refused(folder):
    root, data = folder
    assert "nobody in it has a keypoint" in _faults((root, data | dict(annotations=[])))
    bare = copy.deepcopy(data)
    del bare["categories"][0]["keypoints"]
    assert "has 'keypoints', a list of 17 keypoint names" in _faults((root, bare))
    assert "key 'images' is missing" in _faults((root, {k: v for k, v in data.items() if k != "images"}))


def test_a_file_that_is_no_json_or_not_there_is_named(folder):
    root, _ = folder
    (root / "broken.json").write_text('{"images": [')
    with pytest.raises(AnnotationError, match=r"broken\.json has 1 fault:\n  - not valid json"):
        CocoPoseDataset("broken.json", "", str(root))
    with pytest.raises(FileNotFoundError, match=r"nowhere\.json does not exist"):
        CocoPoseDataset("nowhere.json", "", str(root))


def test_a_corrupt_image_stops_or_is_passed_over_as_told(folder):
    dataset = _build(folder)
    (folder[0] / "a.png").write_bytes(b"\x89PNG no more")
    with pytest.raises(UnreadableImageError, match=r"a\.png cannot be decoded"):
        dataset[0]
    lenient = _build(folder, on_unreadable="next")
    sample = lenient[0]
    assert sample.image_id == 7
    assert len(sample.passed_over) == 1
    assert "a.png cannot be decoded" in sample.passed_over[0]
    assert lenient[1].passed_over == ()
    assert collate([sample, sample]).passed_over == sample.passed_over * 2


def test_a_jpeg_that_was_cut_off_is_not_trained_on(folder):
    root, data = folder
    image = np.random.default_rng(1).integers(0, 255, (40, 50, 3), np.uint8)
    _, whole = cv2.imencode(".jpg", image)
    (root / "cut.jpg").write_bytes(whole.tobytes()[: len(whole) // 2])
    data["images"][0]["file_name"] = "cut.jpg"
    with pytest.raises(UnreadableImageError, match=r"cut\.jpg cannot be decoded"):
        _build(folder)[0]


def test_an_image_of_another_size_than_annotated_is_named(folder):
    folder[1]["images"][0]["width"] = 51
    with pytest.raises(UnreadableImageError, match=r"is 50x40, but .* says 51x40"):
        _build(folder)[0]


@pytest.mark.parametrize("seed", [0, 5])
def test_augmentation_depends_on_seed_epoch_and_index_alone(folder, seed):
    pipeline = [dict(type="RandomAffine", size=64), dict(type="RandomFlip"), dict(type="ColorJitter")]
    dataset = _build(folder, pipeline=pipeline)
    once, again = dataset[SampleKey(1, 3, seed)], dataset[SampleKey(1, 3, seed)]
    np.testing.assert_array_equal(once.image, again.image)
    for other in (SampleKey(1, 4, seed), SampleKey(1, 3, seed + 1)):
        assert not np.array_equal(dataset[other].warp, once.warp)
