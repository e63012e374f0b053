"""Any COCO-format keypoint file as a data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from aemm.datasets.base import SampleDataset
from aemm.formats.categories import CategoryChoice
from aemm.formats.files import AnnotationError
from aemm.formats.keypoint_file import KeypointFile, read_keypoints
from aemm.formats.listed import list_sources
from aemm.formats.notices import log_notices
from aemm.ops.orientation import Exif
from aemm.records import DatasetInfo, Truth, check_choice
from aemm.registry import DATASETS
from aemm.skeletons import Skeleton
from aemm.structures import Sample

Images = Literal["all", "with_people", "with_keypoints"]


@DATASETS.register_module()
class CocoPoseDataset(SampleDataset):
    """Keypoints of all people of an image, from a file in COCO's keypoint format.

    People whom ``ignore`` names become the sample's mask of that name, by polygon, RLE, or box. The file
    is checked when it is loaded, and all its faults are reported together. Several files become one set, whose parts
    metrics tell apart. In evaluation a file without annotations is one whose labels are withheld.

    Args:
        ann_file: the json file, or a list of them.
        img_dir: folder that the file names in it are relative to; for several files one folder, or one for each.
        data_root: put before ``ann_file`` and ``img_dir`` where these are relative.
        skeleton: the keypoint set; None = COCO's.
        pipeline: transforms.
        test_mode: evaluation: all images take part, also those without people, and carry their truth.
        images: which take part: ``'all'``, those ``'with_people'``, crowds and people without keypoints
            included (HigherHRNet, mmpose), or those ``'with_keypoints'`` (the authors); None = all in
            evaluation, those with keypoints in training.
        on_unreadable: see :class:`SampleDataset`.
        category: name of the objects that are meant, where several in the file have keypoints; a list takes
            several as one kind.
        reorder_keypoints: bring the keypoints of the file into the skeleton's order by their names.
        area_per_box: take this share of its box for the area of a person for whom the file gives none
            (0.53 for CrowdPose); None = the file must give areas.
        ignore: who is not to count in the losses: any of 'crowd' and 'unlabelled', people without
            keypoints. HigherHRNet ignores both, the authors crowds alone, CrowdPose's recipes nobody.
        exif: 'apply' where annotations were made on images as viewers show them, 'ignore' where they were made on raw
            pixels; None = apply, and warn where sizes do not tell.
        allow_outside: file names in the annotation file may be absolute or lead out of ``img_dir``.

    Raises:
        AnnotationError: listing every fault of the file.
    """

    default_skeleton = "coco"
    moved_arguments: ClassVar[dict[str, str]] = {
        "only_with_keypoints": 'write images="with_keypoints" for True, images="all" for False (docs/upgrading.md)'
    }

    def __init__(
        self,
        ann_file: str | Sequence[str],
        img_dir: str | Sequence[str],
        data_root: str = "",
        skeleton: str | Mapping[str, Any] | Skeleton | None = None,
        pipeline: Sequence[Mapping[str, Any] | Callable] = (),
        test_mode: bool = False,
        images: Images | None = None,
        on_unreadable: str = "error",
        category: str | Sequence[str] | None = None,
        reorder_keypoints: bool = False,
        area_per_box: float | None = None,
        ignore: Sequence[str] = ("crowd", "unlabelled"),
        exif: Exif | None = None,
        allow_outside: bool = False,
    ) -> None:
        super().__init__(pipeline, skeleton or self.default_skeleton, test_mode, on_unreadable)
        if isinstance(ignore, str) or set(ignore) - {"crowd", "unlabelled"}:
            raise ValueError(f"ignore must list any of 'crowd' and 'unlabelled', got {ignore!r}")
        self.ignore = tuple(ignore)
        self.sources = list_sources(ann_file, img_dir, data_root, exif, allow_outside)
        self.ann_file = ", ".join(source.path for source in self.sources)
        choice = CategoryChoice(category, reorder_keypoints)
        self.file = self.read(choice, area_per_box)
        self._places = self._taking_part(images or ("all" if test_mode else "with_keypoints"))
        if not len(self._places) or not (test_mode or self.file.annotated.any()):
            fault = "nobody in it has a keypoint with visibility 1 or 2, so there is nothing to learn from"
            raise AnnotationError(self.ann_file, ["; ".join([fault, *(notice.text for notice in self.file.notices)])])
        log_notices(self.ann_file, self.file.summary(self._places.tolist()), self.file.notices)

    def read(self, choice: CategoryChoice, area_per_box: float | None) -> KeypointFile:
        """The annotation files, checked."""
        return read_keypoints(self.sources, self.keypoint_set, choice, area_per_box, needs_people=not self.test_mode)

    def _taking_part(self, images: Images) -> np.ndarray:
        """The images of the file that are samples."""
        check_choice("images", images, Images)
        if images == "all":
            return np.arange(len(self.file.images))
        counts = self.file.annotated if images == "with_keypoints" else np.ones(len(self.file.crowd), bool)
        return np.flatnonzero([counts[self.file.rows(i)].any() for i in range(len(self.file.images))])

    @property
    def parts(self) -> tuple[str, ...]:
        """The annotation files."""
        return tuple(source.path for source in self.sources)

    @property
    def annotation_file(self) -> KeypointFile:
        """What the annotation files say."""
        return self.file

    def __len__(self) -> int:
        """Number of images."""
        return len(self._places)

    @property
    def metainfo(self) -> DatasetInfo:
        """Keypoint set and category of the file."""
        return self.file.info

    def load(self, index: int) -> Sample:
        """Image, keypoints of everybody who has some, and the ignore mask of the rest."""
        return self.load_image_of(int(self._places[index]))

    def truth(self, index: int) -> Truth:
        """What is known of an image, which is not read."""
        return self.file.truth(int(self._places[index]))

    def load_image_of(self, i: int) -> Sample:
        """The sample of image ``i`` of the file."""
        entry = self.file.images[i]
        image = entry.load()
        known = self.learnt(i)
        return Sample(
            image=image,
            image_id=entry.image_id,
            image_size=entry.size,
            keypoints=self.file.keypoints[known].astype(np.float32),
            visible=self.file.visible[known].astype(np.int64),
            labels=np.zeros(len(known), np.int64),
            ignore=None if self.test_mode else self.ignored(i),
            skeleton=self.keypoint_set,
            truth=self.file.truth(i) if self.test_mode else None,
        )

    def learnt(self, i: int) -> np.ndarray:
        """The annotations of image ``i`` to learn from, as rows of the file's arrays."""
        rows = self.file.rows(i)
        return rows.start + np.flatnonzero(self.file.annotated[rows])

    def ignored(self, i: int) -> np.ndarray:
        """Where image ``i`` shows what is neither learnt nor background, ``(H, W) bool``."""
        rows = self.file.rows(i)
        left = rows.start + np.flatnonzero(~self.file.annotated[rows])
        counts = [row for row in left if ("crowd" if self.file.crowd[row] else "unlabelled") in self.ignore]
        return self.file.region(counts, self.file.images[i].size)
