"""Keypoint sets as data: names, limbs, flips, OKS sigmas and the order of grouping.

Nothing anywhere assumes a number of keypoints; a set of one's own is a dict in the config, or a json
file with the same fields.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Skeleton:
    """One set of K keypoints.

    Attributes:
        name: what to call it in messages.
        keypoints: K names.
        limbs: pairs of keypoint indices, for drawing.
        flip_index: K indices; ``flip_index[k]`` is the keypoint that ``k`` becomes in a mirror.
        sigmas: K positive OKS constants; a keypoint counts as close within about ``2 * sigma * sqrt(area)``.
        grouping_order: all K indices in the order in which decoding takes them up: head and torso
            first, limbs last.
    """

    name: str
    keypoints: tuple[str, ...]
    limbs: tuple[tuple[int, int], ...]
    flip_index: tuple[int, ...]
    sigmas: tuple[float, ...]
    grouping_order: tuple[int, ...]

    def __post_init__(self) -> None:
        """Report everything that is wrong with the definition at once."""
        count, faults = len(self.keypoints), []
        if not count:
            faults.append("keypoints is empty, expected at least one name")
        if len(set(self.keypoints)) != count:
            faults.append("keypoints holds a name twice")
        for limb in self.limbs:
            if len(limb) != 2 or not all(0 <= k < count for k in limb):
                faults.append(f"limbs holds {tuple(limb)}, expected two indices below {count}")
        if sorted(self.flip_index) != list(range(count)):
            faults.append(f"flip_index must hold each of 0..{count - 1} once, got {list(self.flip_index)}")
        elif any(self.flip_index[self.flip_index[k]] != k for k in range(count)):
            faults.append("flip_index must undo itself: flip_index[flip_index[k]] == k for every k")
        if len(self.sigmas) != count:
            faults.append(f"sigmas must have one value for each of the {count} keypoints, got {len(self.sigmas)}")
        if not all(math.isfinite(s) and s > 0 for s in self.sigmas):
            faults.append(f"sigmas must be positive, got {list(self.sigmas)}")
        if sorted(self.grouping_order) != list(range(count)):
            faults.append(f"grouping_order must hold each of 0..{count - 1} once, got {list(self.grouping_order)}")
        if faults:
            raise ValueError(f"skeleton {self.name!r}: " + "; ".join(faults))

    def __len__(self) -> int:
        """Number of keypoints K."""
        return len(self.keypoints)

    def to_dict(self) -> dict[str, Any]:
        """The definition in plain lists, as it is saved in checkpoints and json files."""
        plain = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}
        plain["limbs"] = [list(limb) for limb in self.limbs]
        return plain


def _mirrored(names: Sequence[str]) -> list[int]:
    """Flip indices guessed from names: whatever says left or right swaps with its counterpart."""
    swaps = (("left", "right"), ("right", "left"))
    place = {name: k for k, name in enumerate(names)}
    return [
        next((place[m] for a, b in swaps if a in n and (m := n.replace(a, b)) in place), k) for n, k in place.items()
    ]


def _read(path: Path) -> dict[str, Any]:
    """A json file that holds a definition.

    Raises:
        ValueError: it is no json object.
    """
    try:
        definition = json.loads(path.read_bytes().decode("utf-8-sig"))
    except ValueError as error:
        raise ValueError(f"skeleton {path} is no json file: {error}") from error
    if not isinstance(definition, dict):
        raise ValueError(f"skeleton {path} must hold a json object, got a {type(definition).__name__}")
    return definition


def build_skeleton(definition: str | Mapping[str, Any] | Skeleton) -> Skeleton:
    """A skeleton from a name, a dict, or a json file.

    Args:
        definition: ``'coco'``, ``'mpii'``, ``'mpii14'`` or ``'crowdpose'``; the path of a json file; or
            a dict with ``keypoints`` and ``sigmas``, and optionally ``name``, ``limbs`` (indices or
            names), ``flip_index`` (default: names with *left* and *right* swapped) and
            ``grouping_order`` (default: as listed).

    Raises:
        ValueError: naming every fault of the definition.

    >>> build_skeleton(dict(keypoints=['left_eye', 'right_eye', 'beak'], sigmas=[0.03] * 3)).flip_index
    (1, 0, 2)
    """
    if isinstance(definition, Skeleton):
        return definition
    if isinstance(definition, str):
        if definition in SKELETONS:
            return SKELETONS[definition]
        if not Path(definition).is_file():
            raise ValueError(
                f"skeleton {definition!r} is neither a known name ({', '.join(SKELETONS)}) nor a json file that exists"
            )
        definition = {"name": Path(definition).stem, **_read(Path(definition))}
    known = {f.name for f in fields(Skeleton)}
    name = definition.get("name", "custom")
    if unknown := sorted(set(definition) - known):
        raise ValueError(f"skeleton {name!r}: unknown fields {unknown}, expected some of {sorted(known)}")
    if missing := sorted({"keypoints", "sigmas"} - set(definition)):
        raise ValueError(
            f"skeleton {name!r}: {' and '.join(missing)} missing. sigmas are the OKS constants, one for each keypoint: "
            "0.025 for a point as exact as an eye to 0.107 for one as vague as a hip"
        )
    names = tuple(definition["keypoints"])
    place = {keypoint: k for k, keypoint in enumerate(names)}
    limbs = tuple((place.get(a, a), place.get(b, b)) for a, b in definition.get("limbs", ()))
    return Skeleton(
        name=name,
        keypoints=names,
        limbs=limbs,
        flip_index=tuple(definition.get("flip_index", _mirrored(names))),
        sigmas=tuple(float(s) for s in definition["sigmas"]),
        grouping_order=tuple(definition.get("grouping_order", range(len(names)))),
    )


_COCO_NAMES = [
    *("nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder"),
    *("left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip"),
    *("left_knee", "right_knee", "left_ankle", "right_ankle"),
]
_COCO_SIGMAS = [0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107]
_COCO_SIGMAS += [0.087, 0.087, 0.089, 0.089]
_MPII_NAMES = [
    *("right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle"),
    *("pelvis", "thorax", "upper_neck", "head_top"),
    *("right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist"),
]
# COCO's constants at the same place of the body; trunk and head points as MMPose evaluates them
_MPII_SIGMAS = [0.089, 0.083, 0.107, 0.107, 0.083, 0.089, 0.026, 0.026, 0.026, 0.026, 0.062, 0.072, 0.179, 0.179]
_MPII_SIGMAS += [0.072, 0.062]
_MPII14 = [0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15]
_CROWDPOSE_NAMES = [
    *("left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist"),
    *("left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle", "top_head", "neck"),
]
_CROWDPOSE_SIGMAS = [0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089, 0.089, 0.079, 0.079]

_ARMS_AND_LEGS = [
    (f"{side}_{a}", f"{side}_{b}")
    for side in ("left", "right")
    for a, b in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"))
]
_TRUNK = [("left_shoulder", "left_hip"), ("right_shoulder", "right_hip"), ("left_hip", "right_hip")]
_FACE = [("nose", "left_eye"), ("nose", "right_eye"), ("left_eye", "left_ear"), ("right_eye", "right_ear")]

SKELETONS: dict[str, Skeleton] = {}
SKELETONS["coco"] = build_skeleton(
    dict(
        name="coco",
        keypoints=_COCO_NAMES,
        limbs=[*_FACE, ("left_shoulder", "right_shoulder"), *_TRUNK, *_ARMS_AND_LEGS],
        sigmas=_COCO_SIGMAS,
        grouping_order=[0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13, 14, 15, 16],
    )
)
SKELETONS["mpii"] = build_skeleton(
    dict(
        name="mpii",
        keypoints=_MPII_NAMES,
        limbs=[
            ("head_top", "upper_neck"),
            ("upper_neck", "thorax"),
            ("thorax", "pelvis"),
            ("thorax", "left_shoulder"),
            ("thorax", "right_shoulder"),
            ("pelvis", "left_hip"),
            ("pelvis", "right_hip"),
            *_ARMS_AND_LEGS,
        ],
        sigmas=_MPII_SIGMAS,
        grouping_order=[9, 8, 7, 12, 13, 6, 2, 3, 11, 14, 10, 15, 1, 4, 0, 5],
    )
)
SKELETONS["mpii14"] = build_skeleton(
    dict(
        name="mpii14",
        keypoints=[_MPII_NAMES[k] for k in _MPII14],
        limbs=[
            ("head_top", "upper_neck"),
            ("upper_neck", "left_shoulder"),
            ("upper_neck", "right_shoulder"),
            *_TRUNK,
            *_ARMS_AND_LEGS,
        ],
        sigmas=[_MPII_SIGMAS[k] for k in _MPII14],
        grouping_order=[7, 6, 10, 11, 2, 3, 9, 12, 8, 13, 1, 4, 0, 5],
    )
)
SKELETONS["crowdpose"] = build_skeleton(
    dict(
        name="crowdpose",
        keypoints=_CROWDPOSE_NAMES,
        limbs=[("top_head", "neck"), ("neck", "left_shoulder"), ("neck", "right_shoulder"), *_TRUNK, *_ARMS_AND_LEGS],
        sigmas=_CROWDPOSE_SIGMAS,
        grouping_order=[12, 13, 0, 1, 6, 7, 2, 3, 4, 5, 8, 9, 10, 11],
    )
)
