"""What is wrong with a COCO-format file, found when it is read, and all at once."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from aemm.formats.files import AnnotationError
from aemm.formats.image_folder import ImageFolder
from aemm.formats.names import compare_names
from aemm.skeletons import Skeleton


@dataclass(frozen=True)
class CategoryChoice:
    """Which objects of a keypoint file are meant.

    Attributes:
        category: name of the category, or of several that count as one; None = the only one that has
            keypoints and annotations.
        reorder: bring the keypoints of a file into the skeleton's order by their names.
    """

    category: str | Sequence[str] | None = None
    reorder: bool = False


class KeypointCategories(NamedTuple):
    """The categories of a file that carry the keypoints.

    Attributes:
        ids: their identifiers.
        name: of the objects.
        order: for each keypoint of the skeleton its place in the file; None = as they stand.
    """

    ids: tuple[Any, ...]
    name: str
    order: list[int] | None


def _numbers(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(
        isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v) for v in value
    )


def _repeated(ids: Iterable[Any]) -> list[Any]:
    return [key for key, count in Counter(map(_hashable, ids)).items() if count > 1]


def _repeated_ids(annotations: Iterable[Mapping[str, Any]]) -> list[str]:
    return [f"annotations: id {key} stands there more than once" for key in _repeated(a.get("id") for a in annotations)]


def _hashable(key: Any) -> Any:
    return key if isinstance(key, int | str | float | None) else repr(key)


def _chosen(data: Mapping[str, Any], choice: CategoryChoice) -> list[dict[str, Any]]:
    """The categories that take part; where none is chosen, those with keypoint names that are used."""
    named = [c for c in data["categories"] if c.get("keypoints")]
    if choice.category is not None:
        wanted = [choice.category] if isinstance(choice.category, str) else list(choice.category)
        return [c for c in named if c.get("name") in wanted]
    count = Counter(_hashable(a.get("category_id")) for a in data["annotations"])
    used = [c for c in named if count[_hashable(c.get("id"))]]
    return used or named[:1]


def keypoint_categories(data: Mapping[str, Any], skeleton: Skeleton, choice: CategoryChoice) -> KeypointCategories:
    """The categories of a checked file that carry keypoints of ``skeleton``."""
    chosen = _chosen(data, choice)
    order = compare_names(chosen[0]["keypoints"], skeleton).order if choice.reorder else None
    return KeypointCategories(tuple(c["id"] for c in chosen), str(chosen[0].get("name")), order)


def category_faults(data: Mapping[str, Any], skeleton: Skeleton, choice: CategoryChoice) -> list[str]:
    """What keeps the categories from carrying keypoints of ``skeleton``."""
    categories = data["categories"]
    named = [c for c in categories if c.get("keypoints")]
    if not named:
        names = [c.get("name") for c in categories[:5]]
        return [f"categories: none of {names} has 'keypoints', a list of {len(skeleton)} keypoint names"]
    chosen = _chosen(data, choice)
    known = [c.get("name") for c in named]
    if not chosen:
        return [f"categories: category={choice.category!r} is none of those with keypoints, {known}"]
    faults = []
    if choice.category is None and len(chosen) > 1:
        count = Counter(_hashable(a.get("category_id")) for a in data["annotations"])
        listed = ", ".join(f"{c.get('name')!r} ({count[_hashable(c.get('id'))]} annotations)" for c in chosen)
        names = [c.get("name") for c in chosen]
        faults.append(
            f"categories: {len(chosen)} name keypoints and have annotations: {listed}; choose one by "
            f"category={names[0]!r}, or take several as one kind of object by category={names}"
        )
    for category in chosen:
        faults += _keypoint_name_faults(category, skeleton, choice.reorder)
    return faults


def _keypoint_name_faults(category: Mapping[str, Any], skeleton: Skeleton, reorder: bool) -> list[str]:
    where, names = f"category {category.get('id')}", category["keypoints"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return [f"{where}: keypoints must be a list of names, got {names!r:.80}"]
    if len(names) != len(skeleton):
        return [
            f"{where}: it names {len(names)} keypoints, but the skeleton {skeleton.name!r} has {len(skeleton)}; set "
            "skeleton to the set that was annotated"
        ]
    found = compare_names(names, skeleton)
    return [] if found.fault is None or (reorder and found.order is not None) else [f"{where}: {found.fault}"]


def annotation_faults(annotation: Mapping[str, Any], count: int, needs_area: bool = True) -> list[str]:
    """What is wrong with one keypoint annotation.

    Args:
        annotation: as it stands in the file.
        count: K.
        needs_area: whether the file must give areas.
    """
    where, faults = f"annotation {annotation.get('id')!r}", []
    box = annotation.get("bbox")
    if box is not None and (not _numbers(box) or len(box) != 4):
        faults.append(f"{where}: bbox must be four finite numbers [x, y, width, height], got {box}")
    if annotation.get("iscrowd"):
        if box is None and not annotation.get("segmentation"):
            faults.append(f"{where}: a crowd needs a segmentation or a bbox, it has neither")
        return faults
    keypoints = annotation.get("keypoints")
    if not isinstance(keypoints, list) or len(keypoints) != 3 * count:
        got = f"{len(keypoints)} numbers" if isinstance(keypoints, list) else repr(keypoints)
        return [*faults, f"{where}: keypoints must hold 3 x {count} numbers (x, y, visibility), got {got}"]
    if not _numbers(keypoints):
        return [*faults, f"{where}: keypoints holds NaN, infinity or something that is no number"]
    if not set(keypoints[2::3]) <= {0, 1, 2}:
        faults.append(f"{where}: visibility must be 0, 1 or 2, got {sorted(set(keypoints[2::3]))}")
    if any(keypoints[2::3]):
        area = annotation.get("area")
        if (needs_area or area is not None) and (not _numbers([area]) or not float(area or 0) > 0):
            faults.append(f"{where}: area must be a positive number of square pixels, got {area!r}; OKS divides by it")
    elif box is None and not annotation.get("segmentation"):
        faults.append(
            f"{where}: a person without keypoints needs a segmentation or a bbox to be ignored by, it has neither"
        )
    return faults


def image_faults(images: list[dict[str, Any]], folder: ImageFolder) -> list[str]:
    """What is wrong with the image entries: ids, fields, and files that are not there."""
    faults = [f"images: id {key} stands there more than once" for key in _repeated(i.get("id") for i in images)]
    for image in images:
        lacking = [key for key in ("id", "file_name", "width", "height") if key not in image]
        if lacking:
            faults.append(f"image {image.get('id', image.get('file_name'))}: {', '.join(lacking)} missing")
    return [*faults, *folder.faults(image["file_name"] for image in images if "file_name" in image)]


def check_keypoint_file(
    path: str,
    data: Mapping[str, Any],
    skeleton: Skeleton,
    folder: ImageFolder,
    choice: CategoryChoice,
    needs_area: bool = True,
) -> None:
    """Check a keypoint file against its skeleton and its image folder.

    Args:
        path: for the message.
        data: the file's contents.
        skeleton: the keypoint set it must hold.
        folder: where the images are.
        choice: which category is meant.
        needs_area: whether the file must give areas.

    Raises:
        AnnotationError: with every fault found.
    """
    faults = category_faults(data, skeleton, choice) + image_faults(data["images"], folder)
    known = {_hashable(image.get("id")) for image in data["images"]}
    meant = {_hashable(c.get("id")) for c in _chosen(data, choice)}
    skeletal = {_hashable(c.get("id")) for c in data["categories"] if c.get("keypoints")}
    faults += _repeated_ids(data["annotations"])
    for annotation in data["annotations"]:
        where, category = f"annotation {annotation.get('id')!r}", annotation.get("category_id")
        if _hashable(annotation.get("image_id")) not in known:
            faults.append(f"{where}: image_id {annotation.get('image_id')!r} is not among the images")
        if _hashable(category) in meant:
            faults += annotation_faults(annotation, len(skeleton), needs_area)
        elif _hashable(category) not in skeletal and any(annotation.get("keypoints") or ()):
            faults.append(f"{where}: it has keypoints, but category {category!r} names none")
    if faults:
        raise AnnotationError(path, faults)


def _polygon_faults(polygons: list[Any], where: str) -> list[str]:
    faults = []
    for n, polygon in enumerate(polygons):
        if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
            got = f"{len(polygon)} numbers" if isinstance(polygon, list) else repr(polygon)
            faults.append(f"{where}: polygon {n} needs three points or more, x and y of each, got {got}")
        elif not _numbers(polygon):
            faults.append(f"{where}: polygon {n} holds NaN, infinity or something that is no number")
    return faults


def mask_faults(annotation: Mapping[str, Any], size: tuple[int, int]) -> list[str]:
    """What is wrong with the segmentation of one annotation.

    Args:
        annotation: as it stands in the file.
        size: ``(height, width)`` of its image.
    """
    where, segmentation = f"annotation {annotation.get('id')}", annotation.get("segmentation")
    if not segmentation:
        return [f"{where}: segmentation must be polygons or run lengths, got {segmentation!r}"]
    if isinstance(segmentation, list):
        return _polygon_faults(segmentation, where)
    if not isinstance(segmentation, Mapping) or not {"size", "counts"} <= segmentation.keys():
        return [f"{where}: segmentation must be a list of polygons or a dict of size and counts"]
    if tuple(segmentation["size"]) != size:
        return [
            f"{where}: the run lengths are of size {list(segmentation['size'])}, but the image's height and width are "
            f"{list(size)}"
        ]
    counts = segmentation["counts"]
    if isinstance(counts, list) and sum(counts) != size[0] * size[1]:
        return [f"{where}: the run lengths add up to {sum(counts)}, expected {size[0]} x {size[1]} pixels"]
    return []


def check_instance_file(path: str, data: Mapping[str, Any], folder: ImageFolder) -> None:
    """Check images, categories and masks of a COCO-format file.

    Args:
        path: for the message.
        data: the file's contents.
        folder: where the images are.

    Raises:
        AnnotationError: with every fault found.
    """
    faults = image_faults(data["images"], folder)
    sizes = {i["id"]: (i["height"], i["width"]) for i in data["images"] if {"id", "height", "width"} <= i.keys()}
    categories = {category.get("id") for category in data["categories"]}
    if not categories:
        faults.append("categories: there is none, expected a list of id and name")
    faults += [
        f"annotations: id {key} stands there more than once"
        for key in _repeated(a.get("id") for a in data["annotations"])
    ]
    for annotation in data["annotations"]:
        key, image, category = (annotation.get(name) for name in ("id", "image_id", "category_id"))
        if category not in categories:
            faults.append(f"annotation {key}: category_id {category} is not among the categories")
        if image not in sizes:
            faults.append(f"annotation {key}: image_id {image} is not among the images")
        else:
            faults += mask_faults(annotation, sizes[image])
    if faults:
        raise AnnotationError(path, faults)
