"""The people of a COCO-format keypoint file one by one, for networks that look at a single person."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import mmengine

from aemm.datasets.coco_annotations import AnnotationError
from aemm.datasets.coco_pose import CocoPoseDataset
from aemm.registry import DATASETS
from aemm.skeletons import Skeleton
from aemm.structures import Sample


@DATASETS.register_module()
class SinglePersonDataset(CocoPoseDataset):
    """One sample for each annotated person, with the whole image; ``PersonCrop`` cuts the person out.

    A sample goes by its annotation's id. For evaluation every person counts as an image of its own, so
    that :class:`~aemm.evaluation.CocoMetric` measures AP of single people whose boxes are known.

    Args:
        ann_file: the json file.
        img_dir: folder that the file names in it are relative to.
        data_root: put before ``ann_file`` and ``img_dir`` where these are relative.
        min_keypoints: people with fewer annotated keypoints are left out.
        skeleton: the keypoint set.
        pipeline: transforms.
        test_mode: the samples are evaluated, so ``metainfo`` carries the ground truth along.
        on_unreadable: see :class:`~aemm.datasets.base.SampleDataset`.

    Raises:
        AnnotationError: listing every fault of the file, or if nobody in it has enough keypoints.
    """

    def __init__(
        self,
        ann_file: str,
        img_dir: str,
        data_root: str = "",
        min_keypoints: int = 1,
        skeleton: str | Mapping[str, Any] | Skeleton = "coco",
        pipeline: Sequence[Mapping[str, Any] | Callable] = (),
        test_mode: bool = False,
        on_unreadable: str = "error",
    ) -> None:
        super().__init__(ann_file, img_dir, data_root, skeleton, pipeline, test_mode, True, on_unreadable)
        least = max(1, min_keypoints)
        self._rows = [  # (image, place among its people with keypoints, annotation)
            (index, place, person)
            for index, people in enumerate(self._people)
            for place, person in enumerate(filter(_has_keypoints, people))
            if _count(person) >= least
        ]
        if not self._rows:
            raise AnnotationError(self.ann_file, [f"nobody in it has {least} keypoints with visibility 1 or 2"])

    def __len__(self) -> int:
        """Number of people."""
        return len(self._rows)

    @property
    def metainfo(self) -> dict[str, Any]:
        """Skeleton, and in test mode the ground truth with an image for each person."""
        meta = {"skeleton": self.keypoint_set.to_dict()}
        return {**meta, "annotations": self._ground_truth()} if self.test_mode else meta

    def load(self, index: int) -> Sample:
        """The image with one person's keypoints; everything else in it is background."""
        image, place, person = self._rows[index]
        sample = super().load(image)
        assert sample.keypoints is not None
        assert sample.visible is not None
        assert sample.labels is not None
        row = slice(place, place + 1)
        return replace(
            sample,
            image_id=person["id"],
            keypoints=sample.keypoints[row],
            visible=sample.visible[row],
            labels=sample.labels[row],
            ignore=None,
        )

    def _ground_truth(self) -> dict[str, Any]:
        images, annotations = [], []
        for index, _, person in self._rows:
            images.append({**self._images[index], "id": person["id"]})
            annotations.append({**person, "image_id": person["id"]})
        return dict(images=images, annotations=annotations, categories=mmengine.load(self.ann_file)["categories"])


def _count(person: Mapping[str, Any]) -> int:
    return sum(v > 0 for v in person["keypoints"][2::3])


def _has_keypoints(person: Mapping[str, Any]) -> bool:
    return not person.get("iscrowd") and _count(person) > 0
