"""What is wrong with a COCO-format file, found when it is read, and all at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from aemm.formats.categories import CategoryChoice, category_faults, find_categories, shared_faults
from aemm.formats.decoders import MAX_PIXELS
from aemm.formats.image_folder import ImageFolder
from aemm.formats.paths import plain_name
from aemm.formats.segmentation import has_region, segmentation_faults
from aemm.formats.usual import usual_fields, usual_images, usual_people, usual_polygons
from aemm.formats.values import KnownIds, are_numbers, is_id, is_number, is_whole, repeated, shown
from aemm.skeletons import Skeleton

_SHOWN = 5
Sizes = dict[Any, tuple[int, int]]
"""Height and width of images by their identifiers."""
Check = Callable[[Mapping[str, Any], tuple[int, int]], Sequence[str]]
"""From an annotation and the size of its image to what is wrong with it."""
_NEEDS_REGION = "needs a segmentation or a bbox to be ignored by, it has neither"


def image_faults(images: Sequence[Mapping[str, Any]], folder: ImageFolder) -> list[str]:
    """What is wrong with the image entries: ids, names, sizes, and files that are not there."""
    if usual_images(images, MAX_PIXELS):
        return folder.faults([image["file_name"] for image in images])
    faults = [f"images: id {key!r} stands there more than once" for key in _repeated_ids(images)]
    names = []
    for n, image in enumerate(images):
        if not is_id(image.get("id")) and "id" in image:
            faults.append(f"images[{n}]: id must be a number or text, got {shown(image['id'])}")
        if lacking := [key for key in ("id", "file_name", "width", "height") if key not in image]:
            faults.append(f"image {shown(image.get('id', image.get('file_name')))}: {', '.join(lacking)} missing")
            continue
        where, name = f"image {shown(image['id'])}", image["file_name"]
        names += [name] if isinstance(name, str) else []
        if not isinstance(name, str):
            faults.append(f"{where}: file_name must be text, got {shown(name)}")
        faults += [f"{where}: {fault}" for fault in _size_faults(image)]
        index = image.get("crowdIndex")
        if index is not None and not (is_number(index) and 0 <= index <= 1):
            faults.append(f"{where}: crowdIndex must be a number from 0 to 1, got {shown(index)}")
    return faults + folder.faults(names)


def _size_faults(image: Mapping[str, Any]) -> Iterator[str]:
    width, height = image["width"], image["height"]
    for side, value in (("width", width), ("height", height)):
        if not is_whole(value) or value < 1:
            yield f"{side} must be a whole positive number of pixels, got {shown(value)}"
            return
    if width * height > MAX_PIXELS:
        yield f"it is {width}x{height}, images of up to {MAX_PIXELS} pixels are read"


def _repeated_ids(rows: Sequence[Mapping[str, Any]]) -> list[Any]:
    keys = [row.get("id") for row in rows]
    if set(map(type, keys)) <= {int} and len(set(keys)) == len(keys):
        return []
    return repeated([key for key in keys if is_id(key)])


def _split_people(data: Mapping[str, Any]) -> list[str]:
    """Files that are listed several times, with annotations each time."""
    names = {
        image["id"]: name if plain_name(name := image["file_name"]) else os.path.normpath(name)
        for image in data["images"]
    }
    used = [names[key] for key in dict.fromkeys(row["image_id"] for row in data["annotations"])]
    twice = repeated(used)
    if not twice:
        return []
    listed = ", ".join(map(repr, twice[:_SHOWN]))
    return [
        f"images: {len(twice)} files are listed under several ids and annotated under each, such as {listed}; the "
        "annotations of one would be background to the others: bring them under one id"
    ]


def keypoint_faults(
    data: Mapping[str, Any],
    skeleton: Skeleton,
    folder: ImageFolder,
    choice: CategoryChoice,
    needs_area: bool = True,
) -> list[str]:
    """Check a keypoint file against its skeleton and its image folder.

    Args:
        data: the file's contents.
        skeleton: the keypoint set it must hold.
        folder: of the images.
        choice: which category is meant.
        needs_area: whether the file must give areas.
    """
    of_categories = category_faults(data, skeleton, choice)
    meant = set() if of_categories else set(find_categories(data, skeleton, choice).ids)
    silent = {c["id"] for c in data["categories"] if is_id(c.get("id")) and not c.get("keypoints")}

    def check(annotation: Mapping[str, Any], size: tuple[int, int]) -> Sequence[str]:
        category = annotation["category_id"]
        if category in meant:
            return annotation_faults(annotation, len(skeleton), size, needs_area)
        points = annotation.get("keypoints")
        if category in silent and isinstance(points, list) and any(points):
            return [f"it has keypoints, but category {category!r} names none"]
        return []

    def settle(fields: np.ndarray, sizes: Sizes) -> np.ndarray:
        rows = data["annotations"]
        people = [known and row["category_id"] in meant for row, known in zip(rows, fields.tolist(), strict=True)]
        usual = usual_people(rows, np.array(people, bool), len(skeleton))
        return usual.labelled | _without_faults(rows, usual.unlabelled, sizes, _unlabelled_faults)

    return of_categories + _file_faults(data, folder, check, settle)


def instance_faults(data: Mapping[str, Any], folder: ImageFolder) -> list[str]:
    """Check images, categories and masks of a COCO-format file.

    Args:
        data: the file's contents.
        folder: of the images.
    """
    faults = shared_faults(data["categories"])
    if not data["categories"]:
        faults.append("categories: there is none, expected a list of id and name")

    def settle(fields: np.ndarray, sizes: Sizes) -> np.ndarray:
        return _without_faults(data["annotations"], fields, sizes, mask_faults)

    return faults + _file_faults(data, folder, mask_faults, settle)


def _without_faults(rows: Sequence[Mapping[str, Any]], chosen: np.ndarray, sizes: Sizes, check: Check) -> np.ndarray:
    """Which of the chosen annotations, ``(A,) bool``, have none by a check that passes plain polygons."""
    found = chosen.copy()
    places = np.flatnonzero(chosen)
    plain = usual_polygons([rows[n].get("segmentation") for n in places.tolist()])
    for n in places[~plain].tolist():
        size = sizes.get(rows[n]["image_id"])
        found[n] = size is None or not check(rows[n], size)
    return found


def _known_sizes(images: Sequence[Mapping[str, Any]]) -> Sizes:
    """Height and width of each image that states them rightly."""
    if usual_images(images, MAX_PIXELS):
        return {image["id"]: (image["height"], image["width"]) for image in images}
    return {
        image["id"]: (image["height"], image["width"])
        for image in images
        if is_id(image.get("id")) and {"height", "width"} <= image.keys() and not any(_size_faults(image))
    }


def _file_faults(
    data: Mapping[str, Any],
    folder: ImageFolder,
    check: Check,
    settle: Callable[[np.ndarray, Sizes], np.ndarray],
) -> list[str]:
    """Faults of images and annotations.

    Args:
        data: the file's contents.
        folder: of the images.
        check: looks at an annotation whose references are right.
        settle: from the annotations ``(A,) bool`` whose common fields are right to those that are right altogether;
            what it leaves open is looked at one by one.
    """
    faults = image_faults(data["images"], folder)
    rows = data["annotations"]
    sizes = _known_sizes(data["images"])
    images = KnownIds("image_id", "images", (image.get("id") for image in data["images"]))
    categories = KnownIds("category_id", "categories", (c.get("id") for c in data["categories"]))
    faults += [f"annotations: id {key!r} stands there more than once" for key in _repeated_ids(rows)]
    settled = settle(usual_fields(rows, images.known, categories.known), sizes)
    for n in np.flatnonzero(~settled).tolist():
        row = rows[n]
        key = row.get("id")
        where = f"annotation {key!r}" if is_id(key) else f"annotations[{n}]"
        if not is_id(key):
            faults.append(f"{where}: id must be a number or text, got {shown(key)}; number them from 1")
        wrong = [fault for known in (images, categories) if (fault := known.fault(row))]
        wrong += _common_faults(row)
        if not wrong and (size := sizes.get(row["image_id"])):
            wrong += check(row, size)
        faults += [f"{where}: {fault}" for fault in wrong]
    return faults or _split_people(data)


def _common_faults(row: Mapping[str, Any]) -> list[str]:
    """What is wrong with fields that all kinds of annotations share."""
    faults = []
    box, crowd = row.get("bbox"), row.get("iscrowd")
    if box is not None and box != []:
        if not are_numbers(box) or len(box) != 4:
            faults.append(f"bbox must be four finite numbers [x, y, width, height], got {shown(box)}")
        elif box[2] < 0 or box[3] < 0:
            faults.append(f"bbox must be [x, y, width, height] with sizes of 0 or more, got {box}")
    if isinstance(crowd, str | list | dict) or crowd not in (0, 1, None):
        faults.append(f"iscrowd must be 0 or 1, got {shown(crowd)}")
    area = row.get("area")
    if area is not None and not (is_number(area) and area >= 0):
        faults.append(f"area must be a positive number of square pixels, got {shown(area)}")
    return faults


def annotation_faults(
    annotation: Mapping[str, Any], count: int, size: tuple[int, int], needs_area: bool = True
) -> list[str]:
    """What is wrong with one keypoint annotation whose references and common fields are right.

    Args:
        annotation: as it stands in the file.
        count: K.
        size: ``(height, width)`` of its image.
        needs_area: whether the file must give areas.
    """
    crowd, points = annotation.get("iscrowd"), annotation.get("keypoints")
    head = annotation.get("head_box")
    faults = [] if head is None or (are_numbers(head) and len(head) == 4) else [f"head_box must be xyxy, got {head}"]
    if points or not crowd:
        if not isinstance(points, list) or len(points) != 3 * count:
            got = f"{len(points)} numbers" if isinstance(points, list) else shown(points)
            return [*faults, f"keypoints must hold 3 x {count} numbers (x, y, visibility), got {got}"]
        if not are_numbers(points):
            stranger = next(value for value in points if not are_numbers([value]))
            return [
                *faults,
                f"keypoints holds NaN, infinity, a number too large or something that is no number: {shown(stranger)}",
            ]
        if not set(points[2::3]) <= {0, 1, 2}:
            return [*faults, f"visibility must be 0, 1 or 2, got {sorted(set(points[2::3]))}"]
    if not crowd and any(points[2::3] if points else ()):
        return [*faults, *_labelled_faults(annotation, needs_area)]
    return faults + _unlabelled_faults(annotation, size)


def _labelled_faults(annotation: Mapping[str, Any], needs_area: bool) -> Iterator[str]:
    """What is wrong with somebody to learn from."""
    points, area = annotation["keypoints"], annotation.get("area")
    xs, ys = ([v for v, seen in zip(points[axis::3], points[2::3], strict=True) if seen] for axis in (0, 1))
    if len(xs) > 1 and not any(xs) and not any(ys):
        yield f"all its {len(xs)} keypoints lie at (0, 0); where nothing is annotated, visibility must be 0"
    if area == 0 or (area is None and needs_area):
        yield (
            f"area must be a positive number of square pixels, got {area!r}; OKS divides by it (area_per_box=1.0 takes "
            "that of the box where the file gives none)"
        )
    elif area is None:
        box = annotation.get("bbox") or [0, 0, max(xs) - min(xs), max(ys) - min(ys)]
        if not box[2] * box[3] > 0:
            yield f"it has no area, and its box of {box[2]} x {box[3]} pixels gives none; OKS divides by it"


def _unlabelled_faults(annotation: Mapping[str, Any], size: tuple[int, int]) -> list[str]:
    """What is wrong with a crowd, or with somebody without keypoints: a region that is ignored."""
    region = annotation.get("segmentation")
    if has_region(region):
        return segmentation_faults(region, size)
    if not annotation.get("bbox"):
        who = "a crowd" if annotation.get("iscrowd") else "a person without keypoints"
        return [f"{who} {_NEEDS_REGION}"]
    return []


def mask_faults(annotation: Mapping[str, Any], size: tuple[int, int]) -> list[str]:
    """What is wrong with the mask of one annotation.

    Args:
        annotation: as it stands in the file.
        size: ``(height, width)`` of its image.
    """
    segmentation = annotation.get("segmentation")
    if not segmentation:
        return [f"segmentation must be polygons or run lengths, got {shown(segmentation)}"]
    return segmentation_faults(segmentation, size)
