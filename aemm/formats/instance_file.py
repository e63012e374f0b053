"""Files of instance masks in COCO's format, read into flat arrays.

Letters: I images, A annotations of a file, ``H, W`` pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from aemm.formats.categories import same_names
from aemm.formats.coco_checks import instance_faults
from aemm.formats.files import AnnotationError, read_each, read_json
from aemm.formats.listed import LISTS, AnnotationFile, AnnotationSource, Listed, Tally, same_everywhere
from aemm.formats.notices import Notice, all_crowds, joined, twice_annotated
from aemm.formats.packed import PackedValues, numbers, return_freed_memory
from aemm.formats.segmentation import region_mask
from aemm.formats.values import identifier
from aemm.ops.collector import collector_off
from aemm.ops.masks import mask_areas
from aemm.records import DatasetInfo, ImageId, Mask, Truth

Chooser = Callable[[Sequence[str]], Sequence[str]]


class _Part(NamedTuple):
    """One checked file.

    Attributes:
        path: of the file.
        listed: its images and the annotations that take part.
        names: of the classes, in the order of the labels.
        category_ids: the first identifier of each class.
        labels: of the annotations.
        notices: what is odd about its categories.
        others: annotations that do not take part.
    """

    path: str
    listed: Listed
    names: tuple[str, ...]
    category_ids: tuple[ImageId, ...]
    labels: list[int]
    notices: list[Notice]
    others: int


class InstanceFile(AnnotationFile):
    """The instance masks of COCO-format files, checked and laid out flat.

    Args:
        parts: the files, which have the same classes.

    Attributes:
        images: I entries.
        info: classes and categories.
        labels: ``(A,) int64``.
        crowd: ``(A,) bool``.
        area: ``(A,)``; NaN where the file gives none.
        notices: what is odd about the files, each with a count.
        others: how many annotations of other classes were left out.
    """

    def __init__(self, parts: Sequence[_Part]) -> None:
        listed = Listed.joined([part.listed for part in parts])
        super().__init__(listed)
        rows = listed.rows
        names = " + ".join(Path(part.path).stem for part in parts)
        self.info = DatasetInfo(names, None, parts[0].names, parts[0].category_ids)
        self.labels = np.array([label for part in parts for label in part.labels], np.int64)
        self.crowd = np.array([bool(a.get("iscrowd")) for a in rows], bool)
        self.area = np.array([np.nan if a.get("area") is None else a["area"] for a in rows], float)
        boxes = numbers([a.get("bbox") or (0.0, 0.0, 0.0, 0.0) for a in rows], 4)
        boxes[:, 2:] += boxes[:, :2]
        self.boxes = boxes
        self._regions = PackedValues(a["segmentation"] for a in rows)
        self.others = sum(part.others for part in parts)
        hashes = [hash(self._regions.part(row)) for row in range(len(rows))]
        keys = list(zip(listed.numbers().tolist(), self.labels.tolist(), hashes, strict=True))
        self.notices = joined([len(part.listed.rows) for part in parts], [part.notices for part in parts])
        self.notices += twice_annotated(keys, self.ids, "instances, with the same mask,")
        self.notices += all_crowds(self.crowd) or self._crowded_classes()

    def _crowded_classes(self) -> list[Notice]:
        """Classes that have crowds alone."""
        names = enumerate(self.info.classes)
        return [note for label, name in names for note in all_crowds(self.crowd, self.labels == label, f"{name!r}")]

    def masks(self, i: int) -> list[Mask]:
        """The masks of image ``i``, crowds included."""
        rows, size = self.rows(i), self.images[i].size
        return [region_mask(self._regions[row], self.boxes[row], size) for row in range(rows.start, rows.stop)]

    def truth(self, i: int) -> Truth:
        """What the file says of image ``i``."""
        image = self.images[i]
        rows = self.rows(i)
        masks = self.masks(i)
        if image.withheld:
            return image.bare_truth()
        area = self.area[rows]
        return Truth(
            image_id=image.image_id,
            image_size=image.size,
            part=image.source.path,
            masks=masks,
            labels=self.labels[rows],
            area=np.where(np.isnan(area), mask_areas(masks), area),
            boxes=self.boxes[rows],
            crowd=self.crowd[rows],
        )

    def tally(self) -> Tally:
        """What is there, in numbers."""
        count = np.bincount(self.labels[~self.crowd], minlength=len(self.info.classes))
        boxed = (self.boxes[:, 2:] - self.boxes[:, :2]).prod(1)
        return Tally(
            images=len(self.images),
            annotated=self._annotated_images(~self.crowd),
            instances=dict(zip(self.info.classes, count.tolist(), strict=True)),
            crowds=int(self.crowd.sum()),
            unlabelled=0,
            others=self.others,
            visibility=None,
            areas=np.where(np.isnan(self.area), boxed, self.area)[~self.crowd],
        )

    def summary(self, taking_part: Sequence[int]) -> str:
        """What was read and what is left out, with counts.

        Args:
            taking_part: the images that are used.
        """
        withheld = int(self.images.withheld.sum())
        text = f"{len(taking_part)} of {len(self.images)} images take part; {len(self.crowd)} annotations of "
        text += f"{len(self.info.classes)} classes, {int(self.crowd.sum())} of them crowds"
        text += f"; {self.others} annotations of other classes are left out" if self.others else ""
        return text + (f"; the labels of {withheld} images are withheld" if withheld else "")


def read_instances(
    sources: Sequence[AnnotationSource], choose: Chooser = lambda names: names, needs_instances: bool = True
) -> InstanceFile:
    """Files of instance masks, each checked as a whole.

    Args:
        sources: the json files and where their images are.
        choose: from the names of all categories to those that take part, in the order of the labels.
        needs_instances: whether a file must hold annotations; else its labels may be withheld.

    Raises:
        FileNotFoundError: there is no such file.
        AnnotationError: listing every fault.
        ValueError: the files have different classes.
    """
    with collector_off():
        parts = read_each(sources, lambda source: _read_part(source, choose, needs_instances))
        named = [(part.path, part.names) for part in parts]
        same_everywhere("the classes", named, "choose those that take part by classes=[...]")
        file = InstanceFile(parts)
    del parts
    return_freed_memory()
    return file


def _read_part(source: AnnotationSource, choose: Chooser, needs_instances: bool) -> _Part:
    data = read_json(source.path, LISTS if needs_instances else ("images", "categories"), optional=LISTS)
    rows: list[Mapping[str, Any]] = data.get("annotations") or []
    faults = instance_faults({**data, "annotations": rows}, source.folder)
    if faults:
        raise AnnotationError(source.path, faults)
    names = tuple(choose(list(dict.fromkeys(category["name"] for category in data["categories"]))))
    label_of = {c["id"]: names.index(c["name"]) for c in data["categories"] if c["name"] in names}
    first = {label: identifier(key) for key, label in reversed(label_of.items())}
    taking_part = [row for row in rows if row["category_id"] in label_of]
    listed = Listed.of(source, data, taking_part)
    chosen = [category for category in data["categories"] if category["id"] in label_of]
    return _Part(
        path=source.path,
        listed=listed,
        names=names,
        category_ids=tuple(first[label] for label in range(len(names))),
        labels=[label_of[row["category_id"]] for row in listed.rows],
        notices=same_names(chosen, listed.rows),
        others=len(rows) - len(taking_part),
    )
