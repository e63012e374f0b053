"""What is odd about a checked file and yet loads: counted, and said in the log when the file is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from mmengine.logging import MMLogger

_SHOWN = 3


class Notice(NamedTuple):
    """Something odd.

    Attributes:
        text: what it is, with a count.
        rows: the annotations that it is about, by their place among those that take part.
    """

    text: str
    rows: tuple[int, ...] = ()


def log_notices(path: str, summary: str, notices: Sequence[Notice]) -> None:
    """Say what a file holds, and warn of what is odd about it.

    Args:
        path: of the file.
        summary: what was read and what was left out, with counts.
        notices: each with a count.
    """
    logger = MMLogger.get_current_instance()
    logger.info(f"{path}: {summary}")
    for notice in notices:
        logger.warning(f"{path}: {notice.text}")


def joined(counts: Sequence[int], notices: Sequence[Sequence[Notice]]) -> list[Notice]:
    """Notices of files whose annotations are laid behind each other.

    Args:
        counts: of the annotations of each file that take part.
        notices: of each file.
    """
    starts = np.cumsum([0, *counts]).tolist()
    return [
        notice._replace(rows=tuple(row + start for row in notice.rows))
        for start, own in zip(starts[:-1], notices, strict=True)
        for notice in own
    ]


def _places(chosen: Any) -> tuple[int, ...]:
    """Places of the annotations that a mask ``(A,) bool`` chooses."""
    return tuple(np.flatnonzero(chosen).tolist())


def all_crowds(crowd: np.ndarray, among: np.ndarray | None = None, of_what: str = "annotations") -> list[Notice]:
    """What an export does that marks every run-length mask as a crowd.

    Args:
        crowd: ``(A,) bool``.
        among: ``(A,) bool``, those that are looked at; None = all.
        of_what: they are, for the message.
    """
    among = np.ones(len(crowd), bool) if among is None else among
    if not among.any() or not crowd[among].all():
        return []
    text = (
        f"all {among.sum()} {of_what} are iscrowd=1, regions of many instances: nothing is learnt from them, and "
        "evaluation expects none of them to be found, so that AP is -1 or 0. If they are single instances, set iscrowd "
        "to 0 in the file"
    )
    return [Notice(text, _places(among))]


def twice_annotated(keys: Sequence[Any], ids: Sequence[Any], what: str) -> list[Notice]:
    """Annotations of one image that are the same.

    Args:
        keys: one for each annotation, equal where they are the same; None = not compared.
        ids: of the annotations.
        what: they are, for the message.
    """
    first: dict[Any, int] = {}
    pairs = []
    for row, key in enumerate(keys):
        if key in first:
            pairs.append((first[key], row))
        elif key is not None:
            first[key] = row
    if not pairs:
        return []
    listed = ", ".join(f"{ids[one]!r} and {ids[other]!r}" for one, other in pairs[:_SHOWN])
    text = f"{len(pairs)} {what} are annotated twice in one image, such as ids {listed}; each is taken as one more"
    return [Notice(text, tuple(other for _, other in pairs))]


def keypoint_notices(
    keypoints: np.ndarray, visible: np.ndarray, sizes: np.ndarray, rows: Sequence[Mapping[str, Any]]
) -> list[Notice]:
    """What is odd about the places and numbers of keypoints.

    Args:
        keypoints: ``(A, K, 2)``.
        visible: ``(A, K)``.
        sizes: ``(A, 2)`` height and width of each one's image.
        rows: the A annotations as they stand in the file.
    """
    seen = visible > 0
    x, y = (np.ascontiguousarray(keypoints[..., axis]) for axis in range(2))
    outside = seen & ((x < 0) | (y < 0) | (x > sizes[:, 1:]) | (y > sizes[:, :1]))
    notices = []
    if outside.any():
        whole = (outside == seen).all(1) & seen.any(1)
        text = (
            f"{outside.sum()} keypoints of {outside.any(1).sum()} people lie outside of their images ({whole.sum()} "
            "people altogether); they are not learnt, but evaluation expects them"
        )
        notices.append(Notice(text, _places(outside.any(1))))
    somewhere = (x != 0) | (y != 0)
    at_corner = seen & ~somewhere
    if at_corner.any():
        text = (
            f"{at_corner.sum()} keypoints are visible at (0, 0), where exports put points that are not annotated; "
            "their visibility should be 0"
        )
        notices.append(Notice(text, _places(at_corner.any(1))))
    if seen.any() and max(x[seen].max(), y[seen].max()) <= 1 and sizes.min() > 4:
        text = "all keypoints lie within the first pixel; they look like shares of the image, not pixels"
        notices.append(Notice(text, _places(seen.any(1))))
    unseen = somewhere.any(1) & ~seen.any(1)
    if unseen.any():
        text = f"{unseen.sum()} annotations have coordinates, but visibility 0 for every keypoint: "
        notices.append(Notice(f"{text}they count as not annotated", _places(unseen)))
    claimed = [row.get("num_keypoints") for row in rows]
    counted = seen.sum(1).tolist()
    wrong = [n for n, (a, b) in enumerate(zip(claimed, counted, strict=True)) if a is not None and a != b]
    if wrong:
        listed = ", ".join(f"{rows[n]['id']!r} ({claimed[n]!r}, has {counted[n]})" for n in wrong[:_SHOWN])
        text = (
            f"num_keypoints of {len(wrong)} annotations is not the number of keypoints with visibility 1 or 2, such as "
            f"of ids {listed}; visibility counts, num_keypoints is not read"
        )
        notices.append(Notice(text, tuple(wrong)))
    return notices
