"""Names of object classes that data sets share (data, not code)."""

from __future__ import annotations

from collections.abc import Sequence

VOC_CLASSES = (
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
)
_COCO_NAMES = {
    "aeroplane": "airplane",
    "diningtable": "dining table",
    "motorbike": "motorcycle",
    "pottedplant": "potted plant",
    "sofa": "couch",
    "tvmonitor": "tv",
}


def choose_classes(classes: str | Sequence[str] | None, known: Sequence[str]) -> list[str]:
    """The categories of a COCO file that take part, in the order of the labels.

    Args:
        classes: names of categories; ``'voc'`` for VOC's 20 in VOC's order; None for all.
        known: names of all categories of the file.

    Raises:
        ValueError: a name stands there twice or is none of ``known``.

    >>> choose_classes("voc", [*VOC_CLASSES, *_COCO_NAMES.values()])[:2]
    ['airplane', 'bicycle']
    """
    if classes is None:
        return list(known)
    if isinstance(classes, str):
        if classes != "voc":
            raise ValueError(f"classes must be a list of category names, 'voc' or None, got {classes!r}")
        names = [_COCO_NAMES.get(name, name) for name in VOC_CLASSES]
    else:
        names = list(classes)
    if len(set(names)) < len(names) or not names:
        raise ValueError(f"classes must be different names, at least one, got {names}")
    if strangers := [name for name in names if name not in known]:
        raise ValueError(f"classes {strangers} are not among the file's categories {sorted(known)}")
    return names
