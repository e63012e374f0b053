"""From an image with a person of interest to the crop that a single-person network sees."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform

from aemm import geometry
from aemm.datasets.transforms.geometric import AffineDraw, warp_sample
from aemm.ops.boxes import keypoint_box, person_square
from aemm.registry import TRANSFORMS
from aemm.structures import Sample


@TRANSFORMS.register_module()
class PersonCrop(BaseTransform):
    """Cut a square around the keypoints of a sample's only person and resize it; at random in training.

    Args:
        size: side of the result, pixels.
        padding: side of the square over the longer side of the keypoints' box.
        min_side: the longer side of a box counts as at least this many pixels.
        rotation: largest turn to either side, degrees.
        scale: range of a factor on the side of the square.
        translation: largest move of the square along each axis, in its sides.

    Raises:
        ValueError: an argument is out of range.

    Reference: princeton-vl/pose-ae-demo main.py, refinement.
    """

    def __init__(
        self,
        size: int = 512,
        padding: float = 1.3,
        min_side: float = 60.0,
        rotation: float = 0.0,
        scale: Sequence[float] = (1.0, 1.0),
        translation: float = 0.0,
    ) -> None:
        if padding <= 0 or min_side <= 0 or not 0 < scale[0] <= scale[1]:
            raise ValueError(
                f"padding, min_side and scale must be positive, the smaller end of scale first, got {padding}, "
                f"{min_side} and {tuple(scale)}"
            )
        self.size = size
        self.padding = padding
        self.min_side = min_side
        self.rotation = rotation
        self.scale = (float(scale[0]), float(scale[1]))
        self.translation = translation

    def draw(self, rng: np.random.Generator, side: float) -> AffineDraw:
        """The random part.

        Args:
            rng: the sample's own randomness.
            side: of the square around the person, pixels.
        """
        degrees = rng.uniform(-self.rotation, self.rotation)
        scale = rng.uniform(*self.scale)
        move_x, move_y = rng.uniform(-1, 1, 2) * self.translation * side
        return AffineDraw(scale, degrees, (move_x, move_y))

    def transform(self, sample: Sample) -> Sample:
        """Draw a crop from ``sample.rng`` and make it.

        Raises:
            ValueError: the sample has not exactly one person, or this has no annotated keypoint.
        """
        if sample.keypoints is None or sample.visible is None or len(sample.keypoints) != 1:
            count = None if sample.keypoints is None else len(sample.keypoints)
            raise ValueError(f"image {sample.image_id}: PersonCrop needs exactly one person, got {count}")
        box = keypoint_box(sample.keypoints[0], sample.visible[0] > 0)
        if box is None:
            raise ValueError(f"image {sample.image_id}: the person has no annotated keypoint to crop around")
        center, side = person_square(box, self.padding, self.min_side)
        drawn = self.draw(sample.rng, side)
        moved = center[0] + drawn.move[0], center[1] + drawn.move[1]
        size = self.size, self.size
        warp = geometry.crop_warp(moved, side * drawn.scale, size, -drawn.degrees, sample.convention)
        return warp_sample(sample, warp, size)
