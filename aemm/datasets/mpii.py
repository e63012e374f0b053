"""MPII multi-person: whole images or groups to train on, groups to test on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from aemm.datasets.base import SampleDataset
from aemm.datasets.coco_pose import CocoPoseDataset
from aemm.datasets.transforms.geometric import crop_sample
from aemm.formats.categories import CategoryChoice
from aemm.formats.files import AnnotationError
from aemm.formats.keypoint_file import KeypointFile
from aemm.formats.listed import list_sources, only_source
from aemm.formats.mpii import GroupEntry, read_mpii
from aemm.ops.boxes import body_box, box_mask, group_box
from aemm.ops.orientation import Exif
from aemm.records import DatasetInfo, Truth
from aemm.registry import DATASETS
from aemm.skeletons import Skeleton
from aemm.structures import Sample


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
        exif: see :class:`~aemm.datasets.coco_pose.CocoPoseDataset`.
        allow_outside: see there.

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
        exif: Exif | None = None,
        allow_outside: bool = False,
    ) -> None:
        if regions not in ("image", "group"):
            raise ValueError(f"regions must be 'image' or 'group', got {regions!r}")
        self.by_group = regions == "group"
        self.margin = margin
        self.reach = reach
        super().__init__(
            ann_file,
            img_dir,
            data_root,
            skeleton,
            pipeline,
            test_mode,
            on_unreadable=on_unreadable,
            exif=exif,
            allow_outside=allow_outside,
        )
        enough = (self.file.visible > 0).sum(1) >= max(1, min_keypoints)
        self._learnt = ~self.file.crowd & enough
        self._regions = self._group_regions() if self.by_group else self._image_regions()
        if not self._regions:
            raise AnnotationError(self.ann_file, [f"nobody in it has min_keypoints={min_keypoints} keypoints or more"])

    def read(self, choice: CategoryChoice, area_per_box: float | None) -> KeypointFile:
        """The people of the file, checked; groups and positions stay beside them."""
        source = only_source(self.sources, "MpiiDataset")
        self.mpii = read_mpii(source, self.keypoint_set, self.by_group, needs_people=True)
        return self.mpii.need_people()

    def _image_regions(self) -> list[tuple[int, GroupEntry | None]]:
        """Every image that has somebody to learn from; in evaluation every image."""
        return [(i, None) for i in self._places.tolist() if self.test_mode or self._learnt[self.file.rows(i)].any()]

    def _group_regions(self) -> list[tuple[int, GroupEntry | None]]:
        """Image and entry of every group that has somebody to learn from."""
        known = {key for row in np.flatnonzero(self._learnt).tolist() for key in self.mpii.members[row]}
        return [(entry.image, entry) for entry in self.mpii.groups if entry.group_id in known]

    def __len__(self) -> int:
        """Number of images, or of groups."""
        return len(self._regions)

    def learnt(self, i: int) -> np.ndarray:
        """The people of image ``i`` with enough keypoints."""
        rows = self.file.rows(i)
        return rows.start + np.flatnonzero(self._learnt[rows])

    def ignored(self, i: int) -> np.ndarray:
        """Crowds, people with too few keypoints, and what lies far from everybody annotated."""
        size, rows = self.file.images[i].size, self.file.rows(i)
        crowds = rows.start + np.flatnonzero(self.file.crowd[rows])
        ignore = self.file.region(crowds.tolist(), size)
        within = np.zeros(size, bool)
        for row in range(rows.start, rows.stop):
            body = self._whole_body(row)
            if not (self.file.crowd[row] or self._learnt[row]):
                ignore |= box_mask(body, size)
            if self.reach is not None:
                grow = self.reach * (body[3] - body[1])
                within |= box_mask(body + grow * np.array([-1, -1, 1, 1]), size)
        return ignore if self.reach is None or rows.start == rows.stop else ignore | ~within

    def _whole_body(self, row: int) -> np.ndarray:
        """All of a person, ``(4,)`` xyxy: the box of what is annotated, and where the rest must be."""
        box = self.file.boxes[row]
        position = self.mpii.positions[row]
        scale = self.mpii.scales[row]
        if np.isnan(position).any() or np.isnan(scale):
            return box
        body = body_box(position, float(scale))
        return np.concatenate([np.minimum(box[:2], body[:2]), np.maximum(box[2:], body[2:])])

    def truth(self, index: int) -> Truth:
        """What is known of an image, which is not read."""
        return self.file.truth(self._regions[index][0])

    def load(self, index: int) -> Sample:
        """Image or crop, the people to learn from, and the ignore mask of the rest."""
        i, entry = self._regions[index]
        sample = self.load_image_of(i)
        if entry is None:
            return sample
        box = group_box(entry.group.rectangle, entry.group.scale, self.margin, sample.image_size)
        return replace(crop_sample(sample, box), image_id=entry.group_id)


@DATASETS.register_module()
class MpiiGroupDataset(SampleDataset):
    """Groups of MPII to test on: a crop for each, and nothing else of the annotations.

    A sample's ``image_id`` is the group's id, its truth the group's people, or without them where the labels are
    withheld. Predictions come back in pixels of the whole image.

    Args:
        ann_file: the json file; ``images`` and ``groups`` of it are read.
        img_dir: folder that the file names in it are relative to.
        data_root: put before ``ann_file`` and ``img_dir`` where these are relative.
        margin: of the crop around a group's rectangle, in heights of a person. Within 0.75 lie all
            keypoints of 98 % of the people of the 350 validation groups.
        skeleton: the keypoint set of the predictions.
        pipeline: transforms.
        keep_original: samples carry the whole image along, for what corrects instances after decoding.
        exif: see :class:`~aemm.datasets.coco_pose.CocoPoseDataset`.
        allow_outside: see there.

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
        exif: Exif | None = None,
        allow_outside: bool = False,
    ) -> None:
        super().__init__(pipeline, skeleton, test_mode=True)
        self.margin, self.keep_original = margin, keep_original
        source = only_source(list_sources(ann_file, img_dir, data_root, exif, allow_outside), "MpiiGroupDataset")
        self.mpii = read_mpii(source, self.keypoint_set, needs_groups=True, needs_people=False)

    @property
    def parts(self) -> tuple[str, ...]:
        """The annotation file."""
        return (self.mpii.path,)

    @property
    def annotation_file(self) -> KeypointFile | None:
        """Everybody in the file."""
        return self.mpii.people

    def __len__(self) -> int:
        """Number of groups."""
        return len(self.mpii.groups)

    @property
    def metainfo(self) -> DatasetInfo:
        """The keypoint set."""
        return DatasetInfo("MPII groups", self.keypoint_set, ("person",), (1,))

    def truth(self, index: int) -> Truth:
        """What is known of a group, whose image is not read."""
        return self.mpii.truth(self.mpii.groups[index])

    def load(self, index: int) -> Sample:
        """The crop of one group."""
        entry = self.mpii.groups[index]
        image = self.mpii.images[entry.image].load()
        size = image.shape[:2]
        original = image if self.keep_original else None
        truth = self.mpii.truth(entry)
        sample = Sample(image, entry.group_id, size, original=original, skeleton=self.skeleton, truth=truth)
        return crop_sample(sample, group_box(entry.group.rectangle, entry.group.scale, self.margin, size))
