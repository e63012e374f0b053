"""Instance masks from any file in COCO's format."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from aemm.datasets.base import SampleDataset
from aemm.formats.classes import choose_classes
from aemm.formats.files import AnnotationError
from aemm.formats.instance_file import InstanceFile, read_instances
from aemm.formats.listed import list_sources
from aemm.formats.notices import log_notices
from aemm.ops.masks import decode_masks
from aemm.ops.orientation import Exif
from aemm.records import DatasetInfo, Truth
from aemm.registry import DATASETS
from aemm.structures import Sample


@DATASETS.register_module()
class CocoInstanceDataset(SampleDataset):
    """Masks of all instances of an image, from a file in COCO's format.

    Crowds become the sample's ``ignore`` mask. The file is checked when it is loaded, and all its
    faults are reported together. Several files become one set, whose parts metrics tell apart. In evaluation a file
    without annotations is one whose labels are withheld.

    Args:
        ann_file: the json file, or a list of them.
        img_dir: folder that the file names in it are relative to; for several files one folder, or one for each.
        data_root: put before ``ann_file`` and ``img_dir`` where these are relative.
        classes: names of the categories that take part, in the order of the labels; ``'voc'`` for the 20 of
            PASCAL VOC in VOC's order; None for all categories in the file's order.
        pipeline: transforms.
        test_mode: evaluation: all images take part, also those without instances, and carry their truth.
        only_with_instances: leave out images without an instance of the classes; by default in training only.
        min_area: such images need an instance of at least as many square pixels; smaller ones stay in the samples.
        max_images: take the first images alone; None = all.
        on_unreadable: see :class:`SampleDataset`.
        exif: 'apply' where annotations were made on images as viewers show them, 'ignore' where they were made on raw
            pixels; None = apply, and warn where sizes do not tell.
        allow_outside: file names in the annotation file may be absolute or lead out of ``img_dir``.

    Raises:
        AnnotationError: listing every fault of the file.
        ValueError: a class is not among the categories.
    """

    def __init__(
        self,
        ann_file: str | Sequence[str],
        img_dir: str | Sequence[str],
        data_root: str = "",
        classes: str | Sequence[str] | None = None,
        pipeline: Sequence[Mapping[str, Any] | Callable] = (),
        test_mode: bool = False,
        only_with_instances: bool | None = None,
        min_area: float = 0.0,
        max_images: int | None = None,
        on_unreadable: str = "error",
        exif: Exif | None = None,
        allow_outside: bool = False,
    ) -> None:
        super().__init__(pipeline, None, test_mode, on_unreadable)
        self.sources = list_sources(ann_file, img_dir, data_root, exif, allow_outside)
        self.ann_file = ", ".join(source.path for source in self.sources)
        self.file = read_instances(self.sources, lambda known: choose_classes(classes, known), not test_mode)
        self.classes, self.category_ids = list(self.file.info.classes), list(self.file.info.category_ids)
        drop_empty = not test_mode if only_with_instances is None else only_with_instances
        counts = ~self.file.crowd & ~(self.file.area < min_area)  # an unknown area is large enough
        places = [i for i in range(len(self.file.images)) if not drop_empty or counts[self.file.rows(i)].any()]
        self._places = places[:max_images]
        if not self._places:
            fault = f"no image has an instance of {', '.join(self.classes[:5])}, so there is nothing to learn from"
            raise AnnotationError(self.ann_file, ["; ".join([fault, *(notice.text for notice in self.file.notices)])])
        log_notices(self.ann_file, self.file.summary(self._places), self.file.notices)

    @property
    def parts(self) -> tuple[str, ...]:
        """The annotation files."""
        return tuple(source.path for source in self.sources)

    @property
    def annotation_file(self) -> InstanceFile:
        """What the annotation files say."""
        return self.file

    def __len__(self) -> int:
        """Number of images."""
        return len(self._places)

    @property
    def metainfo(self) -> DatasetInfo:
        """Classes and categories."""
        return self.file.info

    def truth(self, index: int) -> Truth:
        """What is known of an image, which is not read."""
        return self.file.truth(self._places[index])

    def load(self, index: int) -> Sample:
        """Image, masks of all instances of the classes, and the ignore mask of crowds."""
        i = self._places[index]
        entry, rows = self.file.images[i], self.file.rows(i)
        image = entry.load()
        masks, crowd = decode_masks(self.file.masks(i), entry.size), self.file.crowd[rows]
        return Sample(
            image=image,
            image_id=entry.image_id,
            image_size=entry.size,
            masks=np.ascontiguousarray(masks[~crowd]),
            labels=self.file.labels[rows][~crowd],
            ignore=masks[crowd].any(0),
            truth=self.file.truth(i) if self.test_mode else None,
        )
