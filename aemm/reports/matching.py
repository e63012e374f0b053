"""Who was found by what: nearness of keypoints, similarity of instances, and the match between them.

Letters: P predicted instances, N true ones, K keypoints. Lengths are pixels of the original image.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from aemm.evaluation.functional.mask_ap import overlaps, shares
from aemm.records import Instances, Truth

RIGHT = 0.85  # a keypoint this near is as near as annotators agree
NEAR = 0.5  # and one this near is still seen to be meant for its place
LEAST = 0.1  # similarity below which a prediction stands for nobody


@dataclass(frozen=True)
class Match:
    """How the predictions of an image stand for its instances.

    Attributes:
        similarity: ``(P, N)`` OKS, or the IoU of masks of one class, 0 to 1.
        owner: ``(P,)`` row of the true instance, -1 = none.
        needed: ``(N,) bool``: the instances that are to be found.
        excused: ``(P,) bool``: predictions without owner that do no harm, since a crowd or somebody without
            annotated keypoints is there.
    """

    similarity: np.ndarray
    owner: np.ndarray
    needed: np.ndarray
    excused: np.ndarray

    def quality(self, scores: np.ndarray) -> float:
        """How good the image is, 0 to 1: the similarity of what is found, over instances and false positives.

        A false positive counts by its score, so that what a threshold removes weighs little.
        """
        found = self.owner >= 0
        gained = self.similarity[found, self.owner[found]].sum()
        wrong = scores[~found & ~self.excused].clip(0, 1).sum()
        there = self.needed.sum() + wrong
        return float(gained / there) if there else 1.0


def needed(truth: Truth) -> np.ndarray:
    """Which instances are to be found, ``(N,) bool``: no crowds, and nobody without an annotated keypoint."""
    wanted = np.ones(len(truth), bool) if truth.crowd is None else ~truth.crowd
    return wanted if truth.visible is None else wanted & (truth.visible > 0).any(1)


def only_needed(truth: Truth) -> Truth:
    """The truth without what need not be found."""
    rows = np.flatnonzero(needed(truth))
    names = ("keypoints", "visible", "labels", "area", "boxes", "crowd", "head_sizes", "track_ids")
    kept = {name: value[rows] for name in names if (value := getattr(truth, name)) is not None}
    masks = None if truth.masks is None else [truth.masks[row] for row in rows]
    return replace(truth, masks=masks, **kept)


def nearness(points: np.ndarray, present: np.ndarray, places: np.ndarray, units: np.ndarray) -> np.ndarray:
    """How near each predicted keypoint is to the same keypoint of each person, ``(P, N, K)``.

    It is exp(-d²/2) for a distance of d units, and 0 for a keypoint that is not predicted: the term of OKS.

    Args:
        points: ``(P, K, 2)``.
        present: ``(P, K) bool``.
        places: ``(N, K, 2)``.
        units: ``(N, K)`` pixels.
    """
    square = ((points[:, None] - places[None]) ** 2).sum(3)
    return np.exp(-square / (2 * np.maximum(units, 1e-6) ** 2)) * present[:, None]


def match_keypoints(truth: Truth, found: Instances, units: np.ndarray) -> Match:
    """Match people by the mean nearness of the annotated keypoints.

    Args:
        truth: N people.
        found: P people.
        units: ``(N, K)`` pixels, see :func:`nearness`.
    """
    keypoints, scores = found.need_keypoints()
    places, visible = truth.need_keypoints()
    known = visible > 0
    near = nearness(keypoints, scores > 0, places, units)
    similarity = (near * known).sum(2) / np.maximum(known.sum(1), 1)
    wanted = needed(truth)
    excused = _inside_unneeded(truth, keypoints, scores > 0, wanted)
    return _matched(similarity * wanted, found.scores, wanted, excused)


def match_masks(truth: Truth, found: Instances) -> Match:
    """Match instances by the overlap of masks of one class."""
    masks, labels = found.need_masks()
    real, classes = truth.need_masks()
    wanted = needed(truth)
    same = labels[:, None] == classes
    similarity = overlaps(masks, real, truth.void) * same
    covered = (shares(masks, real) * same)[:, ~wanted]
    return _matched(similarity * wanted, found.scores, wanted, (covered >= 0.5).any(1))


def _matched(similarity: np.ndarray, scores: np.ndarray, wanted: np.ndarray, excused: np.ndarray) -> Match:
    """The surest prediction takes the instance most similar to it, and so on; each instance is taken once."""
    owner = np.full(len(scores), -1)
    left = np.where(similarity >= LEAST, similarity, -1.0)
    for row in np.argsort(-scores, kind="stable").tolist() if similarity.shape[1] else ():
        best = int(left[row].argmax())
        if left[row, best] > 0:
            owner[row] = best
            left[:, best] = -1
    return Match(similarity, owner, wanted, excused & (owner < 0))


def _inside_unneeded(truth: Truth, keypoints: np.ndarray, present: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Predictions ``(P,) bool`` whose middle lies in the box of somebody who need not be found."""
    if truth.boxes is None or wanted.all():
        return np.zeros(len(keypoints), bool)
    middle = (keypoints * present[..., None]).sum(1) / np.maximum(present.sum(1), 1)[:, None]  # (P, 2)
    boxes = truth.boxes[~wanted]
    inside = (middle[:, None] >= boxes[:, :2]) & (middle[:, None] <= boxes[:, 2:])
    return inside.all(2).any(1)
