"""Names of keypoints as labelling tools write them, compared with those of a skeleton."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from aemm.skeletons import Skeleton

_SHOWN = 6
# one point under several names: CrowdPose's own file says head, MPII head_top
_SYNONYMS = {"head": "tophead", "headtop": "tophead", "topofhead": "tophead"}


def folded(name: str) -> str:
    """A name without case, separators and camel case; known synonyms become one.

    >>> folded("Left Eye") == folded("left_eye") == folded("leftEye") == folded("LEFT-EYE")
    True
    """
    plain = re.sub(r"[^0-9a-z]+", "", name.lower())
    return _SYNONYMS.get(plain, plain)


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

    Args:
        names: as they stand in the file, one for each keypoint.
        skeleton: the keypoint set that is expected.
    """
    found, wanted = [folded(name) for name in names], [folded(name) for name in skeleton.keypoints]
    if found == wanted:
        return NameMatch(list(range(len(names))), None)
    if sorted(found) == sorted(wanted) and len(set(found)) == len(found):
        apart = [k for k, (a, b) in enumerate(zip(found, wanted, strict=True)) if a != b]
        listed = ", ".join(f"{k}: {names[k]} (skeleton: {skeleton.keypoints[k]})" for k in apart[:_SHOWN])
        more = f" and {len(apart) - _SHOWN} more" if len(apart) > _SHOWN else ""
        fault = (
            f"its keypoints are those of skeleton {skeleton.name!r} in another order, at {listed}{more}; set "
            "reorder_keypoints=True to bring them into the skeleton's order by name, or list the skeleton's keypoints "
            "in the order of the file"
        )
        return NameMatch([found.index(name) for name in wanted], fault)
    strangers = [name for name, plain in zip(names, found, strict=True) if plain not in wanted]
    missing = [name for name, plain in zip(skeleton.keypoints, wanted, strict=True) if plain not in found]
    fault = (
        f"its keypoints are not those of skeleton {skeleton.name!r}: the file has {strangers[:_SHOWN]}, which the "
        f"skeleton lacks, and lacks {missing[:_SHOWN]}; set skeleton to the set that was annotated"
    )
    return NameMatch(None, fault)
