"""MPII's people and groups in COCO-format json, as tools/dataset_tools/mpii_to_coco.py writes it.

Beside COCO's keys a person has ``scale`` (height / 200 px), ``objpos``, ``head_box`` xyxy and ``group_ids``; the file
has a list of ``groups``: ``id``, ``image_id``, ``rectangle`` xyxy of the members' positions, mean ``scale``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from aemm.formats.coco import ImageEntry, KeypointFile, describe_set, image_entry, select_keypoints
from aemm.formats.coco_checks import image_faults
from aemm.formats.files import AnnotationError, read_json
from aemm.formats.image_folder import ImageFolder
from aemm.records import DatasetInfo, Group, ImageId, Truth
from aemm.skeletons import Skeleton


class GroupEntry(NamedTuple):
    """One group of a file.

    Attributes:
        group_id: as the file names it.
        image: place of its image among the images.
        group: where it is.
    """

    group_id: ImageId
    image: int
    group: Group


@dataclass
class MpiiFile:
    """People and groups of a file.

    Attributes:
        path: of the file.
        images: I entries.
        groups: in the order of the file; empty where it lists none.
        people: everybody; None where the labels are withheld.
        positions: ``(A, 2)`` rough middle of each person, NaN where it is not given.
        scales: ``(A,)`` height / 200 px, NaN where it is not given.
        members: for each person the groups that it belongs to.
    """

    path: str
    images: list[ImageEntry]
    groups: list[GroupEntry]
    people: KeypointFile | None
    positions: np.ndarray
    scales: np.ndarray
    members: list[tuple[ImageId, ...]]

    def need_people(self) -> KeypointFile:
        """Everybody.

        Raises:
            ValueError: the labels are withheld.
        """
        if self.people is None:
            raise ValueError(f"{self.path} has no annotations; the labels of its people are withheld")
        return self.people

    def truth(self, entry: GroupEntry) -> Truth:
        """What is known of a group: its members, and where it is."""
        image = self.images[entry.image]
        if self.people is None:
            return Truth(entry.group_id, image.size, self.path, group=entry.group)
        whole, rows = self.people.truth(entry.image), self.people.rows(entry.image)
        keypoints, visible = whole.need_keypoints()
        own = np.array([entry.group_id in self.members[row] for row in range(rows.start, rows.stop)], bool)
        own &= ~self.people.crowd[rows]
        return replace(
            whole,
            image_id=entry.group_id,
            group=entry.group,
            keypoints=keypoints[own],
            visible=visible[own],
            **{name: value[own] for name in _PER_PERSON if (value := getattr(whole, name)) is not None},
        )


_PER_PERSON = ("labels", "area", "boxes", "crowd", "head_sizes")


def _group_faults(groups: Sequence[Mapping[str, Any]], images: set[Any]) -> list[str]:
    faults = []
    for group in groups:
        where = f"group {group.get('id')}"
        if group.get("image_id") not in images:
            faults.append(f"{where}: image_id {group.get('image_id')} is not among the images")
        try:
            rectangle = np.asarray(group.get("rectangle", ()), float)
        except (TypeError, ValueError):
            rectangle = np.zeros(0)
        if rectangle.shape != (4,) or not np.isfinite(rectangle).all() or not (rectangle[2:] >= rectangle[:2]).all():
            faults.append(f"{where}: rectangle must be x1, y1, x2, y2 of two corners, got {group.get('rectangle')}")
        if not isinstance(group.get("scale"), int | float) or not group["scale"] > 0:
            faults.append(f"{where}: scale must be a positive number, got {group.get('scale')}")
    if len({group.get("id") for group in groups}) < len(groups):
        faults.append("groups: an id stands there more than once")
    return faults


def read_mpii(path: str, folder: ImageFolder, skeleton: Skeleton, needs_groups: bool, needs_people: bool) -> MpiiFile:
    """A file of people and groups, checked as a whole.

    Args:
        path: of the json file.
        folder: where the images are.
        skeleton: the keypoint set of the people.
        needs_groups: whether the file must list groups.
        needs_people: whether it must list people; else labels may be withheld.

    Raises:
        FileNotFoundError: there is no such file.
        AnnotationError: listing every fault.
    """
    needed = ["images", *(["groups"] if needs_groups else []), *(["annotations", "categories"] if needs_people else [])]
    data = read_json(path, needed)
    groups = data.get("groups", []) if needs_groups else []
    faults = _group_faults(groups, {image.get("id") for image in data["images"]})
    people: KeypointFile | None = None
    rows: list[Mapping[str, Any]] = []
    if needs_people or data.get("annotations"):
        if faults:
            raise AnnotationError(path, faults)
        people, rows = select_keypoints(path, data, folder, skeleton)
        images = people.images
    else:
        if faults := [*image_faults(data["images"], folder), *faults]:
            raise AnnotationError(path, faults)
        images = [image_entry(image) for image in data["images"]]
    place = {image.image_id: n for n, image in enumerate(images)}
    entries = []
    for group in groups:
        left, top, right, bottom = (float(v) for v in group["rectangle"])
        where = Group((left, top, right, bottom), float(group["scale"]))
        entries.append(GroupEntry(group["id"], place[group["image_id"]], where))
    return MpiiFile(
        path=path,
        images=images,
        groups=entries,
        people=people,
        positions=np.array([row.get("objpos") or [np.nan] * 2 for row in rows], float).reshape(-1, 2),
        scales=np.array([row.get("scale") or np.nan for row in rows], float),
        members=[tuple(row.get("group_ids", ())) for row in rows],
    )


def describe_group(group_id: ImageId, image_id: ImageId, group: Group) -> dict[str, Any]:
    """A group as the file lists it."""
    return {"id": group_id, "image_id": image_id, "rectangle": list(group.rectangle), "scale": group.scale}


def describe_person(position: np.ndarray, scale: float, head: np.ndarray, members: Sequence[ImageId]) -> dict[str, Any]:
    """What the file says of a person beside COCO's keys.

    Args:
        position: ``(2,)`` rough middle, pixels.
        scale: height / 200 px.
        head: ``(4,)`` box xyxy.
        members: groups that the person belongs to.
    """
    return {
        "head_box": np.round(head, 3).tolist(),
        "scale": round(scale, 6),
        "objpos": np.round(position, 3).tolist(),
        "group_ids": list(members),
    }


def describe_groups(
    truths: Sequence[Truth],
    info: DatasetInfo,
    people: Sequence[Mapping[str, Any]],
    groups: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """A whole set as the file holds it.

    Args:
        truths: one for each image, with numbers for identifiers.
        info: of the data set.
        people: from :func:`describe_person`, in the order of the truths' instances.
        groups: from :func:`describe_group`.
    """
    data = describe_set(truths, info)
    for row, person in zip(data["annotations"], people, strict=True):
        row.update(person)
    return {**data, "groups": list(groups)}
