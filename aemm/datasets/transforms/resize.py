"""What is done to images to test on: resized without deforming them, at one scale or several, and kept as they were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from mmcv.transforms import BaseTransform

from aemm import geometry
from aemm.datasets.transforms.geometric import warp_sample
from aemm.geometry import PixelConvention
from aemm.ops.image import warp_image
from aemm.registry import TRANSFORMS
from aemm.structures import Sample

Size = tuple[int, int]


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

    Raises:
        ValueError: an argument is out of range.

    Reference:
        princeton-vl/pose-ae-train test.py, multiperson; HRNet/HigherHRNet-Human-Pose-Estimation
        lib/utils/transforms.py, get_multi_scale_size.
    """

    def __init__(
        self,
        size: int,
        fit: str = "long",
        square: bool = False,
        multiple_of: int = 64,
        scales: Sequence[float] = (1.0,),
        sizes: str = "each",
        center: str = "exact",
        convention: PixelConvention = "continuous",
    ) -> None:
        geometry.check_convention(convention)
        for name, value, known in (
            ("fit", fit, ("long", "short")),
            ("sizes", sizes, ("each", "smallest")),
            ("center", center, ("exact", "whole", "corner")),
        ):
            if value not in known:
                raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}, got {value!r}")
        if square and fit == "short":
            raise ValueError("square=True pads the shorter side, so it goes with fit='long'")
        if size % multiple_of:
            raise ValueError(f"size must be a multiple of {multiple_of}, got {size}")
        if not scales or min(scales) <= 0 or len(set(scales)) < len(scales):
            raise ValueError(f"scales must be one or more different positive numbers, got {list(scales)}")
        self.size = size
        self.fit = fit
        self.square = square
        self.multiple_of = multiple_of
        self.sizes = sizes
        self.center = center
        self.convention = convention
        self.scales = tuple(sorted(map(float, scales), key=lambda scale: (abs(scale - 1), scale)))

    def transform(self, sample: Sample) -> Sample:
        """Resize and pad; the same for every epoch."""
        source = sample.image.shape[:2]
        (base, warp), *further = self._views(source)
        views = tuple(warp_image(sample.image, view, size, convention=self.convention) for size, view in further)
        resized = warp_sample(replace(sample, convention=self.convention), warp, base)
        return replace(resized, scales=self.scales, views=views)

    def _views(self, source: Size) -> list[tuple[Size, np.ndarray]]:
        """Size and warp of every view, in the order of ``scales``."""
        lengths = np.array([geometry.extent(side, self.convention) for side in source], float)  # height, width
        fitted = int(lengths.argmax() if self.fit == "long" else lengths.argmin())
        middle = np.array([int(side / 2 + 0.5) for side in source]) if self.center == "whole" else lengths / 2
        views: list[tuple[Size, np.ndarray]] = []
        for size in self._sizes(source, fitted):
            out = np.array([geometry.extent(side, self.convention) for side in size])
            zoom = np.full(2, out[fitted] / lengths[fitted])
            if views and self.sizes == "each":  # the region of the base view
                base = np.array([geometry.extent(side, self.convention) for side in views[0][0]])
                zoom = views[0][1].diagonal()[1::-1] * out / base
            warp = geometry.scaling(zoom[1], zoom[0])
            if self.center != "corner":
                to_center = geometry.translation(out[1] / 2, out[0] / 2)
                warp = to_center @ warp @ geometry.translation(-middle[1], -middle[0])
            views.append((size, warp))
        return views

    def _sizes(self, source: Size, fitted: int) -> list[Size]:
        """``(height, width)`` of every view."""
        step, least = self.multiple_of, min(self.scales)
        sides = [geometry.round_up(self.size * least, step)] * 2  # at the smallest scale, which is the coarsest
        if not self.square:
            sides[1 - fitted] = geometry.round_up(sides[fitted] / source[fitted] * source[1 - fitted], step)
        if self.sizes == "smallest":
            return [(int(sides[0] * scale / least), int(sides[1] * scale / least)) for scale in self.scales]
        sizes: list[Size] = []
        for scale in self.scales:
            length = geometry.round_up(self.size * scale, step)
            other = length * sides[1 - fitted] / sides[fitted]
            # the base holds the whole image, the others its region as well as they can
            size = [length, round(other / step) * step if sizes else geometry.round_up(other, step)]
            sizes.append((size[0], size[1]) if fitted == 0 else (size[1], size[0]))
        return sizes


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
