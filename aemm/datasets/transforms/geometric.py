"""Transforms that move pixels and keypoints together, through one warp."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from aemm import geometry
from aemm.geometry import PixelConvention
from aemm.ops.image import warp_image
from aemm.registry import TRANSFORMS
from aemm.structures import Sample


def warp_sample(sample: Sample, warp: np.ndarray, size: tuple[int, int]) -> Sample:
    """A sample with image, keypoints and masks taken through a warp.

    What lies outside the source becomes black and is ignored by the losses. Keypoints that leave the
    image count as not annotated. Images are resampled by the sample's pixel convention.

    Args:
        sample: the sample.
        warp: ``(3, 3)`` pixels of ``sample.image`` to pixels of the result.
        size: ``(height, width)`` of the result.
    """
    convention = sample.convention
    image = warp_image(sample.image, warp, size, convention=convention)
    ignore = np.zeros(sample.image.shape[:2], bool) if sample.ignore is None else sample.ignore
    warped_ignore = warp_image(ignore.astype(np.uint8) * 255, warp, size, fill=255, convention=convention) > 127
    keypoints, visible = sample.keypoints, sample.visible
    masks = sample.masks
    if keypoints is not None and visible is not None:
        keypoints = geometry.apply_warp(keypoints, warp)
        inside = ((keypoints >= 0) & (keypoints < (size[1], size[0]))).all(-1)
        visible = np.where(inside, visible, 0)
    if masks is not None:
        warped = [
            warp_image(m.astype(np.uint8), warp, size, interpolation=cv2.INTER_NEAREST, convention=convention)
            for m in masks
        ]
        masks = np.stack(warped).astype(bool) if warped else np.zeros((0, *size), bool)
    return replace(
        sample,
        image=image,
        ignore=warped_ignore,
        keypoints=keypoints,
        visible=visible,
        masks=masks,
        warp=warp @ sample.warp,
    )


def crop_sample(sample: Sample, box: tuple[int, int, int, int]) -> Sample:
    """The part of a sample within a box xyxy in whole pixels."""
    x, y, right, bottom = box
    return warp_sample(sample, geometry.translation(-x, -y), (bottom - y, right - x))


def _as_size(size: int | Sequence[int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))


@TRANSFORMS.register_module()
class RandomAffine(BaseTransform):
    """Random rotation, scale and translation to the network's input size.

    Args:
        size: ``(height, width)`` or side of the result.
        rotation: largest turn to either side, degrees.
        scale: range of the size of the region that is cut out, relative to the image. The authors
            train with 0.75 to 1.25, HigherHRNet with 0.75 to 1.5.
        translation: largest move of the region's centre, in 1/200 of the region's side: the 40 px of
            both references count at a person scale of 200 px.
        fit: ``'long'`` (the authors): at scale 1 the longer image side fills the result, the rest is
            padded; ``'short'`` (HigherHRNet): the shorter side does, the rest is cut off.
        convention: of the pixels of the result, see :mod:`aemm.geometry`; targets and decoding follow it.

    Reference: princeton-vl/pose-ae-train data/coco_pose/dp.py; HigherHRNet lib/dataset/transforms.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        rotation: float = 30.0,
        scale: Sequence[float] = (0.75, 1.5),
        translation: float = 40.0,
        fit: str = "long",
        convention: PixelConvention = "continuous",
    ) -> None:
        geometry.check_convention(convention)
        if fit not in ("long", "short"):
            raise ValueError(f"fit must be 'long' or 'short', got {fit!r}")
        if not 0 < scale[0] <= scale[1]:
            raise ValueError(f"scale must be a range of positive factors, smaller first, got {tuple(scale)}")
        self.size, self.rotation, self.scale = _as_size(size), rotation, (float(scale[0]), float(scale[1]))
        self.translation, self.fit, self.convention = translation, fit, convention

    def transform(self, sample: Sample) -> Sample:
        """Draw a warp from ``sample.rng`` and apply it."""
        height, width = (geometry.extent(side, self.convention) for side in sample.image.shape[:2])
        degrees = sample.rng.uniform(-self.rotation, self.rotation)
        side = (max if self.fit == "long" else min)(height, width) * sample.rng.uniform(*self.scale)
        move = sample.rng.uniform(-1, 1, 2) * self.translation / 200 * side
        center = (width / 2 + move[0], height / 2 + move[1])
        warp = geometry.crop_warp(center, side, self.size, degrees, self.convention)
        return warp_sample(replace(sample, convention=self.convention), warp, self.size)


@TRANSFORMS.register_module()
class RandomFlip(BaseTransform):
    """Mirror left and right; left keypoints become right ones by the skeleton's ``flip_index``.

    Args:
        probability: of a flip.
    """

    def __init__(self, probability: float = 0.5) -> None:
        self.probability = probability

    def transform(self, sample: Sample) -> Sample:
        """Flip the sample if ``sample.rng`` says so."""
        return flip_sample(sample) if sample.rng.random() < self.probability else sample


def flip_sample(sample: Sample) -> Sample:
    """The mirrored sample, exactly: no pixel is resampled."""
    warp = geometry.mirror(sample.image.shape[1], sample.convention)
    keypoints, visible = sample.keypoints, sample.visible
    if keypoints is not None and visible is not None:
        if sample.skeleton is None:
            raise ValueError(f"image {sample.image_id}: keypoints cannot be flipped without a skeleton's flip_index")
        order = list(sample.skeleton.flip_index)
        keypoints, visible = geometry.apply_warp(keypoints, warp)[:, order], visible[:, order]
    return replace(
        sample,
        image=np.ascontiguousarray(sample.image[:, ::-1]),
        views=tuple(np.ascontiguousarray(view[:, ::-1]) for view in sample.views),
        ignore=None if sample.ignore is None else np.ascontiguousarray(sample.ignore[:, ::-1]),
        masks=None if sample.masks is None else np.ascontiguousarray(sample.masks[..., ::-1]),
        keypoints=keypoints,
        visible=visible,
        warp=warp @ sample.warp,
    )
