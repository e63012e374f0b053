"""The people of a COCO-format keypoint file one by one, for networks that look at a single person."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from aemm.datasets.coco_pose import CocoPoseDataset
from aemm.formats.files import AnnotationError
from aemm.ops.orientation import Exif
from aemm.records import Truth
from aemm.registry import DATASETS
from aemm.skeletons import Skeleton
from aemm.structures import Sample


@DATASETS.register_module()
class SinglePersonDataset(CocoPoseDataset):
    """One sample for each annotated person, with the whole image; ``PersonCrop`` cuts the person out.

    A sample goes by its annotation's id. For evaluation every person counts as an image of its own, so
    that :class:`~aemm.evaluation.CocoMetric` measures AP of single people whose boxes are known.

    Args:
        ann_file: the json file, or a list of them.
        img_dir: folder that the file names in it are relative to; for several files one folder, or one for each.
        data_root: put before ``ann_file`` and ``img_dir`` where these are relative.
        min_keypoints: people with fewer annotated keypoints are left out.
        skeleton: the keypoint set.
        pipeline: transforms.
        test_mode: the samples are evaluated, so each carries its truth.
        on_unreadable: see :class:`~aemm.datasets.base.SampleDataset`.
        exif: see :class:`~aemm.datasets.coco_pose.CocoPoseDataset`.
        allow_outside: see there.

    Raises:
        AnnotationError: listing every fault of the file, or if nobody in it has enough keypoints.
    """

    def __init__(
        self,
        ann_file: str | Sequence[str],
        img_dir: str | Sequence[str],
        data_root: str = "",
        min_keypoints: int = 1,
        skeleton: str | Mapping[str, Any] | Skeleton = "coco",
        pipeline: Sequence[Mapping[str, Any] | Callable] = (),
        test_mode: bool = False,
        on_unreadable: str = "error",
        exif: Exif | None = None,
        allow_outside: bool = False,
    ) -> None:
        super().__init__(
            ann_file,
            img_dir,
            data_root,
            skeleton,
            pipeline,
            test_mode,
            images="with_keypoints",
            on_unreadable=on_unreadable,
            exif=exif,
            allow_outside=allow_outside,
        )
        least = max(1, min_keypoints)
        count = (self.file.visible > 0).sum(1)
        places = self._places.tolist()
        self._people = [(i, row) for i in places for row in self.learnt(i).tolist() if count[row] >= least]
        if not self._people:
            raise AnnotationError(self.ann_file, [f"nobody in it has {least} keypoints with visibility 1 or 2"])

    def __len__(self) -> int:
        """Number of people."""
        return len(self._people)

    def load(self, index: int) -> Sample:
        """The image with one person's keypoints; everything else in it is background."""
        i, row = self._people[index]
        entry = self.file.images[i]
        return Sample(
            image=entry.load(),
            image_id=self.file.ids[row],
            image_size=entry.size,
            keypoints=self.file.keypoints[row : row + 1].astype(np.float32),
            visible=self.file.visible[row : row + 1].astype(np.int64),
            labels=np.zeros(1, np.int64),
            skeleton=self.keypoint_set,
            truth=self._truth(i, row) if self.test_mode else None,
        )

    def truth(self, index: int) -> Truth:
        """What is known of a person, whose image is not read."""
        return self._truth(*self._people[index])

    def _truth(self, i: int, row: int) -> Truth:
        """What is known of one person alone."""
        whole, n = self.file.truth(i), row - self.file.rows(i).start
        alone = {name: value[n : n + 1] for name in _PER_PERSON if (value := getattr(whole, name)) is not None}
        return replace(whole, image_id=self.file.ids[row], **alone)


_PER_PERSON = ("keypoints", "visible", "labels", "area", "boxes", "crowd", "head_sizes")
