"""What was read of labelling tools, written as COCO files and skeletons."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aemm.formats.files import write_json
from aemm.formats.labels.records import Box, Labelled, LabelledImage, LabelledSet, ObjectKind
from aemm.formats.names import folded
from aemm.skeletons import SKELETONS, Skeleton, build_skeleton

_SIGMA = 0.05  # for a point of which nothing is known: between a shoulder's 0.079 and an eye's 0.025
_UNSAFE = re.compile(r"[^\w-]+")


@dataclass(frozen=True)
class Written:
    """A COCO file that was written.

    Attributes:
        ann_file: its path.
        img_dir: folder that its file names are relative to.
        skeleton_file: the path of its keypoint set.
        skeleton: the set.
        category: of the objects.
        images: number of them.
        objects: number of them.
        points: number of annotated keypoints.
        guessed: keypoints whose OKS constants are guessed.
        notes: what is to be said of left and right.
    """

    ann_file: str
    img_dir: str
    skeleton_file: str
    skeleton: Skeleton
    category: str
    images: int
    objects: int
    points: int
    guessed: tuple[str, ...]
    notes: tuple[str, ...]

    def pairs(self) -> list[tuple[str, str]]:
        """Keypoints that swap in a mirror."""
        names, flips = self.skeleton.keypoints, self.skeleton.flip_index
        return [(names[k], names[other]) for k, other in enumerate(flips) if k < other]


def write_labelled(found: LabelledSet, folder: str) -> list[Written]:
    """Write one file for each part of a set and each category that has keypoints, and the skeletons beside them.

    Args:
        found: what was read.
        folder: where to; it is made.

    Raises:
        OSError: a file cannot be written.
        ValueError: nothing is left to write.
    """
    named = {name: kind for name, kind in found.kinds.items() if kind.keypoints}
    used = {thing.name for image in found.images for thing in image.objects if thing.points}
    found.dropped["objects of categories without any keypoint"] += sum(
        thing.name not in used for image in found.images for thing in image.objects
    )
    kinds = {name: _in_order(kind) for name, kind in named.items() if name in used}
    if not kinds:
        raise ValueError(f"no keypoint is left to write, of {len(found.images)} images; {'; '.join(found.lost[:3])}")
    img_dir = os.path.commonpath([os.path.dirname(image.path) for image in found.images])
    written, taken = [], set[str]()
    for name, kind in kinds.items():
        ending = "" if len(kinds) == 1 else _free(_UNSAFE.sub("_", name), taken)
        skeleton, guessed, notes = _skeleton(name, kind)
        skeleton_file = str(Path(folder) / f"skeleton{ending}.json")
        write_json(skeleton_file, skeleton.to_dict())
        for split in dict.fromkeys(image.split for image in found.images):
            images = [image for image in found.images if image.split == split]
            data = _describe(found, name, kind, images, img_dir)
            if not data["annotations"]:
                continue
            image_folder = Path(os.path.relpath(img_dir, folder)).as_posix()
            data["info"] = {"image_folder": image_folder, "skeleton_file": os.path.basename(skeleton_file)}
            ann_file = str(Path(folder) / f"{split}{ending}.json")
            write_json(ann_file, data)
            written.append(
                Written(
                    ann_file=ann_file,
                    img_dir=img_dir,
                    skeleton_file=skeleton_file,
                    skeleton=skeleton,
                    category=name,
                    images=len(images),
                    objects=len(data["annotations"]),
                    points=sum(row["num_keypoints"] for row in data["annotations"]),
                    guessed=guessed,
                    notes=notes,
                )
            )
    return written


def _free(name: str, taken: set[str]) -> str:
    """An ending of file names that no other category has."""
    ending = f"_{name}"
    while ending in taken:
        ending += "_"
    taken.add(ending)
    return ending


def _in_order(kind: ObjectKind) -> ObjectKind:
    """A category whose keypoints nobody declared, in the order of the known set of its names, if there is one."""
    if kind.declared:
        return kind
    keys = {folded(name): name for name in kind.keypoints}
    for known in SKELETONS.values():
        wanted = [folded(name) for name in known.keypoints]
        if len(kind.keypoints) == len(wanted) and set(wanted) == set(keys):
            return replace(kind, keypoints=[keys[key] for key in wanted])
    return kind


def _skeleton(name: str, kind: ObjectKind) -> tuple[Skeleton, tuple[str, ...], tuple[str, ...]]:
    """The keypoint set, the keypoints whose constants are guessed, and what is to be said of left and right."""
    known = {
        folded(keypoint): sigma
        for skeleton in reversed(list(SKELETONS.values()))
        for keypoint, sigma in zip(skeleton.keypoints, skeleton.sigmas, strict=True)
    }
    guessed = () if kind.sigmas else tuple(k for k in kind.keypoints if folded(k) not in known)
    sigmas = kind.sigmas or [known.get(folded(keypoint), _SIGMA) for keypoint in kind.keypoints]
    place = {keypoint: k for k, keypoint in enumerate(kind.keypoints)}
    limbs = [[place[a], place[b]] for a, b in kind.limbs if a in place and b in place]
    if not limbs:
        limbs = _known_limbs(kind.keypoints)
    definition: dict[str, Any] = {"name": name, "keypoints": kind.keypoints, "sigmas": sigmas, "limbs": limbs}
    if kind.flips is not None:
        definition["flip_index"] = [place[kind.flips[keypoint]] for keypoint in kind.keypoints]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        skeleton = build_skeleton(definition)
    return skeleton, guessed, tuple(str(one.message) for one in caught)


def _known_limbs(names: Sequence[str]) -> list[list[int]]:
    """Limbs of the known set that has these names; none if there is no such set."""
    keys = [folded(name) for name in names]
    for known in SKELETONS.values():
        wanted = [folded(name) for name in known.keypoints]
        if set(wanted) == set(keys):
            return [[keys.index(wanted[a]), keys.index(wanted[b])] for a, b in known.limbs]
    return []


def _describe(
    found: LabelledSet, name: str, kind: ObjectKind, images: Sequence[LabelledImage], img_dir: str
) -> dict[str, Any]:
    """A COCO file of the objects of one category."""
    place = {keypoint: k + 1 for k, keypoint in enumerate(kind.keypoints)}
    limbs = [[place[a], place[b]] for a, b in kind.limbs if a in place and b in place]
    category = {"id": 1, "name": name, "keypoints": list(kind.keypoints), "skeleton": limbs}
    entries: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    for n, image in enumerate(images, 1):
        relative = Path(os.path.relpath(image.path, img_dir)).as_posix()
        entries.append({"id": n, "file_name": relative, "height": image.size[0], "width": image.size[1]})
        for thing in image.objects:
            if thing.name == name and (row := _row(found, thing, kind)):
                rows.append({"id": len(rows) + 1, "image_id": n, "category_id": 1, **row})
    return {"images": entries, "annotations": rows, "categories": [category]}


def _row(found: LabelledSet, thing: Labelled, kind: ObjectKind) -> dict[str, Any] | None:
    """An annotation; None where there is neither a point nor a box."""
    box = thing.box
    if box is None and not thing.points:
        found.dropped["objects without points and box"] += 1
        return None
    if box is None:
        found.changed["objects without a box, which get that of their points"] += 1
    if box is None or not (box.width > 0 and box.height > 0):
        x, y, width, height = Box.around(list(thing.points.values())) if thing.points else box or Box(0, 0, 0, 0)
        box = Box(x, y, max(width, 1.0), max(height, 1.0))  # a single point has no extent, and OKS divides by the area
    flat: list[float] = []
    for keypoint in kind.keypoints:
        flat += thing.points.get(keypoint, (0, 0, 0))
    row: dict[str, Any] = {"keypoints": flat, "num_keypoints": len(thing.points), "bbox": list(box), "iscrowd": 0}
    area = abs(_area(thing.outline)) if thing.outline else 0.0
    if thing.outline and area > 0:
        row["segmentation"] = [thing.outline]
    return row | {"area": area if area > 0 else box.width * box.height}


def _area(outline: Sequence[float]) -> float:
    """Area of a polygon, by the sum of its edges' trapezoids."""
    xs, ys = outline[::2], outline[1::2]
    after = [*range(1, len(xs)), 0]
    return sum(xs[n] * ys[m] - xs[m] * ys[n] for n, m in enumerate(after)) / 2
