"""Transforms that move pixels and keypoints together, through one warp."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from aemm import geometry
from aemm.geometry import PixelConvention
from aemm.ops.image import Grid, resampling_grid
from aemm.records import check_choice
from aemm.registry import TRANSFORMS
from aemm.structures import Sample

Fit = Literal["long", "short"]
Moves = Literal["any", "whole"]
MoveUnit = Literal["region", "sides"]


def warp_sample(
    sample: Sample, warp: np.ndarray, size: tuple[int, int], convention: PixelConvention | None = None
) -> Sample:
    """A sample with image, keypoints and masks taken through a warp.

    What lies outside the source becomes black and is ignored by the losses; a pixel counts where at
    least half of it does. Keypoints may leave the image, targets leave these out. A sample that is evaluated is
    not learnt from, and ignores nothing.

    Args:
        sample: the sample.
        warp: ``(3, 3)`` pixels of ``sample.image`` to pixels of the result.
        size: ``(height, width)`` of the result.
        convention: of the pixels of the result, by which images are resampled; None = that of the sample.
    """
    convention = convention or sample.convention
    grid = resampling_grid(warp, size, convention)
    masks = sample.masks
    if masks is not None:
        warped = grid.take_each([mask.view(np.uint8) for mask in masks], interpolation=cv2.INTER_NEAREST)
        masks = np.stack(warped).view(bool) if warped else np.zeros((0, *size), bool)
    return replace(
        sample,
        image=grid.take(sample.image),
        ignore=None if sample.truth is not None else _warp_ignored(sample, grid),
        keypoints=None if sample.keypoints is None else geometry.apply_warp(sample.keypoints, warp),
        masks=masks,
        warp=warp @ sample.warp,
        convention=convention,
    )


def _warp_ignored(sample: Sample, grid: Grid) -> np.ndarray:
    """What is to be ignored at the places of a grid, and what lies outside the image."""
    if sample.ignore is None or not sample.ignore.any():
        return grid.outside(sample.image.shape[:2])
    counts = np.where(sample.ignore, np.uint8(0), np.uint8(255))
    return grid.take(counts) < 128


def crop_sample(sample: Sample, box: tuple[int, int, int, int]) -> Sample:
    """The part of a sample within a box xyxy in whole pixels; keypoints beyond it count as not annotated."""
    x, y, right, bottom = box
    crop = warp_sample(sample, geometry.translation(-x, -y), (bottom - y, right - x))
    if crop.keypoints is None or crop.visible is None:
        return crop
    inside = ((crop.keypoints >= 0) & (crop.keypoints < (right - x, bottom - y))).all(-1)
    return replace(crop, visible=np.where(inside, crop.visible, 0))


def _as_size(size: int | Sequence[int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))


class AffineDraw(NamedTuple):
    """What :class:`RandomAffine` draws for one sample.

    Attributes:
        scale: of the region, relative to the image; above 1 makes people smaller.
        degrees: turn of the content, counter-clockwise as one sees it.
        move: of the region's centre, pixels of the image along x and y.
    """

    scale: float
    degrees: float
    move: tuple[float, float]


@TRANSFORMS.register_module()
class RandomAffine(BaseTransform):
    """Random rotation, scale and translation to the network's input size.

    Args:
        size: ``(height, width)`` or side of the result.
        rotation: largest turn to either side, degrees.
        scale: range of the size of the region that is cut out, relative to the image. The authors
            train with 0.75 to 1.25, HigherHRNet with 0.75 to 1.5.
        translation: largest move of the region's centre, in 1/200 of what ``move_unit`` names: the 40 px
            of all references count at a person scale of 200 px.
        fit: ``'long'`` (the authors): at scale 1 the longer image side fills the result, the rest is
            padded; ``'short'`` (HigherHRNet): the shorter side does, the rest is cut off.
        convention: of the pixels of the result, see :mod:`aemm.geometry`; targets and decoding follow it.
        moves: of the centre by ``'any'`` amount or by ``'whole'`` pixels of the image, the largest one
            towards right and bottom left out, as all references draw them.
        move_unit: the side of the ``'region'`` (the authors, HigherHRNet) or, along each axis, that of the
            image times the drawn scale, ``'sides'`` (mmpose 0.x).

    Raises:
        ValueError: an argument is out of range.

    Reference:
        princeton-vl/pose-ae-train data/coco_pose/dp.py; HRNet/HigherHRNet-Human-Pose-Estimation
        lib/dataset/transforms; open-mmlab/mmpose 0.29 datasets/pipelines/bottom_up_transform.py.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        rotation: float = 30.0,
        scale: Sequence[float] = (0.75, 1.5),
        translation: float = 40.0,
        fit: Fit = "long",
        convention: PixelConvention = "continuous",
        moves: Moves = "any",
        move_unit: MoveUnit = "region",
    ) -> None:
        geometry.check_convention(convention)
        check_choice("fit", fit, Fit)
        check_choice("moves", moves, Moves)
        check_choice("move_unit", move_unit, MoveUnit)
        if not 0 < scale[0] <= scale[1]:
            raise ValueError(f"scale must be a range of positive factors, smaller first, got {tuple(scale)}")
        self.size = _as_size(size)
        self.rotation = rotation
        self.scale = (float(scale[0]), float(scale[1]))
        self.translation = translation
        self.fit = fit
        self.convention = convention
        self.moves, self.move_unit = moves, move_unit

    def draw(self, rng: np.random.Generator, size: tuple[int, int]) -> AffineDraw:
        """The random part.

        Args:
            rng: the sample's own randomness.
            size: ``(height, width)`` of the image.
        """
        scale = rng.uniform(*self.scale)
        degrees = rng.uniform(-self.rotation, self.rotation)
        sides = (size[1], size[0]) if self.move_unit == "sides" else (self._fitted(size),) * 2
        largest_x, largest_y = (self.translation / 200 * side * scale for side in sides)
        return AffineDraw(scale, degrees, (self._move(rng, largest_x), self._move(rng, largest_y)))

    def _fitted(self, size: tuple[int, int]) -> int:
        return max(size) if self.fit == "long" else min(size)

    def _move(self, rng: np.random.Generator, largest: float) -> float:
        if self.moves == "any":
            return float(rng.uniform(-largest, largest))
        whole = int(largest)
        return float(rng.integers(-whole, whole)) if whole else 0.0

    def transform(self, sample: Sample) -> Sample:
        """Draw a warp from ``sample.rng`` and apply it."""
        size = sample.image.shape[0], sample.image.shape[1]
        drawn = self.draw(sample.rng, size)
        height, width = (geometry.extent(side, self.convention) for side in size)
        center = (width / 2 + drawn.move[0], height / 2 + drawn.move[1])
        side = self._fitted(size) * drawn.scale  # in 'udp', too, as mmpose 0.x has it
        warp = geometry.crop_warp(center, side, self.size, -drawn.degrees, self.convention)
        return warp_sample(sample, warp, self.size, self.convention)


@TRANSFORMS.register_module()
class RandomFlip(BaseTransform):
    """Mirror left and right; left keypoints become right ones by the skeleton's ``flip_index``.

    Args:
        probability: of a flip.
    """

    def __init__(self, probability: float = 0.5) -> None:
        self.probability = probability

    def draw(self, rng: np.random.Generator) -> bool:
        """Whether to flip."""
        return bool(rng.random() < self.probability)

    def transform(self, sample: Sample) -> Sample:
        """Flip the sample if ``sample.rng`` says so."""
        return flip_sample(sample) if self.draw(sample.rng) else sample


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
        image=cv2.flip(sample.image, 1),
        views=tuple(cv2.flip(view, 1) for view in sample.views),
        ignore=None if sample.ignore is None else cv2.flip(sample.ignore.view(np.uint8), 1).view(bool),
        masks=None if sample.masks is None else np.ascontiguousarray(sample.masks[..., ::-1]),
        keypoints=keypoints,
        visible=visible,
        warp=warp @ sample.warp,
    )
