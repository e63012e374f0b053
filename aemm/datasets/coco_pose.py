"""Any COCO-format keypoint file as a data set."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from aemm.datasets.base import SampleDataset
from aemm.formats.coco import ImageEntry, KeypointFile, read_keypoints
from aemm.formats.coco_checks import CategoryChoice
from aemm.formats.files import AnnotationError
from aemm.formats.image import UnreadableImageError, load_image
from aemm.records import DatasetInfo, check_choice
from aemm.registry import DATASETS
from aemm.skeletons import Skeleton
from aemm.structures import Sample

Images = Literal["all", "with_people", "with_keypoints"]


def load_listed_image(folder: str, entry: ImageEntry, listed_in: str) -> np.ndarray:
    """The image of an entry ``(H, W, 3) uint8`` RGB, of the size that its file says.

    Args:
        folder: of the images.
        entry: of the image.
        listed_in: the file that says so, for the message.

    Raises:
        UnreadableImageError: it cannot be read, or has another size.
    """
    path = os.path.join(folder, entry.file_name)
    image = load_image(path)
    height, width = image.shape[:2]
    if (height, width) != entry.size:
        raise UnreadableImageError(
            f"image {path} is {width}x{height}, but {listed_in} says {entry.size[1]}x{entry.size[0]}; the file was "
            "replaced, resized or turned by its EXIF orientation"
        )
    return image


@DATASETS.register_module()
class CocoPoseDataset(SampleDataset):
    """Keypoints of all people of an image, from a file in COCO's keypoint format.

    People whom ``ignore`` names become the sample's mask of that name, by polygon, RLE, or box. The file
    is checked when it is loaded, and all its faults are reported together.

    Args:
        ann_file: the json file.
        img_dir: folder that the file names in it are relative to.
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

    Raises:
        AnnotationError: listing every fault of the file.
    """

    default_skeleton = "coco"

    def __init__(
        self,
        ann_file: str,
        img_dir: str,
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
    ) -> None:
        super().__init__(pipeline, skeleton or self.default_skeleton, test_mode, on_unreadable)
        if isinstance(ignore, str) or set(ignore) - {"crowd", "unlabelled"}:
            raise ValueError(f"ignore must list any of 'crowd' and 'unlabelled', got {ignore!r}")
        self.ignore = tuple(ignore)
        self.ann_file, self.img_dir = os.path.join(data_root, ann_file), os.path.join(data_root, img_dir)
        choice = CategoryChoice(category, reorder_keypoints)
        self.file = self.read(choice, area_per_box)
        self._places = self._taking_part(images or ("all" if test_mode else "with_keypoints"))
        if not self._places or not (test_mode or self.file.annotated.any()):
            fault = "nobody in it has a keypoint with visibility 1 or 2, so there is nothing to learn from"
            raise AnnotationError(self.ann_file, [fault])

    def read(self, choice: CategoryChoice, area_per_box: float | None) -> KeypointFile:
        """The annotation file, checked."""
        return read_keypoints(self.ann_file, self.img_dir, self.keypoint_set, choice, area_per_box)

    def _taking_part(self, images: Images) -> list[int]:
        """The images of the file that are samples."""
        check_choice("images", images, Images)
        every = range(len(self.file.images))
        if images == "all":
            return list(every)
        counts = self.file.annotated if images == "with_keypoints" else np.ones(len(self.file.crowd), bool)
        return [i for i in every if counts[self.file.rows(i)].any()]

    def __len__(self) -> int:
        """Number of images."""
        return len(self._places)

    @property
    def metainfo(self) -> DatasetInfo:
        """Keypoint set and category of the file."""
        return self.file.info

    def load(self, index: int) -> Sample:
        """Image, keypoints of everybody who has some, and the ignore mask of the rest."""
        return self.load_image_of(self._places[index])

    def load_image_of(self, i: int) -> Sample:
        """The sample of image ``i`` of the file."""
        entry = self.file.images[i]
        image = load_listed_image(self.img_dir, entry, self.ann_file)
        known = self.learnt(i)
        return Sample(
            image=image,
            image_id=entry.image_id,
            image_size=entry.size,
            keypoints=self.file.keypoints[known].astype(np.float32),
            visible=self.file.visible[known].astype(np.int64),
            labels=np.zeros(len(known), np.int64),
            ignore=self.ignored(i),
            skeleton=self.keypoint_set,
            truth=self.file.truth(i) if self.test_mode else None,
        )

    def learnt(self, i: int) -> np.ndarray:
        """The annotations of image ``i`` to learn from, as rows of the file's arrays."""
        rows = self.file.rows(i)
        return rows.start + np.flatnonzero(self.file.annotated[rows])

    def ignored(self, i: int) -> np.ndarray:
        """Where image ``i`` shows what is neither learnt nor background, ``(H, W) bool``."""
        size, rows = self.file.images[i].size, self.file.rows(i)
        ignore = np.zeros(size, bool)
        for row in rows.start + np.flatnonzero(~self.file.annotated[rows]):
            if ("crowd" if self.file.crowd[row] else "unlabelled") in self.ignore:
                ignore |= self.file.region(row, size)
        return ignore
