"""AP^r, the average precision of instance masks as PASCAL VOC's literature measures it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from pycocotools import mask as rle

from aemm.records import Mask

ApForm = Literal["area", "11point"]

VOL_THRESHOLDS = tuple(n / 10 for n in range(1, 10))  # AP^r_vol averages over these


class FoundMasks(NamedTuple):
    """What was found in one image.

    Attributes:
        masks: N run-length encodings.
        labels: ``(N,) int64`` classes.
        scores: ``(N,)``.
    """

    masks: Sequence[Mask]
    labels: np.ndarray
    scores: np.ndarray


class TrueMasks(NamedTuple):
    """What there is in one image.

    Attributes:
        masks: N run-length encodings.
        labels: ``(N,) int64`` classes.
        ignore: ``(N,) bool``: crowds and the like, which need not be found; None = nothing.
        void: pixels to leave out of every intersection and union; None = all count.
    """

    masks: Sequence[Mask]
    labels: np.ndarray
    ignore: np.ndarray | None = None
    void: Mask | None = None


def overlaps(found: Sequence[Mask], others: Sequence[Mask], void: Mask | None = None) -> np.ndarray:
    """Intersection over union ``(N, M)`` of all pairs.

    Args:
        found: N masks.
        others: M masks of the same size.
        void: pixels that count neither in intersection nor union.
    """
    if not found or not others:
        return np.zeros((len(found), len(others)))
    if void is None:
        return np.asarray(rle.iou(list(found), list(others), [0] * len(others)))
    areas, true = rle.area(list(found)).astype(float), rle.area(list(others)).astype(float)
    areas, true = areas * (1 - shares(found, [void])[:, 0]), true * (1 - shares(others, [void])[:, 0])
    outside = shares(found, others) - shares(found, [rle.merge([other, void], intersect=True) for other in others])
    shared = np.rint(outside * rle.area(list(found))[:, None])
    return shared / np.maximum(np.rint(areas)[:, None] + np.rint(true) - shared, 1)


def shares(found: Sequence[Mask], others: Sequence[Mask]) -> np.ndarray:
    """Share ``(N, M)`` of each of N masks that lies inside each of M others; an empty mask has none."""
    if not found or not others:
        return np.zeros((len(found), len(others)))
    return np.asarray(rle.iou(list(found), list(others), [1] * len(others)))


def average_precision(hits: np.ndarray, count: int, form: ApForm = "area") -> float:
    """AP from predictions in falling order of score.

    Args:
        hits: ``(N,) bool``: whether each is right.
        count: how many there are to find.
        form: ``'area'`` under the falling envelope of precision, as VOC does since 2010, or the mean of that
            envelope at 11 recalls (``'11point'``, until 2009).

    Returns:
        The AP; NaN if there is nothing to find.

    Reference: Everingham et al., The PASCAL visual object classes challenge: a retrospective (IJCV 2015).

    >>> average_precision(np.array([True, False, True]), 2)
    0.8333333333333333
    """
    if form not in ("area", "11point"):
        raise ValueError(f"form must be 'area' or '11point', got {form!r}")
    if count == 0:
        return float("nan")
    right = np.cumsum(hits)
    recall = right / count
    precision = right / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    if form == "area":
        return float((np.diff(recall, prepend=0) * envelope).sum())
    # steps of 0.1 as floats add up, as in the published evaluators: a recall of 3/10 does not reach the fourth
    first = np.searchsorted(recall, np.arange(0, 1.1, 0.1), side="left")
    return float(np.append(envelope, 0.0)[first].sum() / 11)


def mask_ap(
    found: Sequence[FoundMasks],
    truth: Sequence[TrueMasks],
    num_classes: int,
    thresholds: Sequence[float] = VOL_THRESHOLDS,
    form: ApForm = "area",
) -> np.ndarray:
    """AP^r of every class at several IoU thresholds.

    Predictions take part by falling score. Each belongs to the instance of its class that it overlaps
    most, and is right if the IoU reaches the threshold and no earlier one took that instance. A wrong
    one does not count where an ignored region of its class covers that share of it.

    Args:
        found: for each image what was found.
        truth: for each image what there is, in the same order.
        num_classes: C.
        thresholds: S intersections over union.
        form: see :func:`average_precision`.

    Returns:
        ``(S, C)``; NaN where a class has nothing to find.

    Raises:
        ValueError: the two lists have different lengths.

    Reference: Hariharan et al., Simultaneous detection and segmentation (ECCV 2014).
    """
    if len(found) != len(truth):
        raise ValueError(f"found and truth must list the same images, got {len(found)} and {len(truth)}")
    table = np.full((len(thresholds), num_classes), np.nan)
    levels = np.asarray(thresholds, float)
    for label in range(num_classes):
        scores = [np.zeros(0)]
        hits = [np.zeros((len(levels), 0), bool)]
        dropped = []
        count = 0
        dropped.append(np.zeros((len(levels), 0), bool))
        for predictions, real in zip(found, truth, strict=True):
            own = np.flatnonzero(predictions.labels == label)
            own = own[np.argsort(-predictions.scores[own], kind="stable")]
            hit, drop, there = _match([predictions.masks[i] for i in own.tolist()], real, label, levels)
            scores.append(predictions.scores[own])
            hits.append(hit)
            dropped.append(drop)
            count += there
        order = np.argsort(-np.concatenate(scores), kind="stable")
        right, out = np.concatenate(hits, axis=1)[:, order], np.concatenate(dropped, axis=1)[:, order]
        table[:, label] = [average_precision(r[~o], count, form) for r, o in zip(right, out, strict=True)]
    return table


def _match(
    masks: Sequence[Mask], real: TrueMasks, label: int, levels: np.ndarray
) -> tuple[np.ndarray, np.ndarray, int]:
    """Right and not counting ``(S, N) bool`` for N masks of one class and image, best first; how many to find."""
    ignore = np.zeros(len(real.labels), bool) if real.ignore is None else real.ignore
    wanted = np.flatnonzero((real.labels == label) & ~ignore)
    unwanted = np.flatnonzero((real.labels == label) & ignore)
    hit = np.zeros((len(levels), len(masks)), bool)
    drop = np.zeros_like(hit)
    if masks and len(wanted):
        targets = [real.masks[i] for i in wanted.tolist()]
        iou = overlaps(masks, targets, real.void)
        best, value = iou.argmax(1), iou.max(1)
        for row, level in zip(hit, levels, strict=True):
            able = np.flatnonzero(value >= level)
            _, first = np.unique(best[able], return_index=True)  # the earliest prediction of each instance
            row[able[first]] = True
    if masks and len(unwanted):
        covered = shares(masks, [real.masks[i] for i in unwanted.tolist()]).max(1)
        drop = ~hit & (covered >= levels[:, None])
    return hit, drop, len(wanted)
