"""What is done to images to test on: resized without deforming them, at one scale or several, and kept as they were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from mmcv.transforms import BaseTransform

from aemm.datasets.transforms.geometric import warp_sample
from aemm.geometry import PixelConvention
from aemm.ops.fitting import FitRules, FittedCenter, FittedSide, FittedSizes
from aemm.ops.image import warp_image
from aemm.registry import TRANSFORMS
from aemm.structures import Sample


@TRANSFORMS.register_module()
class ResizeToFit(BaseTransform):
    """Bring an image to the network's input size without changing its proportions, at one test scale or several.

    The image keeps to the middle, or starts at the upper left corner; what is padded is black. The scale
    nearest 1 becomes ``sample.image``, the others ``sample.views``, each drawn from the original and
    showing the same region. Where the region's sides are no multiples of ``multiple_of`` at a further
    scale, that view is stretched to the nearest ones; the region is chosen so that they are at the
    smallest, and at scales that double it.

    Args:
        size: length of the fitted side at scale 1, pixels; a multiple of ``multiple_of``.
        fit: ``'long'`` (the authors) or ``'short'`` (HigherHRNet): which side gets ``size``.
        square: pad to a square, as the authors do, so that all images can share a batch.
        multiple_of: both sides are padded up to a multiple of this.
        scales: of the test, positive and all different; with or without 1.
        sizes: ``'each'`` rounds the size of every scale by itself, as the authors do; ``'smallest'``
            rounds that of the smallest scale and multiplies it, decimals cut off, as HigherHRNet does:
            no view is stretched, but sides need not be multiples of ``multiple_of``.
        center: of the image, ``'exact'``, or ``'whole'`` pixels rounded up (HigherHRNet); ``'corner'`` puts
            no middle but the upper left corners together (mmpose 0.x with unbiased data processing).
        convention: of the pixels of the result, see :mod:`aemm.geometry`; decoding follows it.

    Attributes:
        rules: of the sizes, for who resizes without torch.

    Raises:
        ValueError: an argument is out of range.

    Reference:
        princeton-vl/pose-ae-train test.py, multiperson; HRNet/HigherHRNet-Human-Pose-Estimation
        lib/utils/transforms.py, get_multi_scale_size.
    """

    def __init__(
        self,
        size: int,
        fit: FittedSide = "long",
        square: bool = False,
        multiple_of: int = 64,
        scales: Sequence[float] = (1.0,),
        sizes: FittedSizes = "each",
        center: FittedCenter = "exact",
        convention: PixelConvention = "continuous",
    ) -> None:
        self.rules = FitRules(size, fit, square, multiple_of, tuple(scales), sizes, center, convention)

    @property
    def scales(self) -> tuple[float, ...]:
        """Of the test, the one nearest 1 first."""
        return self.rules.scales

    def transform(self, sample: Sample) -> Sample:
        """Resize and pad; the same for every epoch."""
        convention = self.rules.convention
        (base, warp), *further = self.rules.views(sample.image.shape[:2])
        views = tuple(warp_image(sample.image, view, size, convention=convention) for size, view in further)
        resized = warp_sample(sample, warp, base, convention)
        return replace(resized, scales=self.scales, views=views)


@TRANSFORMS.register_module()
class KeepOriginal(BaseTransform):
    """Keep the image as it is at this place of the pipeline, for what corrects instances after decoding."""

    def transform(self, sample: Sample) -> Sample:
        """The sample with its image as ``original``; nothing is copied.

        Raises:
            ValueError: the image was warped before.
        """
        if not np.array_equal(sample.warp, np.eye(3)):
            raise ValueError(f"image {sample.image_id} is warped already; put KeepOriginal first in the pipeline")
        return replace(sample, original=sample.image)
