"""Any COCO-format keypoint file as a data set."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from aemm.datasets.base import SampleDataset
from aemm.datasets.coco_annotations import AnnotationError, check_keypoint_file, read_json, segmentation_mask
from aemm.formats import UnreadableImageError, load_image
from aemm.registry import DATASETS
from aemm.skeletons import Skeleton
from aemm.structures import Sample


@DATASETS.register_module()
class CocoPoseDataset(SampleDataset):
    """Keypoints of all people of an image, from a file in COCO's keypoint format.

    People whom ``ignore`` names become the sample's mask of that name, by polygon, RLE, or box. The file
    is checked when it is loaded, and all its faults are reported together.

    Args:
        ann_file: the json file.
        img_dir: folder that the file names in it are relative to.
        data_root: put before ``ann_file`` and ``img_dir`` where these are relative.
        skeleton: the keypoint set.
        pipeline: transforms.
        test_mode: evaluation: all images take part, also those without people.
        only_with_keypoints: leave out images in which nobody has keypoints; by default in training only.
        on_unreadable: see :class:`SampleDataset`.
        ignore: who is not to count in the losses: any of 'crowd' and 'unlabelled', people without
            keypoints. HigherHRNet ignores both, the authors crowds alone, CrowdPose's recipes nobody.

    Raises:
        AnnotationError: listing every fault of the file.
    """

    def __init__(
        self,
        ann_file: str,
        img_dir: str,
        data_root: str = "",
        skeleton: str | Mapping[str, Any] | Skeleton = "coco",
        pipeline: Sequence[Mapping[str, Any] | Callable] = (),
        test_mode: bool = False,
        only_with_keypoints: bool | None = None,
        on_unreadable: str = "error",
        ignore: Sequence[str] = ("crowd", "unlabelled"),
    ) -> None:
        super().__init__(pipeline, skeleton, test_mode, on_unreadable)
        if isinstance(ignore, str) or set(ignore) - {"crowd", "unlabelled"}:
            raise ValueError(f"ignore must list any of 'crowd' and 'unlabelled', got {ignore!r}")
        self.ignore = tuple(ignore)
        self.ann_file, self.img_dir = os.path.join(data_root, ann_file), os.path.join(data_root, img_dir)
        data = self.read()
        check_keypoint_file(self.ann_file, data, self.keypoint_set, self.img_dir)
        skeletal = {category["id"] for category in data["categories"] if category.get("keypoints")}
        people: dict[Any, list[dict[str, Any]]] = {image["id"]: [] for image in data["images"]}
        for annotation in data["annotations"]:
            if annotation["category_id"] in skeletal:
                people[annotation["image_id"]].append(annotation)
        drop_empty = not test_mode if only_with_keypoints is None else only_with_keypoints
        self._images = [i for i in data["images"] if not drop_empty or any(map(_annotated, people[i["id"]]))]
        if not self._images:
            fault = "nobody in it has a keypoint with visibility 1 or 2, so there is nothing to learn from"
            raise AnnotationError(self.ann_file, [fault])
        self._people = [people[image["id"]] for image in self._images]

    def read(self) -> dict[str, Any]:
        """The annotation file as it is checked."""
        return read_json(self.ann_file, ("images", "annotations", "categories"))

    def __len__(self) -> int:
        """Number of images."""
        return len(self._images)

    @property
    def metainfo(self) -> dict[str, Any]:
        """Skeleton, and the annotation file that results are measured against."""
        return {**super().metainfo, "ann_file": self.ann_file}

    def load(self, index: int) -> Sample:
        """Image, keypoints of everybody who has some, and the ignore mask of the rest."""
        info, people = self._images[index], self._people[index]
        path = os.path.join(self.img_dir, info["file_name"])
        image = load_image(path)
        size = image.shape[:2]
        if size != (info["height"], info["width"]):
            raise UnreadableImageError(
                f"image {path} is {size[1]}x{size[0]}, but {self.ann_file} says {info['width']}x{info['height']}; "
                "the file was replaced, resized or turned by its EXIF orientation"
            )
        ignore = np.zeros(size, bool)
        for person in people:
            kind = "crowd" if person.get("iscrowd") else "unlabelled"
            if kind in self.ignore and not _annotated(person):
                ignore |= segmentation_mask(person, size)
        known = [person for person in people if _annotated(person)]
        points = np.array([p["keypoints"] for p in known], np.float32).reshape(len(known), len(self.keypoint_set), 3)
        return Sample(
            image=image,
            image_id=info["id"],
            image_size=size,
            keypoints=points[..., :2],
            visible=points[..., 2].astype(np.int64),
            labels=np.zeros(len(known), np.int64),
            ignore=ignore,
            skeleton=self.keypoint_set,
        )


def _annotated(person: Mapping[str, Any]) -> bool:
    """Whether a person has keypoints of its own to learn from."""
    return not person.get("iscrowd") and any(person["keypoints"][2::3])
