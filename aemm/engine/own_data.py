"""A skeleton and a config for data of one's own: a small network, sized by the images, trained by their number."""

from __future__ import annotations

import json
import math
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aemm.engine.environment import usable_cpus
from aemm.engine.own_config import config_text
from aemm.formats.categories import CategoryChoice
from aemm.formats.files import AnnotationError, write_json
from aemm.formats.image_folder import ImageFolder
from aemm.formats.keypoint_file import KeypointFile, read_keypoints
from aemm.formats.listed import AnnotationSource
from aemm.formats.own_set import (
    describe_skeleton,
    find_annotations,
    find_images,
    gives_areas,
    held_out_count,
    keypoint_category,
    read_own_set,
    skeleton_beside,
    split_by_image,
    validation_beside,
)
from aemm.skeletons import Skeleton, build_skeleton

_SIDES = (128, 512)  # smallest and largest input, pixels
_SIDE_ON_CPU = 256
_STEPS = 3800  # iterations after which the small network has learnt what it can
_EPOCHS = (6, 1000)
_AREA_PER_BOX = 0.53  # of a person, as in CrowdPose
_LOOKED_AT = 150  # images, for their colours
_UNTOLD = ('"', "\\", "{{", "\n")  # mmengine puts the path of a config into its text as it is
_DISTINCT = 1.5  # deviations between the colours of two sides


@dataclass(frozen=True)
class OwnData:
    """An annotation file of one's own, checked, and what follows from it.

    Attributes:
        path: of the file.
        images: folder of its images.
        data: the file as it stands.
        category: name of its objects.
        skeleton: of their keypoints.
        file: the same, read.
        doubts: what the names of the keypoints leave open.
        given_areas: whether the file says how large every object is.
        held_out: a file that validates, where the set was divided before; None = it is to be divided.
    """

    path: Path
    images: Path
    data: dict[str, Any]
    category: str
    skeleton: Skeleton
    file: KeypointFile
    doubts: tuple[str, ...]
    given_areas: bool
    held_out: Path | None

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The keypoints that swap in a mirror image, each pair once."""
        names, flips = self.skeleton.keypoints, self.skeleton.flip_index
        return [(names[k], names[flip]) for k, flip in enumerate(flips) if k < flip]


@dataclass(frozen=True)
class Plan:
    """How a network is trained on own data.

    Attributes:
        network: one of :data:`aemm.engine.own_config.NETWORKS`.
        size: side of the network's input, pixels.
        batch: images of a step.
        epochs: of the training.
        flip: train on mirror images, too.
        validation: share of the images that validate.
        spread: tags at the ends of the map's longer side lie so far apart.
        weight: of the heatmap loss.
        workers: processes that load images.
    """

    network: str
    size: int
    batch: int
    epochs: int
    flip: bool
    validation: float
    spread: float
    weight: float
    workers: int


def read_own_data(path: str, images: str | None = None, category: str | None = None) -> OwnData:
    """An annotation file and all that is wrong with it.

    Args:
        path: of the file, or its folder.
        images: folder of the images; None looks beside the file.
        category: of the objects; None = the only one with keypoints.

    Raises:
        FileNotFoundError: the file or its images are not there.
        AnnotationError: listing every fault of the file.
        ValueError: the folder holds several files.
    """
    file = find_annotations(path)
    data = read_own_set(file)
    folder = find_images(file, data, images)
    chosen = keypoint_category(data, file, category)
    told, held_out = skeleton_beside(file, data), validation_beside(file)
    with warnings.catch_warnings(record=True) as doubts:
        warnings.simplefilter("always")
        skeleton = build_skeleton(str(told) if told else describe_skeleton(chosen, str(chosen.get("name"))))
    areas = gives_areas(data) and (held_out is None or gives_areas(read_own_set(held_out)))
    choice, per_box = CategoryChoice(str(chosen["name"])), None if areas else _AREA_PER_BOX
    read = read_keypoints([AnnotationSource(str(file), ImageFolder(str(folder)))], skeleton, choice, per_box)
    if held_out is not None:
        read_keypoints([AnnotationSource(str(held_out), ImageFolder(str(folder)))], skeleton, choice, per_box)
    elif len(_annotated_images(read)) < 2:
        raise AnnotationError(
            str(file), ["fewer than 2 images have annotated keypoints; one is needed to train on, one to validate on"]
        )
    said = tuple(str(doubt.message) for doubt in doubts)
    return OwnData(file, folder, data, str(chosen["name"]), skeleton, read, said, areas, held_out)


def _annotated_images(file: KeypointFile) -> list[int]:
    return [i for i in range(len(file.images)) if file.annotated[file.rows(i)].any()]


def make_plan(
    own: OwnData,
    network: str = "hourglass",
    size: int | None = None,
    epochs: int | None = None,
    flip: bool | None = None,
    validation: float = 0.1,
) -> Plan:
    """Settings that follow from the images, each of which may be given instead.

    Args:
        own: the data.
        network: one of :data:`aemm.engine.own_config.NETWORKS`.
        size: of the input; None = the usual longer side of the images, on a CPU 256 at most.
        epochs: None = as many as make 3800 steps.
        flip: train on mirror images; None = unless left and right keypoints differ in colour.
        validation: share of the images.
    """
    places = _annotated_images(own.file)
    longer = np.array([max(own.file.images[i].size) for i in places], float)
    largest = _SIDES[1] if torch.cuda.is_available() else _SIDE_ON_CPU
    side = size or int(np.clip(64 * math.ceil(np.median(longer) / 64), _SIDES[0], largest))
    train = len(places) - (0 if own.held_out else held_out_count(len(places), validation))
    batch = min(8, train)
    share = _usual_share(own, places)
    cells = (side / 4) ** 2 / max(sigma_of(side), 1.5) ** 2
    return Plan(
        network=network,
        size=side,
        batch=batch,
        epochs=epochs or int(np.clip(round(_STEPS * batch / train), *_EPOCHS)),
        flip=not distinct_sides(own) if flip is None else flip,
        validation=validation,
        spread=round(float(np.clip(8 / share, 8, 60)), 1),
        weight=round(100 * cells / 455, 0),  # 455 of drawn people at 128 px, for whom 100 was found
        workers=0 if usable_cpus() <= 2 else min(4, usable_cpus() // 2),
    )


def sigma_of(size: int) -> float:
    """Of the Gaussians of heatmaps, in cells of 4 pixels."""
    return 1.0 if size < 192 else 2.0


def _usual_share(own: OwnData, places: list[int]) -> float:
    """The usual longer side of an object, as a share of the longer side of its image."""
    shares = [
        float((box[2:] - box[:2]).max() / max(own.file.images[i].size))
        for i in places
        for box, known in zip(own.file.boxes[own.file.rows(i)], own.file.annotated[own.file.rows(i)], strict=True)
        if known
    ]
    return max(float(np.median(shares)), 0.02)


def distinct_sides(own: OwnData) -> list[str]:
    """The left keypoints whose colour tells them from their right counterparts, so that a mirror image would mislead.

    A keypoint's colour is the mean of 3x3 pixels around it. Two sides differ where the means of their colours lie
    further apart, along the line through both, than 1.5 deviations.
    """
    colors: list[list[np.ndarray]] = [[] for _ in own.skeleton.keypoints]
    for i in _annotated_images(own.file)[:_LOOKED_AT]:
        image = own.file.images[i].load()
        rows = own.file.rows(i)
        for points, visible in zip(own.file.keypoints[rows], own.file.visible[rows], strict=True):
            for k in np.flatnonzero(visible == 2).tolist():
                x, y = np.floor(points[k]).astype(int)
                patch = image[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
                if patch.size:
                    colors[k].append(patch.reshape(-1, 3).mean(0))
    flips = own.skeleton.flip_index
    return [
        own.skeleton.keypoints[k]
        for k, flip in enumerate(flips)
        if k < flip and _apart(np.array(colors[k]), np.array(colors[flip])) > _DISTINCT
    ]


def _apart(left: np.ndarray, right: np.ndarray) -> float:
    """Distance of two clouds of colours ``(n, 3)`` in deviations along the line through their centres."""
    if min(len(left), len(right)) < 10:
        return 0.0
    line = left.mean(0) - right.mean(0)
    length = float(np.linalg.norm(line))
    if length < 1:
        return 0.0
    deviation = math.sqrt(((left @ line / length).var() + (right @ line / length).var()) / 2)
    return length / max(deviation, 1e-6)


def write_own_data(own: OwnData, plan: Plan, folder: Path, name: str) -> Path:
    """Write skeleton, the two parts of the annotations, and the config.

    Args:
        own: the data.
        plan: of the training.
        folder: where to; it is made.
        name: of the config, without ending.

    Returns:
        The config.

    Raises:
        OSError: something cannot be written.
        ValueError: no config can stand in this folder.
    """
    if any(sign in folder.resolve().as_posix() for sign in _UNTOLD):
        raise ValueError(
            f"the path of {folder} has a double quote, a backslash or {{{{ in it, which configs cannot tell; "
            "choose another --out"
        )
    folder.mkdir(parents=True, exist_ok=True)
    skeleton = json.dumps(own.skeleton.to_dict(), indent=1, ensure_ascii=False)
    (folder / "skeleton.json").write_text(skeleton, encoding="utf-8")
    held_out = own.held_out
    known = {own.file.images[i].image_id for i in _annotated_images(own.file)}
    parts = (own.data, read_own_set(held_out)) if held_out else split_by_image(own.data, known, plan.validation)
    for part, data in zip(("train", "val"), parts, strict=True):
        write_json(folder / f"{part}.json", data)
    images = Path(os.path.relpath(own.images.resolve(), folder.resolve())).as_posix()
    settings = dict(
        name=name,
        source=own.path.name,
        count=len(own.skeleton),
        images=images,
        category=own.category,
        area_per_box=None if own.given_areas else _AREA_PER_BOX,
        sigma=sigma_of(plan.size),
        pairs=bool(own.pairs),
    )
    config = folder / f"{name}.py"
    config.write_text(config_text(plan, settings), encoding="utf-8")
    return config
