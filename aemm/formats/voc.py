"""PASCAL VOC's instance masks: palette PNGs, SBD's mat files, and lists of image names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

import mmcv
import mmengine.fileio as fileio
import numpy as np
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from aemm.formats.files import AnnotationError
from aemm.formats.image import UnreadableImageError

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


class VocFiles:
    """Where the images and masks of a VOC folder are; all faults of lists and headers are reported together.

    Args:
        data_root: the folder VOC2012.
        image_sets: lists of image names, one a line, relative to ``data_root``; an image in two counts once.
        exclude: lists of images to leave out.
        sbd_dir: SBD's folder ``inst`` of mat files; None = VOC's own masks alone.
        with_classes: False where there are no SegmentationClass images: then every instance is of class 0.

    Attributes:
        names: of the images.

    Raises:
        FileNotFoundError: there is no such list.
        AnnotationError: listing every fault.
    """

    def __init__(
        self,
        data_root: str,
        image_sets: Sequence[str],
        exclude: Sequence[str] = (),
        sbd_dir: str | None = None,
        with_classes: bool = True,
    ) -> None:
        if isinstance(image_sets, str) or isinstance(exclude, str):
            raise ValueError(f"image_sets and exclude must be lists of files, got {image_sets!r} and {exclude!r}")
        self.data_root, self.sbd_dir, self.with_classes = data_root, sbd_dir, with_classes
        left_out = {name for path in exclude for name in self._listed(path)}
        listed = dict.fromkeys(name for path in image_sets for name in self._listed(path))
        self.names = [name for name in listed if name not in left_out]
        faults = [fault for name in self.names for fault in self._faults(name)]
        if not self.names:
            faults.append(f"the lists {list(image_sets)} leave no image")
        if faults:
            raise AnnotationError(data_root, faults)

    def image(self, name: str) -> str:
        """Path of an image."""
        return self._path("JPEGImages", name, ".jpg")

    def masks(self, name: str) -> VocMasks:
        """Masks, labels and void of an image.

        Raises:
            UnreadableImageError: a file is missing or broken.
        """
        if sbd := self._sbd_path(name):
            found = read_sbd(sbd)
            return found if self.with_classes else found._replace(labels=np.zeros_like(found.labels))
        objects = read_indices(self._path("SegmentationObject", name))
        classes = read_indices(self._path("SegmentationClass", name)) if self.with_classes else None
        try:
            return split_instances(objects, classes)
        except ValueError as error:
            raise UnreadableImageError(f"{name}: {error}") from error

    def _listed(self, path: str) -> list[str]:
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
        image, sbd = self.image(name), self._sbd_path(name)
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
