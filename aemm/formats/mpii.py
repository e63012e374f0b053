"""MPII's people and groups in COCO-format json, as tools/dataset_tools/mpii_to_coco.py writes it.

Beside COCO's keys a person has ``scale`` (height / 200 px), ``objpos``, ``head_box`` xyxy and ``group_ids``; the file
has a list of ``groups``: ``id``, ``image_id``, ``rectangle`` xyxy of the members' positions, mean ``scale``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from aemm.formats.categories import CategoryChoice
from aemm.formats.coco import describe_set
from aemm.formats.coco_checks import image_faults, keypoint_faults
from aemm.formats.files import AnnotationError, read_json
from aemm.formats.keypoint_file import KeypointFile, select_keypoints
from aemm.formats.listed import LISTS, AnnotationSource, ImageTable, Listed
from aemm.formats.values import LARGEST, KnownIds, are_numbers, identifier, is_id, is_number, repeated, shown
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
    images: ImageTable
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


def _group_faults(groups: Sequence[Mapping[str, Any]], images: Sequence[Mapping[str, Any]]) -> list[str]:
    faults = []
    known = KnownIds("image_id", "images", (image.get("id") for image in images))
    for n, group in enumerate(groups):
        key = group.get("id")
        where = f"group {key!r}" if is_id(key) else f"groups[{n}]"
        if not is_id(key):
            faults.append(f"{where}: id must be a number or text, got {shown(key)}")
        if fault := known.fault(group):
            faults.append(f"{where}: {fault}")
        box, scale = group.get("rectangle"), group.get("scale")
        if not _is_pair_of_corners(box):
            faults.append(f"{where}: rectangle must be x1, y1, x2, y2 of two corners, got {shown(box)}")
        if not is_number(scale) or not 0 < scale < LARGEST:
            faults.append(f"{where}: scale must be a positive number, got {shown(scale)}")
    if repeated([key for group in groups if is_id(key := group.get("id"))]):
        faults.append("groups: an id stands there more than once")
    return faults


def _is_pair_of_corners(box: Any) -> bool:
    return are_numbers(box) and len(box) == 4 and box[0] <= box[2] and box[1] <= box[3]


def _person_faults(people: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is wrong with what MPII adds to COCO's keys."""
    faults = []
    for person in people:
        where, position = f"annotation {person.get('id')!r}", person.get("objpos")
        scale, members = person.get("scale"), person.get("group_ids", [])
        if position and not (are_numbers(position) and len(position) == 2):
            faults.append(f"{where}: objpos must be x, y, got {shown(position)}")
        if scale is not None and not (is_number(scale) and 0 <= scale < LARGEST):
            faults.append(f"{where}: scale must be a positive number, got {shown(scale)}")
        if not isinstance(members, list) or not all(map(is_id, members)):
            faults.append(f"{where}: group_ids must be a list of ids of groups, got {shown(members)}")
    return faults


def read_mpii(source: AnnotationSource, skeleton: Skeleton, needs_groups: bool, needs_people: bool) -> MpiiFile:
    """A file of people and groups, checked as a whole.

    Args:
        source: the json file and where its images are.
        skeleton: the keypoint set of the people.
        needs_groups: whether the file must list groups.
        needs_people: whether it must list people; else labels may be withheld.

    Raises:
        FileNotFoundError: there is no such file.
        AnnotationError: listing every fault.
    """
    needed = ["images", *(["groups"] if needs_groups else []), *(LISTS[1:] if needs_people else [])]
    data = read_json(source.path, needed, optional=(*LISTS, "groups"))
    groups, choice = data.get("groups") or [] if needs_groups else [], CategoryChoice()
    faults = _group_faults(groups, data["images"])
    if with_people := bool(needs_people or data.get("annotations")):
        data.setdefault("categories", [])
        faults += _person_faults(data["annotations"])
        faults += keypoint_faults(data, skeleton, source.folder, choice)
    else:
        faults += image_faults(data["images"], source.folder)
    if faults:
        raise AnnotationError(source.path, faults)
    if with_people:
        part = select_keypoints(source, data, skeleton, choice)
        people, listed = KeypointFile([part], skeleton), part.listed
        images = people.images
    else:
        people, listed = None, Listed.of(source, data, [])
        images = listed.images()
    return MpiiFile(
        path=source.path,
        images=images,
        groups=_group_entries(groups, images),
        people=people,
        positions=np.array([row.get("objpos") or [np.nan] * 2 for row in listed.rows], float).reshape(-1, 2),
        scales=np.array([row.get("scale") or np.nan for row in listed.rows], float),
        members=[tuple(map(identifier, row.get("group_ids", ()))) for row in listed.rows],
    )


def _group_entries(groups: Sequence[Mapping[str, Any]], images: ImageTable) -> list[GroupEntry]:
    place = {image.image_id: n for n, image in enumerate(images)}
    entries = []
    for group in groups:
        left, top, right, bottom = (float(v) for v in group["rectangle"])
        where = Group((left, top, right, bottom), float(group["scale"]))
        entries.append(GroupEntry(identifier(group["id"]), place[group["image_id"]], where))
    return entries


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
