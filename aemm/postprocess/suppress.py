"""Instances found twice, and those hardly found at all, leave the result."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from aemm.ops.masks import mask_overlaps
from aemm.ops.suppression import POSES_OVERLAP, SOFT_SIGMA, keep_apart, pose_overlaps
from aemm.registry import POSTPROCESSORS
from aemm.skeletons import Skeleton, build_skeleton
from aemm.structures import Instances


class _Suppression(ABC):
    """What suppression of poses and of masks share.

    Args:
        threshold: an instance goes if its overlap with a better one is above it, 0 to 1.
        soft: no instance goes; scores are multiplied by exp(-overlap² / ``sigma``) instead.
        sigma: of the soft form.
    """

    needs_image = False

    def __init__(self, threshold: float, soft: bool, sigma: float) -> None:
        _check_share("threshold", threshold)
        if not 0 < sigma < math.inf:
            raise ValueError(f"sigma must be a number above 0, got {sigma!r}; Soft-NMS takes 0.5")
        self.threshold, self.soft, self.sigma = threshold, soft, sigma

    def reset(self) -> None:  # noqa: B027 - for both kinds there is nothing to do
        """Nothing: every image is looked at by itself."""

    def __call__(self, found: Instances, image: np.ndarray | None) -> Instances:
        """The instances that stay, best score first.

        Args:
            found: in one image.
            image: not looked at.

        Raises:
            ValueError: the instances are not of the kind that is compared.
        """
        return keep_apart(found, self._overlaps(found), self.threshold, self.sigma if self.soft else None)

    @abstractmethod
    def _overlaps(self, found: Instances) -> np.ndarray:
        """How far each two instances lie on each other, ``(N, N)``."""


@POSTPROCESSORS.register_module()
class OksNms(_Suppression):
    """Of poses that lie on each other, keep the one with the best score, or lower the score of the others.

    Grouping by tags now and then finds one person two or three times, with tags slightly apart. How far poses lie on
    each other is told by :func:`aemm.ops.suppression.pose_overlaps`: parts of a person overlap the whole fully.

    Args:
        skeleton: with the sigmas of the keypoints, see :func:`aemm.skeletons.build_skeleton`.
        threshold: a pose goes if its overlap with a better one is above it, 0 to 1.
        soft: no pose goes; scores are multiplied by exp(-overlap² / ``sigma``) instead.
        sigma: of the soft form.

    Raises:
        ValueError: an argument is out of range.

    Reference: Bodla et al., Soft-NMS: improving object detection with one line of code (ICCV 2017).
    """

    def __init__(
        self,
        skeleton: str | Mapping[str, Any] | Skeleton,
        threshold: float = POSES_OVERLAP,
        soft: bool = False,
        sigma: float = SOFT_SIGMA,
    ) -> None:
        super().__init__(threshold, soft, sigma)
        self.skeleton = build_skeleton(skeleton)

    def _overlaps(self, found: Instances) -> np.ndarray:
        keypoints, scores = found.need_keypoints()
        if keypoints.shape[1] != len(self.skeleton):
            raise ValueError(
                f"image {found.image_id}: OksNms has the {len(self.skeleton)} sigmas of skeleton "
                f"{self.skeleton.name!r}, but the instances have {keypoints.shape[1]} keypoints; give it the skeleton "
                "of the decoder"
            )
        return pose_overlaps(keypoints, scores > 0, np.array(self.skeleton.sigmas))


@POSTPROCESSORS.register_module()
class MaskNms(_Suppression):
    """Of masks of one class that overlap, keep the one with the best score, or lower the score of the others.

    Args:
        threshold: a mask goes if its intersection over union with a better one is above it, 0 to 1.
        soft: no mask goes; scores are multiplied by exp(-overlap² / ``sigma``) instead.
        sigma: of the soft form.

    Raises:
        ValueError: an argument is out of range.

    Reference: Bodla et al., Soft-NMS: improving object detection with one line of code (ICCV 2017).
    """

    def __init__(self, threshold: float = 0.5, soft: bool = False, sigma: float = SOFT_SIGMA) -> None:
        super().__init__(threshold, soft, sigma)

    def _overlaps(self, found: Instances) -> np.ndarray:
        return mask_overlaps(*found.need_masks())


@POSTPROCESSORS.register_module()
class MinScore:
    """Leave out instances, and if asked keypoints, whose scores are low.

    Args:
        instances: those with a score below it are left out, 0 to 1.
        keypoints: those below it become absent, 0 to 1; an instance that then has none is left out. Scores of
            instances stay as they are.

    Raises:
        ValueError: an argument is out of range.
    """

    needs_image = False

    def __init__(self, instances: float = 0.1, keypoints: float = 0.0) -> None:
        _check_share("instances", instances)
        _check_share("keypoints", keypoints)
        self.instances, self.keypoints = instances, keypoints

    def reset(self) -> None:
        """Nothing: every image is looked at by itself."""

    def __call__(self, found: Instances, image: np.ndarray | None) -> Instances:
        """The instances that are sure enough, in their order.

        Args:
            found: in one image.
            image: not looked at.
        """
        found = found[found.scores >= self.instances]
        if not self.keypoints or found.keypoints is None or found.keypoint_scores is None:
            return found
        sure = found.keypoint_scores >= self.keypoints
        keypoints = np.where(sure[..., None], found.keypoints, 0)
        scores = np.where(sure, found.keypoint_scores, 0)
        return replace(found, keypoints=keypoints, keypoint_scores=scores)[np.flatnonzero(sure.any(axis=1))]


def _check_share(name: str, value: float) -> None:
    if not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"{name} must be a number from 0 to 1, got {value!r}")
