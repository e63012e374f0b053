"""MPII multi-person: whole images or groups to train on, groups to test on.

Annotations are COCO-format json as tools/dataset_tools/mpii_to_coco.py writes it, with ``scale``
(height of a person / 200 px), ``objpos`` and ``group_ids`` of people, and a list of ``groups``: ``id``, ``image_id``,
``rectangle`` xyxy of the members' positions, mean ``scale``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from aemm import geometry
from aemm.datasets.base import SampleDataset
from aemm.datasets.coco_annotations import AnnotationError, image_faults, read_json, segmentation_mask
from aemm.datasets.coco_pose import CocoPoseDataset
from aemm.datasets.transforms.geometric import warp_sample
from aemm.evaluation.functional.mpii_mat import PERSON_HEIGHT
from aemm.formats import load_image
from aemm.registry import DATASETS
from aemm.skeletons import Skeleton
from aemm.structures import Sample

# reach of a body around its position, in heights: 95 % of the fully annotated people of the 350 validation groups
_BODY = np.array([-0.36, -0.54, 0.37, 0.66])


def body_box(position: Sequence[float], scale: float) -> np.ndarray:
    """Where a person of known position and scale is, ``(4,)`` xyxy in pixels."""
    return np.tile(np.asarray(position, float), 2) + _BODY * PERSON_HEIGHT * scale


def group_box(
    rectangle: Sequence[float], scale: float, margin: float, size: tuple[int, int]
) -> tuple[int, int, int, int]:
    """The crop for a group: its rectangle and a margin, kept inside the image.

    Args:
        rectangle: xyxy of the members' positions, pixels.
        scale: mean of the members' scales.
        margin: to every side, in heights of a person.
        size: ``(height, width)`` of the image.

    Returns:
        xyxy in whole pixels, at least one wide and high.
    """
    reach = margin * PERSON_HEIGHT * scale
    left, top = (int(np.floor(v - reach)) for v in rectangle[:2])
    right, bottom = (int(np.ceil(v + reach)) for v in rectangle[2:])
    x, y = min(max(left, 0), size[1] - 1), min(max(top, 0), size[0] - 1)
    return x, y, min(max(right, x + 1), size[1]), min(max(bottom, y + 1), size[0])


def crop_sample(sample: Sample, box: tuple[int, int, int, int]) -> Sample:
    """The part of a sample within a box xyxy in whole pixels; keypoints beyond it count as not annotated."""
    x, y, right, bottom = box
    crop = warp_sample(sample, geometry.translation(-x, -y), (bottom - y, right - x))
    if crop.keypoints is None or crop.visible is None:
        return crop
    inside = ((crop.keypoints >= 0) & (crop.keypoints < (right - x, bottom - y))).all(-1)
    return replace(crop, visible=np.where(inside, crop.visible, 0))


def _count(person: Mapping[str, Any]) -> int:
    return sum(v > 0 for v in person.get("keypoints", ())[2::3])


def _whole_body(person: Mapping[str, Any]) -> np.ndarray:
    """All of a person, ``(4,)`` xyxy: the box of what is annotated, and where the rest must be."""
    x, y, width, height = person["bbox"]
    box = np.array([x, y, x + width, y + height], float)
    if person.get("objpos") is None or not person.get("scale"):
        return box
    body = body_box(person["objpos"], person["scale"])
    return np.concatenate([np.minimum(box[:2], body[:2]), np.maximum(box[2:], body[2:])])


def _as_region(box: np.ndarray) -> dict[str, Any]:
    """A box xyxy as an annotation without a polygon."""
    return {"segmentation": None, "bbox": [*box[:2].tolist(), *(box[2:] - box[:2]).tolist()]}


def read_groups(path: str, data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The groups of a file, checked.

    Raises:
        AnnotationError: with every fault found.
    """
    images, faults = {image.get("id") for image in data["images"]}, []
    for group in data["groups"]:
        where = f"group {group.get('id')}"
        if group.get("image_id") not in images:
            faults.append(f"{where}: image_id {group.get('image_id')} is not among the images")
        rectangle = np.asarray(group.get("rectangle", ()), float)
        if rectangle.shape != (4,) or not np.isfinite(rectangle).all() or not (rectangle[2:] >= rectangle[:2]).all():
            faults.append(f"{where}: rectangle must be x1, y1, x2, y2 of two corners, got {group.get('rectangle')}")
        if not isinstance(group.get("scale"), int | float) or not group["scale"] > 0:
            faults.append(f"{where}: scale must be a positive number, got {group.get('scale')}")
    if len({group.get("id") for group in data["groups"]}) < len(data["groups"]):
        faults.append("groups: an id stands there more than once")
    if faults:
        raise AnnotationError(path, faults)
    return data["groups"]


@DATASETS.register_module()
class MpiiDataset(CocoPoseDataset):
    """People of MPII to train on.

    MPII annotates some of the people of an image, and some of them by a position alone. What is not
    known to be background goes into the sample's ``ignore`` mask: people with fewer than
    ``min_keypoints`` (in place of being learnt), and all that lies farther than ``reach`` from
    everybody annotated, where others may stand.

    Args:
        ann_file: the json file.
        img_dir: folder that the file names in it are relative to.
        data_root: put before ``ann_file`` and ``img_dir`` where these are relative.
        regions: ``'image'`` takes whole images, ``'group'`` a crop for each group with somebody to learn
            from, made as in testing.
        margin: of a group's crop around its rectangle, in heights of a person.
        min_keypoints: people with fewer are ignored.
        reach: in heights of each person, how far around a body others would have been annotated; None
            takes unlabelled regions for background.
        skeleton: the keypoint set.
        pipeline: transforms.
        test_mode: evaluation: all images take part, also those without people.
        on_unreadable: see :class:`SampleDataset`.

    Raises:
        AnnotationError: listing every fault of the file.
    """

    def __init__(
        self,
        ann_file: str,
        img_dir: str,
        data_root: str = "",
        regions: str = "image",
        margin: float = 0.75,
        min_keypoints: int = 4,
        reach: float | None = 1.0,
        skeleton: str | Mapping[str, Any] | Skeleton = "mpii",
        pipeline: Sequence[Mapping[str, Any] | Callable] = (),
        test_mode: bool = False,
        on_unreadable: str = "error",
    ) -> None:
        if regions not in ("image", "group"):
            raise ValueError(f"regions must be 'image' or 'group', got {regions!r}")
        super().__init__(ann_file, img_dir, data_root, skeleton, pipeline, test_mode, on_unreadable=on_unreadable)
        self.margin, self.reach = margin, reach
        few = max(1, min_keypoints)
        self._people = [
            [
                p if p.get("iscrowd") or _count(p) >= few else {**p, **_as_region(_whole_body(p)), "iscrowd": 1}
                for p in people
            ]
            for people in self._people
        ]
        self._regions = self._group_regions() if regions == "group" else self._image_regions()
        if not self._regions:
            raise AnnotationError(self.ann_file, [f"nobody in it has min_keypoints={min_keypoints} keypoints or more"])

    def _image_regions(self) -> list[tuple[int, dict[str, Any] | None]]:
        """Every image that has somebody to learn from; in evaluation every image."""
        known = [any(not person.get("iscrowd") for person in people) for people in self._people]
        return [(i, None) for i, some in enumerate(known) if some or self.test_mode]

    def _group_regions(self) -> list[tuple[int, dict[str, Any] | None]]:
        """Image and entry of every group that has somebody to learn from."""
        groups = read_groups(self.ann_file, read_json(self.ann_file, ("images", "groups")))
        place = {image["id"]: i for i, image in enumerate(self._images)}
        known = {
            key for people in self._people for p in people if not p.get("iscrowd") for key in p.get("group_ids", ())
        }
        return [(place[group["image_id"]], group) for group in groups if group["id"] in known]

    def __len__(self) -> int:
        """Number of images, or of groups."""
        return len(self._regions)

    def load(self, index: int) -> Sample:
        """Image or crop, the people to learn from, and the ignore mask of the rest."""
        place, group = self._regions[index]
        sample = super().load(place)
        if self.reach is not None and self._people[place]:
            within = np.zeros(sample.image_size, bool)
            for person in self._people[place]:
                body = _whole_body(person)
                grow = self.reach * (body[3] - body[1])
                near = _as_region(body + grow * np.array([-1, -1, 1, 1]))
                within |= segmentation_mask(near, sample.image_size)
            assert sample.ignore is not None
            sample.ignore |= ~within
        if group is None:
            return sample
        box = group_box(group["rectangle"], group["scale"], self.margin, sample.image_size)
        return replace(crop_sample(sample, box), image_id=group["id"])


@DATASETS.register_module()
class MpiiGroupDataset(SampleDataset):
    """Groups of MPII to test on: a crop for each, and nothing else of the annotations.

    A sample's ``image_id`` is the group's id. Predictions come back in pixels of the whole image.

    Args:
        ann_file: the json file; ``images`` and ``groups`` of it are read.
        img_dir: folder that the file names in it are relative to.
        data_root: put before ``ann_file`` and ``img_dir`` where these are relative.
        margin: of the crop around a group's rectangle, in heights of a person. Within 0.75 lie all
            keypoints of 98 % of the people of the 350 validation groups.
        skeleton: the keypoint set of the predictions.
        pipeline: transforms.
        keep_original: samples carry the whole image along, for what corrects instances after decoding.

    Raises:
        AnnotationError: listing every fault of the file.
    """

    def __init__(
        self,
        ann_file: str,
        img_dir: str,
        data_root: str = "",
        margin: float = 0.75,
        skeleton: str | Mapping[str, Any] | Skeleton = "mpii",
        pipeline: Sequence[Mapping[str, Any] | Callable] = (),
        keep_original: bool = False,
    ) -> None:
        super().__init__(pipeline, skeleton, test_mode=True)
        self.ann_file, self.img_dir = os.path.join(data_root, ann_file), os.path.join(data_root, img_dir)
        self.margin, self.keep_original = margin, keep_original
        data = read_json(self.ann_file, ("images", "groups"))
        if faults := image_faults(data["images"], self.img_dir):
            raise AnnotationError(self.ann_file, faults)
        self._groups = read_groups(self.ann_file, data)
        self._files = {image["id"]: image["file_name"] for image in data["images"]}

    def __len__(self) -> int:
        """Number of groups."""
        return len(self._groups)

    @property
    def metainfo(self) -> dict[str, Any]:
        """Skeleton, and the annotation file that results are measured against."""
        return {**super().metainfo, "ann_file": self.ann_file}

    def load(self, index: int) -> Sample:
        """The crop of one group."""
        group = self._groups[index]
        image = load_image(os.path.join(self.img_dir, self._files[group["image_id"]]))
        original = image if self.keep_original else None
        sample = Sample(image, group["id"], image.shape[:2], original=original, skeleton=self.skeleton)
        return crop_sample(sample, group_box(group["rectangle"], group["scale"], self.margin, sample.image_size))
