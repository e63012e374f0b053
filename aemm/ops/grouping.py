"""From peaks to instances: candidates assigned by their tags, on plain arrays and without torch.

Letters: N instances, K keypoints, L tag dimensions, M peaks per channel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aemm.ops.assignment import assign, solve
from aemm.records import EqualTags, GroupingRules, TagDistance

_NEAREST = 1e-6  # weight of the true distance: it decides between equal costs and outweighs no visible score


def group_by_tags(scores: np.ndarray, tags: np.ndarray, rules: GroupingRules) -> np.ndarray:
    """Assign the peaks of one image to instances, keypoint by keypoint.

    The peaks of the first keypoint that has any start the instances. Every further keypoint is
    assigned as a whole, so that the sum of ``round(distance) * 100 - score`` is smallest. A peak
    without partner, or whose partner is ``tag_threshold`` away or more, starts a new instance. An
    instance's tag is the mean of the tags gathered so far.

    Args:
        scores: ``(K, M)``; entries that are not positive are no peaks.
        tags: ``(K, M, L)``.
        rules: of the grouping.

    Returns:
        ``(N, K) int64`` index of each instance's peak, -1 = absent; instances in the order in which
        they were started.

    Raises:
        ValueError: the rules are for another number of keypoints.

    Reference:
        princeton-vl/pose-ae-train and HRNet/HigherHRNet-Human-Pose-Estimation, match_by_tag.

    >>> rules = GroupingRules(order=(0, 1))
    >>> group_by_tags(np.array([[0.9, 0.8], [0.7, 0.6]]), np.array([[[0.0], [5]], [[5.1], [0.2]]]), rules)
    array([[0, 1],
           [1, 0]])
    """
    if len(rules.order) != len(scores):
        raise ValueError(f"rules.order must hold the {len(scores)} keypoints that have peaks, got {len(rules.order)}")
    channel, place = np.nonzero(scores > 0)
    found, heat = tags[channel, place], scores[channel, place]  # (peaks, L), (peaks,)
    started = _Started(len(scores), found)
    precise = found.astype(np.float64)
    ends = np.searchsorted(channel, np.arange(len(scores) + 1)).tolist()
    for k in rules.order:
        own = slice(ends[k], ends[k + 1])
        peaks = own.stop - own.start
        open_rows = min(started.count, rules.max_matched)
        if not peaks or (rules.stop_when_full and open_rows == rules.max_matched):
            continue
        if open_rows:
            gap = _distances(precise[own], started.reference(open_rows), rules.distance)
            row = _partners(gap, heat[own], rules)
        else:
            row = np.full(peaks, -1)
        started.hand_out(k, place[own], row, own, rules.equal_tags)
    return started.pick[: started.count]


@dataclass(frozen=True)
class Picked:
    """What the picked peaks of one image say of its instances.

    Attributes:
        scores: ``(N,)`` mean over all K keypoints, absent ones counting 0.
        keypoint_scores: ``(N, K)``, 0 where absent.
        cells: ``(N, K, 2) int64`` x, y; without meaning where absent.
        present: ``(N, K) bool``.
        tags: ``(N, L)`` mean tag of the keypoints present.
    """

    scores: np.ndarray
    keypoint_scores: np.ndarray
    cells: np.ndarray
    present: np.ndarray
    tags: np.ndarray


def read_picks(
    scores: np.ndarray, cells: np.ndarray, tags: np.ndarray, pick: np.ndarray, max_instances: int | None = None
) -> Picked:
    """Scores, cells and tags of the instances of one image.

    Args:
        scores: ``(K, M)`` of the peaks.
        cells: ``(K, M, 2)``.
        tags: ``(K, M, L)``.
        pick: ``(N, K)`` from :func:`group_by_tags`.
        max_instances: how many stay, the best by score, in their order; None = all.
    """
    channel = np.arange(pick.shape[1])
    present = pick >= 0
    keypoint_scores = np.where(present, scores[channel, pick], 0)
    mean = keypoint_scores.mean(1)
    if max_instances is not None and len(pick) > max_instances:
        best = np.sort(np.argsort(-mean, kind="stable")[:max_instances])
        pick, present = pick[best], present[best]
        keypoint_scores, mean = keypoint_scores[best], mean[best]
    found = np.where(present[..., None], tags[channel, pick], 0)  # (N, K, L)
    reference = found.sum(1) / present.sum(1, keepdims=True, dtype=np.float32)
    return Picked(mean, keypoint_scores, cells[channel, pick], present, reference)


class _Started:
    """The instances of an image as they gather peaks.

    Args:
        channels: K.
        tags: ``(peaks, L)`` of all peaks of the image, of which there are no fewer than instances.
    """

    def __init__(self, channels: int, tags: np.ndarray) -> None:
        self.count = 0
        self.pick = np.full((len(tags), channels), -1, np.int64)
        self.counted = np.concatenate([tags, np.ones_like(tags[:, :1])], 1, dtype=np.float32)  # each tag, and a 1
        self.total = np.zeros_like(self.counted)  # sums of the tags gathered, and how many they are
        self.started_by = np.zeros(len(tags), tags.dtype)  # first tag dimension of the peak that started an instance

    def reference(self, rows: int) -> np.ndarray:
        """Reference tags ``(rows, L)`` of the first instances."""
        return self.total[:rows, :-1] / self.total[:rows, -1:]

    def hand_out(self, k: int, at: np.ndarray, row: np.ndarray, own: slice, equal_tags: EqualTags) -> None:
        """Give the peaks ``at`` of keypoint ``k``, the ``own`` ones of all, to the instances ``row``; -1 starts one."""
        fresh = row < 0
        count = self.count + int(np.count_nonzero(fresh))
        if count > self.count:
            row[fresh] = np.arange(self.count, count)
            self.started_by[self.count : count] = self.counted[own, 0][fresh]
            if equal_tags == "overwrite" and len(set(self.started_by[:count].tolist())) < count:
                self._overwrite(k, at, row, own)
                return
        self.count = count
        self.pick[row, k] = at
        self.total[row] += self.counted[own]

    def _overwrite(self, k: int, at: np.ndarray, row: np.ndarray, own: slice) -> None:
        """Hand out peaks one after the other; of equal tags only the first starts an instance."""
        known = self.count
        for peak, (start, tag) in enumerate(zip(row.tolist(), self.counted[own], strict=True)):
            to = start
            if start >= known:
                same = np.flatnonzero(self.started_by[: self.count] == tag[0])
                to = int(same[0]) if len(same) else self.count
                self.count = max(self.count, to + 1)
                self.started_by[to] = tag[0]
                self.total[to] = 0
            self.pick[to, k] = at[peak]
            self.total[to] += tag


def _distances(found: np.ndarray, reference: np.ndarray, distance: TagDistance) -> np.ndarray:
    """Distances ``(peaks, instances)`` of tags ``(peaks, L) float64`` and ``(instances, L)``."""
    gap = found[:, None] - reference
    square = np.add.reduce(np.square(gap, out=gap), 2)
    return np.sqrt(square / found.shape[1] if distance == "rms" else square, out=square)


def _partners(gap: np.ndarray, scores: np.ndarray, rules: GroupingRules) -> np.ndarray:
    """The instance that each peak joins, -1 = none.

    Args:
        gap: ``(peaks, instances)`` distances of tags.
        scores: ``(peaks,)``.
        rules: of the grouping.
    """
    peaks, instances = gap.shape
    cost = np.rint(gap)
    cost *= 100  # so that the score decides among equals
    cost -= scores[:, None]
    if rules.tie == "nearest":
        cost += _NEAREST * np.minimum(gap, rules.tag_threshold)
    if peaks > instances:
        # any constant stands for "no partner"; the originals' one decides which of equal solutions comes out
        nobody = np.full((peaks, peaks - instances), 0.0 if rules.tie == "nearest" else 1e10)
        cost = np.concatenate([cost, nobody], 1)
        gap = np.concatenate([gap, np.full(nobody.shape, np.inf)], 1)
    partner = assign(cost) if rules.tie == "munkres" else solve(cost)[1]
    return np.where(gap[np.arange(peaks), partner] < rules.tag_threshold, partner, -1)
