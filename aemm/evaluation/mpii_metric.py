"""MPII multi-person AP, the table that the literature prints, of it, from pairs of groups."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from mmengine.logging import MMLogger
from terminaltables import AsciiTable

from aemm.evaluation.functional.pckh import (
    EMPTY_GROUPS,
    GroupTruth,
    group_average_precision,
    keep_inside,
    match_group,
    pckh,
)
from aemm.evaluation.pairs import Pair, PairMetric
from aemm.records import ImageId, Instances, Truth
from aemm.registry import METRICS
from aemm.skeletons import SKELETONS

KEYPOINTS = SKELETONS["mpii14"].keypoints  # those that count: pelvis and thorax do not
_BODY_PARTS = {
    "Head": ("upper_neck", "head_top"),
    "Sho": ("left_shoulder", "right_shoulder"),
    "Elb": ("left_elbow", "right_elbow"),
    "Wri": ("left_wrist", "right_wrist"),
    "Hip": ("left_hip", "right_hip"),
    "Knee": ("left_knee", "right_knee"),
    "Ank": ("left_ankle", "right_ankle"),
}
_UPPER_BODY = tuple(name for part in ("Head", "Sho", "Elb", "Wri") for name in _BODY_PARTS[part])


@METRICS.register_module()
class MpiiMetric(PairMetric):
    """AP of 14 keypoints over groups of people, as the MPII benchmark computes it.

    Every image of the data set stands for a group, and its truth holds the group's people.

    Args:
        threshold: largest distance of a match, in head sizes.
        empty_groups: ``'skip'`` leaves groups without any prediction out altogether, as the published
            evaluator does; ``'count'`` counts their people as missed.
        keep_margin: of the people found for a group keep those whose middle lies at most this far
            outside the group's rectangle, in heights of a person (200 px at scale 1). Of the people of
            the 350 validation groups 99.9 % do. None keeps everybody.
        single_person: report PCKh of the best-scored prediction instead; every group then holds one
            person.
        prefix: of the names in the log.
        collect_dir: see :class:`~aemm.evaluation.pairs.PairMetric`.
    """

    default_prefix = "mpii"

    def __init__(
        self,
        threshold: float = 0.5,
        empty_groups: str = "skip",
        keep_margin: float | None = 0.25,
        single_person: bool = False,
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(prefix, collect_dir)
        if empty_groups not in EMPTY_GROUPS:
            raise ValueError(f"empty_groups must be one of {EMPTY_GROUPS}, got {empty_groups!r}")
        self.threshold, self.empty_groups = threshold, empty_groups
        self.keep_margin, self.single_person = keep_margin, single_person
        self.stats = ("PCKh" if single_person else "mAP", "UBody", *_BODY_PARTS, *KEYPOINTS)

    def check(self, truth: Truth, found: Instances) -> None:
        """Raise ``ValueError`` unless there are keypoints on both sides, and a head size for everybody."""
        skeleton = self.info.need_skeleton(type(self).__name__)
        if missing := [name for name in KEYPOINTS if name not in skeleton.keypoints]:
            raise ValueError(
                f"MpiiMetric needs the keypoints {', '.join(missing)}; skeleton {skeleton.name!r} has none"
            )
        found.need_keypoints()
        self._people(truth)

    def measure(self, pairs: Sequence[Pair]) -> dict[str, float]:
        """``mAP`` (or ``PCKh``), ``UBody``, the seven parts, and every keypoint by name, in 0 … 1."""
        groups = [_Group(truth.image_id, self._people(truth), self._inside(truth, found)) for truth, found in pairs]
        return self._pckh(groups) if self.single_person else self._average_precision(groups)

    def _columns(self) -> list[int]:
        """Where the keypoints that count are among those of the data set."""
        names = self.info.need_skeleton(type(self).__name__).keypoints
        return [names.index(name) for name in KEYPOINTS]

    def _people(self, truth: Truth) -> GroupTruth:
        """The people of a group; crowds and those with none of the keypoints are left out."""
        columns = self._columns()
        keypoints, visible = truth.need_keypoints()
        counts = (visible[:, columns] > 0).any(1)
        if truth.crowd is not None:
            counts &= ~truth.crowd
        heads = np.full(len(visible), np.nan) if truth.head_sizes is None else truth.head_sizes
        if np.isnan(heads[counts]).any():
            raise ValueError(
                f"group {truth.image_id}: a person has keypoints but no head rectangle, so PCKh has no measure for it"
            )
        return GroupTruth(keypoints[counts][:, columns], visible[counts][:, columns] > 0, heads[counts])

    def _inside(self, truth: Truth, found: Instances) -> Instances:
        return found if self.keep_margin is None else keep_inside(found, truth.group, self.keep_margin)

    def _average_precision(self, groups: Sequence[_Group]) -> dict[str, float]:
        matches = []
        for group in groups:
            keypoints, scores = _chosen(group.found, self._columns())
            matches.append(match_group(keypoints, scores, scores != 0, group.people, self.threshold))
        empty = sum(not len(match.scores) for match in matches)
        values = group_average_precision(matches, self.empty_groups)
        people = sum(len(group.people.keypoints) for group in groups)
        quirk = "left out" if self.empty_groups == "skip" else "counted as missed"
        title = f"AP (PCKh@{self.threshold:g}) over {people} people in {len(groups)} groups"
        return _report(f"{title}, {empty} without prediction {quirk}", "mAP", values, float(np.nanmean(values)))

    def _pckh(self, groups: Sequence[_Group]) -> dict[str, float]:
        columns = self._columns()
        right, annotated = np.zeros(len(columns)), np.zeros(len(columns))
        for group in groups:
            people, found = len(group.people.keypoints), group.found
            if people > 1:
                raise ValueError(
                    f"single_person=True expects one person in each group, but group {group.key} has {people}"
                )
            best = found[np.argsort(-found.scores)[:people]] if len(found) else None
            keypoints, scores = _chosen(best, columns, rows=people)
            hit, known = pckh(keypoints, scores != 0, group.people, self.threshold)
            right, annotated = right + hit, annotated + known
        values = np.divide(right, annotated, out=np.full(len(columns), np.nan), where=annotated > 0)
        title = f"PCKh@{self.threshold:g} over {len(groups)} single people"
        return _report(title, "PCKh", values, float(right.sum() / annotated.sum()))


class _Group(NamedTuple):
    """One group to measure: its people, and what was found for it."""

    key: ImageId
    people: GroupTruth
    found: Instances


def _chosen(found: Instances | None, columns: list[int], rows: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints ``(P, K, 2)`` and scores ``(P, K)`` of the columns that count; ``rows`` of zeros for None."""
    if found is None:
        return np.zeros((rows, len(columns), 2)), np.zeros((rows, len(columns)))
    keypoints, scores = found.need_keypoints()
    return keypoints[:, columns], scores[:, columns]


def _report(title: str, total: str, values: np.ndarray, mean: float) -> dict[str, float]:
    """Print the table in percent and return all figures; keypoints that nobody has stay out of the means."""
    by_name = dict(zip(KEYPOINTS, values.tolist(), strict=True))

    def over(names: Iterable[str]) -> float:
        known = [by_name[name] for name in names if not np.isnan(by_name[name])]
        return float(np.mean(known)) if known else float("nan")

    parts = {part: over(names) for part, names in _BODY_PARTS.items()}
    row = {**parts, "Total": mean, "UBody": over(_UPPER_BODY)}
    table = AsciiTable([list(row), [f"{100 * value:.1f}" for value in row.values()]])
    MMLogger.get_current_instance().info(f"{title}\n{table.table}")
    return {total: mean, "UBody": row["UBody"], **parts, **by_name}
