"""The figures of a run, from pairs of truth and prediction alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aemm.evaluation.pairs import Pair
from aemm.ops.boxes import keypoint_box
from aemm.ops.masks import mask_boxes
from aemm.records import Truth
from aemm.reports.errors import KINDS, KeypointErrors, keypoint_errors
from aemm.reports.matching import needed
from aemm.reports.measures import Curve, Measure

_MOST_PEOPLE = 5  # from here on the numbers of people share a row
_OVERLAPS = (0.0, 0.1, 0.3)  # borders between rows


@dataclass(frozen=True)
class Row:
    """One part of the images or of the instances.

    Attributes:
        name: which part.
        count: how many images, or instances where these are split.
        ap: of this part; NaN where there is nothing to find.
    """

    name: str
    count: int
    ap: float


@dataclass(frozen=True)
class Figures:
    """What is known of a run.

    Attributes:
        measure: what AP means.
        similarity: what thresholds are of.
        size: what sizes are of.
        ap: the average precision.
        precision_recall: at some thresholds.
        by_threshold: AP over the threshold.
        by_size: by size of the instances.
        by_people: by number of instances in an image.
        by_overlap: by how much the instances of an image overlap.
        tide: what each kind of error of an instance costs.
        tide_counts: how often each occurs.
        keypoints: names of the keypoints; empty where there are none.
        errors: of keypoints; None where there are none.
        quality: of every image, 0 to 1.
        people: instances to be found in every image.
    """

    measure: str
    similarity: str
    size: str
    ap: float
    precision_recall: list[Curve]
    by_threshold: Curve
    by_size: list[Row]
    by_people: list[Row]
    by_overlap: list[Row]
    tide: dict[str, float]
    tide_counts: dict[str, int]
    keypoints: tuple[str, ...]
    errors: KeypointErrors | None
    quality: np.ndarray
    people: np.ndarray

    def numbers(self) -> dict[str, object]:
        """What can be written as json: all but the curves and the images."""
        errors = self.errors
        return {
            "measure": self.measure,
            "AP": self.ap,
            **{name: {row.name: row.ap for row in getattr(self, name)} for name in ("by_size", "by_people")},
            "by_overlap": {row.name: row.ap for row in self.by_overlap},
            "tide": self.tide,
            "lost": {}
            if errors is None
            else {
                name: dict(zip(KINDS, row, strict=True))
                for name, row in zip(self.keypoints, errors.lost.tolist(), strict=True)
            },
        }


def compute_figures(pairs: Sequence[Pair], measure: Measure) -> Figures:
    """All figures of a run.

    Args:
        pairs: one of each image, with labels.
        measure: of the set.

    Raises:
        ValueError: there is no pair, or labels are withheld.
    """
    if not pairs:
        raise ValueError("there is no image to report on; correct test_dataloader.dataset of the config")
    if any(truth.withheld for truth, _ in pairs):
        raise ValueError("the labels of the images are withheld, so there is nothing to report; take another set")
    own = measure.prepare(pairs)
    analysis = measure.tide(own)
    people = np.array([int(needed(truth).sum()) for truth, _ in own])
    matches = [measure.match(pair) for pair in own]
    skeleton = measure.skeleton
    return Figures(
        measure=measure.name,
        similarity=measure.similarity,
        size=measure.size,
        ap=measure.ap(own),
        precision_recall=measure.precision_recall(own),
        by_threshold=measure.by_threshold(own),
        by_size=_by_size(own, measure),
        by_people=_by_images(own, measure, people_groups(people)),
        by_overlap=_by_images(own, measure, overlap_groups([image_overlap(truth) for truth, _ in own])),
        tide=analysis.tide,
        tide_counts=analysis.tide_counts,
        keypoints=() if skeleton is None else skeleton.keypoints,
        errors=None if skeleton is None else keypoint_errors(own, skeleton, measure.units, measure.ap),
        quality=np.array([match.quality(found.scores) for match, (_, found) in zip(matches, own, strict=True)]),
        people=people,
    )


def size_ranges(sizes: np.ndarray) -> dict[str, tuple[float, float]]:
    """Three ranges that hold a third of the sizes each; fewer where sizes are equal.

    >>> list(size_ranges(np.array([10.0, 20, 30, 40, 50, 60])))
    ['up to 27 px', '27 to 43 px', '43 px and more']
    """
    if not len(sizes):
        return {}
    low, high = np.quantile(sizes, [1 / 3, 2 / 3]).tolist()
    if round(low) == round(high):
        return {f"up to {high:.0f} px": (0.0, high), f"{high:.0f} px and more": (high, 1e5)}
    return {
        f"up to {low:.0f} px": (0.0, low),
        f"{low:.0f} to {high:.0f} px": (low, high),
        f"{high:.0f} px and more": (high, 1e5),
    }


def people_groups(people: np.ndarray) -> dict[str, list[int]]:
    """Images by their number of instances.

    Args:
        people: of every image.
    """
    names = [f"{_MOST_PEOPLE} or more" if n >= _MOST_PEOPLE else str(n) for n in people.tolist()]
    return {name: [i for i, own in enumerate(names) if own == name] for name in sorted(set(names) - {"0"})}


def overlap_groups(values: Sequence[float]) -> dict[str, list[int]]:
    """Images by how much their instances overlap, NaN where there are not two.

    Args:
        values: of :func:`image_overlap`.
    """
    names = ["none", *(f"IoU up to {high:g}" for high in _OVERLAPS[1:]), f"IoU above {_OVERLAPS[-1]:g}"]
    rows = np.searchsorted(_OVERLAPS, values)  # NaN comes behind all
    groups = {name: np.flatnonzero((rows == n) & ~np.isnan(values)).tolist() for n, name in enumerate(names)}
    return {name: own for name, own in groups.items() if own}


def image_overlap(truth: Truth) -> float:
    """Mean over the instances of an image of the largest IoU of a box with another one; NaN for one alone."""
    rows = np.flatnonzero(needed(truth))
    if len(rows) < 2:
        return float("nan")
    iou = _box_iou(_boxes(truth, rows))
    np.fill_diagonal(iou, 0)
    return float(iou.max(1).mean())


def _boxes(truth: Truth, rows: np.ndarray) -> np.ndarray:
    if truth.boxes is not None:
        return truth.boxes[rows].astype(float)
    if truth.masks is not None:
        return mask_boxes([truth.masks[row] for row in rows])
    keypoints, visible = truth.need_keypoints()
    boxes = [keypoint_box(keypoints[row], visible[row] > 0) for row in rows]
    return np.stack([np.zeros(4) if box is None else box for box in boxes])


def _box_iou(boxes: np.ndarray) -> np.ndarray:
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(2)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    return shared / np.maximum(areas[:, None] + areas - shared, 1e-9)


def _by_size(pairs: Sequence[Pair], measure: Measure) -> list[Row]:
    sizes = np.concatenate([measure.sizes(truth) for truth, _ in pairs])
    ranges = size_ranges(sizes)
    values = measure.by_size(pairs, ranges)
    counts = {name: int(((sizes >= low) & (sizes < high)).sum()) for name, (low, high) in ranges.items()}
    return [Row(name, counts[name], values[name]) for name in ranges]


def _by_images(pairs: Sequence[Pair], measure: Measure, groups: dict[str, list[int]]) -> list[Row]:
    values = measure.by_images(pairs, groups)
    return [Row(name, len(own), values[name]) for name, own in groups.items()]
