"""PASCAL VOC's instances as a data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aemm.datasets.base import SampleDataset
from aemm.formats.classes import VOC_CLASSES
from aemm.formats.image import load_annotated_image
from aemm.formats.voc import VocFiles
from aemm.ops.masks import encode_mask, encode_masks
from aemm.ops.orientation import Exif
from aemm.records import DatasetInfo, Truth
from aemm.registry import DATASETS
from aemm.structures import Sample


@DATASETS.register_module()
class VocInstanceDataset(SampleDataset):
    """PASCAL VOC 2012 segmentation: images of a list, their instances, and void pixels to ignore.

    Masks are ``SegmentationObject`` PNGs, each with its ``SegmentationClass``. With ``sbd_dir``, images that
    have none are taken from SBD's mat files. All faults of the list and of the files' headers are
    reported together.

    Args:
        data_root: the folder VOC2012.
        image_sets: lists of image names, one a line, relative to ``data_root``; an image in two counts once.
        exclude: lists of images to leave out: for SBD's list, VOC's val.
        sbd_dir: SBD's folder ``inst`` of mat files; None = VOC's own masks alone.
        with_classes: False where there are no SegmentationClass images: then every instance is of the one
            class 'object'.
        pipeline: transforms.
        test_mode: the samples are evaluated, so each carries its truth.
        on_unreadable: see :class:`SampleDataset`.
        exif: see :class:`~aemm.datasets.coco_pose.CocoPoseDataset`.

    Raises:
        FileNotFoundError: there is no such list.
        AnnotationError: listing every fault.

    Reference: Everingham et al., The PASCAL visual object classes challenge: a retrospective (IJCV 2015).
    """

    def __init__(
        self,
        data_root: str,
        image_sets: Sequence[str] = ("ImageSets/Segmentation/train.txt",),
        exclude: Sequence[str] = (),
        sbd_dir: str | None = None,
        with_classes: bool = True,
        pipeline: Sequence[Mapping[str, Any] | Callable] = (),
        test_mode: bool = False,
        on_unreadable: str = "error",
        exif: Exif | None = None,
    ) -> None:
        super().__init__(pipeline, None, test_mode, on_unreadable)
        self.exif = exif
        self.classes = VOC_CLASSES if with_classes else ("object",)
        self.files = VocFiles(data_root, image_sets, exclude, sbd_dir, with_classes)

    @property
    def parts(self) -> tuple[str, ...]:
        """The folder."""
        return (self.files.data_root,)

    def __len__(self) -> int:
        """Number of images."""
        return len(self.files.names)

    @property
    def metainfo(self) -> DatasetInfo:
        """The classes; VOC counts them from 1."""
        return DatasetInfo("VOC", None, tuple(self.classes), tuple(range(1, len(self.classes) + 1)))

    def load(self, index: int) -> Sample:
        """Image, masks and the ignore mask of void pixels."""
        name = self.files.names[index]
        found = self.files.masks(name)
        size = (found.void.shape[0], found.void.shape[1])
        image = load_annotated_image(self.files.image(name), size, f"the mask of {name}", self.exif)
        sample = Sample(image, name, size, masks=found.masks, labels=found.labels, ignore=found.void)
        if self.test_mode:
            masks, void = encode_masks(found.masks), encode_mask(found.void)
            sample.truth = Truth(name, size, self.files.data_root, masks=masks, labels=found.labels, void=void)
        return sample
