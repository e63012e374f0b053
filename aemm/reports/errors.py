"""Why AP is lost: kinds of errors of keypoints, and what each of them costs.

The kinds are those of the reference. AP gained by mending one kind after the other, in a fixed order, adds up to all
that is lost. What a kind costs is shared out among the keypoints by how far their errors lower the similarity.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from aemm.evaluation.pairs import Pair
from aemm.records import Instances, Truth
from aemm.reports.matching import NEAR, RIGHT, Match, match_keypoints, nearness, needed
from aemm.skeletons import Skeleton

KINDS = ("jitter", "inversion", "swap", "miss", "false positive", "missed person")
Units = Callable[[Truth], np.ndarray]
Measured = Callable[[Sequence[Pair]], float]


@dataclass(frozen=True)
class KeypointErrors:
    """What AP is lost by, for K keypoints and the E kinds of :data:`KINDS`.

    Attributes:
        counts: ``(K, E)`` how often each happens; of a person who is missed, or is none, every keypoint counts.
        lost: ``(K, E)`` AP; all of it adds up to what lacks from the best AP that these people allow.
    """

    counts: np.ndarray
    lost: np.ndarray

    @property
    def shares(self) -> np.ndarray:
        """``(K, E)`` of all AP that is lost; 0 where none is."""
        total = self.lost.sum()
        return self.lost / total if total > 0 else np.zeros_like(self.lost)


@dataclass(frozen=True)
class _Sorted:
    """The errors of one image.

    Attributes:
        pair: truth and prediction.
        match: of both.
        kinds: ``(P, K)`` row of :data:`KINDS`, -1 = right or not annotated.
        loss: ``(P, K)`` what each lowers the similarity of its person by.
    """

    pair: Pair
    match: Match
    kinds: np.ndarray
    loss: np.ndarray


def keypoint_errors(pairs: Sequence[Pair], skeleton: Skeleton, units: Units, measured: Measured) -> KeypointErrors:
    """Count the errors of all images, and measure what they cost.

    Args:
        pairs: one of each image.
        skeleton: of the keypoints.
        units: gives the unit ``(N, K)`` of distances in pixels, see :func:`aemm.reports.matching.nearness`.
        measured: AP of pairs.

    Reference: Ronchi and Perona, Benchmarking and error diagnosis in multi-instance pose estimation (ICCV 2017).
    """
    images = [sort_errors(pair, skeleton, units(pair[0])) for pair in pairs]
    counts, weights = np.zeros((len(skeleton), len(KINDS))), np.zeros((len(skeleton), len(KINDS)))
    for image in images:
        _count(image, counts, weights)
    lost, before = np.zeros_like(counts), measured(pairs)
    for e in range(len(KINDS)):
        if not counts[:, e].any():
            continue
        after = measured([_mended(image, e) for image in images])
        lost[:, e] = (after - before) * weights[:, e] / weights[:, e].sum()
        before = after
    return KeypointErrors(counts, lost)


def sort_errors(pair: Pair, skeleton: Skeleton, units: np.ndarray) -> _Sorted:
    """The kind of error of every keypoint of an image that is found.

    Args:
        pair: truth and prediction.
        skeleton: of the keypoints.
        units: ``(N, K)`` of distances, pixels.
    """
    truth, found = pair
    match = match_keypoints(truth, found, units)
    points, scores = found.need_keypoints()
    places, visible = truth.need_keypoints()
    known = visible > 0
    kinds, loss = np.full(scores.shape, -1), np.zeros(scores.shape)
    if not len(places):
        return _Sorted(pair, match, kinds, loss)
    flip = list(skeleton.flip_index)
    own = nearness(points, scores > 0, places, units) * known  # (P, N, K)
    mirrored = nearness(points, scores > 0, places[:, flip], units[:, flip]) * known[:, flip]
    for p in np.flatnonzero(match.owner >= 0).tolist():
        n = int(match.owner[p])
        others = np.arange(len(places)) != n
        swapped = np.maximum(own[p], mirrored[p])[others].max(0, initial=0) >= NEAR
        near = own[p, n]
        inverted = (mirrored[p, n] >= NEAR) & (np.array(flip) != np.arange(len(flip)))
        kind = np.select([near >= RIGHT, near >= NEAR, inverted, swapped], [-1, 0, 1, 2], 3)
        kinds[p] = np.where(known[n], kind, -1)
        loss[p] = np.where(known[n], 1 - near, 0) / known[n].sum()
    return _Sorted(pair, match, kinds, loss)


def _count(image: _Sorted, counts: np.ndarray, weights: np.ndarray) -> None:
    """Add the errors of an image to those of all, ``(K, E)``."""
    truth, found = image.pair
    for e in range(4):
        counts[:, e] += (image.kinds == e).sum(0)
        weights[:, e] += np.where(image.kinds == e, image.loss, 0).sum(0)
    wrong = (image.match.owner < 0) & ~image.match.excused
    present = (found.need_keypoints()[1] > 0)[wrong].sum(0)
    rows = np.flatnonzero(needed(truth))
    known = (truth.need_keypoints()[1] > 0)[np.setdiff1d(rows, image.match.owner)].sum(0)
    counts[:, 4:] += np.stack([present, known], axis=1)
    weights[:, 4:] += np.stack([present, known], axis=1)


def _mended(image: _Sorted, last: int) -> Pair:
    """The pair with all errors up to those of a kind put right; a jitter includes what is right, but not exactly."""
    truth, found = image.pair
    places, visible = truth.need_keypoints()
    points, scores = (value.copy() for value in found.need_keypoints())
    for p in np.flatnonzero(image.match.owner >= 0).tolist():
        n = int(image.match.owner[p])
        right = (image.kinds[p] <= last) & (visible[n] > 0)
        points[p, right] = places[n, right]
        scores[p, right] = np.maximum(scores[p, right], 1e-3)
    found = replace(found, keypoints=points, keypoint_scores=scores)
    if last >= 4:
        found = found[(image.match.owner >= 0) | image.match.excused]
    return (truth, _with_missed(found, truth, image.match) if last >= 5 else found)


def _with_missed(found: Instances, truth: Truth, match: Match) -> Instances:
    """The people found and, sure of it, those who were missed."""
    rows = np.setdiff1d(np.flatnonzero(needed(truth)), match.owner)
    places, visible = truth.need_keypoints()
    points, scores = found.need_keypoints()
    return Instances(
        found.image_id,
        found.image_size,
        scores=np.concatenate([found.scores, np.ones(len(rows))]),
        keypoints=np.concatenate([points, places[rows]]).astype(float),
        keypoint_scores=np.concatenate([scores, (visible[rows] > 0).astype(float)]),
    )
