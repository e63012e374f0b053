"""PCKh: single-person accuracy, and the average precision of MPII multi-person.

Shapes: P predicted instances, N annotated people of one group, K keypoints. Coordinates of both
sides share one frame; lengths are pixels. Which keypoints count is the caller's choice of columns:
the published figures leave out pelvis and thorax.

Reference: Pishchulin et al., DeepCut (CVPR 2016), section 4; the MPII multi-person evaluation kit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aemm.ops.boxes import PERSON_HEIGHT
from aemm.records import Group, Instances

EMPTY_GROUPS = ("skip", "count")


@dataclass
class GroupTruth:
    """The annotated people of one group.

    Attributes:
        keypoints: ``(N, K, 2)`` pixels; anything where not annotated.
        annotated: ``(N, K) bool``.
        head_size: ``(N,)`` pixels, see :func:`aemm.ops.boxes.head_sizes`.
    """

    keypoints: np.ndarray
    annotated: np.ndarray
    head_size: np.ndarray

    def __post_init__(self) -> None:
        """Check the shapes and that every head can be measured by."""
        count = self.keypoints.shape[:2]
        if self.annotated.shape != count or self.head_size.shape != count[:1]:
            raise ValueError(
                f"annotated must be {count} and head_size {count[:1]} to go with keypoints {self.keypoints.shape}, "
                f"got {self.annotated.shape} and {self.head_size.shape}"
            )
        if not (self.head_size > 0).all():
            raise ValueError(
                f"head_size must be positive, got {self.head_size.tolist()}; people without a head rectangle cannot be "
                "evaluated by PCKh"
            )


@dataclass
class GroupMatch:
    """What one group adds to the precision and recall of every keypoint.

    Attributes:
        scores: ``(P, K)`` of the predicted keypoints.
        present: ``(P, K) bool``, which keypoints are predicted at all.
        hits: ``(P, K) bool``, which of them are true positives; the rest are false positives.
        positives: ``(K,) int``, how many people have the keypoint annotated.
    """

    scores: np.ndarray
    present: np.ndarray
    hits: np.ndarray
    positives: np.ndarray


def pckh_matches(keypoints: np.ndarray, present: np.ndarray, truth: GroupTruth, threshold: float = 0.5) -> np.ndarray:
    """Which keypoint of which prediction lies near that of which person.

    Args:
        keypoints: ``(P, K, 2)`` pixels.
        present: ``(P, K) bool``.
        truth: N people.
        threshold: largest distance, in head sizes.

    Returns:
        ``(P, N, K) bool``; never true where either side lacks the keypoint.
    """
    distance = np.linalg.norm(keypoints[:, None] - truth.keypoints[None], axis=-1)  # (P, N, K)
    near = distance / truth.head_size[:, None] <= threshold
    return near & present[:, None] & truth.annotated[None]


def assign_people(matches: np.ndarray, annotated: np.ndarray) -> np.ndarray:
    """The person each prediction is held against.

    A prediction stands for the person of its highest PCKh alone; of the predictions that stand for a
    person, the one of highest PCKh gets them. Among equals the first is taken, as the published
    evaluator does.

    Args:
        matches: ``(P, N, K) bool`` of :func:`pckh_matches`.
        annotated: ``(N, K) bool``.

    Returns:
        ``(P,) int64`` row of the person, -1 = none.
    """
    count, people = matches.shape[:2]
    person = np.full(count, -1)
    if not count or not people:
        return person
    pckh = matches.sum(2) / np.maximum(annotated.sum(1), 1)  # (P, N)
    rows = np.arange(count)
    best = pckh.argmax(1)
    alone = np.zeros_like(pckh)
    alone[rows, best] = pckh[rows, best]
    winner = alone.argmax(0)  # (N,) row of the prediction
    won = np.flatnonzero(alone.max(0) > 0)
    person[winner[won]] = won
    return person


def match_group(
    keypoints: np.ndarray, scores: np.ndarray, present: np.ndarray, truth: GroupTruth, threshold: float = 0.5
) -> GroupMatch:
    """Hold the predictions for one group against its people.

    All keypoints of a prediction that gets no person are false positives, and so are those which
    its person has no annotation for.

    Args:
        keypoints: ``(P, K, 2)`` pixels.
        scores: ``(P, K)``.
        present: ``(P, K) bool``, which keypoints are predicted.
        truth: N people.
        threshold: largest distance, in head sizes.
    """
    matches = pckh_matches(keypoints, present, truth, threshold)
    person = assign_people(matches, truth.annotated)
    hits = np.zeros(present.shape, bool)
    given = np.flatnonzero(person >= 0)
    hits[given] = matches[given, person[given]]
    return GroupMatch(scores, present, hits, truth.annotated.sum(0))


def pooled_average_precision(scores: np.ndarray, hits: np.ndarray, positives: int) -> float:
    """Area under the interpolated precision/recall curve, every recall step.

    Equal scores enter together, so the order of the predictions never counts.

    Args:
        scores: ``(M,)`` of the predictions.
        hits: ``(M,) bool``, which are right.
        positives: how many there are to be found.

    >>> pooled_average_precision(np.array([0.9, 0.8, 0.7]), np.array([True, False, True]), 4)
    0.41666666666666663
    """
    if not positives:
        return 0.0
    order = np.lexsort((hits, -scores))  # false positives first among equals: their block then ends at one precision
    hit = hits[order]
    precision = np.cumsum(hit) / np.arange(1, len(hit) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(envelope[hit].sum() / positives)


def group_average_precision(groups: Sequence[GroupMatch], empty_groups: str = "skip") -> np.ndarray:
    """AP of every keypoint over all groups.

    Args:
        groups: one entry for each group.
        empty_groups: what a group without any prediction does: ``'skip'`` adds nothing, not even its
            people to the positives, as the published evaluator has it; ``'count'`` counts them as
            missed.

    Returns:
        ``(K,)`` in 0 … 1; NaN for a keypoint that nobody in any group has annotated.

    Raises:
        ValueError: ``empty_groups`` is neither of the two, or there is no group.
    """
    if empty_groups not in EMPTY_GROUPS:
        raise ValueError(f"empty_groups must be one of {EMPTY_GROUPS}, got {empty_groups!r}")
    if not groups:
        raise ValueError("groups is empty, expected at least one group to evaluate")
    annotated = np.sum([group.positives for group in groups], axis=0)
    counted = [group for group in groups if len(group.scores) or empty_groups == "count"]
    if not counted:
        return np.where(annotated > 0, 0.0, np.nan)
    scores, present, hits = (
        np.concatenate([getattr(g, name) for g in counted]) for name in ("scores", "present", "hits")
    )
    positives = np.sum([group.positives for group in counted], axis=0)
    found = (
        pooled_average_precision(s[p], h[p], n)
        for s, p, h, n in zip(scores.T, present.T, hits.T, positives, strict=True)
    )
    return np.where(annotated > 0, np.fromiter(found, float), np.nan)


def pckh(
    keypoints: np.ndarray, present: np.ndarray, truth: GroupTruth, threshold: float = 0.5
) -> tuple[np.ndarray, np.ndarray]:
    """Single-person PCKh: row n of the predictions is held against person n.

    Args:
        keypoints: ``(N, K, 2)`` pixels.
        present: ``(N, K) bool``; a keypoint that is not predicted counts as missed.
        truth: N people.
        threshold: largest distance, in head sizes.

    Returns:
        ``(K,)`` how many are right and ``(K,)`` how many are annotated; the benchmark's total pools
        both over the keypoints.

    Reference: Andriluka et al., 2D Human Pose Estimation (CVPR 2014), section 3.
    """
    if len(keypoints) != len(truth.keypoints):
        raise ValueError(f"expected one prediction for each of {len(truth.keypoints)} people, got {len(keypoints)}")
    distance = np.linalg.norm(keypoints - truth.keypoints, axis=-1) / truth.head_size[:, None]
    right = (distance <= threshold) & present & truth.annotated
    return right.sum(0), truth.annotated.sum(0)


def inside_group(keypoints: np.ndarray, present: np.ndarray, rectangle: np.ndarray, margin: float) -> np.ndarray:
    """Which predictions belong to a group: those whose middle lies in its rectangle or near it.

    Args:
        keypoints: ``(P, K, 2)`` pixels.
        present: ``(P, K) bool``.
        rectangle: ``(4,)`` xyxy of the people's positions.
        margin: how far outside the middle may be, pixels.

    Returns:
        ``(P,) bool``; false for a prediction without keypoints.
    """
    low = np.where(present[..., None], keypoints, np.inf).min(1)
    high = np.where(present[..., None], keypoints, -np.inf).max(1)
    with np.errstate(invalid="ignore"):  # without keypoints the middle is NaN, which is nowhere inside
        middle = (low + high) / 2
    return np.all((middle >= rectangle[:2] - margin) & (middle <= rectangle[2:] + margin), axis=1)


def keep_inside(found: Instances, group: Group | None, margin: float) -> Instances:
    """Of what was found for a group, what belongs to it; everything where nobody says where the group is.

    Args:
        found: for the group, pixels of the whole image.
        group: where it is.
        margin: how far outside its rectangle the middle of a person may be, in heights of a person.
    """
    if group is None:
        return found
    keypoints, scores = found.need_keypoints()
    reach = margin * PERSON_HEIGHT * group.scale
    return found[inside_group(keypoints, scores != 0, np.array(group.rectangle), reach)]
