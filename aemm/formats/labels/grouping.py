"""Points and boxes that stand by themselves become objects: by the groups of the tool, or where there is no doubt."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

from aemm.formats.labels.records import PERSON, Box, Labelled, LabelledSet, Point


class Mark(NamedTuple):
    """A keypoint by itself.

    Attributes:
        name: of the keypoint.
        point: where it is.
        group: what joins it to others; None = nothing does.
    """

    name: str
    point: Point
    group: Hashable = None


class Region(NamedTuple):
    """A box or polygon by itself.

    Attributes:
        name: of the category.
        box: around it.
        group: what joins it to keypoints; None = nothing does.
        outline: of a polygon.
    """

    name: str
    box: Box
    group: Hashable = None
    outline: list[float] | None = None


def group_marks(found: LabelledSet, marks: Sequence[Mark], regions: Sequence[Region]) -> list[Labelled]:
    """The objects of one image.

    Points of one group are of one object, which the region of the group describes. A point without a group belongs to
    the only region that lies around it; where an image has neither regions nor groups, and no name twice, all points
    are of one object. Any other point is dropped.

    Args:
        found: the account.
        marks: keypoints.
        regions: boxes and polygons.
    """
    things: list[Labelled] = []
    by_group: dict[Hashable, Labelled] = {}
    for region in regions:
        known = by_group.get(region.group)
        if known is not None and known.box is not None:
            found.dropped["boxes and polygons of an object that has one already"] += 1
            continue
        thing = Labelled(region.name, box=region.box, outline=region.outline)
        things.append(thing)
        if region.group is not None:
            by_group[region.group] = thing
    for mark in marks:
        if mark.group is not None:
            if mark.group not in by_group:
                by_group[mark.group] = Labelled(_default_name(found))
                things.append(by_group[mark.group])
            found.add_point(by_group[mark.group], mark.name, mark.point)
    alone = [mark for mark in marks if mark.group is None]
    if alone and not things and len({mark.name for mark in alone}) == len(alone):
        found.changed["images whose points, in no group, are taken as one object"] += 1
        things.append(Labelled(_default_name(found)))
        for mark in alone:
            found.add_point(things[0], mark.name, mark.point)
        return things
    for mark in alone:
        around = [thing for thing in things if thing.box is not None and thing.box.holds(mark.point)]
        if len(around) == 1:
            found.changed["points without a group, given to the only box around them"] += 1
            found.add_point(around[0], mark.name, mark.point)
        else:
            found.read["points"] += 1
            found.dropped["points of which nothing tells whose they are"] += 1
    return things


def _default_name(found: LabelledSet) -> str:
    """The category of points that no region names: the only declared one, or a person."""
    return next(iter(found.kinds)) if len(found.kinds) == 1 else PERSON
