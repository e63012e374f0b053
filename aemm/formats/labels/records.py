"""What labelling tools write, in one form: objects with named points, on images that were found.

Coordinates are pixels of the image as a viewer shows it.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from aemm.formats.image import read_image
from aemm.formats.paths import UnreadableImageError
from aemm.formats.values import LARGEST
from aemm.ops.orientation import swaps_sides

PERSON = "person"
WHOLE = "annotations"
"""What a set of one part is called."""
HIDDEN, VISIBLE = 1, 2
_LISTED = 20


class Point(NamedTuple):
    """One keypoint of an object.

    Attributes:
        x: pixels.
        y: pixels.
        visible: 1 hidden, 2 visible.
    """

    x: float
    y: float
    visible: int = VISIBLE


class Box(NamedTuple):
    """A rectangle.

    Attributes:
        x: left side, pixels.
        y: upper side.
        width: pixels.
        height: pixels.
    """

    x: float
    y: float
    width: float
    height: float

    @classmethod
    def around(cls, points: Sequence[Sequence[float]]) -> Box:
        """The smallest one that holds all points."""
        xs, ys = [point[0] for point in points], [point[1] for point in points]
        return cls(min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))

    def holds(self, point: Point) -> bool:
        """Whether a point lies within, the border included."""
        return self.x <= point.x <= self.x + self.width and self.y <= point.y <= self.y + self.height


@dataclass
class Labelled:
    """One object of an image.

    Attributes:
        name: of its category.
        points: by the name of the keypoint; what is not annotated is absent.
        box: as the tool has it; None = that of the points.
        outline: x and y of the corners of its polygon, one after the other.
    """

    name: str = PERSON
    points: dict[str, Point] = field(default_factory=dict)
    box: Box | None = None
    outline: list[float] | None = None


@dataclass
class LabelledImage:
    """An image and its objects.

    Attributes:
        path: of the file.
        size: ``(height, width)``.
        objects: in it.
        split: part of the set that it belongs to.
    """

    path: str
    size: tuple[int, int]
    objects: list[Labelled] = field(default_factory=list)
    split: str = WHOLE


@dataclass
class ObjectKind:
    """What is known of the keypoints of a category.

    Attributes:
        keypoints: names in order; those that no tool declares come as they are met.
        declared: whether the tool states the order.
        limbs: pairs of names.
        flips: name of each keypoint's counterpart, where the tool states it.
        sigmas: OKS constants, where the tool states them.
    """

    keypoints: list[str] = field(default_factory=list)
    declared: bool = False
    limbs: list[tuple[str, str]] = field(default_factory=list)
    flips: dict[str, str] | None = None
    sigmas: list[float] | None = None


@dataclass
class LabelledSet:
    """All that was read, and an account of it.

    Attributes:
        kinds: categories by their name, in the order in which they were met or declared.
        images: those that were found.
        read: counts of what was met.
        changed: counts of what is written otherwise than it stood there.
        dropped: counts of what is left out.
        lost: names of images that are left out, and why.
    """

    kinds: dict[str, ObjectKind] = field(default_factory=dict)
    images: list[LabelledImage] = field(default_factory=list)
    read: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)

    def kind(self, name: str) -> ObjectKind:
        """A category, which is new or known."""
        return self.kinds.setdefault(name, ObjectKind())

    def add_point(self, thing: Labelled, name: str, point: Point) -> None:
        """Give an object a keypoint; a second one of its name, or one without a place, is dropped."""
        self.read["points"] += 1
        if not (_is_place(point.x) and _is_place(point.y)):
            self.dropped["points without coordinates"] += 1
        elif name in thing.points:
            self.dropped["points that an object has already, by their name"] += 1
        else:
            thing.points[name] = point
            kind = self.kind(thing.name)
            if name not in kind.keypoints:
                kind.keypoints.append(name)

    def add_image(self, image: LabelledImage) -> None:
        """Add an image with all its objects."""
        self.images.append(image)
        self.read["objects"] += len(image.objects)
        for thing in image.objects:
            self.kind(thing.name)

    def lose(self, what: str, name: str, reason: str) -> None:
        """Leave something out, and remember its name.

        Args:
            what: it is, in the plural.
            name: of the one.
            reason: in words.
        """
        self.dropped[what] += 1
        if len(self.lost) < _LISTED:
            self.lost.append(f"{name}: {reason}")


def _is_place(value: float) -> bool:
    return math.isfinite(value) and abs(value) <= LARGEST


class ImageSearch:
    """Finds the images that a file of labels names.

    Args:
        found: the account.
        folders: to look in, one after the other.
    """

    def __init__(self, found: LabelledSet, folders: Sequence[str]) -> None:
        self.found = found
        self.folders = list(dict.fromkeys(folders))

    def open(self, name: str, stated: tuple[int, int] | None = None, split: str = WHOLE) -> LabelledImage | None:
        """An image by its name; None, and counted, where it cannot be used.

        Args:
            name: as it stands in the file of labels.
            stated: ``(height, width)`` that the file states.
            split: part of the set that it belongs to.
        """
        self.found.read["images"] += 1
        path = self._path(name)
        if path is None:
            places = ", ".join(self.folders)
            self.found.lose("images that are not there", name, f"not in {places}; name their folder by --images")
            return None
        try:
            stored = read_image(path)
        except UnreadableImageError as error:
            self.found.lose("images that cannot be read", name, str(error))
            return None
        height, width = stored.pixels.shape[:2]
        size = (width, height) if swaps_sides(stored.orientation) else (height, width)
        if stated is not None and stated != size:
            told = f"it is {size[1]}x{size[0]}, but was labelled as {stated[1]}x{stated[0]}"
            self.found.lose("images of another size than the labelled one", name, told)
            return None
        return LabelledImage(os.path.abspath(path), size, split=split)

    def has(self, name: str) -> bool:
        """Whether an image is there."""
        return self._path(name) is not None

    def _path(self, name: str) -> str | None:
        plain = name.replace("\\", "/")
        for tried in dict.fromkeys((name, plain, os.path.basename(plain))):
            for folder in self.folders:
                path = os.path.join(folder, tried)
                if tried and "\0" not in path and os.path.isfile(path):
                    return path
        return None
