"""Inputs of every data set, broken at random, and what is to hold of those that load."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from hypothesis import strategies as st
from PIL import Image
from scipy.io import savemat

from aemm.datasets import (
    AnnotationError,
    CocoInstanceDataset,
    CocoPoseDataset,
    CrowdPoseDataset,
    MpiiDataset,
    MpiiGroupDataset,
    VocInstanceDataset,
)
from aemm.evaluation import CocoInstanceMetric, CocoMetric
from aemm.formats import UnreadableImageError
from aemm.formats.coco import describe_set
from aemm.formats.files import write_json
from aemm.records import Instances, Truth
from aemm.skeletons import SKELETONS, build_skeleton
from tests.annotations import NAMES, nobody, person, person_file, write
from tests.fuzz.mutation import Draw, mutate
from tests.pairs import measured

OF_FILES = (AnnotationError, UnreadableImageError, FileNotFoundError)


def _people() -> dict[str, Any]:
    data = person_file(2)
    mask = {"size": [40, 50], "counts": [100, 200, 1700]}
    data["annotations"] += [nobody(8, 1, segmentation=mask, iscrowd=1), person(9, 2), nobody(10, 2)]
    data["categories"].append({"id": 2, "name": "child", "keypoints": list(NAMES)})
    return data


def _groups() -> dict[str, Any]:
    names = list(SKELETONS["mpii"].keypoints)
    points = [value for k in range(16) for value in (5 + k, 8 + 1.5 * k, 2)]
    extra = {"head_box": [5, 5, 12, 12], "scale": 0.2, "objpos": [20, 20], "group_ids": [31]}
    people = [person(n, 1, keypoints=points, num_keypoints=16) | extra for n in (1, 2)]
    groups = [{"id": 31, "image_id": 1, "rectangle": [10, 10, 30, 30], "scale": 0.2}]
    data = person_file(1)
    return data | {
        "annotations": people,
        "groups": groups,
        "categories": [{"id": 1, "name": "person", "keypoints": names}],
    }


def perfect(truth: Truth) -> Instances:
    """The truth as a result; regions of many and people without keypoints need not be found."""
    keep = np.zeros(len(truth), bool) if truth.crowd is None else truth.crowd
    keep = ~keep
    if truth.keypoints is not None and truth.visible is not None:
        keep &= (truth.visible > 0).any(1)
    scores = np.ones(int(keep.sum()))
    if truth.keypoints is None or truth.visible is None:
        masks, labels = truth.need_masks()
        kept = [masks[n] for n in np.flatnonzero(keep)]
        return Instances(truth.image_id, truth.image_size, scores, masks=kept, labels=labels[keep])
    shown = (truth.visible[keep] > 0).astype(float)
    return Instances(truth.image_id, truth.image_size, scores, keypoints=truth.keypoints[keep], keypoint_scores=shown)


def check_perfect(metric: Any, dataset: Any, truths: list[Truth]) -> None:
    if any(len(perfect(truth)) for truth in truths if not truth.withheld):
        figures = measured(metric, dataset.metainfo, [(truth, perfect(truth)) for truth in truths])
        (ap,) = (value for name, value in figures.items() if name.endswith("/AP"))
        assert ap > 0.999, figures


def _check_written(folder: Path, dataset: Any, truths: list[Truth]) -> None:
    """What was read is the same when it is written and read again."""
    if any(isinstance(truth.image_id, str) or truth.withheld for truth in truths):
        return
    data = describe_set(truths, dataset.metainfo)
    for image, entry in zip(data["images"], dataset.file.images, strict=True):
        image["file_name"] = entry.file_name
    write_json(folder / "again.json", data)
    category = dataset.metainfo.classes[0]
    again = CocoPoseDataset("again.json", "", str(folder), dataset.skeleton, category=category, test_mode=True)
    for one, other in zip(truths, (again[n].truth for n in range(len(again))), strict=True):
        assert one.image_id == other.image_id
        for name in ("keypoints", "visible", "area", "boxes", "crowd"):
            np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-3)


def load_keypoints(folder: Path, draw: Draw, kind: Any = CocoPoseDataset) -> None:
    """A keypoint file."""
    data = _people()
    if kind is CrowdPoseDataset:
        data["images"][0]["crowdIndex"] = 0.3
        del data["annotations"][0]["area"]
    write(folder, data)
    write(folder, mutate(data, draw), images=False)
    options = {"category": draw(st.sampled_from([None, "person"])), "skeleton": "coco"}
    for test_mode in (False, True):
        dataset = kind("people.json", "", str(folder), test_mode=test_mode, **options)
        samples = [dataset[n] for n in range(len(dataset))]
    truths = [sample.truth for sample in samples]
    check_perfect(CocoMetric(), dataset, truths)
    _check_written(folder, dataset, truths)


def load_crowdpose(folder: Path, draw: Draw) -> None:
    """A file as CrowdPose's."""
    load_keypoints(folder, draw, CrowdPoseDataset)


def load_instances(folder: Path, draw: Draw) -> None:
    """A file of instance masks."""
    data = person_file(2)
    mask = {"size": [40, 50], "counts": [100, 200, 1700]}
    data["annotations"] += [person(8, 1, segmentation=mask), person(9, 2, segmentation=mask, iscrowd=1)]
    write(folder, data)
    write(folder, mutate(data, draw), images=False)
    for test_mode in (False, True):
        dataset = CocoInstanceDataset("people.json", "", str(folder), test_mode=test_mode)
        samples = [dataset[n] for n in range(len(dataset))]
    check_perfect(CocoInstanceMetric(), dataset, [sample.truth for sample in samples])


def load_mpii(folder: Path, draw: Draw) -> None:
    """A file of people and groups."""
    data = _groups()
    write(folder, data)
    write(folder, mutate(data, draw), images=False)
    for build in (
        lambda: MpiiDataset("people.json", "", str(folder)),
        lambda: MpiiDataset("people.json", "", str(folder), regions="group"),
        lambda: MpiiGroupDataset("people.json", "", str(folder)),
    ):
        dataset = build()
        for n in range(len(dataset)):
            assert dataset[n].image.ndim == 3


def load_voc(folder: Path, draw: Draw) -> None:
    """A folder as VOC's, whose masks and list are changed byte by byte."""
    objects = np.zeros((20, 30), np.uint8)
    objects[5:15, 5:15] = 1
    for name, value in (("SegmentationObject", objects), ("SegmentationClass", objects * 12)):
        (folder / name).mkdir()
        image = Image.fromarray(value, mode="P")
        image.putpalette(list(range(256)) * 3)
        image.save(folder / name / "one.png")
    (folder / "JPEGImages").mkdir()
    cv2.imwrite(str(folder / "JPEGImages/one.jpg"), np.full((20, 30, 3), 90, np.uint8))
    (folder / "list.txt").write_text("one\n")
    victim = draw(st.sampled_from(["SegmentationObject/one.png", "SegmentationClass/one.png", "list.txt"]))
    content = bytearray((folder / victim).read_bytes())
    for _ in range(draw(st.integers(1, 4))):
        content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
    (folder / victim).write_bytes(content[: draw(st.integers(0, len(content)))] if draw(st.booleans()) else content)
    if draw(st.booleans()):
        (folder / "SegmentationObject/one.png").unlink()
        truth = {"Segmentation": objects, "Categories": np.array([[draw(st.sampled_from([12, 12, 12, 0, 21, 1.5]))]])}
        if not draw(st.integers(0, 4)):
            truth[draw(st.sampled_from(list(truth)))] = draw(st.sampled_from(["text", 1.0, [], [[1, 2], [3, 4]]]))
        savemat(folder / "one.mat", {"GTinst": truth}, do_compression=False)
        content = bytearray((folder / "one.mat").read_bytes())
        for _ in range(draw(st.integers(0, 2))):
            content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
        (folder / "one.mat").write_bytes(content)
    dataset = VocInstanceDataset(str(folder), ["list.txt"], sbd_dir="", test_mode=True)
    assert dataset[0].image.shape == (20, 30, 3)


def load_skeleton(folder: Path, draw: Draw) -> None:
    """A definition of a skeleton, as a dict and as a file."""
    definition = mutate(SKELETONS["crowdpose"].to_dict(), draw)
    (folder / "own.json").write_text(json.dumps(definition))
    built = build_skeleton(definition)
    assert build_skeleton(json.loads(json.dumps(built.to_dict()))) == built
    assert replace(build_skeleton(str(folder / "own.json")), name=built.name) == built
