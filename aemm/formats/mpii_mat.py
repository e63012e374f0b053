"""The MATLAB files of MPII: annotations of people, submissions, and what real files hold in between.

MATLAB counts pixels from 1, aemm and COCO from 0; the difference is taken off when reading and added
when writing, here and nowhere else. A point's official ``id`` is its index in the ``mpii`` skeleton.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aemm.formats.matlab import entries, load_mat, number
from aemm.ops.boxes import head_sizes
from aemm.records import Group, Instances, Truth
from aemm.skeletons import SKELETONS, Skeleton

FIRST_PIXEL = 1  # MATLAB's name for the pixel that we call 0
_ZERO = np.finfo(float).tiny  # stands for a score of 0, which in Instances means that the keypoint is absent
MPII = SKELETONS["mpii"]


@dataclass
class MpiiPerson:
    """One ``annorect`` entry, in pixels counted from 0; what the file leaves out is None.

    Attributes:
        keypoints: ``(16, 2)``, 0 where there is no point.
        visible: ``(16,)`` 0 no point, 1 hidden, 2 visible or nothing said.
        scores: ``(16,)``, NaN where no score is given.
        head_box: ``(4,)`` xyxy.
        scale: height of the person / 200 px.
        position: ``(2,)`` x, y, rough centre of the person.
        faulty_points: how many points were left out for want of a known id or of coordinates.
    """

    keypoints: np.ndarray
    visible: np.ndarray
    scores: np.ndarray
    head_box: np.ndarray | None
    scale: float | None
    position: np.ndarray | None
    faulty_points: int = 0


def _numbers(record: Any, names: str) -> list[float] | None:
    """The named fields as numbers, or None if one is missing."""
    found = [number(getattr(record, name, None)) for name in names.split()]
    return None if any(value is None for value in found) else found  # type: ignore[return-value]


def read_person(record: Any) -> MpiiPerson:
    """One ``annorect`` entry, whatever of it is there."""
    person = MpiiPerson(
        np.zeros((len(MPII), 2)), np.zeros(len(MPII), np.int64), np.full(len(MPII), np.nan), None, None, None
    )
    for part in entries(getattr(record, "annopoints", None)):
        for point in entries(getattr(part, "point", None)):
            place = _numbers(point, "id x y")
            if place is None or place[0] not in range(len(MPII)):
                person.faulty_points += 1
                continue
            k = int(place[0])
            shown = number(getattr(point, "is_visible", None))
            score = number(getattr(point, "score", None))
            person.keypoints[k] = place[1] - FIRST_PIXEL, place[2] - FIRST_PIXEL
            person.visible[k] = 1 if shown == 0 else 2
            person.scores[k] = np.nan if score is None else score
    corners, place = _numbers(record, "x1 y1 x2 y2"), _numbers(getattr(record, "objpos", None), "x y")
    person.head_box = None if corners is None else np.array(corners) - FIRST_PIXEL
    person.position = None if place is None else np.array(place) - FIRST_PIXEL
    person.scale = number(getattr(record, "scale", None))
    return person


def group_extent(people: Sequence[MpiiPerson]) -> Group | None:
    """Rectangle around the members' positions and mean of their scales.

    All that may be known of a group at test time; None if no member tells where it is.
    """
    placed = [(person.position, person.scale) for person in people if person.position is not None and person.scale]
    if not placed:
        return None
    positions = np.array([position for position, _ in placed])
    left, top = positions.min(0).tolist()
    right, bottom = positions.max(0).tolist()
    return Group((left, top, right, bottom), float(np.mean([scale for _, scale in placed])))


def read_groups(path: str | Path) -> list[list[MpiiPerson]]:
    """The people of every group of a file in the official layout, annotations or submission.

    Raises:
        ValueError: the file holds no struct array with a field ``annorect``.
    """
    for value in load_mat(path).values():
        groups = entries(value)
        if groups and hasattr(groups[0], "annorect"):
            return [_read_people(path, n, group.annorect) for n, group in enumerate(groups, 1)]
    raise ValueError(f"{path} holds no struct array with a field 'annorect', as MPII annotations and submissions do")


def _read_people(path: str | Path, number_of_group: int, records: Any) -> list[MpiiPerson]:
    """The people of one group.

    Raises:
        ValueError: it holds something else.
    """
    people = []
    for n, record in enumerate(entries(records), 1):
        where = f"{path}: annorect({n}) of group {number_of_group}"
        if not hasattr(record, "_fieldnames"):
            raise ValueError(f"{where} must be a struct, got {record!r:.80}")
        try:
            people.append(read_person(record))
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
    return people


def read_truths(path: str | Path) -> list[Truth]:
    """The people of every group of annotations, keypoints as the ``mpii`` skeleton; groups go by their place.

    Sizes of images are not stored. The head size of a person without a head rectangle is NaN.

    Raises:
        ValueError: see :func:`read_groups`.
    """
    truths = []
    for index, people in enumerate(read_groups(path)):
        heads = np.array([[np.nan] * 4 if person.head_box is None else person.head_box for person in people])
        truths.append(
            Truth(
                image_id=index,
                image_size=(0, 0),
                part=str(path),
                keypoints=np.array([person.keypoints for person in people]).reshape(-1, len(MPII), 2),
                visible=np.array([person.visible for person in people], np.int64).reshape(-1, len(MPII)),
                head_sizes=head_sizes(heads.reshape(-1, 4)),
                group=group_extent(people),
            )
        )
    return truths


def read_submission(path: str | Path) -> list[Instances]:
    """The predictions of a submission, one entry for each group, keypoints as the ``mpii`` skeleton.

    Raises:
        ValueError: a point has no score.
    """
    found = []
    for index, people in enumerate(read_groups(path)):
        visible = np.array([person.visible > 0 for person in people], bool).reshape(-1, len(MPII))
        scores = np.array([person.scores for person in people]).reshape(visible.shape)
        if np.isnan(scores[visible]).any():
            raise ValueError(f"{path}: pred({index + 1}) has a point without a score")
        scores = np.where(visible, np.where(scores == 0, _ZERO, scores), 0)
        keypoints = np.array([person.keypoints for person in people]).reshape(*visible.shape, 2)
        found.append(
            Instances(
                index, (0, 0), scores.mean(1), keypoints=keypoints, keypoint_scores=scores
            )  # sizes are not stored
        )
    return found


def _struct(rows: Sequence[dict[str, Any]], fields: Sequence[str]) -> np.ndarray:
    array = np.empty((1, len(rows)), dtype=[(name, object) for name in fields])
    for i, row in enumerate(rows):
        for name in fields:
            array[name][0, i] = row[name]
    return array


def write_submission(path: str | Path, groups: Sequence[Instances], skeleton: Skeleton) -> None:
    """Write predictions as the benchmark takes them: ``pred(i).annorect(r).annopoints.point(p).{x,y,id,score}``.

    Args:
        path: of the ``.mat`` file; missing folders are made.
        groups: one entry for each group, in the official order.
        skeleton: of the predictions; keypoints that MPII does not know are left out.
    """
    from scipy.io import savemat  # here, since it takes long to import

    ids = {k: MPII.keypoints.index(name) for k, name in enumerate(skeleton.keypoints) if name in MPII.keypoints}
    rows = []
    for found in groups:
        people = []
        for xy, scores in zip(*found.need_keypoints(), strict=True):
            points = [
                {
                    "x": float(xy[k, 0]) + FIRST_PIXEL,
                    "y": float(xy[k, 1]) + FIRST_PIXEL,
                    "id": i,
                    "score": float(scores[k]),
                }
                for k, i in ids.items()
                if scores[k] != 0
            ]
            if points:
                point = _struct(points, ("x", "y", "id", "score"))
                people.append({"annopoints": _struct([{"point": point}], ("point",))})
        rows.append({"annorect": _struct(people, ("annopoints",))})
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    savemat(str(path), {"pred": _struct(rows, ("annorect",))}, do_compression=True)
