"""Instance masks from any file in COCO's format."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from aemm.datasets.base import SampleDataset
from aemm.datasets.classes import choose_classes
from aemm.datasets.coco_annotations import AnnotationError, read_json, segmentation_mask
from aemm.datasets.instance_annotations import check_instance_file
from aemm.formats import UnreadableImageError, load_image
from aemm.registry import DATASETS
from aemm.structures import Sample


@DATASETS.register_module()
class CocoInstanceDataset(SampleDataset):
    """Masks of all instances of an image, from a file in COCO's format.

    Crowds become the sample's ``ignore`` mask. The file is checked when it is loaded, and all its
    faults are reported together.

    Args:
        ann_file: the json file.
        img_dir: folder that the file names in it are relative to.
        data_root: put before ``ann_file`` and ``img_dir`` where these are relative.
        classes: names of the categories that take part, in the order of the labels; ``'voc'`` for the 20 of
            PASCAL VOC in VOC's order; None for all categories in the file's order.
        pipeline: transforms.
        test_mode: evaluation: all images take part, also those without instances.
        only_with_instances: leave out images without an instance of the classes; by default in training only.
        min_area: such images need an instance of at least as many square pixels; smaller ones stay in the samples.
        max_images: take the first images alone; None = all.
        on_unreadable: see :class:`SampleDataset`.

    Raises:
        AnnotationError: listing every fault of the file.
        ValueError: a class is not among the categories.
    """

    def __init__(
        self,
        ann_file: str,
        img_dir: str,
        data_root: str = "",
        classes: str | Sequence[str] | None = None,
        pipeline: Sequence[Mapping[str, Any] | Callable] = (),
        test_mode: bool = False,
        only_with_instances: bool | None = None,
        min_area: float = 0.0,
        max_images: int | None = None,
        on_unreadable: str = "error",
    ) -> None:
        super().__init__(pipeline, None, test_mode, on_unreadable)
        self.ann_file, self.img_dir = os.path.join(data_root, ann_file), os.path.join(data_root, img_dir)
        data = read_json(self.ann_file, ("images", "annotations", "categories"))
        check_instance_file(self.ann_file, data, self.img_dir)
        ids = {category["name"]: category["id"] for category in data["categories"]}
        self.classes = choose_classes(classes, list(ids))
        self.category_ids = [ids[name] for name in self.classes]
        label_of = {key: label for label, key in enumerate(self.category_ids)}
        rows: dict[Any, list[tuple[int, dict[str, Any]]]] = {image["id"]: [] for image in data["images"]}
        for annotation in data["annotations"]:
            if annotation["category_id"] in label_of:
                rows[annotation["image_id"]].append((label_of[annotation["category_id"]], annotation))
        drop_empty = not test_mode if only_with_instances is None else only_with_instances
        kept = [i for i in data["images"] if not drop_empty or any(_counts(a, min_area) for _, a in rows[i["id"]])]
        self._images = kept[:max_images]
        if not self._images:
            fault = f"no image has an instance of {', '.join(self.classes[:5])}, so there is nothing to learn from"
            raise AnnotationError(self.ann_file, [fault])
        self._rows = [rows[image["id"]] for image in self._images]

    def __len__(self) -> int:
        """Number of images."""
        return len(self._images)

    @property
    def metainfo(self) -> dict[str, Any]:
        """Classes, and the annotation file that results are measured against."""
        known = dict(classes=list(self.classes), category_ids=list(self.category_ids), ann_file=self.ann_file)
        return {**super().metainfo, **known}

    def load(self, index: int) -> Sample:
        """Image, masks of all instances of the classes, and the ignore mask of crowds."""
        info, rows = self._images[index], self._rows[index]
        path = os.path.join(self.img_dir, info["file_name"])
        image = load_image(path)
        size = image.shape[:2]
        if size != (info["height"], info["width"]):
            raise UnreadableImageError(
                f"image {path} is {size[1]}x{size[0]}, but {self.ann_file} says {info['width']}x{info['height']}; "
                "the file was replaced, resized or turned by its EXIF orientation"
            )
        ignore = np.zeros(size, bool)
        for _, annotation in rows:
            if annotation.get("iscrowd"):
                ignore |= segmentation_mask(annotation, size)
        known = [(label, a) for label, a in rows if not a.get("iscrowd")]
        masks = [segmentation_mask(a, size) for _, a in known]
        stacked = np.stack(masks) if masks else np.zeros((0, *size), bool)
        return Sample(
            image=image,
            image_id=info["id"],
            image_size=size,
            masks=stacked,
            labels=np.array([label for label, _ in known], np.int64),
            ignore=ignore,
        )


def _counts(annotation: Mapping[str, Any], min_area: float) -> bool:
    """Whether an annotation is an instance of its own, large enough."""
    return not annotation.get("iscrowd") and annotation.get("area", math.inf) >= min_area
