"""Keypoint files in COCO's format, read into flat arrays.

Letters: I images, A annotations of a file, K keypoints, ``H, W`` pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from aemm.formats.categories import (
    CategoryChoice,
    find_categories,
    find_withheld_category,
    same_names,
)
from aemm.formats.coco_checks import image_faults, keypoint_faults
from aemm.formats.files import AnnotationError, read_each, read_json
from aemm.formats.listed import LISTS, AnnotationFile, AnnotationSource, Listed, Tally
from aemm.formats.notices import Notice, all_crowds, joined, keypoint_notices, twice_annotated
from aemm.formats.packed import PackedValues, numbers, return_freed_memory
from aemm.formats.segmentation import region_mask
from aemm.ops.boxes import head_sizes
from aemm.ops.collector import collector_off
from aemm.ops.masks import decode_union
from aemm.records import DatasetInfo, ImageId, Truth
from aemm.skeletons import Skeleton

_NO_BOX = (0.0, 0.0, 0.0, 0.0)


class KeypointPart(NamedTuple):
    """One checked file.

    Attributes:
        path: of the file.
        listed: its images and the annotations that take part.
        category: name and identifier of the objects.
        notices: what is odd about its categories.
        others: annotations that do not take part.
    """

    path: str
    listed: Listed
    category: tuple[str, ImageId]
    notices: list[Notice]
    others: int = 0


class KeypointFile(AnnotationFile):
    """The people (or other objects with keypoints) of COCO-format files, checked and laid out flat.

    Args:
        parts: the files.
        skeleton: the keypoint set.
        area_per_box: area of an instance for which a file gives none, as a share of its box.

    Attributes:
        images: I entries.
        info: keypoint set and category.
        keypoints: ``(A, K, 2)``.
        visible: ``(A, K) uint8``.
        area: ``(A,)``.
        boxes: ``(A, 4)`` xyxy.
        crowd: ``(A,) bool``.
        annotated: ``(A,) bool``: has keypoints of its own to learn from.
        head_sizes: ``(A,)`` pixels, NaN for a person without a head box; None where nobody has one.
        ids: A identifiers of annotations.
        notices: what is odd about the files, each with a count.
        others: how many annotations of other categories were left out.
    """

    def __init__(self, parts: Sequence[KeypointPart], skeleton: Skeleton, area_per_box: float = 1.0) -> None:
        listed = Listed.joined([part.listed for part in parts])
        name, key = parts[0].category
        super().__init__(listed)
        rows = listed.rows
        self.info = DatasetInfo(" + ".join(Path(part.path).stem for part in parts), skeleton, (name,), (key,))
        nowhere = [0] * (3 * len(skeleton))
        points = numbers([annotation.get("keypoints") or nowhere for annotation in rows], len(nowhere))
        points = points.reshape(-1, len(skeleton), 3)
        self.keypoints, self.visible = _compact(points[..., :2]), points[..., 2].astype(np.uint8)
        self.crowd = np.array([bool(a.get("iscrowd")) for a in rows], bool)
        self.annotated = ~self.crowd & (self.visible > 0).any(1)
        self.boxes = _boxes(rows, points)
        sides = self.boxes[:, 2:] - self.boxes[:, :2]
        areas = [a.get("area") or None for a in rows]
        boxed = (area_per_box * sides.prod(1)).tolist()
        self.area = np.array([b if a is None else a for a, b in zip(areas, boxed, strict=True)], float)
        heads = [(n, a["head_box"]) for n, a in enumerate(rows) if a.get("head_box")]
        self.head_sizes = _head_sizes(heads, len(rows)) if heads else None
        self._regions = PackedValues(
            None if known else a.get("segmentation") for a, known in zip(rows, self.annotated.tolist(), strict=True)
        )
        self.others = sum(part.others for part in parts)
        self.notices = [*_of_parts(parts), *self._find_notices(listed)]

    def region(self, rows: Sequence[int], size: tuple[int, int]) -> np.ndarray:
        """Where annotations without keypoints lie, ``(H, W) bool``: their polygons, their run lengths, or their boxes.

        Args:
            rows: of annotations of one image.
            size: ``(height, width)`` of the image.
        """
        return decode_union([region_mask(self._regions[row], self.boxes[row], size) for row in rows], size)

    def truth(self, i: int) -> Truth:
        """What the file says of image ``i``."""
        image, rows = self.images[i], self.rows(i)
        if image.withheld:
            return image.bare_truth()
        return Truth(
            image_id=image.image_id,
            image_size=image.size,
            part=image.source.path,
            keypoints=self.keypoints[rows],
            visible=self.visible[rows],
            labels=np.zeros(rows.stop - rows.start, np.int64),
            area=self.area[rows],
            boxes=self.boxes[rows],
            crowd=self.crowd[rows],
            head_sizes=None if self.head_sizes is None else self.head_sizes[rows],
            crowd_index=image.crowd_index,
        )

    def tally(self) -> Tally:
        """What is there, in numbers."""
        known, crowds = self.annotated, int(self.crowd.sum())
        levels = np.arange(3)[:, None, None]
        return Tally(
            images=len(self.images),
            annotated=self._annotated_images(known),
            instances={self.info.classes[0]: int(known.sum())},
            crowds=crowds,
            unlabelled=int((~known).sum()) - crowds,
            others=self.others,
            visibility=(self.visible[known] == levels).sum(1).T,
            areas=self.area[known],
        )

    def summary(self, taking_part: Sequence[int]) -> str:
        """What was read and what is left out, with counts.

        Args:
            taking_part: the images that are used.
        """
        withheld = int(self.images.withheld.sum())
        crowds = int(self.crowd.sum())
        without = int((~self.annotated).sum()) - crowds
        people = f"{len(self.crowd)} annotations of {self.info.classes[0]!r}, {crowds} of them crowds"
        text = f"{len(taking_part)} of {len(self.images)} images take part; {people} and {without} without keypoints"
        text += f"; {self.others} annotations of other categories are left out" if self.others else ""
        return text + (f"; the labels of {withheld} images are withheld" if withheld else "")

    def _find_notices(self, listed: Listed) -> list[Notice]:
        seen = self.visible > 0
        places = np.rint(self.keypoints * seen[..., None]).astype(np.int32)
        columns = [listed.numbers()[:, None], seen, places.reshape(len(seen), 2 * seen.shape[1])]
        numbered = np.concatenate(columns, 1, dtype=np.int32)
        keys = [
            key if known else None for key, known in zip(map(bytes, numbered), self.annotated.tolist(), strict=True)
        ]
        sizes = np.repeat(self.images.sizes, np.diff(self._first), axis=0)
        return [
            *all_crowds(self.crowd),
            *twice_annotated(keys, self.ids, "people, to the pixel,"),
            *keypoint_notices(self.keypoints, self.visible, sizes, listed.rows),
        ]


def _of_parts(parts: Sequence[KeypointPart]) -> list[Notice]:
    """What is odd about the categories of several files."""
    notices = joined([len(part.listed.rows) for part in parts], [part.notices for part in parts])
    keys = list(dict.fromkeys(part.category[1] for part in parts))
    if len(keys) > 1:
        text = f"the files number their objects differently, {keys}; results are written under {keys[0]!r}"
        notices.append(Notice(text))
    return notices


def _compact(values: np.ndarray) -> np.ndarray:
    """The same values in float32 where nothing is lost by it, as with whole numbers of pixels."""
    small = values.astype(np.float32)
    return small if np.array_equal(small, values) else values


def _boxes(rows: Sequence[Mapping[str, Any]], points: np.ndarray) -> np.ndarray:
    """Boxes ``(A, 4)`` xyxy of annotations; around their keypoints ``(A, K, 3)`` where they have none of their own."""
    boxes = numbers([row.get("bbox") or _NO_BOX for row in rows], 4)
    boxes[:, 2:] += boxes[:, :2]
    for n in [n for n, row in enumerate(rows) if not row.get("bbox")]:
        seen = points[n, points[n, :, 2] > 0, :2]
        if len(seen):
            boxes[n] = [*seen.min(0), *seen.max(0)]
    return boxes


def _head_sizes(heads: Sequence[tuple[int, Sequence[float]]], count: int) -> np.ndarray:
    """Sizes ``(count,)`` of the heads whose number and box xyxy are given; NaN for the others."""
    boxes = np.full((count, 4), np.nan)
    boxes[[n for n, _ in heads]] = numbers([box for _, box in heads], 4)
    return head_sizes(boxes)


def read_keypoints(
    sources: Sequence[AnnotationSource],
    skeleton: Skeleton,
    choice: CategoryChoice | None = None,
    area_per_box: float | None = None,
    needs_people: bool = True,
) -> KeypointFile:
    """Keypoint files, each checked as a whole.

    Args:
        sources: the json files and where their images are.
        skeleton: the keypoint set they must hold.
        choice: which category is meant, and what to do about the order of its keypoints.
        area_per_box: take this share of the box for the area where a file gives none; None = the files
            must give areas.
        needs_people: whether a file must hold annotations; else its labels may be withheld.

    Raises:
        FileNotFoundError: there is no such file.
        AnnotationError: listing every fault.
    """
    choice = CategoryChoice() if choice is None else choice
    with collector_off():
        parts = read_each(sources, lambda source: _read_part(source, skeleton, choice, area_per_box, needs_people))
        file = KeypointFile(parts, skeleton, 1.0 if area_per_box is None else area_per_box)
    del parts
    return_freed_memory()
    return file


def _read_part(
    source: AnnotationSource, skeleton: Skeleton, choice: CategoryChoice, area_per_box: float | None, needs_people: bool
) -> KeypointPart:
    data = read_json(source.path, LISTS if needs_people else LISTS[:1], optional=LISTS)
    if needs_people or data.get("annotations"):
        faults = keypoint_faults(data, skeleton, source.folder, choice, needs_area=area_per_box is None)
        if faults:
            raise AnnotationError(source.path, faults)
        return select_keypoints(source, data, skeleton, choice)
    if faults := image_faults(data["images"], source.folder):
        raise AnnotationError(source.path, faults)
    return KeypointPart(source.path, Listed.of(source, data, []), find_withheld_category(data, choice), [])


def select_keypoints(
    source: AnnotationSource, data: Mapping[str, Any], skeleton: Skeleton, choice: CategoryChoice
) -> KeypointPart:
    """The objects that are meant, of a checked file, their keypoints in the order of the skeleton."""
    found = find_categories(data, skeleton, choice)
    rows = [row for row in data["annotations"] if row["category_id"] in found.orders]
    for row in rows:
        order = found.orders[row["category_id"]]
        if order is not None and row.get("keypoints"):
            row["keypoints"] = np.reshape(row["keypoints"], (-1, 3))[order].ravel().tolist()
    chosen = [category for category in data["categories"] if category["id"] in found.orders]
    listed = Listed.of(source, data, rows)
    return KeypointPart(
        source.path,
        listed,
        (found.name, found.ids[0]),
        same_names(chosen, listed.rows),
        len(data["annotations"]) - len(rows),
    )
