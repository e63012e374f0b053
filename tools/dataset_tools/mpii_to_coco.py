"""Turn the official MPII annotations into COCO-format json: train, val and test parts.

Writes ``mpii_train.json``, ``mpii_val.json`` and ``mpii_test.json``. People keep ``head_box`` (xyxy),
``scale``, ``objpos`` and ``group_ids`` (a few stand in two groups). A list ``groups`` holds ``id``,
``image_id``, ``rectangle`` (xyxy) and ``scale``. Coordinates count pixels from 0. The val part is the
given list of groups, in its order; images with such a group are not in the train part. The test part
holds what may be known of the groups of several people and no annotations, in the order in which the
benchmark takes predictions.

Example:
    python tools/dataset_tools/mpii_to_coco.py mpii_human_pose_v1_u12_1.mat groups_v12.mat images \
        --val-list MPI_MP_VAL_annotations.json --out data/mpii/annotations
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from aemm.cli.outcome import ExitCode, run
from aemm.engine.outputs import check_folder
from aemm.formats.files import write_json
from aemm.formats.matlab import entries, load_mat, number
from aemm.formats.mpii_mat import FIRST_PIXEL, MPII, MpiiPerson, group_extent, read_person
from aemm.ops.boxes import body_box

_LIST_TOLERANCE = 1.0  # pixels; rectangles in lists may be rounded
_ORIENTATION = 0x0112  # EXIF tag; from 5 on, width and height change places


@dataclass
class MpiiImage:
    """One entry of the annotation list.

    Attributes:
        name: of the image file.
        train: whether its labels are public.
        people: in the file's order, which groups refer to.
        single: indices of people who stand alone.
        groups: indices of the members of every group.
    """

    name: str
    train: bool
    people: list[MpiiPerson]
    single: set[int] = field(default_factory=set)
    groups: list[tuple[int, ...]] = field(default_factory=list)


def read_members(path: str | Path) -> list[list[tuple[int, ...]]]:
    """Indices, from 0, of the members of every group of every image of a ``groups_v12.mat``.

    Raises:
        ValueError: the file has no variable ``groups``.
    """
    content = load_mat(path, squeeze=False)
    if "groups" not in content:
        raise ValueError(f"{path} has no variable 'groups', it has {sorted(content)}")
    return [
        [tuple(int(i) - 1 for i in members.ravel()) for members in image.ravel() if members.size]
        if image.dtype == object
        else []
        for image in content["groups"].ravel()
    ]


def read_release(path: str | Path, members: Sequence[list[tuple[int, ...]]]) -> list[MpiiImage]:
    """All images of the official annotation file.

    Args:
        path: of ``mpii_human_pose_v1_u12_1.mat``.
        members: of :func:`read_members`.

    Raises:
        ValueError: the file is no MPII release, or another one than the groups are for.
    """
    content = load_mat(path)
    if "RELEASE" not in content:
        raise ValueError(f"{path} has no variable 'RELEASE', it has {sorted(content)}; expected the MPII annotations")
    release = content["RELEASE"]
    listed, train, single = entries(release.annolist), entries(release.img_train), entries(release.single_person)
    if not len(listed) == len(train) == len(single) == len(members):
        raise ValueError(
            f"{path} lists {len(listed)} images, {len(train)} train flags and {len(single)} lists of single people, "
            f"but there are groups for {len(members)} images; expected files of one release"
        )
    images = []
    for entry, flag, alone, groups in zip(listed, train, single, members, strict=True):
        name = getattr(getattr(entry, "image", None), "name", "")
        people = [read_person(record) for record in entries(getattr(entry, "annorect", None))]
        alone = {int(i) - 1 for value in entries(alone) if (i := number(value)) is not None}
        images.append(MpiiImage(str(name) if isinstance(name, str) else "", flag == 1, people, alone, groups))
    return images


def image_size(path: Path) -> tuple[int, int] | None:
    """Height and width of an image file as a viewer shows it, or None if it cannot be read."""
    try:
        with Image.open(path, formats=("JPEG", "PNG")) as image:
            turned = image.getexif().get(_ORIENTATION, 1) >= 5
            return image.size if turned else image.size[::-1]
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):  # whatever Pillow makes of damage
        return None


def _numbers(values: np.ndarray) -> list[float]:
    return [round(float(value), 4) for value in values]


def annotation(person: MpiiPerson, size: tuple[int, int]) -> dict[str, Any] | None:
    """A person as a COCO-format annotation without ids, or None if nothing says where it is.

    Args:
        person: as read.
        size: ``(height, width)`` of the image.
    """
    shown = person.visible > 0
    corners = [person.keypoints[shown]]
    if person.head_box is not None:
        corners.append(person.head_box.reshape(2, 2))
    if not shown.any() and person.position is not None and person.scale:
        corners.append(body_box(person.position.tolist(), person.scale).reshape(2, 2))
    points = np.concatenate(corners)
    if not len(points):
        return None
    low, high = (np.clip(corner, 0, size[::-1]) for corner in (points.min(0), points.max(0)))
    width, height = high - low
    found = {
        "category_id": 1,
        "keypoints": _numbers(np.column_stack([person.keypoints, person.visible]).ravel()),
        "num_keypoints": int(shown.sum()),
        "bbox": _numbers(np.array([*low, width, height])),
        "area": float(max(width, 1) * max(height, 1)),
        "iscrowd": 0,
    }
    if person.head_box is not None:
        found["head_box"] = _numbers(person.head_box)
    if person.scale:
        found["scale"] = person.scale
    if person.position is not None:
        found["objpos"] = _numbers(person.position)
    return found


class Part:
    """One json file in the making."""

    def __init__(self) -> None:
        limbs = [[a + 1, b + 1] for a, b in MPII.limbs]
        category = {"id": 1, "name": "person", "keypoints": list(MPII.keypoints), "skeleton": limbs}
        self.images: dict[int, dict[str, Any]] = {}
        self.annotations: list[dict[str, Any]] = []
        self.groups: list[dict[str, Any]] = []
        self.categories = [category]

    def add_image(self, key: int, name: str, size: tuple[int, int]) -> None:
        """List an image."""
        self.images[key] = {"id": key, "file_name": name, "height": size[0], "width": size[1]}

    def to_dict(self) -> dict[str, Any]:
        """The contents of the file."""
        images = list(self.images.values())
        return {"images": images, "annotations": self.annotations, "groups": self.groups, "categories": self.categories}


class Converter:
    """Sorts images, people and groups into the three parts and counts what it meets.

    Args:
        sizes: ``(height, width)`` of every image that exists, by name.
        val_list: entries with ``im_name`` and ``center_bbox`` (xyxy, pixels from 1).
    """

    def __init__(self, sizes: Mapping[str, tuple[int, int]], val_list: Sequence[Mapping[str, Any]] = ()) -> None:
        self.sizes, self.val_list = sizes, val_list
        self.val_names = {entry["im_name"] for entry in val_list}
        self.parts = {name: Part() for name in ("train", "val", "test")}
        self.count: Counter[str] = Counter()
        self._candidates: dict[str, list[dict[str, Any]]] = {}
        self._group_id = 0

    def add(self, key: int, image: MpiiImage) -> None:
        """Sort one image in, under the number ``key``."""
        self.count["images"] += 1
        self.count["people"] += len(image.people)
        self.count["images without people"] += not image.people
        size = self.sizes.get(image.name)
        groups = self._extents(image)
        if size is None:
            self.count["images dropped: no such file"] += 1
        elif not image.train:
            self._add_test(key, image, size, groups)
        elif image.people:
            self._add_train(key, image, size, groups)

    def _extents(self, image: MpiiImage) -> list[tuple[tuple[int, ...], dict[str, Any]]]:
        """Members and entry of every group that can be placed, numbered in the official order."""
        found = []
        for members in image.groups:
            self.count["groups"] += 1
            self._group_id += 1
            extent = group_extent([image.people[i] for i in members if i < len(image.people)])
            if extent is None:
                self.count["groups dropped: no member has position and scale"] += 1
                continue
            found.append(
                (
                    members,
                    {"id": self._group_id, "rectangle": _numbers(np.array(extent.rectangle)), "scale": extent.scale},
                )
            )
        return found

    def _add_test(self, key: int, image: MpiiImage, size: tuple[int, int], groups: list) -> None:
        part = self.parts["test"]
        for members, entry in groups:
            if not image.single.intersection(members):
                part.add_image(key, image.name, size)
                part.groups.append({**entry, "image_id": key})

    def _add_train(self, key: int, image: MpiiImage, size: tuple[int, int], groups: list) -> None:
        part = self.parts["val" if image.name in self.val_names else "train"]
        part.add_image(key, image.name, size)
        placed = [{**entry, "image_id": key} for _, entry in groups]
        if image.name in self.val_names:
            self._candidates.setdefault(image.name, []).extend(placed)
        else:
            part.groups += placed
        for i, person in enumerate(image.people):
            self._count_person(person)
            found = annotation(person, size)
            if found is None:
                self.count["people dropped: no points, head rectangle or position"] += 1
                continue
            self.count["people without points (kept as regions to ignore)"] += not found["num_keypoints"]
            member = [entry["id"] for members, entry in groups if i in members]
            part.annotations.append({"id": len(part.annotations) + 1, "image_id": key, **found, "group_ids": member})

    def _count_person(self, person: MpiiPerson) -> None:
        shown = person.visible > 0
        self.count["points"] += int(shown.sum())
        self.count["points dropped: unknown id or no coordinates"] += person.faulty_points
        self.count["people with points but no head rectangle"] += bool(shown.any() and person.head_box is None)

    def finish(self) -> dict[str, dict[str, Any]]:
        """The three parts; the val groups now in the order of their list."""
        part = self.parts["val"]
        for entry in self.val_list:
            wanted = np.asarray(entry["center_bbox"], float) - FIRST_PIXEL
            near = [
                (np.abs(np.array(group["rectangle"]) - wanted).max(), i)
                for i, group in enumerate(self._candidates.get(entry["im_name"], []))
            ]
            if not near or min(near)[0] > _LIST_TOLERANCE:
                self.count["val groups not found"] += 1
                continue
            part.groups.append(self._candidates[entry["im_name"]].pop(min(near)[1]))
        return {name: part.to_dict() for name, part in self.parts.items()}


def convert(
    images: Sequence[MpiiImage],
    sizes: Mapping[str, tuple[int, int]],
    val_list: Sequence[Mapping[str, Any]] = (),
) -> tuple[dict[str, dict[str, Any]], Counter[str]]:
    """Train, val and test part in COCO format, and how much of what was met.

    Args:
        images: of :func:`read_release`.
        sizes: ``(height, width)`` of every image that exists, by name.
        val_list: entries with ``im_name`` and ``center_bbox``; without, there is no val part to speak of.
    """
    converter = Converter(sizes, val_list)
    for key, image in enumerate(images, 1):
        converter.add(key, image)
    return converter.finish(), converter.count


def read_val_list(path: Path) -> list[dict[str, Any]]:
    """The groups to validate on: a json list of them, or an object whose ``root`` is one.

    Raises:
        ValueError: the file is another.
    """
    try:
        listed = json.loads(path.read_bytes().decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"--val-list {path} is not valid json: {error}") from error
    groups = listed.get("root") if isinstance(listed, dict) else listed
    known = isinstance(groups, list) and all(isinstance(group, dict) for group in groups)
    if not known or not all({"im_name", "center_bbox"} <= group.keys() for group in groups):
        raise ValueError(f"--val-list {path}: expected a list of groups with im_name and center_bbox")
    return groups


def main() -> ExitCode:
    """Read the arguments, convert, say what was read and dropped."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("annotations", type=Path, help="mpii_human_pose_v1_u12_1.mat")
    parser.add_argument("groups", type=Path, help="groups_v12.mat")
    parser.add_argument("images", type=Path, help="folder of the images, of which the sizes are read")
    parser.add_argument("--val-list", type=Path, help="json of the groups to validate on; else all go to train")
    parser.add_argument("--out", type=Path, default=Path("."), help="folder to write to (default: here)")
    args = parser.parse_args()
    check_folder(args.out, "--out")
    listed = read_val_list(args.val_list) if args.val_list else []
    images = read_release(args.annotations, read_members(args.groups))
    sizes = {image.name: size for image in images if (size := image_size(args.images / image.name)) is not None}
    parts, count = convert(images, sizes, listed)
    for name, data in parts.items():
        write_json(args.out / f"mpii_{name}.json", data)
        held = ", ".join(f"{len(data[key])} {key}" for key in ("images", "annotations", "groups"))
        print(f"{args.out / f'mpii_{name}.json'}: {held}")
    for what, amount in count.items():
        print(f"{amount:8d} {what}")
    left_out = any(amount and ("dropped" in what or "not found" in what) for what, amount in count.items())
    return ExitCode.LEFT_OUT if left_out else ExitCode.DONE


if __name__ == "__main__":
    sys.exit(run(main))
