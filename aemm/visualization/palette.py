"""Colours of instances that people with any colour vision tell apart, and of the two sides of a body."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from aemm.skeletons import Skeleton, name_parts

Color = tuple[int, int, int]
Side = Literal["left", "right", ""]

# Okabe and Ito, Color universal design (2008), ordered so that neighbours differ most
_BASE: tuple[Color, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (204, 121, 167),
    (240, 228, 66),
    (0, 158, 115),
    (213, 94, 0),
    (0, 114, 178),
)
# further rounds are brighter (above 0: the share of white) or darker (below: of black), neighbours in turn
_ROUNDS = (0.0, 0.4, -0.3, 0.55, -0.7)
_SIDES = {"left": 0.45, "right": -0.35, "": 0.0}


def shade(color: Color, share: float) -> Color:
    """A colour mixed with white, or with black where the share is negative.

    >>> shade((100, 0, 200), 0.5), shade((100, 0, 200), -0.5)
    ((178, 128, 228), (50, 0, 100))
    """
    red, green, blue = (round(value + (255 - value) * share if share > 0 else value * (1 + share)) for value in color)
    return red, green, blue


def instance_color(number: int) -> Color:
    """A colour for an instance or track; neighbours in the count are far apart, and 35 have colours of their own.

    >>> instance_color(0) == instance_color(0) != instance_color(1)
    True
    """
    level = _ROUNDS[number // len(_BASE) % len(_ROUNDS)]
    return shade(_BASE[number % len(_BASE)], level if number % 2 else -level)


@lru_cache(maxsize=1024)
def side_color(color: Color, side: Side) -> Color:
    """The colour of an instance on one side of its body: brighter on its left, darker on its right."""
    return shade(color, _SIDES[side])


@lru_cache(maxsize=32)
def sides(skeleton: Skeleton) -> tuple[Side, ...]:
    """On which side of the body each keypoint is, as its name says; '' for those in the middle."""
    found: list[Side] = []
    for name, mirrored in zip(skeleton.keypoints, skeleton.flip_index, strict=True):
        said = name_parts(name).sides
        other = skeleton.keypoints[mirrored] != name
        found.append("left" if other and said == ("left",) else "right" if other and said == ("right",) else "")
    return tuple(found)


def limb_side(a: Side, b: Side) -> Side:
    """The side of a limb: that of its ends, of which one may lie in the middle.

    >>> limb_side("left", "left"), limb_side("", "right"), limb_side("left", "right")
    ('left', 'right', '')
    """
    if a and b and a != b:
        return ""
    return a or b
