"""What leaves a result before it is shown: instances found twice, and those hardly found at all."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

import numpy as np

from aemm.ops.suppression import pose_overlaps, soften, suppress
from aemm.records import Instances
from aemm.skeletons import Skeleton

Twice = Literal["hard", "soft", "off"]
_OVERLAP, _SIGMA = 0.7, 0.5  # as aemm.postprocess.OksNms has them


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
        if nms == "hard":
            found = found[suppress(overlaps, found.scores, _OVERLAP)]
        else:
            found = replace(found, scores=soften(overlaps, found.scores, _SIGMA).astype(found.scores.dtype))
    if nms != "off":
        found = found[np.argsort(-found.scores, kind="stable")]
    return found[found.scores >= min_score]
