"""Names of keypoints as labelling tools write them, compared with those of a skeleton."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from aemm.skeletons import Skeleton, name_parts

_SHOWN = 6
# one point under several names: CrowdPose's own file says head, MPII head_top
_SYNONYMS = (("headtop", "head", "tophead", "headoftop"),)
_PLACEHOLDER = re.compile(r"(point|kp|kpt|keypoint|key point|joint|landmark|part|p|k|v)?[ _.-]*\d+", re.IGNORECASE)

Key = tuple[tuple[str, ...], str]


def folded(name: str) -> Key:
    """A name without case, separators, camel case and the order of its words: its sides, and the rest.

    >>> folded("Left Eye") == folded("left_eye") == folded("leftEye") == folded("EYE-L") == folded("lefteye")
    True
    """
    parts = name_parts(name)
    return parts.sides, "".join(sorted(parts.words)) or name.casefold() * (not parts.sides)


def is_placeholder(name: str) -> bool:
    """Whether a name only counts, and says nothing of a place: '3', 'point 3', 'kp_3'."""
    return _PLACEHOLDER.fullmatch(name.strip()) is not None


class NameMatch(NamedTuple):
    """How the names of a file agree with those of a skeleton.

    Attributes:
        order: for each keypoint of the skeleton its place in the file; None where the names are others.
        fault: what is wrong; None where they agree.
    """

    order: list[int] | None
    fault: str | None


def compare_names(names: Sequence[str], skeleton: Skeleton) -> NameMatch:
    """Hold K names of a file against the K names of a skeleton.

    A skeleton that only counts its keypoints ('0', 'kp1') contradicts no file, so that the file's order holds.

    Args:
        names: as they stand in the file, one for each keypoint.
        skeleton: the keypoint set that is expected.
    """
    wanted = [folded(name) for name in skeleton.keypoints]
    found = _in_terms_of(wanted, [folded(name) for name in names])
    if found == wanted or (all(map(is_placeholder, skeleton.keypoints)) and not any(map(is_placeholder, names))):
        return NameMatch(list(range(len(names))), None)
    apart = [k for k, (a, b) in enumerate(zip(found, wanted, strict=True)) if a != b]
    listed = ", ".join(f"{k}: {names[k]} (skeleton: {skeleton.keypoints[k]})" for k in apart[:_SHOWN])
    listed += f" and {len(apart) - _SHOWN} more" if len(apart) > _SHOWN else ""
    if sorted(found) == sorted(wanted) and len(set(found)) == len(found):
        fault = (
            f"its keypoints are those of skeleton {skeleton.name!r} in another order, at {listed}; set "
            "reorder_keypoints=True to bring them into the skeleton's order by name, or list the skeleton's keypoints "
            "in the order of the file"
        )
        return NameMatch([found.index(name) for name in wanted], fault)
    strangers = [name for name, plain in zip(names, found, strict=True) if plain not in wanted]
    missing = [name for name, plain in zip(skeleton.keypoints, wanted, strict=True) if plain not in found]
    fault = (
        f"its keypoints are not those of skeleton {skeleton.name!r}: the file has {strangers[:_SHOWN]}, which the "
        f"skeleton lacks, and lacks {missing[:_SHOWN]}; they differ at {listed}; set skeleton to the set that was "
        "annotated"
    )
    return NameMatch(None, fault)


def _in_terms_of(wanted: Sequence[Key], found: Sequence[Key]) -> list[Key]:
    """Names of a file, those that are none of ``wanted`` replaced by another reading that is, if there is one."""
    taken = set(found)
    return [
        key if key in wanted else next((k for k in _readings(key) if k in wanted and k not in taken), key)
        for key in found
    ]


def _readings(key: Key) -> Iterator[Key]:
    """Other readings of a name: synonyms, and l or r as the first or last letter of a word."""
    sides, word = key
    for synonyms in _SYNONYMS:
        if word in synonyms:
            yield from ((sides, other) for other in synonyms)
    if not sides and len(word) > 2:
        for letter, rest in ((word[0], word[1:]), (word[-1], word[:-1])):
            if letter in ("l", "r"):
                yield ("left" if letter == "l" else "right",), rest
