"""Keypoint sets as data: names, limbs, flips, OKS sigmas and the order of grouping.

Nothing anywhere assumes a number of keypoints; a set of one's own is a dict in the config, or a json
file with the same fields.
"""

from __future__ import annotations

import difflib
import json
import math
import re
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


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


# what names say of the side; a word of its own, or written before or behind another
_SIDE_WORDS = {
    **dict.fromkeys(("left", "l", "lt", "lft", "links", "gauche", "izquierdo", "izquierda", "sinistra", "左"), "left"),
    **dict.fromkeys(("right", "r", "rt", "rgt", "rechts", "droite", "derecho", "derecha", "destra", "右"), "right"),
}
_SIDE_IN_WORD = re.compile(r"(left|right|左|右)(?=.)|(?<=...)(left|right)$")
_OTHER_SIDE = {"left": "right", "right": "left", "l": "r", "r": "l"}
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|\d+")


class NameParts(NamedTuple):
    """The name of a keypoint without spelling.

    Attributes:
        sides: 'left' and 'right' in the order in which the name says them.
        words: the others, lower case.
    """

    sides: tuple[str, ...]
    words: tuple[str, ...]

    def mirrored(self) -> NameParts:
        """The name with every side swapped."""
        return NameParts(tuple(_OTHER_SIDE[side] for side in self.sides), self.words)


def name_parts(name: str) -> NameParts:
    """Sides and other words of a name, whatever separates them.

    >>> name_parts("LElbow") == name_parts("elbow_left") == name_parts("LEFT ELBOW") == name_parts("l-elbow")
    True
    >>> name_parts("ear_lobe").sides, name_parts("heel").sides
    ((), ())
    """
    sides, words = [], []
    for word in (found.lower() for found in _WORDS.findall(name)):
        if word in _SIDE_WORDS:
            sides.append(_SIDE_WORDS[word])
        elif glued := _SIDE_IN_WORD.match(word) or _SIDE_IN_WORD.search(word, 3):
            sides.append(_SIDE_WORDS[glued[0]])
            words.append(word[: glued.start()] + word[glued.end() :])
        else:
            words.append(word)
    return NameParts(tuple(sides), tuple(words))


def _guess_flips(names: Sequence[str]) -> tuple[list[int], list[str]]:
    """Flip indices guessed from names, and the names that say a side but have no counterpart."""
    parts = [name_parts(name) for name in names]
    counts = Counter(parts)
    place = {part: k for k, part in enumerate(parts) if counts[part] == 1}
    flips = [place.get(part.mirrored(), k) if part.sides and part in place else k for k, part in enumerate(parts)]
    lonely = [name for k, name in enumerate(names) if parts[k].sides and flips[k] == k]
    plain = {"".join(part.words): k for k, part in enumerate(parts) if not part.sides}
    for word, k in plain.items():
        for other in _other_letter(word):
            if other in plain and flips[k] == k and flips[plain[other]] == plain[other]:
                flips[k], flips[plain[other]] = plain[other], k
    return flips, lonely


def _other_letter(word: str) -> list[str]:
    """Counterparts of a word that the letter l or r begins or ends: lhip and rhip, eyel and eyer."""
    if len(word) < 3:
        return []
    first = [_OTHER_SIDE[word[0]] + word[1:]] if word[0] in "lr" else []
    return first + ([word[:-1] + _OTHER_SIDE[word[-1]]] if word[-1] in "lr" else [])


def _doubts(name: str, names: Sequence[str], flips: Sequence[int], lonely: Sequence[str]) -> str | None:
    """What a guess of the flip indices leaves open."""
    if lonely:
        fault = f"{', '.join(map(repr, lonely[:6]))} say a side, but no other name is their counterpart"
    elif len(names) > 1 and list(flips) == list(range(len(names))):
        fault = f"no name of {list(names[:6])} says a side that is recognised"
    else:
        return None
    return (
        f"skeleton {name!r}: {fault}, so mirrored images (RandomFlip, flip in testing) keep these keypoints as they "
        "are. If left and right are to swap, or to silence this, set flip_index: for each keypoint the index or name "
        "of its counterpart, its own where it has none"
    )


def _read(path: Path) -> dict[str, Any]:
    """A json file that holds a definition.

    Raises:
        ValueError: it is no json object.
    """
    try:
        definition = json.loads(path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ValueError(
            f"skeleton {path} is not UTF-8 text (byte 0x{error.object[error.start]:02x} at {error.start}); it was "
            "written in another encoding, such as latin-1: save it as UTF-8"
        ) from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"skeleton {path} is no json file: {error}") from error
    if not isinstance(definition, dict):
        raise ValueError(f"skeleton {path} must hold a json object, got a {type(definition).__name__}")
    return definition


class _Definition:
    """The fields of a definition, read one by one; what is wrong is gathered in ``faults``."""

    def __init__(self, definition: Mapping[str, Any]) -> None:
        self.given, self.faults = definition, list[str]()
        self.names: tuple[str, ...] = ()
        self.names = self._list_of("keypoints", "names, none of them empty", lambda v: isinstance(v, str) and bool(v))

    def _list_of(self, field: str, what: str, fits: Callable[[Any], bool]) -> tuple[Any, ...]:
        value = self.given.get(field, ())
        value = value.tolist() if isinstance(value, np.ndarray) else value
        if isinstance(value, str) or not isinstance(value, Sequence):
            self.faults.append(f"{field} must be a list of {what}, got {value!r:.80}")
            return ()
        if wrong := [entry for entry in value if not fits(entry)]:
            self.faults.append(f"{field} must be a list of {what}, but holds {wrong[0]!r:.80}")
            return ()
        return tuple(value)

    def sigmas(self) -> tuple[float, ...]:
        """The OKS constants."""
        return tuple(float(v) for v in self._list_of("sigmas", "numbers, one for each keypoint", _is_number))

    def places(self, field: str) -> tuple[int, ...]:
        """A list of keypoints, each by its index or name."""
        return tuple(self._place(field, v) for v in self._list_of(field, "indices or names of keypoints", _is_place))

    def limbs(self) -> tuple[tuple[int, ...], ...]:
        """Pairs of keypoints, each by its index or name."""
        pairs = self._list_of("limbs", "pairs, each of two indices or names of keypoints", _is_pair)
        return tuple(tuple(self._place("limbs", end) for end in pair) for pair in pairs)

    def _place(self, field: str, value: int | str) -> int:
        if not isinstance(value, str):
            return int(value)
        if value in self.names:
            return self.names.index(value)
        near = difflib.get_close_matches(value, self.names, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        self.faults.append(f"{field} holds {value!r}, which is none of the keypoints{hint}")
        return 0


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return False
    return abs(value) < 1e9 or not math.isfinite(value) if isinstance(value, float) else abs(value) < 10**9


def _is_place(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, int | np.integer) and not isinstance(value, bool))


def _is_pair(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and all(map(_is_place, value))


def build_skeleton(definition: str | Mapping[str, Any] | Skeleton) -> Skeleton:
    """A skeleton from a name, a dict, or a json file.

    Where ``flip_index`` is left out, it is guessed from the names: those that say left and right, as a word of their
    own or as the letters l and r, swap with their counterparts. A warning tells where that fails.

    Args:
        definition: ``'coco'``, ``'mpii'``, ``'mpii14'`` or ``'crowdpose'``; the path of a json file; or
            a dict with ``keypoints`` and ``sigmas``, and optionally ``name``, ``limbs``, ``flip_index`` and
            ``grouping_order`` (default: as listed). These three take indices or names.

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
        definition = _from_file(definition)
    if not isinstance(definition, Mapping):
        raise ValueError(
            f"a skeleton is a name ({', '.join(SKELETONS)}), a dict or the path of a json file, got {definition!r:.80}"
        )
    return _build(definition)


def _from_file(path: str) -> dict[str, Any]:
    try:
        there = Path(path).is_file()
    except ValueError:  # a null character
        there = False
    if not there:
        raise ValueError(
            f"skeleton {path!r} is neither a known name ({', '.join(SKELETONS)}) nor a json file that exists"
        )
    return {"name": Path(path).stem, **_read(Path(path))}


def _build(definition: Mapping[str, Any]) -> Skeleton:
    known = {f.name for f in fields(Skeleton)}
    name = definition.get("name", "custom")
    if unknown := sorted(set(map(str, definition)) - known):
        raise ValueError(f"skeleton {name!r}: unknown fields {unknown}, expected some of {sorted(known)}")
    if missing := sorted({"keypoints", "sigmas"} - set(definition)):
        raise ValueError(
            f"skeleton {name!r}: {' and '.join(missing)} missing. sigmas are the OKS constants, one for each keypoint: "
            "0.025 for a point as exact as an eye to 0.107 for one as vague as a hip"
        )
    read = _Definition(definition)
    limbs, sigmas = read.limbs(), read.sigmas()
    guessed, lonely = _guess_flips(read.names)
    flips = read.places("flip_index") if "flip_index" in definition else tuple(guessed)
    order = read.places("grouping_order") if "grouping_order" in definition else tuple(range(len(read.names)))
    if not isinstance(name, str):
        read.faults.append(f"name must be text, got {name!r:.80}")
    if read.faults:
        raise ValueError(f"skeleton {name!r}: " + "; ".join(read.faults))
    skeleton = Skeleton(name, read.names, limbs, flips, sigmas, order)  # type: ignore[arg-type]
    if "flip_index" not in definition and (doubts := _doubts(name, read.names, flips, lonely)):
        warnings.warn(doubts, stacklevel=4)
    return skeleton


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
