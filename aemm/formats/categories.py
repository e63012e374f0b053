"""Which objects of a COCO-format file are meant: one rule for data sets, metrics and what is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from aemm.formats.names import compare_names
from aemm.formats.notices import Notice
from aemm.formats.values import identifier, is_id, is_text, is_whole, repeated, shown
from aemm.records import ImageId
from aemm.skeletons import SKELETONS, Skeleton, build_skeleton


@dataclass(frozen=True)
class CategoryChoice:
    """Which objects of a keypoint file are meant.

    Attributes:
        category: name of the category, or of several that count as one; None = the only one that has
            keypoints and annotations.
        reorder: bring the keypoints of a file into the skeleton's order by their names.

    Raises:
        ValueError: ``category`` is no name.
    """

    category: str | Sequence[str] | None = None
    reorder: bool = False

    def __post_init__(self) -> None:
        """Check the names."""
        if any(not isinstance(name, str) for name in self.names) or (self.category is not None and not self.names):
            raise ValueError(f"category must be a name or a list of names, got {self.category!r}")

    @property
    def names(self) -> tuple[str, ...]:
        """Those that are chosen."""
        if self.category is None or isinstance(self.category, str):
            return () if self.category is None else (self.category,)
        try:
            return tuple(self.category)
        except TypeError:
            raise ValueError(f"category must be a name or a list of names, got {self.category!r}") from None


class KeypointCategories(NamedTuple):
    """The categories of a file that carry the keypoints.

    Attributes:
        name: of the objects.
        ids: identifiers of the categories.
        orders: for each identifier and keypoint of the skeleton its place in the file; None = as they stand.
    """

    name: str
    ids: tuple[ImageId, ...]
    orders: dict[ImageId, list[int] | None]


def used_ids(data: Mapping[str, Any]) -> Counter[Any]:
    """How many annotations each category has."""
    keys = [row.get("category_id") for row in data.get("annotations") or ()]
    if set(map(type, keys)) <= {int}:
        return Counter(keys)
    return Counter(key for key in keys if is_id(key))


def shared_faults(categories: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is wrong with categories of any kind: identifiers and names."""
    faults = []
    for n, category in enumerate(categories):
        if not is_id(category.get("id")):
            faults.append(f"categories[{n}]: id must be a number or text, got {shown(category.get('id'))}")
        if not is_text(category.get("name")):
            faults.append(f"categories[{n}]: name must be text, got {shown(category.get('name'))}")
    ids = [category["id"] for category in categories if is_id(category.get("id"))]
    return faults + [f"categories: id {key!r} stands there more than once" for key in repeated(ids)]


def same_names(categories: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> list[Notice]:
    """What is to be said of categories that share a name: they count as one.

    Args:
        categories: those that are meant.
        rows: the annotations that take part.
    """
    notices = []
    used = Counter(row["category_id"] for row in rows)
    for name in repeated([category["name"] for category in categories]):
        ids = [category["id"] for category in categories if category["name"] == name]
        listed = ", ".join(f"{key!r} ({used[key]} annotations)" for key in ids)
        text = f"{len(ids)} categories are called {name!r}, ids {listed}; they are taken as one"
        notices.append(Notice(text, tuple(n for n, row in enumerate(rows) if row["category_id"] in ids)))
    return notices


def _named(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [category for category in data["categories"] if category.get("keypoints")]


def _chosen(data: Mapping[str, Any], choice: CategoryChoice) -> list[Mapping[str, Any]]:
    """The categories that take part; where none is chosen, those with keypoint names that are used."""
    named = _named(data)
    if choice.category is not None:
        return [category for category in named if category.get("name") in choice.names]
    used = used_ids(data)
    taking_part = [category for category in named if is_id(category.get("id")) and used[category["id"]]]
    if taking_part or len(named) < 2:
        return taking_part or named
    return [category for category in named if category.get("name") == "person"][:1] or named[:1]


def find_categories(data: Mapping[str, Any], skeleton: Skeleton, choice: CategoryChoice) -> KeypointCategories:
    """The categories of a checked file that carry keypoints of ``skeleton``."""
    chosen = _chosen(data, choice)
    orders = {
        identifier(category["id"]): compare_names(category["keypoints"], skeleton).order if choice.reorder else None
        for category in chosen
    }
    return KeypointCategories(chosen[0]["name"], tuple(orders), orders)


def skeleton_of(data: Mapping[str, Any], choice: CategoryChoice) -> Skeleton | None:
    """A keypoint set to hold a file against whose set nobody stated.

    It is the known set that has the names of the file, in whatever order, or else one of the names and limbs as they
    stand there, whose OKS constants say nothing. None where no category names keypoints.
    """
    chosen = [category for category in _chosen(data, choice) if _are_names(category["keypoints"])]
    if not chosen:
        return None
    names, limbs = chosen[0]["keypoints"], chosen[0].get("skeleton") or []
    for known in SKELETONS.values():
        if len(known) == len(names) and compare_names(names, known).order is not None:
            return known
    whole = [limb for limb in limbs if isinstance(limb, list) and len(limb) == 2 and all(map(is_whole, limb))]
    drawn = [[int(end) - 1 for end in limb] for limb in whole if min(limb) > 0 and max(limb) <= len(names)]
    return build_skeleton({"name": "file", "keypoints": names, "sigmas": [0.05] * len(names), "limbs": drawn})


def _are_names(names: Any) -> bool:
    return isinstance(names, list) and all(map(is_text, names)) and not repeated(names)


def find_withheld_category(data: Mapping[str, Any], choice: CategoryChoice) -> tuple[str, ImageId]:
    """Name and identifier under which predictions are written for a file without annotations: 'person' or 1."""
    categories = [c for c in data.get("categories") or () if is_id(c.get("id")) and is_text(c.get("name"))]
    wanted = choice.names or ("person",)
    found = [c for c in categories if c["name"] in wanted] or [c for c in categories if c.get("keypoints")]
    found = found or categories
    return (found[0]["name"], identifier(found[0]["id"])) if found else (wanted[0], 1)


def category_faults(data: Mapping[str, Any], skeleton: Skeleton, choice: CategoryChoice) -> list[str]:
    """What keeps the categories from carrying keypoints of ``skeleton``."""
    categories, named = data["categories"], _named(data)
    if not categories:
        return [
            f"categories: there is none, expected a list of id, name and keypoints, the names of {len(skeleton)} "
            "keypoints"
        ]
    faults = shared_faults(categories)
    if not named:
        names = [category.get("name") for category in categories[:5]]
        return [*faults, f"categories: none of {names} has 'keypoints', a list of {len(skeleton)} keypoint names"]
    known = [category.get("name") for category in named]
    if unknown := [name for name in choice.names if name not in known]:
        return [*faults, f"categories: category={unknown[0]!r} is none of those with keypoints, {known}"]
    chosen = _chosen(data, choice)
    names = list(dict.fromkeys(shown(category.get("name")) for category in chosen))
    if choice.category is None and len(names) > 1:
        used = used_ids(data)
        listed = ", ".join(f"{c.get('name')!r} ({used[c['id']]} annotations)" for c in chosen)
        faults.append(
            f"categories: {len(chosen)} name keypoints and have annotations: {listed}; choose one by "
            f"category={names[0]}, or take several as one kind of object by category=[{', '.join(names)}]"
        )
    for category in chosen:
        faults += _keypoint_name_faults(category, skeleton, choice.reorder)
    return faults


def _keypoint_name_faults(category: Mapping[str, Any], skeleton: Skeleton, reorder: bool) -> list[str]:
    where, names = f"category {category.get('id')!r}", category["keypoints"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return [f"{where}: keypoints must be a list of names, got {shown(names)}"]
    if twice := repeated(names):
        return [f"{where}: keypoints holds the name {twice[0]!r} more than once"]
    if len(names) != len(skeleton):
        return [
            f"{where}: it names {len(names)} keypoints, but the skeleton {skeleton.name!r} has {len(skeleton)}; set "
            "skeleton to the set that was annotated"
        ]
    found = compare_names(names, skeleton)
    return [] if found.fault is None or (reorder and found.order is not None) else [f"{where}: {found.fault}"]
