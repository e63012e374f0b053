"""What is odd about a checked file and yet loads: counted, and said in the log when the file is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmengine.logging import MMLogger

_SHOWN = 3


def log_notices(path: str, summary: str, notices: Sequence[str]) -> None:
    """Say what a file holds, and warn of what is odd about it.

    Args:
        path: of the file.
        summary: what was read and what was left out, with counts.
        notices: each with a count.
    """
    logger = MMLogger.get_current_instance()
    logger.info(f"{path}: {summary}")
    for notice in notices:
        logger.warning(f"{path}: {notice}")


def all_crowds(crowd: np.ndarray, of_what: str = "annotations") -> list[str]:
    """What an export does that marks every run-length mask as a crowd.

    Args:
        crowd: ``(A,) bool``.
        of_what: they are, for the message.
    """
    if not len(crowd) or not crowd.all():
        return []
    return [
        f"all {len(crowd)} {of_what} are iscrowd=1, regions of many instances: nothing is learnt from them, and "
        "evaluation expects none of them to be found, so that AP is -1 or 0. If they are single instances, set iscrowd "
        "to 0 in the file"
    ]


def twice_annotated(keys: Sequence[Any], ids: Sequence[Any], what: str) -> list[str]:
    """Annotations of one image that are the same.

    Args:
        keys: one for each annotation, equal where they are the same; None = not compared.
        ids: of the annotations.
        what: they are, for the message.
    """
    first: dict[Any, Any] = {}
    pairs = []
    for key, own in zip(keys, ids, strict=True):
        if key in first:
            pairs.append((first[key], own))
        elif key is not None:
            first[key] = own
    if not pairs:
        return []
    listed = ", ".join(f"{one!r} and {other!r}" for one, other in pairs[:_SHOWN])
    return [f"{len(pairs)} {what} are annotated twice in one image, such as ids {listed}; each is taken as one more"]


def keypoint_notices(
    keypoints: np.ndarray, visible: np.ndarray, sizes: np.ndarray, rows: Sequence[Mapping[str, Any]]
) -> list[str]:
    """What is odd about the places and numbers of keypoints.

    Args:
        keypoints: ``(A, K, 2)``.
        visible: ``(A, K)``.
        sizes: ``(A, 2)`` height and width of each one's image.
        rows: the A annotations as they stand in the file.
    """
    seen = visible > 0
    outside = seen & ((keypoints < 0) | (keypoints > sizes[:, None, ::-1])).any(2)
    notices = []
    if outside.any():
        whole = (outside == seen).all(1) & seen.any(1)
        notices.append(
            f"{outside.sum()} keypoints of {outside.any(1).sum()} people lie outside of their images ({whole.sum()} "
            "people altogether); they are not learnt, but evaluation expects them"
        )
    at_corner = (seen & (keypoints == 0).all(2)).sum()
    if at_corner:
        notices.append(
            f"{at_corner} keypoints are visible at (0, 0), where exports put points that are not annotated; their "
            "visibility should be 0"
        )
    if seen.any() and keypoints[seen].max() <= 1 and sizes.min() > 4:
        notices.append("all keypoints lie within the first pixel; they look like shares of the image, not pixels")
    unseen = ((keypoints != 0).any((1, 2)) & ~seen.any(1)).sum()
    if unseen:
        notices.append(
            f"{unseen} annotations have coordinates, but visibility 0 for every keypoint: they count as not annotated"
        )
    claimed = [row.get("num_keypoints") for row in rows]
    counted = seen.sum(1).tolist()
    wrong = [n for n, (a, b) in enumerate(zip(claimed, counted, strict=True)) if a is not None and a != b]
    if wrong:
        listed = ", ".join(f"{rows[n]['id']!r} ({claimed[n]!r}, has {counted[n]})" for n in wrong[:_SHOWN])
        notices.append(
            f"num_keypoints of {len(wrong)} annotations is not the number of keypoints with visibility 1 or 2, such as "
            f"of ids {listed}; visibility counts, num_keypoints is not read"
        )
    return notices
