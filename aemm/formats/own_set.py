"""An annotation file of one's own: where its images are, which keypoints it has, and its split by image."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np

from aemm.formats.absent import absent_names
from aemm.formats.categories import used_ids
from aemm.formats.files import AnnotationError, read_json
from aemm.formats.listed import LISTS
from aemm.formats.names import folded
from aemm.formats.values import is_id
from aemm.skeletons import SKELETONS

UNKNOWN_SIGMA = 0.05
_LOOKED_AT = 50  # file names


def find_annotations(path: str | Path) -> Path:
    """The annotation file that is meant by a file, or by a folder that holds one.

    In a folder it is ``annotations.json``, else ``train.json``, else the only one; skeletons do not count.

    Raises:
        FileNotFoundError: there is none.
        ValueError: a folder holds several.
    """
    path = Path(path)
    if not path.is_dir():
        if not path.is_file():
            raise FileNotFoundError(f"{path} does not exist, expected annotations in COCO's format or their folder")
        return path
    found = sorted(one for one in path.glob("*.json") if not one.name.startswith("skeleton"))
    for name in ("annotations.json", "train.json"):
        if path / name in found:
            return path / name
    if not found:
        raise FileNotFoundError(f"folder {path} holds no json file; name the annotations, or convert the data first")
    if len(found) > 1:
        raise ValueError(f"folder {path} holds {len(found)} json files, {_listed(found)}; name one of them")
    return found[0]


def skeleton_beside(path: Path, data: Mapping[str, Any]) -> Path | None:
    """The skeleton that lies beside a file: the one that convert-data noted in it, or that of ``train.json``.

    Args:
        path: of the file.
        data: what it holds.
    """
    told = _noted(data, "skeleton_file")
    names = [Path(told).name] if told else []
    if path.name == "train.json":
        names.append("skeleton.json")
    return next((one for one in map(path.with_name, names) if one.is_file()), None)


def validation_beside(path: Path) -> Path | None:
    """The part that validates, of a set that was divided before: beside ``train.json``, or ``train_dog.json``."""
    if not (path.name == "train.json" or path.name.startswith("train_")):
        return None
    names = (f"{part}{path.name.removeprefix('train')}" for part in ("val", "valid"))
    return next((one for one in map(path.with_name, names) if one.is_file()), None)


def _noted(data: Mapping[str, Any], key: str) -> str | None:
    """A text that convert-data noted in a file."""
    info = data.get("info")
    told = info.get(key) if isinstance(info, dict) else None
    return told if isinstance(told, str) and told else None


def set_name(path: Path) -> str:
    """What a set is called: as its file, unless that is called as all are.

    >>> set_name(Path("birds.json")), set_name(Path("/data/birds/annotations.json"))
    ('birds', 'birds')
    """
    return path.resolve().parent.name if path.stem in ("annotations", "train") else path.stem


def _listed(paths: Sequence[Path]) -> str:
    names = [path.name for path in paths]
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")


def find_images(path: Path, data: Mapping[str, Any], folder: str | None) -> Path:
    """The folder of a file's images.

    Args:
        path: of the file.
        data: what it holds.
        folder: as the user names it; None looks beside the file.

    Returns:
        The folder; one that was looked for holds most of them, and maybe not all.

    Raises:
        FileNotFoundError: it does not exist, or no folder beside the file holds an image.
        AnnotationError: the file names no images.
    """
    if folder is not None:
        if not os.path.isdir(folder):
            raise FileNotFoundError(f"--images {folder} is no folder")
        return Path(folder)
    names = [name for image in data["images"][:_LOOKED_AT] if isinstance(name := image.get("file_name"), str)]
    if not names:
        raise AnnotationError(str(path), ["images: expected a file_name for each, there is none"])
    near = path.parent
    told = _noted(data, "image_folder")
    tried = [near / told] if told else []
    tried += [near, near / "images", near / path.stem, near.parent / "images", near.parent / path.stem, near.parent]
    counts = {place: len(names) - len(absent_names(str(place), names)) for place in tried}
    place = max(counts, key=lambda place: counts[place])  # the first of those that hold most of them
    if counts[place]:
        return place
    raise FileNotFoundError(
        f"the images of {path}, such as {names[0]}, are in none of {', '.join(map(str, counts))}; "
        "name their folder by --images"
    )


def keypoint_category(data: Mapping[str, Any], path: Path, chosen: str | None) -> Mapping[str, Any]:
    """The category whose keypoints are to be learnt.

    Args:
        data: of the file.
        path: of the file.
        chosen: its name; None = the only one that has keypoints and annotations.

    Raises:
        AnnotationError: there is none, or several.
    """
    named = [category for category in data["categories"] if category.get("keypoints")]
    used = used_ids(data)
    found = [c for c in named if (c.get("name") == chosen if chosen else is_id(c.get("id")) and used[c["id"]])]
    names = list(dict.fromkeys(str(category.get("name")) for category in found))
    if not found:
        known = ", ".join(repr(category.get("name")) for category in data["categories"][:8]) or "none"
        wanted = f"is called {chosen!r} and has" if chosen else "has annotations and"
        raise AnnotationError(str(path), [f"categories: none {wanted} 'keypoints', a list of names; there are {known}"])
    if len(names) > 1:
        raise AnnotationError(str(path), [f"categories: {', '.join(names)} all have keypoints; choose by --category"])
    category = found[0]
    if not isinstance(category.get("name"), str) or not category["name"]:
        raise AnnotationError(str(path), [f"category {category.get('id')}: name must be text, got {names[0]}"])
    if not isinstance(category["keypoints"], list) or not all(isinstance(n, str) and n for n in category["keypoints"]):
        raise AnnotationError(str(path), [f"category {names[0]!r}: keypoints must be a list of names"])
    return category


def describe_skeleton(category: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The definition of a skeleton from a category, OKS constants by the names of its keypoints.

    Args:
        category: from :func:`keypoint_category`.
        name: of the skeleton.
    """
    names, listed = list(category["keypoints"]), category.get("skeleton")
    limbs = [
        [names[a - 1], names[b - 1]]
        for a, b in (limb for limb in (listed if isinstance(listed, list) else ()) if _is_limb(limb, len(names)))
    ]
    return {"name": name, "keypoints": names, "limbs": limbs, "sigmas": [known_sigma(one) for one in names]}


def _is_limb(limb: Any, count: int) -> bool:
    """Whether an entry of a file names two keypoints, counted from 1; limbs are for drawing alone."""
    if not isinstance(limb, list) or len(limb) != 2:
        return False
    return all(isinstance(end, int) and not isinstance(end, bool) and 1 <= end <= count for end in limb)


def known_sigma(name: str) -> float:
    """The OKS constant of a keypoint of that name in a known skeleton; else one between an eye's and a hip's."""
    for skeleton in SKELETONS.values():
        for known, sigma in zip(skeleton.keypoints, skeleton.sigmas, strict=True):
            if folded(known) == folded(name):
                return sigma
    return UNKNOWN_SIGMA


def read_own_set(path: Path) -> dict[str, Any]:
    """The file as it stands.

    Raises:
        AnnotationError: it is no json file with images, annotations and categories.
    """
    return read_json(str(path), LISTS)


def split_by_image(
    data: Mapping[str, Any], known: Set[Any], share: float, seed: int = 0
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Training and validation as two files; all annotations of an image stay with it.

    Images with keypoints to learn from and those without are each divided by that share, so that both parts have some.

    Args:
        data: a checked file.
        known: identifiers of the images with keypoints to learn from, two at least.
        share: of the images that validate, from 0 to 1; one at least, and one at least is left.
        seed: of the draw.
    """
    rng = np.random.default_rng(seed)
    held: set[Any] = set()
    for with_keypoints in (True, False):
        ids = [image["id"] for image in data["images"] if (image["id"] in known) == with_keypoints]
        count = held_out_count(len(ids), share) if with_keypoints else round(share * len(ids))
        held.update(ids[n] for n in rng.permutation(len(ids))[:count].tolist())
    return _part(data, held, False), _part(data, held, True)


def held_out_count(count: int, share: float) -> int:
    """How many of two or more images validate, so that one at least does, and one at least is learnt from.

    >>> held_out_count(3, 0.1), held_out_count(3, 0.99), held_out_count(40, 0.1)
    (1, 2, 4)
    """
    return min(max(round(share * count), 1), count - 1)


def _part(data: Mapping[str, Any], held: set[Any], inside: bool) -> dict[str, Any]:
    images = [image for image in data["images"] if (image["id"] in held) == inside]
    rows = [row for row in data["annotations"] if (row["image_id"] in held) == inside]
    return {**data, "images": images, "annotations": rows}


def gives_areas(data: Mapping[str, Any]) -> bool:
    """Whether every annotation says how large its object is."""
    return all(row.get("area") for row in data["annotations"])
