"""The ground truth of instance segmentation, as both of its metrics read it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import mmengine
from pycocotools import mask as rle

from aemm.records import Mask
from aemm.structures import Instances


class InstanceTruth(NamedTuple):
    """COCO-format ground truth and the classes that are evaluated in it.

    Attributes:
        data: images, annotations and categories.
        classes: C names.
        category_ids: C identifiers, in the order of ``classes``.
    """

    data: dict[str, Any]
    classes: tuple[str, ...]
    category_ids: tuple[Any, ...]


def read_truth(meta: dict[str, Any] | None, ann_file: str | None, metric: str) -> InstanceTruth:
    """Ground truth from the data set's ``metainfo``, or from a file.

    Args:
        meta: with ``classes``, ``category_ids``, and ``annotations`` or ``ann_file``.
        ann_file: COCO-format json to use instead of the data set's own.
        metric: who asks, for the message.

    Raises:
        ValueError: the data set says nothing of classes, or there is no ground truth.
    """
    meta = meta or {}
    if "classes" not in meta or "category_ids" not in meta:
        raise ValueError(
            f"{metric} reads the classes from the data set, but its metainfo has no 'classes' and 'category_ids'; "
            "does it evaluate an instance data set?"
        )
    path = ann_file or meta.get("ann_file")
    if path is None and "annotations" not in meta:
        raise ValueError(f"no ground truth: build the data set with test_mode=True, or give {metric} an ann_file")
    data = meta["annotations"] if path is None else mmengine.load(path)
    return InstanceTruth(data, tuple(meta["classes"]), tuple(meta["category_ids"]))


def annotation_mask(annotation: dict[str, Any], size: tuple[int, int]) -> Mask:
    """The segmentation of an annotation, polygons or any run lengths, as compressed run lengths."""
    height, width = size
    segmentation = annotation["segmentation"]
    if isinstance(segmentation, list):
        segmentation = rle.merge(rle.frPyObjects(segmentation, height, width))
    elif isinstance(segmentation["counts"], list):
        segmentation = rle.frPyObjects(segmentation, height, width)
    counts = segmentation["counts"]
    return {"size": [height, width], "counts": counts.decode() if isinstance(counts, bytes) else counts}


def check_found(found: Instances, metric: str) -> None:
    """Raise ``ValueError`` unless ``found`` has masks and labels."""
    if found.masks is None or found.labels is None:
        raise ValueError(f"image {found.image_id}: {metric} needs masks and labels, the decoder returned none")


def check_labels(labels: Sequence[int], truth: InstanceTruth) -> None:
    """Raise ``ValueError`` unless every label is one of the evaluated classes."""
    if wrong := sorted({int(label) for label in labels if not 0 <= label < len(truth.classes)}):
        raise ValueError(
            f"labels must be in 0..{len(truth.classes) - 1}, the classes of the data set, got {wrong[:5]}; has the "
            "model as many heatmaps as the data set has classes?"
        )


def check_dump(dump: str | None) -> None:
    """Raise ``ValueError`` unless predictions can be written to a file of this name."""
    if dump is not None and not dump.endswith(".json"):
        raise ValueError(f"dump must name a .json file, got {dump!r}")


def write_masks(dump: str, rows: Iterable[tuple[Any, Mapping[str, Any], int, float]], truth: InstanceTruth) -> None:
    """Write predictions in COCO's result format.

    Args:
        dump: the json file; its folder is made.
        rows: identifier of the image, mask, label, score.
        truth: whose classes the labels are.
    """
    found = [
        dict(image_id=key, category_id=truth.category_ids[label], segmentation=mask, score=float(score))
        for key, mask, label, score in rows
    ]
    Path(dump).parent.mkdir(parents=True, exist_ok=True)
    mmengine.dump(found, dump)


def by_image(results: Sequence[dict[str, Any]], data: dict[str, Any]) -> dict[Any, dict[str, Any]]:
    """The results of every image that was seen, an image that came twice once.

    Raises:
        ValueError: there are results for an image that the ground truth does not have.
    """
    known = {image["id"] for image in data["images"]}
    entries = {entry["image_id"]: entry for entry in results}
    if strangers := [key for key in entries if key not in known]:
        raise ValueError(f"predictions for images the ground truth does not have, such as {strangers[:3]}")
    return entries
