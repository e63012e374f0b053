"""Transforms that change colours only."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from aemm.registry import TRANSFORMS
from aemm.structures import Sample


class ColorDraw(NamedTuple):
    """What :class:`ColorJitter` draws for one sample.

    Attributes:
        hue: turn of the hue circle, in turns.
        saturation: factor.
        brightness: offset, of a full scale of 1.
        contrast: factor on each pixel's distance from its own grey.
    """

    hue: float
    saturation: float
    brightness: float
    contrast: float


@TRANSFORMS.register_module()
class ColorJitter(BaseTransform):
    """Random hue, saturation, brightness and contrast.

    Args:
        hue: largest turn of the hue circle to either side, in turns.
        saturation: range of the factor on saturation.
        brightness: largest offset to either side, of a full scale of 1.
        contrast: range of the factor on each pixel's distance from its own grey.

    The defaults are the authors'.

    Reference: princeton-vl/pose-ae-train data/coco_pose/dp.py.
    """

    def __init__(
        self,
        hue: float = 0.2,
        saturation: tuple[float, float] = (0.5, 1.5),
        brightness: float = 0.3,
        contrast: tuple[float, float] = (0.5, 1.5),
    ) -> None:
        self.hue, self.saturation = hue, (float(saturation[0]), float(saturation[1]))
        self.brightness, self.contrast = brightness, (float(contrast[0]), float(contrast[1]))

    def draw(self, rng: np.random.Generator) -> ColorDraw:
        """The four amounts."""
        return ColorDraw(
            hue=rng.uniform(-self.hue, self.hue),
            saturation=rng.uniform(*self.saturation),
            brightness=rng.uniform(-self.brightness, self.brightness),
            contrast=rng.uniform(*self.contrast),
        )

    def transform(self, sample: Sample) -> Sample:
        """Draw the four amounts from ``sample.rng`` and apply them, in float."""
        drawn = self.draw(sample.rng)
        image: np.ndarray = sample.image.astype(np.float32)
        image *= np.float32(1 / 255)
        hue, saturation, value = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2HSV))
        hue += np.float32(drawn.hue * 360)
        hue += np.float32(360) * (hue < 0)
        hue -= np.float32(360) * (hue >= 360)
        saturation *= np.float32(drawn.saturation)
        np.minimum(saturation, 1, out=saturation)
        image = cv2.cvtColor(cv2.merge([hue, saturation, value]), cv2.COLOR_HSV2RGB)
        # brightness, and contrast about each pixel's own grey, in one step
        mix = np.full((3, 4), (1 - drawn.contrast) / 3)
        mix[:, :3] += drawn.contrast * np.eye(3)
        mix[:, 3] = drawn.brightness
        image = cv2.transform(image, 255 * mix + [0, 0, 0, 0.5])
        np.clip(image, 0, 255.5, out=image)
        return replace(sample, image=image.astype(np.uint8))
