"""MPII multi-person AP, the table that the literature prints, and submissions to the benchmark."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import mmengine
import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger
from terminaltables import AsciiTable

from aemm.evaluation.functional.mpii_mat import (
    MPII,
    PERSON_HEIGHT,
    MpiiPerson,
    group_extent,
    group_truth,
    keypoints_of,
    read_groups,
    write_submission,
)
from aemm.evaluation.functional.pckh import EMPTY_GROUPS, GroupTruth, group_average_precision, match_group, pckh
from aemm.registry import METRICS
from aemm.skeletons import SKELETONS, build_skeleton
from aemm.structures import ImageId, Instances

KEYPOINTS = SKELETONS["mpii14"].keypoints  # those that count: pelvis and thorax do not
PARTS = {
    "Head": ("upper_neck", "head_top"),
    "Sho": ("left_shoulder", "right_shoulder"),
    "Elb": ("left_elbow", "right_elbow"),
    "Wri": ("left_wrist", "right_wrist"),
    "Hip": ("left_hip", "right_hip"),
    "Knee": ("left_knee", "right_knee"),
    "Ank": ("left_ankle", "right_ankle"),
}
_UPPER_BODY = tuple(name for part in ("Head", "Sho", "Elb", "Wri") for name in PARTS[part])


@dataclass
class _Group:
    """One group to evaluate: where it is, and who is in it."""

    truth: GroupTruth
    rectangle: np.ndarray | None
    scale: float | None


def _coco_person(annotation: dict[str, Any], names: Sequence[str]) -> MpiiPerson:
    """A COCO-format annotation with keypoints ``names``, brought to the MPII order."""
    count = len(MPII)
    person = MpiiPerson(np.zeros((count, 2)), np.zeros(count, np.int64), np.full(count, np.nan), None, None, None)
    points = np.asarray(annotation.get("keypoints") or np.zeros(3 * len(names)), float).reshape(len(names), 3)
    for name, point in zip(names, points, strict=True):
        if name in MPII.keypoints:
            k = MPII.keypoints.index(name)
            person.keypoints[k], person.visible[k] = point[:2], point[2]
    if annotation.get("head_box") is not None:
        person.head_box = np.asarray(annotation["head_box"], float)
    return person


def _columns() -> list[int]:
    return [MPII.keypoints.index(name) for name in KEYPOINTS]


def groups_from_coco(data: dict[str, Any]) -> dict[ImageId, _Group]:
    """Groups by id, in the order of the file, from COCO-format annotations.

    Args:
        data: COCO-format dict; each annotation with a ``head_box``. With a list ``groups`` of ``id``,
            ``rectangle`` and ``scale`` the annotations belong to their ``group_ids``; without, all
            people of an image are one group under the image's id.
    """
    names = next(category["keypoints"] for category in data["categories"] if category.get("keypoints"))
    grouped = "groups" in data
    entries = data["groups"] if grouped else data["images"]
    people: dict[ImageId, list[MpiiPerson]] = {entry["id"]: [] for entry in entries}
    for annotation in data["annotations"]:
        for key in annotation.get("group_ids", ()) if grouped else (annotation["image_id"],):
            if key in people and not annotation.get("iscrowd"):
                people[key].append(_coco_person(annotation, names))
    found: dict[ImageId, _Group] = {}
    for entry in entries:
        truth = group_truth(people[entry["id"]], _columns(), f"group {entry['id']}")
        rectangle = np.asarray(entry["rectangle"], float) if grouped else None
        found[entry["id"]] = _Group(truth, rectangle, entry["scale"] if grouped else None)
    return found


def groups_from_mat(path: str) -> dict[ImageId, _Group]:
    """Groups by their place in a ``.mat`` file of the official layout, counted from 0."""
    found: dict[ImageId, _Group] = {}
    for index, people in enumerate(read_groups(path)):
        rectangle, scale = group_extent(people) or (None, None)
        found[index] = _Group(group_truth(people, _columns(), f"{path}: group {index}"), rectangle, scale)
    return found


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


@METRICS.register_module()
class MpiiMetric(BaseMetric):
    """AP of 14 keypoints over groups of people, as the MPII benchmark computes it.

    Every prediction's ``image_id`` names a group. Ground truth is the data set's own (``ann_file`` or
    ``annotations`` of its metainfo). Groups that were not predicted count as without prediction.

    Args:
        ann_file: measure against this file instead: COCO-format json, or the official ``.mat``.
        threshold: largest distance of a match, in head sizes.
        empty_groups: ``'skip'`` leaves groups without any prediction out altogether, as the published
            evaluator does; ``'count'`` counts their people as missed.
        keep_margin: of the people found for a group keep those whose middle lies at most this far
            outside the group's rectangle, in heights of a person (200 px at scale 1). Of the people of
            the 350 validation groups 99.9 % do. None keeps everybody.
        single_person: report PCKh of the best-scored prediction instead; every group then holds one
            person.
        dump: write the predictions to this ``.mat`` file in the layout of a submission.
        collect_device: where processes gather their results, ``'cpu'`` or ``'gpu'``.
        prefix: of the names in the log.
    """

    default_prefix = "mpii"

    def __init__(
        self,
        ann_file: str | None = None,
        threshold: float = 0.5,
        empty_groups: str = "skip",
        keep_margin: float | None = 0.25,
        single_person: bool = False,
        dump: str | None = None,
        collect_device: str = "cpu",
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device, prefix)
        if empty_groups not in EMPTY_GROUPS:
            raise ValueError(f"empty_groups must be one of {EMPTY_GROUPS}, got {empty_groups!r}")
        if dump is not None and not dump.endswith(".mat"):
            raise ValueError(f"dump must name a .mat file, got {dump!r}")
        self.ann_file, self.threshold, self.empty_groups, self.dump = ann_file, threshold, empty_groups, dump
        self.keep_margin, self.single_person = keep_margin, single_person

    def process(self, data_batch: Any, data_samples: Sequence[Instances]) -> None:
        """Keep one entry for each group."""
        for found in data_samples:
            keypoints, scores = keypoints_of(found)
            self.results.append(
                Instances(found.image_id, found.image_size, found.scores, keypoints=keypoints, keypoint_scores=scores)
            )

    def compute_metrics(self, results: list[Instances]) -> dict[str, float]:
        """``mAP`` (or ``PCKh``), ``UBody``, the seven parts, and every keypoint by name, in 0 … 1.

        Where the labels are withheld there is nothing to report, only a submission to write.
        """
        meta = self.dataset_meta or {}
        if "skeleton" not in meta:
            raise ValueError("MpiiMetric reads the keypoint set from the data set, but its metainfo has no 'skeleton'")
        skeleton = build_skeleton(meta["skeleton"])
        if missing := [name for name in KEYPOINTS if name not in skeleton.keypoints]:
            raise ValueError(
                f"MpiiMetric needs the keypoints {', '.join(missing)}; skeleton {skeleton.name!r} has none"
            )
        groups = self._ground_truth(meta)
        found = {entry.image_id: entry for entry in results}
        if strangers := [key for key in found if key not in groups]:
            raise ValueError(f"predictions for groups that the ground truth does not have, such as {strangers[:3]}")
        kept = {key: self._inside(entry, groups[key]) for key, entry in found.items()}
        if self.dump:
            none = Instances(0, (0, 0), np.zeros(0), keypoints=np.zeros((0, 0, 2)), keypoint_scores=np.zeros((0, 0)))
            write_submission(self.dump, [kept.get(key, none) for key in groups], skeleton)
        if not any(len(group.truth.keypoints) for group in groups.values()):
            if not self.dump:
                raise ValueError("the labels of these groups are withheld; set dump to a .mat file to submit")
            MMLogger.get_current_instance().info(f"labels are withheld; {len(groups)} groups written to {self.dump}")
            return {}
        measure = self._pckh if self.single_person else self._average_precision
        return measure(kept, groups, [skeleton.keypoints.index(name) for name in KEYPOINTS])

    def _inside(self, found: Instances, group: _Group) -> Instances:
        if self.keep_margin is None or group.rectangle is None or group.scale is None:
            return found
        keypoints, scores = keypoints_of(found)
        margin = self.keep_margin * PERSON_HEIGHT * group.scale
        return found[inside_group(keypoints, scores != 0, group.rectangle, margin)]

    def _average_precision(
        self, found: dict[ImageId, Instances], groups: dict[ImageId, _Group], columns: list[int]
    ) -> dict[str, float]:
        matches = []
        for key, group in groups.items():
            keypoints, scores = _chosen(found.get(key), columns)
            matches.append(match_group(keypoints, scores, scores != 0, group.truth, self.threshold))
        empty = sum(not len(match.scores) for match in matches)
        values = group_average_precision(matches, self.empty_groups)
        people = sum(len(group.truth.keypoints) for group in groups.values())
        quirk = "left out" if self.empty_groups == "skip" else "counted as missed"
        title = f"AP (PCKh@{self.threshold:g}) over {people} people in {len(groups)} groups"
        return _report(f"{title}, {empty} without prediction {quirk}", "mAP", values, float(np.nanmean(values)))

    def _pckh(
        self, found: dict[ImageId, Instances], groups: dict[ImageId, _Group], columns: list[int]
    ) -> dict[str, float]:
        right, annotated = np.zeros(len(columns)), np.zeros(len(columns))
        for key, group in groups.items():
            people = len(group.truth.keypoints)
            if people > 1:
                raise ValueError(f"single_person=True expects one person in each group, but group {key} has {people}")
            entry = found.get(key)
            best = entry[np.argsort(-entry.scores)[:people]] if entry is not None and len(entry) else None
            keypoints, scores = _chosen(best, columns, rows=people)
            hit, known = pckh(keypoints, scores != 0, group.truth, self.threshold)
            right, annotated = right + hit, annotated + known
        values = np.divide(right, annotated, out=np.full(len(columns), np.nan), where=annotated > 0)
        title = f"PCKh@{self.threshold:g} over {len(groups)} single people"
        return _report(title, "PCKh", values, float(right.sum() / annotated.sum()))

    def _ground_truth(self, meta: dict[str, Any]) -> dict[ImageId, _Group]:
        path = self.ann_file or meta.get("ann_file")
        if path is None and "annotations" not in meta:
            raise ValueError("no ground truth: build the data set with test_mode=True, or give MpiiMetric an ann_file")
        if path is not None and path.endswith(".mat"):
            return groups_from_mat(path)
        return groups_from_coco(meta["annotations"] if path is None else mmengine.load(path))


def _chosen(found: Instances | None, columns: list[int], rows: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints ``(P, K, 2)`` and scores ``(P, K)`` of the columns that count; ``rows`` of zeros for None."""
    if found is None:
        return np.zeros((rows, len(columns), 2)), np.zeros((rows, len(columns)))
    keypoints, scores = keypoints_of(found)
    return keypoints[:, columns], scores[:, columns]


def _report(title: str, total: str, values: np.ndarray, mean: float) -> dict[str, float]:
    """Print the table in percent and return all figures; keypoints that nobody has stay out of the means."""
    by_name = dict(zip(KEYPOINTS, values.tolist(), strict=True))

    def over(names: Iterable[str]) -> float:
        known = [by_name[name] for name in names if not np.isnan(by_name[name])]
        return float(np.mean(known)) if known else float("nan")

    parts = {part: over(names) for part, names in PARTS.items()}
    row = {**parts, "Total": mean, "UBody": over(_UPPER_BODY)}
    table = AsciiTable([list(row), [f"{100 * value:.1f}" for value in row.values()]])
    MMLogger.get_current_instance().info(f"{title}\n{table.table}")
    return {total: mean, "UBody": row["UBody"], **parts, **by_name}
