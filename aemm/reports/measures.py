"""How the set at hand is measured: OKS, mask IoU, or PCKh of groups, each with one and the same interface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np

from aemm.evaluation import CrowdPoseMetric, MpiiMetric
from aemm.evaluation.functional.coco import keypoint_dicts, mask_dicts
from aemm.evaluation.functional.coco_analysis import RECALLS, THRESHOLDS, CocoAnalysis, analyse
from aemm.evaluation.functional.pckh import GroupMatch, GroupTruth, group_average_precision, keep_inside, match_group
from aemm.evaluation.mpii_metric import KEYPOINTS
from aemm.evaluation.pairs import Pair
from aemm.ops.masks import mask_areas
from aemm.records import DatasetInfo, Instances, Truth
from aemm.reports.matching import Match, match_keypoints, match_masks, needed, only_needed
from aemm.skeletons import SKELETONS, Skeleton

CROWD_AREA = 0.53  # CrowdPose's size of a person, over the area of the box
# the nearness of a keypoint half a head away is that at which it counts as right, see aemm.reports.matching
HEAD_UNIT = 0.5 / np.sqrt(-2 * np.log(0.85))


class Curve(NamedTuple):
    """A named line of a plot."""

    name: str
    x: list[float]
    y: list[float]


class Measure(Protocol):
    """What figures are computed by."""

    @property
    def name(self) -> str:
        """What AP means here."""

    @property
    def similarity(self) -> str:
        """What the thresholds are of."""

    @property
    def size(self) -> str:
        """What sizes are of."""

    @property
    def info(self) -> DatasetInfo:
        """Of the set."""

    @property
    def skeleton(self) -> Skeleton | None:
        """Of the pairs that :meth:`prepare` returns."""

    @property
    def columns(self) -> list[int]:
        """Where its keypoints are among those of the set."""

    def prepare(self, pairs: Sequence[Pair]) -> list[Pair]:
        """The pairs as they are measured; the methods below take what this returns."""

    def match(self, pair: Pair) -> Match:
        """How the predictions of an image stand for its instances."""

    def units(self, truth: Truth) -> np.ndarray:
        """Unit ``(N, K)`` of distances of keypoints, pixels."""

    def sizes(self, truth: Truth) -> np.ndarray:
        """Sides ``(N,)`` of the instances to be found, or of their group, pixels."""

    def ap(self, pairs: Sequence[Pair]) -> float:
        """The average precision."""

    def precision_recall(self, pairs: Sequence[Pair]) -> list[Curve]:
        """Precision over recall, at some thresholds or of some parts."""

    def by_threshold(self, pairs: Sequence[Pair]) -> Curve:
        """AP over the threshold of similarity."""

    def by_size(self, pairs: Sequence[Pair], ranges: Mapping[str, tuple[float, float]]) -> dict[str, float]:
        """AP of instances whose sides lie in ranges."""

    def by_images(self, pairs: Sequence[Pair], images: Mapping[str, Sequence[int]]) -> dict[str, float]:
        """AP of subsets of the images, by their place among the pairs."""

    def tide(self, pairs: Sequence[Pair]) -> CocoAnalysis:
        """The kinds of errors of instances."""


@dataclass(frozen=True)
class CocoMeasure:
    """OKS of keypoints, or IoU of masks where the set has no keypoints, by COCO's protocol.

    Attributes:
        info: of the set.
        crowd: people's sizes are those of CrowdPose, of their boxes.
        sigmas: K OKS constants instead of the skeleton's.
    """

    info: DatasetInfo
    crowd: bool = False
    sigmas: tuple[float, ...] | None = None
    size: str = "root of an instance's area"

    @property
    def name(self) -> str:
        """What AP means here."""
        return "mask AP" if self.skeleton is None else "OKS AP"

    @property
    def similarity(self) -> str:
        """What the thresholds are of."""
        return "mask IoU" if self.skeleton is None else "OKS"

    @property
    def skeleton(self) -> Skeleton | None:
        """Of the set."""
        return self.info.skeleton

    @property
    def columns(self) -> list[int]:
        """All keypoints of the set."""
        return [] if self.skeleton is None else list(range(len(self.skeleton)))

    def prepare(self, pairs: Sequence[Pair]) -> list[Pair]:
        """The pairs with an area for everybody."""
        return [(self._with_area(truth), found) for truth, found in pairs]

    def _with_area(self, truth: Truth) -> Truth:
        if self.skeleton is None:
            return truth if truth.area is not None else replace(truth, area=mask_areas(truth.need_masks()[0]))
        if truth.area is not None and not self.crowd:
            return truth
        boxes = _boxes(truth)
        area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        return replace(truth, area=area * (CROWD_AREA if self.crowd else 1.0))

    def match(self, pair: Pair) -> Match:
        """How the predictions of an image stand for its instances."""
        return match_masks(*pair) if self.skeleton is None else match_keypoints(*pair, self.units(pair[0]))

    def units(self, truth: Truth) -> np.ndarray:
        """Twice the OKS constant times the root of the area, ``(N, K)`` pixels."""
        return np.sqrt(truth.need_area())[:, None] * 2 * np.asarray(self._sigmas())

    def sizes(self, truth: Truth) -> np.ndarray:
        """Roots of the areas."""
        return np.sqrt(truth.need_area()[needed(truth)])

    def ap(self, pairs: Sequence[Pair]) -> float:
        """The average precision."""
        return self._analysis(pairs).ap

    def precision_recall(self, pairs: Sequence[Pair]) -> list[Curve]:
        """Precision over recall at four thresholds."""
        precision = self._analysis(pairs).precision
        shown = [round(20 * (level - 0.5)) for level in (0.5, 0.75, 0.85, 0.95)]
        return [Curve(f"{self.similarity} {THRESHOLDS[t]:g}", list(RECALLS), precision[t].tolist()) for t in shown]

    def by_threshold(self, pairs: Sequence[Pair]) -> Curve:
        """AP over the threshold of similarity."""
        return Curve(self.name, list(THRESHOLDS), self._analysis(pairs).precision.mean(1).tolist())

    def by_size(self, pairs: Sequence[Pair], ranges: Mapping[str, tuple[float, float]]) -> dict[str, float]:
        """AP of instances whose sides lie in ranges; others are neither to be found nor wrong."""
        areas = {name: (low**2, high**2) for name, (low, high) in ranges.items()}
        return self._analysis(pairs, areas=areas).by_area

    def by_images(self, pairs: Sequence[Pair], images: Mapping[str, Sequence[int]]) -> dict[str, float]:
        """AP of subsets of the images."""
        return self._analysis(pairs, images={name: [i + 1 for i in own] for name, own in images.items()}).by_images

    def tide(self, pairs: Sequence[Pair]) -> CocoAnalysis:
        """The kinds of errors of instances."""
        return self._analysis(pairs)

    def _sigmas(self) -> Sequence[float]:
        return self.sigmas or self.info.need_skeleton("OKS").sigmas

    def _analysis(
        self,
        pairs: Sequence[Pair],
        areas: Mapping[str, tuple[float, float]] | None = None,
        images: Mapping[str, Sequence[int]] | None = None,
    ) -> CocoAnalysis:
        masks = self.skeleton is None
        truth, found = mask_dicts(pairs, self.info) if masks else keypoint_dicts(pairs, self.info)
        return analyse(truth, found, None if masks else self._sigmas(), areas, images)


@dataclass(frozen=True)
class GroupMeasure:
    """MPII's mAP of 14 keypoints, each right within a part of its person's head size.

    Attributes:
        info: of the set.
        threshold: largest distance of a match, in head sizes.
        empty_groups: see :class:`aemm.evaluation.MpiiMetric`.
        keep_margin: see there.
    """

    info: DatasetInfo
    threshold: float = 0.5
    empty_groups: str = "skip"
    keep_margin: float | None = 0.25
    similarity: str = "head sizes"
    size: str = "mean head size of a group"

    @property
    def name(self) -> str:
        """What AP means here."""
        return f"mAP (PCKh@{self.threshold:g})"

    @property
    def skeleton(self) -> Skeleton:
        """The 14 keypoints that count."""
        return SKELETONS["mpii14"]

    @property
    def columns(self) -> list[int]:
        """Where these are among those of the set."""
        names = self.info.need_skeleton("MPII").keypoints
        return [names.index(name) for name in KEYPOINTS]

    def prepare(self, pairs: Sequence[Pair]) -> list[Pair]:
        """Groups with their people alone, the keypoints that count, and what was found within reach."""
        columns = self.columns
        prepared = []
        for truth, found in pairs:
            keypoints, visible = truth.need_keypoints()
            own = only_needed(replace(truth, keypoints=keypoints[:, columns], visible=visible[:, columns]))
            near = found if self.keep_margin is None else keep_inside(found, truth.group, self.keep_margin)
            points, scores = near.need_keypoints()
            prepared.append((own, replace(near, keypoints=points[:, columns], keypoint_scores=scores[:, columns])))
        return prepared

    def match(self, pair: Pair) -> Match:
        """How the predictions for a group stand for its people."""
        return match_keypoints(*pair, self.units(pair[0]))

    def units(self, truth: Truth) -> np.ndarray:
        """A part of the head size, ``(N, K)`` pixels, so that half a head away is the border of what is right."""
        return np.repeat(truth.need_head_sizes()[:, None] * HEAD_UNIT, len(self.skeleton), axis=1)

    def sizes(self, truth: Truth) -> np.ndarray:
        """The group's mean head size: a group is evaluated as a whole."""
        return truth.need_head_sizes().mean(keepdims=True) if len(truth) else np.zeros(0)

    def ap(self, pairs: Sequence[Pair]) -> float:
        """The mean over keypoints of the average precision."""
        return self._mean(self._matches(pairs, self.threshold))

    def precision_recall(self, pairs: Sequence[Pair]) -> list[Curve]:
        """Precision over recall of all keypoints together, at three distances."""
        distances = (0.25, 0.5, 1.0)
        return [_pooled_curve(f"PCKh@{level:g}", self._matches(pairs, level)) for level in distances]

    def by_threshold(self, pairs: Sequence[Pair]) -> Curve:
        """MAP over the largest distance of a match."""
        levels = [n / 20 for n in range(1, 21)]
        return Curve("mAP", levels, [self._mean(self._matches(pairs, level)) for level in levels])

    def by_size(self, pairs: Sequence[Pair], ranges: Mapping[str, tuple[float, float]]) -> dict[str, float]:
        """MAP of groups whose mean head size lies in ranges."""
        sizes = [self.sizes(truth) for truth, _ in pairs]
        rows = {
            name: [i for i, own in enumerate(sizes) if len(own) and low <= own[0] < high]
            for name, (low, high) in ranges.items()
        }
        return self.by_images(pairs, rows)

    def by_images(self, pairs: Sequence[Pair], images: Mapping[str, Sequence[int]]) -> dict[str, float]:
        """MAP of some of the groups."""
        matches = self._matches(pairs, self.threshold)
        return {name: self._mean([matches[i] for i in rows]) for name, rows in images.items()}

    def tide(self, pairs: Sequence[Pair]) -> CocoAnalysis:
        """The kinds of errors of people, by the OKS of 14 keypoints over the box around them."""
        info = replace(self.info, skeleton=self.skeleton)
        return CocoMeasure(info).tide(CocoMeasure(info).prepare(pairs))

    def _matches(self, pairs: Sequence[Pair], threshold: float) -> list[GroupMatch]:
        matches = []
        for truth, found in pairs:
            places, visible = truth.need_keypoints()
            people = GroupTruth(places, visible > 0, truth.need_head_sizes())
            points, scores = found.need_keypoints()
            matches.append(match_group(points, scores, scores != 0, people, threshold))
        return matches

    def _mean(self, matches: Sequence[GroupMatch]) -> float:
        values = group_average_precision(matches, self.empty_groups) if matches else np.full(1, np.nan)
        return float("nan") if np.isnan(values).all() else float(np.nanmean(values))


def choose_measure(metrics: Sequence[object], info: DatasetInfo) -> Measure:
    """The measure that goes with the metrics of a set.

    Args:
        metrics: that the set is evaluated by.
        info: of the set.
    """
    for metric in metrics:
        if isinstance(metric, MpiiMetric) and not metric.single_person:
            return GroupMeasure(info, metric.threshold, metric.empty_groups, metric.keep_margin)
    sigmas = next((tuple(own) for metric in metrics if (own := getattr(metric, "sigmas", None)) is not None), None)
    return CocoMeasure(info, any(isinstance(metric, CrowdPoseMetric) for metric in metrics), sigmas)


def _boxes(truth: Truth) -> np.ndarray:
    """Boxes ``(N, 4)`` xyxy; those around the annotated keypoints where the truth has none."""
    if truth.boxes is not None:
        return truth.boxes
    keypoints, visible = truth.need_keypoints()
    known = (visible > 0)[..., None]
    low = np.where(known, keypoints, np.inf).min(1, initial=np.inf)
    high = np.where(known, keypoints, -np.inf).max(1, initial=-np.inf)
    return np.where(known.any(1), np.concatenate([low, high], axis=1).reshape(-1, 4), 0.0)


def _pooled_curve(name: str, matches: Sequence[GroupMatch]) -> Curve:
    """Precision, never rising, at 101 recalls, of the keypoints of all groups together."""
    present = np.concatenate([match.present.ravel() for match in matches])
    scores = np.concatenate([match.scores.ravel() for match in matches])[present]
    hits = np.concatenate([match.hits.ravel() for match in matches])[present]
    count = sum(int(match.positives.sum()) for match in matches)
    if not len(hits) or not count:
        return Curve(name, list(RECALLS), [0.0] * len(RECALLS))
    right = np.cumsum(hits[np.argsort(-scores, kind="stable")])
    precision = np.maximum.accumulate((right / np.arange(1, len(right) + 1))[::-1])[::-1]
    first = np.searchsorted(right / count, RECALLS, side="left")
    return Curve(name, list(RECALLS), np.append(precision, 0.0)[first].tolist())


def instances_of(truth: Truth) -> Instances:
    """The truth in the form of a prediction, to be drawn like one."""
    own = only_needed(truth)
    scores = None if own.visible is None else np.array([0.0, 0.3, 1.0])[own.visible.astype(int)]
    return Instances(
        own.image_id,
        own.image_size,
        scores=np.ones(len(own)),
        keypoints=own.keypoints,
        keypoint_scores=scores,
        masks=own.masks,
        labels=own.labels,
    )
