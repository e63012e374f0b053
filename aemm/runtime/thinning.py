"""What leaves a result before it is shown: instances found twice, and those hardly found at all."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from aemm.ops.suppression import POSES_OVERLAP, SOFT_SIGMA, keep_apart, pose_overlaps
from aemm.records import Instances
from aemm.skeletons import Skeleton

Twice = Literal["hard", "soft", "off"]


def thin(found: Instances, skeleton: Skeleton | None, nms: Twice = "hard", min_score: float = 0.1) -> Instances:
    """What ``aemm predict`` keeps of what is in an image.

    Masks of one network share no pixels, so that none is found twice.

    Args:
        found: by a predictor.
        skeleton: of its keypoints; None = poses are not compared, as masks are not.
        nms: of poses that lie on each other 'hard' keeps the best, 'soft' lowers the scores of the others, 'off' keeps
            all.
        min_score: instances below it leave.

    Returns:
        Best score first, unless ``nms`` is off.

    Raises:
        ValueError: there is no such ``nms``.
    """
    if nms not in get_args(Twice):
        raise ValueError(f"nms must be one of {', '.join(map(repr, get_args(Twice)))}, got {nms!r}")
    if nms != "off" and skeleton is not None:
        keypoints, scores = found.need_keypoints()
        overlaps = pose_overlaps(keypoints, scores > 0, np.array(skeleton.sigmas))
        found = keep_apart(found, overlaps, POSES_OVERLAP, SOFT_SIGMA if nms == "soft" else None)
    elif nms != "off":
        found = found[np.argsort(-found.scores, kind="stable")]
    return found[found.scores >= min_score]
