"""Instances that need no file: textured shapes of several classes and people, drawn with exact masks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from aemm.datasets.base import SampleDataset
from aemm.datasets.synthetic.drawing import draw_background, draw_people
from aemm.ops.masks import encode_mask, encode_masks
from aemm.records import DatasetInfo, Truth
from aemm.registry import DATASETS
from aemm.skeletons import SKELETONS
from aemm.structures import Sample

SYNTHETIC_CLASSES = ("person", "disc", "box", "star", "ring")
_FINE = 4  # binary places of OpenCV's coordinates
_ROUND = np.exp(2j * np.pi * np.arange(48) / 48)
# outlines about the origin, x + iy, of radius 1
_OUTLINES = {
    "disc": [_ROUND],
    "box": [np.array([1 + 0.7j, -1 + 0.7j, -1 - 0.7j, 1 - 0.7j]) / abs(1 + 0.7j)],
    "star": [np.exp(2j * np.pi * np.arange(10) / 10) * np.tile([1, 0.45], 5)],
    "ring": [_ROUND, 0.5 * _ROUND],
}


def draw_shape(
    kind: str, center: tuple[float, float], radius: float, degrees: float, size: tuple[int, int]
) -> np.ndarray:
    """The area ``(H, W) bool`` of a shape.

    Args:
        kind: 'disc', 'box', 'star' or 'ring'.
        center: x, y in pixels.
        radius: of the circle around it, pixels.
        degrees: how far it is turned.
        size: ``(H, W)``.
    """
    canvas = np.zeros(size, np.uint8)
    place = complex(*center) - (0.5 + 0.5j)  # OpenCV has pixel centres at whole numbers
    turn = radius * np.exp(1j * np.deg2rad(degrees))
    rims = [place + turn * outline for outline in _OUTLINES[kind]]
    fixed = [np.rint(np.stack([rim.real, rim.imag], 1) * (1 << _FINE)).astype(np.int32) for rim in rims]
    cv2.fillPoly(canvas, fixed, 1, cv2.LINE_8, _FINE)  # even-odd: the second rim is a hole
    return canvas.astype(bool)


def _texture(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Two colours in stripes, checks or patches, ``(H, W, 3) uint8``."""
    colors = rng.integers(30, 256, (2, 3)).astype(np.float32)
    rows, columns = np.mgrid[: size[0], : size[1]]
    step = max(3.0, rng.uniform(0.04, 0.12) * min(size))
    angle = rng.uniform(0, np.pi)
    along = (columns * np.cos(angle) + rows * np.sin(angle)) / step
    across = (rows * np.cos(angle) - columns * np.sin(angle)) / step
    kind = rng.integers(3)
    if kind == 0:
        share = 0.5 + 0.5 * np.sign(np.sin(np.pi * along))
    elif kind == 1:
        share = 0.5 + 0.5 * np.sign(np.sin(np.pi * along) * np.sin(np.pi * across))
    else:
        share = cv2.resize(rng.random((6, 6)).astype(np.float32), size[::-1])
    contrast = rng.uniform(0.3, 0.8)
    return (colors[0] + contrast * share[..., None] * (colors[1] - colors[0])).astype(np.uint8)


def _rim(area: np.ndarray) -> np.ndarray:
    """The border pixels of an area: a dark line tells shapes from clutter and touching ones from each other."""
    inner = cv2.erode(area.astype(np.uint8), np.ones((3, 3), np.uint8), borderType=cv2.BORDER_REPLICATE)
    return area & (inner == 0)


@DATASETS.register_module()
class SyntheticInstanceDataset(SampleDataset):
    """Rimmed discs, boxes, stars, rings, and people, over textured clutter, one image for every ``(seed, index)``.

    Instances overlap, stick out of the image, and often touch others of their own class. Masks are
    what is seen of each; whatever is nearly hidden is not annotated but ignored.

    With ``identical=True`` all shapes of an image are the same in class, colour, size and angle, do not
    overlap, and there are no people: only their place tells them apart.

    Args:
        length: number of images.
        image_size: side of the image, or ``(height, width)``, pixels.
        shapes: fewest and most shapes in an image.
        people: fewest and most people in an image.
        seed: another seed is another set; give training and validation different ones.
        identical: see above.
        pipeline: transforms as configs or callables.
        test_mode: the samples are evaluated, so each carries its truth.
        cache: keep what was drawn, 50 kB and 16 kB for each instance at 128 px.

    Raises:
        ValueError: sizes or counts out of range.
    """

    def __init__(
        self,
        length: int,
        image_size: int | tuple[int, int] = 128,
        shapes: tuple[int, int] = (2, 5),
        people: tuple[int, int] = (0, 2),
        seed: int = 0,
        identical: bool = False,
        pipeline: Sequence[Mapping[str, Any] | Callable] = (),
        test_mode: bool = False,
        cache: bool = False,
    ) -> None:
        super().__init__(pipeline=pipeline, skeleton=None, test_mode=test_mode, cache=cache)
        height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
        if length < 0 or min(height, width) < 32:
            raise ValueError(f"length must be 0 or more, image_size at least 32 pixels, got {length} and {image_size}")
        for name, counts in (("shapes", shapes), ("people", people)):
            if len(counts) != 2 or not 0 <= counts[0] <= counts[1]:
                raise ValueError(f"{name} must be (fewest, most), got {counts}")
        self.length = length
        self.image_size = (int(height), int(width))
        self.seed = seed
        self.shapes = tuple(shapes)
        self.people = tuple(people)
        self.identical = identical

    def __len__(self) -> int:
        """Number of images."""
        return self.length

    def load(self, index: int) -> Sample:
        """Draw the image of ``(seed, index)`` with everything known about it."""
        rng = np.random.default_rng(np.random.SeedSequence((self.seed, index)))
        image = draw_background(rng, self.image_size)
        if self.identical:
            masks, labels = self._draw_identical(rng, image)
            whole = masks.sum((1, 2))
        else:
            masks, labels, whole = self._draw_mixed(rng, image)
        seen = masks.sum((1, 2))
        fair = (seen >= 0.25 * whole) & (seen >= 25)
        ignore = masks[~fair].any(0)
        sample = Sample(image, index, self.image_size, masks=masks[fair], labels=labels[fair], ignore=ignore)
        if self.test_mode:
            known, void = encode_masks(masks[fair]), encode_mask(ignore)
            sample.truth = Truth(index, self.image_size, masks=known, labels=labels[fair], void=void)
        return sample

    def _draw_mixed(self, rng: np.random.Generator, image: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Shapes, people, and at most one shape over them, onto ``image``.

        Returns:
            What is seen of each ``(N, H, W)``, labels ``(N,)``, and pixels ``(N,)`` of each were it alone.
        """
        count = int(rng.integers(self.shapes[0], self.shapes[1] + 1))
        front = int(count > 2 and rng.random() < 0.5)
        placed: list[tuple[int, np.ndarray, float]] = []
        parts = [np.zeros((0, *self.image_size), bool)]
        labels = []
        whole = []

        def paint(number: int) -> None:
            for _ in range(number):
                label, area = self._place(rng, placed)
                image[area] = _texture(rng, self.image_size)[area]
                image[_rim(area)] //= 3
                for part in parts:
                    part &= ~area
                parts.append(area[None])
                labels.append(label)
                whole.append(int(area.sum()))

        paint(count - front)
        crowd = int(rng.integers(self.people[0], self.people[1] + 1))
        people = draw_people(rng, image, crowd, SKELETONS["coco"], side_colors=False)
        image[:] = people.image
        for part in parts:
            part &= ~people.masks.any(0)
        parts.append(people.masks.copy())
        labels += [0] * len(people.masks)
        whole += people.masks.sum((1, 2)).tolist()
        paint(front)
        return np.concatenate(parts), np.array(labels, np.int64), np.array(whole)

    def _place(self, rng: np.random.Generator, placed: list[tuple[int, np.ndarray, float]]) -> tuple[int, np.ndarray]:
        """Label and area of one more shape, often beside an earlier one of the same class."""
        side = min(self.image_size)
        label, radius = int(rng.integers(1, len(SYNTHETIC_CLASSES))), side * rng.uniform(0.09, 0.22)
        center = rng.uniform(0.05, 0.95, 2) * self.image_size[::-1]
        if placed and rng.random() < 0.5:
            label, near, reach = placed[rng.integers(len(placed))]
            angle = rng.uniform(0, 2 * np.pi)
            distance = (reach + radius) * rng.uniform(0.6, 1.0)
            center = near + distance * np.array([np.cos(angle), np.sin(angle)])
            center = center.clip(0, np.array(self.image_size[::-1]))
        placed.append((label, center, radius))
        x, y = center.tolist()
        return label, draw_shape(SYNTHETIC_CLASSES[label], (x, y), radius, rng.uniform(0, 360), self.image_size)

    def _draw_identical(self, rng: np.random.Generator, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Equal shapes in free places: masks ``(N, H, W)`` and labels ``(N,)``."""
        height, width = self.image_size
        label, radius = int(rng.integers(1, len(SYNTHETIC_CLASSES))), min(height, width) * rng.uniform(0.08, 0.13)
        degrees, color = rng.uniform(0, 360), rng.integers(30, 256, 3)
        count = int(rng.integers(self.shapes[0], self.shapes[1] + 1))
        centers = np.zeros((0, 2))
        for candidate in rng.uniform(radius, [width - radius, height - radius], (40 * count, 2)):
            if len(centers) < count and (np.linalg.norm(centers - candidate, axis=1) > 2 * radius + 2).all():
                centers = np.concatenate([centers, candidate[None].round()])  # whole pixels: no pixel differs
        kind = SYNTHETIC_CLASSES[label]
        areas = [draw_shape(kind, (x, y), radius, degrees, self.image_size) for x, y in centers.tolist()]
        masks = np.stack(areas) if areas else np.zeros((0, height, width), bool)
        image[masks.any(0)] = color
        image[_rim(np.any(masks, axis=0))] //= 3
        return masks, np.full(len(masks), label, np.int64)

    @property
    def metainfo(self) -> DatasetInfo:
        """The classes, counted from 1 as in a COCO file."""
        numbers = tuple(range(1, len(SYNTHETIC_CLASSES) + 1))
        return DatasetInfo(f"drawn instances, seed {self.seed}", None, SYNTHETIC_CLASSES, numbers)
