"""PASCAL VOC's instance masks: palette PNGs, SBD's mat files, and lists of image names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

import mmengine.fileio as fileio
import numpy as np

from aemm.formats.classes import VOC_CLASSES
from aemm.formats.files import AnnotationError
from aemm.formats.matlab import load_mat
from aemm.formats.paths import UnreadableImageError, resolve_inside
from aemm.formats.png import index_fault, read_indices, read_png_header

VOID = 255
_VOID_OF_16_BITS = 65535
_MAX_INSTANCES = 2000  # of an image; more are no instances, but depths or colours


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


def split_instances(objects: np.ndarray, classes: np.ndarray | None = None) -> VocMasks:
    """Masks and labels from the two index images of VOC.

    In an image of 16 bits that holds the number 65535, this is void, and 255 an instance like any other.

    Args:
        objects: ``(H, W)`` of SegmentationObject: 0 background, 255 void, else the instance's number.
        classes: ``(H, W)`` of SegmentationClass: 0 background, 255 void, else the class counted from 1. An
            instance has the class of most of its pixels. None: every instance is of class 0.

    Raises:
        ValueError: an instance lies on no class, the two have different sizes, or there are more than 2000 instances.
    """
    if classes is not None and classes.shape != objects.shape:
        raise ValueError(f"SegmentationObject is {objects.shape}, but SegmentationClass {classes.shape}")
    void = VOID if objects.dtype == np.uint8 or objects.max(initial=0) < _VOID_OF_16_BITS else _VOID_OF_16_BITS
    numbers = np.setdiff1d(objects, [0, void])
    if len(numbers) > _MAX_INSTANCES:
        raise ValueError(
            f"SegmentationObject holds {len(numbers)} different numbers from {numbers[0]} to {numbers[-1]}, expected "
            f"at most {_MAX_INSTANCES} instances; is it an image of depths or colours?"
        )
    masks = objects == numbers[:, None, None]
    labels = np.zeros(len(numbers), np.int64)
    if classes is not None:
        for n, mask in enumerate(masks):
            count = np.bincount(classes[mask], minlength=256)
            count[[0, VOID]] = 0
            if not count.any():
                raise ValueError(f"instance {numbers[n]} of SegmentationObject lies on no class in SegmentationClass")
            labels[n] = count.argmax() - 1
    return VocMasks(masks, labels, objects == void)


def read_sbd(path: str) -> VocMasks:
    """Instances of a mat file of the Semantic Boundaries Dataset (``inst/*.mat``).

    Raises:
        UnreadableImageError: the file is missing, or holds no GTinst.

    Reference: Hariharan et al., Semantic contours from inverse detectors (ICCV 2011).
    """
    try:
        with fileio.get_local_path(path) as local:
            truth = load_mat(local).get("GTinst")
    except (OSError, ValueError) as error:
        raise UnreadableImageError(f"{path} is no instance file of SBD (a struct GTinst): {error}") from error
    objects = np.asarray(getattr(truth, "Segmentation", None))
    categories = np.asarray(getattr(truth, "Categories", None)).ravel()
    if objects.ndim != 2 or objects.dtype.kind not in "uif" or categories.dtype.kind not in "uif":
        raise UnreadableImageError(f"{path} is no instance file of SBD: GTinst needs Segmentation and Categories")
    numbers = np.setdiff1d(objects, [0, VOID])
    if len(numbers) and numbers.max() > len(categories):
        raise UnreadableImageError(f"{path} has an instance {numbers.max()}, but {len(categories)} categories")
    if not all(1 <= category <= len(VOC_CLASSES) for category in categories.tolist()):
        raise UnreadableImageError(f"{path} has the categories {categories.tolist()}, expected 1 to {len(VOC_CLASSES)}")
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
        self.data_root = data_root
        self.sbd_dir = sbd_dir
        self.with_classes = with_classes
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
        try:
            text = bytes(fileio.get(path)).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise AnnotationError(path, [f"not UTF-8 text, expected names of images, one a line: {error}"]) from error
        names = [line.split()[0] for line in text.splitlines() if line.strip()]
        faults = []
        for name in names:
            try:
                resolve_inside(self.data_root, name)
            except ValueError as error:
                faults.append(str(error))
        if faults:
            raise AnnotationError(path, faults)
        return names

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
            if fault := index_fault(header):
                faults.append(f"{name}: mask {path} {fault}")
            else:
                sizes[folder] = read_png_header(header).size
        if len(set(sizes.values())) > 1:
            faults.append(f"{name}: its two masks differ in size (height, width): {sizes}")
        return faults
