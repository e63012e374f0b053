"""Input sizes of images to test on, and the warps that bring images there, without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from aemm import geometry
from aemm.geometry import PixelConvention
from aemm.records import check_choice

MAX_STRETCH = 40
"""Longer over shorter side of an image; made as high as a network needs it, a longer one would fill the memory."""
Size = tuple[int, int]
FittedSide = Literal["long", "short"]
FittedSizes = Literal["each", "smallest"]
FittedCenter = Literal["exact", "whole", "corner"]


def check_stretch(image: np.ndarray, name: object) -> None:
    """Raise unless the sides of an image are near enough to each other to be resized.

    Args:
        image: ``(H, W, 3)``.
        name: of it, for messages.

    Raises:
        ValueError: they are not.
    """
    height, width = image.shape[:2]
    if max(height, width) > MAX_STRETCH * min(height, width):
        raise ValueError(
            f"image {name} has {width}x{height} pixels; one up to {MAX_STRETCH} times as long as wide is read"
        )


@dataclass(frozen=True)
class FitRules:
    """How images are resized without changing their proportions; see :class:`aemm.datasets.transforms.ResizeToFit`.

    Attributes:
        size: length of the fitted side at scale 1, pixels; a multiple of ``multiple_of``.
        fit: which side gets ``size``.
        square: pad to a square.
        multiple_of: both sides are padded up to a multiple of this.
        scales: of the test, the one nearest 1 first.
        sizes: whether that of every scale is rounded by itself.
        center: of the image, what is put in the middle of the input.
        convention: of the pixels of the result.

    Raises:
        ValueError: a field is out of range.
    """

    size: int
    fit: FittedSide = "long"
    square: bool = False
    multiple_of: int = 64
    scales: tuple[float, ...] = (1.0,)
    sizes: FittedSizes = "each"
    center: FittedCenter = "exact"
    convention: PixelConvention = "continuous"

    def __post_init__(self) -> None:
        """Check every field, and sort the scales."""
        geometry.check_convention(self.convention)
        check_choice("fit", self.fit, FittedSide)
        check_choice("sizes", self.sizes, FittedSizes)
        check_choice("center", self.center, FittedCenter)
        if self.square and self.fit == "short":
            raise ValueError("square=True pads the shorter side, so it goes with fit='long'")
        if self.size < 1 or self.multiple_of < 1 or self.size % self.multiple_of:
            raise ValueError(f"size must be a positive multiple of {self.multiple_of}, got {self.size}")
        scales = tuple(self.scales)
        if not scales or min(scales) <= 0 or len(set(scales)) < len(scales):
            raise ValueError(f"scales must be one or more different positive numbers, got {list(scales)}")
        object.__setattr__(self, "scales", tuple(sorted(map(float, scales), key=lambda scale: (abs(scale - 1), scale))))

    def views(self, source: Size) -> list[tuple[Size, np.ndarray]]:
        """``(height, width)`` and warp ``(3, 3)`` of every view of an image, in the order of ``scales``.

        Args:
            source: ``(height, width)`` of the image.
        """
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
