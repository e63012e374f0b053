"""PASCAL VOC's instance masks, from its palette PNGs and from SBD's mat files."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import mmcv
import mmengine.fileio as fileio
import numpy as np
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from aemm.datasets.base import SampleDataset
from aemm.datasets.classes import VOC_CLASSES
from aemm.datasets.coco_annotations import AnnotationError
from aemm.datasets.instance_annotations import describe_masks
from aemm.formats import UnreadableImageError, load_image
from aemm.ops.masks import encode_mask
from aemm.registry import DATASETS
from aemm.structures import Sample

VOID = 255
_PNG = b"\x89PNG\r\n\x1a\n"
_INDEXED = {0: "grey", 3: "palette"}  # PNG colour types whose pixels are single numbers
_OTHER = {2: "RGB", 4: "grey with alpha", 6: "RGBA"}


class VocMasks(NamedTuple):
    """The instances of one image.

    Attributes:
        masks: ``(N, H, W) bool``.
        labels: ``(N,) int64``.
        void: ``(H, W) bool``: borders and whatever belongs to no class.
    """

    masks: np.ndarray
    labels: np.ndarray
    void: np.ndarray


def read_indices(path: str) -> np.ndarray:
    """The numbers ``(H, W) uint8`` that a palette PNG stores, not the colours they are shown in.

    Raises:
        UnreadableImageError: the file is missing, or stores colours.
    """
    try:
        data = fileio.get(path)
    except OSError as error:
        raise UnreadableImageError(f"mask {path} cannot be opened: {error}") from error
    if fault := _header_fault(path, data):
        raise UnreadableImageError(fault)
    try:
        return mmcv.imfrombytes(data, flag="unchanged", backend="pillow")
    except (OSError, SyntaxError, ValueError) as error:
        raise UnreadableImageError(f"mask {path} cannot be decoded ({len(data)} bytes)") from error


def _header_fault(path: str, data: bytes) -> str | None:
    """Why a PNG cannot hold instance numbers, from its first 26 bytes."""
    if data[:8] != _PNG or len(data) < 26:
        return f"mask {path} is no PNG"
    kind = data[25]
    if kind not in _INDEXED:
        return (
            f"mask {path} stores {_OTHER.get(kind, 'unknown')} colours, expected a palette PNG of instance or class "
            "numbers; it was probably converted, take the original file"
        )
    return None


def _header_size(data: bytes) -> tuple[int, int]:
    """Height and width from the header of a PNG."""
    return int.from_bytes(data[20:24], "big"), int.from_bytes(data[16:20], "big")


def split_instances(objects: np.ndarray, classes: np.ndarray | None = None) -> VocMasks:
    """Masks and labels from the two index images of VOC.

    Args:
        objects: ``(H, W)`` of SegmentationObject: 0 background, 255 void, else the instance's number.
        classes: ``(H, W)`` of SegmentationClass: 0 background, 255 void, else the class counted from 1. An
            instance has the class of most of its pixels. None: every instance is of class 0.

    Raises:
        ValueError: an instance lies on no class, or the two have different sizes.
    """
    if classes is not None and classes.shape != objects.shape:
        raise ValueError(f"SegmentationObject is {objects.shape}, but SegmentationClass {classes.shape}")
    numbers = np.setdiff1d(objects, [0, VOID])
    masks = objects == numbers[:, None, None]
    labels = np.zeros(len(numbers), np.int64)
    if classes is not None:
        for n, mask in enumerate(masks):
            count = np.bincount(classes[mask], minlength=256)
            count[[0, VOID]] = 0
            if not count.any():
                raise ValueError(f"instance {numbers[n]} of SegmentationObject lies on no class in SegmentationClass")
            labels[n] = count.argmax() - 1
    return VocMasks(masks, labels, objects == VOID)


def read_sbd(path: str) -> VocMasks:
    """Instances of a mat file of the Semantic Boundaries Dataset (``inst/*.mat``).

    Raises:
        UnreadableImageError: the file is missing, or holds no GTinst.

    Reference: Hariharan et al., Semantic contours from inverse detectors (ICCV 2011).
    """
    try:
        with fileio.get_local_path(path) as local:
            truth = loadmat(local, squeeze_me=True, struct_as_record=False)["GTinst"]
        objects, categories = np.asarray(truth.Segmentation), np.atleast_1d(truth.Categories)
    except (OSError, KeyError, ValueError, AttributeError, MatReadError) as error:
        raise UnreadableImageError(f"{path} is no instance file of SBD (a struct GTinst): {error}") from error
    numbers = np.setdiff1d(objects, [0, VOID])
    if len(numbers) and numbers.max() > len(categories):
        raise UnreadableImageError(f"{path} has an instance {numbers.max()}, but {len(categories)} categories")
    masks = objects == numbers[:, None, None]
    return VocMasks(masks, categories[numbers.astype(int) - 1].astype(np.int64) - 1, objects == VOID)


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
        test_mode: ``metainfo['annotations']`` carries the ground truth in COCO's format.
        on_unreadable: see :class:`SampleDataset`.

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
    ) -> None:
        super().__init__(pipeline, None, test_mode, on_unreadable)
        if isinstance(image_sets, str) or isinstance(exclude, str):
            raise ValueError(f"image_sets and exclude must be lists of files, got {image_sets!r} and {exclude!r}")
        self.data_root, self.sbd_dir, self.with_classes = data_root, sbd_dir, with_classes
        self.classes = VOC_CLASSES if with_classes else ("object",)
        left_out = {name for path in exclude for name in self._names(path)}
        listed = dict.fromkeys(name for path in image_sets for name in self._names(path))
        self._image_names = [name for name in listed if name not in left_out]
        faults = [fault for name in self._image_names for fault in self._faults(name)]
        if not self._image_names:
            faults.append(f"the lists {list(image_sets)} leave no image")
        if faults:
            raise AnnotationError(data_root, faults)
        self._annotations: dict[str, Any] | None = None

    def _names(self, path: str) -> list[str]:
        path = os.path.join(self.data_root, path)
        if not fileio.exists(path):
            raise FileNotFoundError(f"image list {path} does not exist; set data_root and image_sets")
        return [line.split()[0] for line in fileio.get_text(path).splitlines() if line.strip()]

    def _path(self, folder: str, name: str, ending: str = ".png") -> str:
        return os.path.join(self.data_root, folder, name + ending)

    def _sbd_path(self, name: str) -> str | None:
        """The mat file of an image that has no mask of VOC's own."""
        if self.sbd_dir is None or os.path.exists(self._path("SegmentationObject", name)):
            return None
        return os.path.join(self.data_root, self.sbd_dir, name + ".mat")

    def _faults(self, name: str) -> list[str]:
        """What is wrong with the files of one image, as far as names and headers tell."""
        image, sbd = self._path("JPEGImages", name, ".jpg"), self._sbd_path(name)
        faults = [] if os.path.exists(image) else [f"{name}: {image} is missing"]
        if sbd is not None:
            return faults if os.path.exists(sbd) else [*faults, f"{name}: neither VOC nor {self.sbd_dir} has its masks"]
        sizes = {}
        for folder in ("SegmentationObject", "SegmentationClass") if self.with_classes else ("SegmentationObject",):
            path = self._path(folder, name)
            if not os.path.exists(path):
                hint = "; with_classes=False does without" if folder == "SegmentationClass" else ""
                faults.append(f"{name}: {path} is missing{hint}")
                continue
            with open(path, "rb") as file:
                header = file.read(26)
            if fault := _header_fault(path, header):
                faults.append(f"{name}: {fault}")
            else:
                sizes[folder] = _header_size(header)
        if len(set(sizes.values())) > 1:
            faults.append(f"{name}: its two masks differ in size (height, width): {sizes}")
        return faults

    def __len__(self) -> int:
        """Number of images."""
        return len(self._image_names)

    def read_masks(self, index: int) -> VocMasks:
        """Masks, labels and void of an image, without the image.

        Raises:
            UnreadableImageError: a file is missing or broken.
        """
        name = self._image_names[index]
        if sbd := self._sbd_path(name):
            found = read_sbd(sbd)
            return found if self.with_classes else found._replace(labels=np.zeros_like(found.labels))
        objects = read_indices(self._path("SegmentationObject", name))
        classes = read_indices(self._path("SegmentationClass", name)) if self.with_classes else None
        try:
            return split_instances(objects, classes)
        except ValueError as error:
            raise UnreadableImageError(f"{name}: {error}") from error

    def load(self, index: int) -> Sample:
        """Image, masks and the ignore mask of void pixels."""
        name = self._image_names[index]
        image, found = load_image(self._path("JPEGImages", name, ".jpg")), self.read_masks(index)
        if found.void.shape != image.shape[:2]:
            raise UnreadableImageError(f"{name}: its image is {image.shape[:2]}, but its masks are {found.void.shape}")
        return Sample(
            image=image,
            image_id=name,
            image_size=image.shape[:2],
            masks=found.masks,
            labels=found.labels,
            ignore=found.void,
        )

    @property
    def metainfo(self) -> dict[str, Any]:
        """Classes and, in test mode, the ground truth; it is read once, when first asked for."""
        known: dict[str, Any] = dict(classes=list(self.classes), category_ids=list(range(1, len(self.classes) + 1)))
        if self.test_mode:
            known["annotations"] = self.coco_annotations()
        return {**super().metainfo, **known}

    def coco_annotations(self) -> dict[str, Any]:
        """The ground truth in COCO's format; each image carries its void pixels as ``void``."""
        if self._annotations is None:
            images = []
            annotations: list[dict[str, Any]] = []
            for index, name in enumerate(self._image_names):
                found = self.read_masks(index)
                height, width = found.void.shape
                void = encode_mask(found.void)
                images.append(dict(id=name, file_name=f"{name}.jpg", height=height, width=width, void=void))
                annotations += describe_masks(found.masks, found.labels, name, len(annotations))
            names = [dict(id=label, name=name) for label, name in enumerate(self.classes, 1)]
            self._annotations = dict(images=images, annotations=annotations, categories=names)
        return self._annotations
