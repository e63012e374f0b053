"""Targets of pose training: heatmaps, the weight of the loss, and where each person's tags are read."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import torch
from mmcv.transforms import BaseTransform

from aemm.geometry import cell_pixels, is_mirrored, to_map
from aemm.ops.heatmap import TargetStyle, draw_gaussians, target_cells, within
from aemm.records import check_choice
from aemm.registry import TRANSFORMS
from aemm.structures import Sample, Targets


@TRANSFORMS.register_module()
class PoseTargets(BaseTransform):
    """Targets of a sample, one for each output stride.

    Any number of people is taken; those without an annotated keypoint inside the image take no place.

    Args:
        strides: input pixels per map cell of each supervised output.
        sigma: of the Gaussians in cells; None = side of the map / 64 as the authors draw them (2 at
            128), but at least 1, and for a map that is not square its longer side / 64 to the nearest whole number: the
            originals' windows are off centre for a fraction. HigherHRNet uses 2 at every stride.
        style: 'newell', 'higherhrnet', 'udp' or 'unbiased', see :func:`aemm.ops.heatmap.draw_gaussians`.
        tag_strides: those of ``strides`` whose outputs carry tags; None = all.
        tag_per_keypoint: whether every keypoint has its own tag map, T = K, or all share one, T = 1.

    Raises:
        ValueError: an argument is out of range or ``tag_strides`` names a stride without output.

    Reference:
        princeton-vl/pose-ae-train data/coco_pose/dp.py, GenerateHeatmap and KeypointsRef;
        HRNet/HigherHRNet-Human-Pose-Estimation lib/dataset/target_generators.
    """

    def __init__(
        self,
        strides: Sequence[int],
        sigma: float | None = None,
        style: TargetStyle = "newell",
        tag_strides: Sequence[int] | None = None,
        tag_per_keypoint: bool = True,
    ) -> None:
        check_choice("style", style, TargetStyle)
        if not strides or min(strides) < 1:
            raise ValueError(f"strides must hold at least one positive number, got {list(strides)}")
        if sigma is not None and not sigma > 0:
            raise ValueError(f"sigma must be positive, got {sigma}; it is counted in map cells, not pixels")
        self.strides = tuple(strides)
        self.tag_strides = self.strides if tag_strides is None else tuple(tag_strides)
        if extra := sorted(set(self.tag_strides) - set(self.strides)):
            raise ValueError(f"tag_strides must be some of the strides {list(self.strides)}, got also {extra}")
        self.sigma = sigma
        self.style = style
        self.tag_per_keypoint = tag_per_keypoint

    def transform(self, sample: Sample) -> Sample:
        """The sample with its targets, in the order of ``strides``.

        Raises:
            ValueError: the sample has no keypoints, or a stride does not divide its image.
        """
        keypoints, visible = sample.need_keypoints()
        height, width = sample.image.shape[:2]
        if any(height % s or width % s for s in self.strides):
            raise ValueError(
                f"image {sample.image_id}: every stride of {list(self.strides)} must divide the image, got height "
                f"{height} and width {width}; does the pipeline resize to a fixed size?"
            )
        return replace(sample, targets=[self._targets(sample, keypoints, visible > 0, s) for s in self.strides])

    def _targets(self, sample: Sample, keypoints: np.ndarray, valid: np.ndarray, stride: int) -> Targets:
        size = sample.image.shape[0] // stride, sample.image.shape[1] // stride
        mirrored = is_mirrored(sample.warp)
        points = to_map(keypoints, sample.image.shape[:2], size, sample.convention, mirrored)  # (N, K, 2)
        sigma = _default_sigma(size) if self.sigma is None else self.sigma
        if self.style in ("newell", "higherhrnet") and abs(3 * sigma - round(3 * sigma)) > 1e-6:
            warnings.warn(
                f"style {self.style!r} draws Gaussians beside their cell unless 3 sigma is whole, got sigma={sigma:g} "
                f"for maps of {size}; every keypoint will be off by up to half a cell: choose another, or "
                "style='unbiased'",
                stacklevel=2,
            )
        heatmaps = draw_gaussians(points, valid, size, sigma, self.style)
        weight = _weight(sample, size)
        index = None
        if stride in self.tag_strides:
            index = torch.from_numpy(self._tag_index(points, valid, size))
        return Targets(torch.from_numpy(heatmaps), torch.from_numpy(weight), index)

    def _tag_index(self, points: np.ndarray, valid: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Flat places ``(N, K)`` in ``(T, h, w)``, -1 = absent, without people who have none."""
        height, width = size
        cells = target_cells(points, self.style)
        inside = within(cells, valid, size)
        plane = np.arange(points.shape[1]) if self.tag_per_keypoint else 0
        index = (plane * height + cells[..., 1]) * width + cells[..., 0]
        return np.where(inside, index, -1)[inside.any(1)]

    def __repr__(self) -> str:
        """Class and settings."""
        return (
            f"{type(self).__name__}(strides={self.strides}, sigma={self.sigma}, style={self.style!r}, "
            f"tag_strides={self.tag_strides}, tag_per_keypoint={self.tag_per_keypoint})"
        )


def _weight(sample: Sample, size: tuple[int, int]) -> np.ndarray:
    """What every cell ``(h, w) float32`` counts in the loss: 1, or 0 where the sample is to be ignored.

    As the references resample masks, the pixel that stands for a cell decides; in 'continuous' there is
    none, and a cell counts unless most of it is to be ignored.
    """
    if sample.ignore is None or not sample.ignore.any():
        return np.ones(size, np.float32)
    if sample.convention == "continuous":
        share = cv2.resize(sample.ignore.astype(np.float32), size[::-1], interpolation=cv2.INTER_AREA)
        return (share <= 0.5).astype(np.float32)
    rows, columns = cell_pixels(sample.image.shape[:2], size, sample.convention, is_mirrored(sample.warp))
    return np.logical_not(sample.ignore.take(rows, 0).take(columns, 1)).astype(np.float32)


def _default_sigma(size: tuple[int, int]) -> float:
    """Standard deviation in cells for a map of ``size``."""
    height, width = size
    return max(1.0, height / 64 if height == width else round(max(size) / 64))
