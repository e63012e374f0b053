"""The six nouns every part of aemm speaks in: Sample, Targets, Batch, Maps, Peaks, Instances.

Letters mean the same everywhere: B batch, N instances, K keypoints, C heatmap channels (K, or
classes), T tag channels (C, or 1 when shared), L tag dimensions, P locations per instance, M peaks
per channel, ``h, w`` map cells, ``H, W`` pixels. Tags always have five axes ``(B, T, L, h, w)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from aemm.geometry import PixelConvention

if TYPE_CHECKING:
    from aemm.skeletons import Skeleton

ImageId = int | str


def _describe(value: Any) -> str:
    if isinstance(value, np.ndarray | Tensor):
        kind = str(value.dtype).removeprefix("torch.")
        return f"{kind}{tuple(value.shape)}"
    if isinstance(value, list | tuple) and len(value) > 8:
        return f"{type(value).__name__} of {len(value)}"
    if isinstance(value, list) and any(isinstance(v, np.ndarray | Tensor) for v in value):
        return "[" + ", ".join(_describe(v) for v in value) + "]"
    return repr(value)


class _Record:
    """A dataclass that prints the shapes of its fields, not their contents."""

    def __repr__(self) -> str:
        """Name and shape of every field that is set."""
        named = ((f.name, getattr(self, f.name)) for f in fields(self) if f.repr)  # type: ignore[arg-type]
        body = ", ".join(f"{name}={_describe(value)}" for name, value in named if value is not None)
        return f"{type(self).__name__}({body})"


def _check(name: str, value: Any, shape: Sequence[int | None], hint: str = "") -> None:
    """Raise ``ValueError`` unless ``value`` has ``shape``; None stands for any length."""
    got = tuple(value.shape)
    if len(got) != len(shape) or any(w is not None and w != g for w, g in zip(shape, got, strict=True)):
        want = ", ".join("*" if s is None else str(s) for s in shape)
        raise ValueError(f"{name} must have shape ({want}), got {got}{'; ' + hint if hint else ''}")


@dataclass(repr=False)
class Sample(_Record):
    """One image with what is known about it, before it is batched.

    Attributes:
        image: ``(H, W, 3) uint8``, RGB.
        image_id: the data set's own identifier, never derived from a file name.
        image_size: ``(height, width)`` of the original image, before any transform.
        keypoints: ``(N, K, 2) float32`` in pixels of ``image``.
        visible: ``(N, K)`` 0 not annotated, 1 annotated but hidden, 2 visible.
        masks: ``(N, H, W) bool`` of the instances, if the task has any.
        boxes: ``(N, 4)`` xyxy in pixels of ``image``.
        area: ``(N,)`` square pixels of the original image.
        labels: ``(N,) int64`` class of each instance.
        ignore: ``(H, W) bool``: crowd, unlabelled people, void, outside the image.
        warp: ``(3, 3)`` original pixels to pixels of ``image``.
        convention: of the pixels of ``image``; one of :data:`aemm.geometry.PixelConvention`.
        scales: test scale of ``image`` and of each of ``views``.
        views: the same region as ``image`` shows, at further test scales.
        original: the image before any transform, for what corrects instances after decoding.
        skeleton: names, flips and order of the keypoints.
        rng: the sample's own randomness; transforms draw from nothing else.
    """

    image: np.ndarray
    image_id: ImageId
    image_size: tuple[int, int]
    keypoints: np.ndarray | None = None
    visible: np.ndarray | None = None
    masks: np.ndarray | None = None
    boxes: np.ndarray | None = None
    area: np.ndarray | None = None
    labels: np.ndarray | None = None
    ignore: np.ndarray | None = None
    warp: np.ndarray = field(default_factory=lambda: np.eye(3))
    convention: PixelConvention = "continuous"
    scales: tuple[float, ...] = (1.0,)
    views: tuple[np.ndarray, ...] = ()
    original: np.ndarray | None = None
    skeleton: Skeleton | None = field(default=None, repr=False)
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0), repr=False)

    def __post_init__(self) -> None:
        """Check the shapes against each other."""
        if self.image.ndim != 3 or self.image.shape[2] != 3:
            raise ValueError(f"image {self.image_id} must be (H, W, 3) RGB, got {self.image.shape}")
        if (self.keypoints is None) != (self.visible is None):
            raise ValueError(f"image {self.image_id}: keypoints and visible come together or not at all")
        if self.keypoints is not None and self.visible is not None:
            _check("keypoints", self.keypoints, (None, None, 2), f"image {self.image_id}")
            _check("visible", self.visible, self.keypoints.shape[:2], f"image {self.image_id}")
        if self.ignore is not None:
            _check("ignore", self.ignore, self.image.shape[:2], f"image {self.image_id}")
        if len(self.scales) != 1 + len(self.views):
            raise ValueError(f"image {self.image_id}: {len(self.scales)} scales, but {1 + len(self.views)} views")
        _check("warp", self.warp, (3, 3))


@dataclass(repr=False)
class Targets(_Record):
    """What one output stride is trained towards.

    Attributes:
        heatmaps: ``(C, h, w)``; with a leading B in a :class:`Batch`.
        mask: ``(h, w)``, 0 where the loss must not look.
        tag_index: ``(N, P) int64`` flat into ``(T, h, w)``, -1 = absent; None where a stride has no tags.
    """

    heatmaps: Tensor
    mask: Tensor
    tag_index: Tensor | None = None

    def __post_init__(self) -> None:
        """Check that mask and heatmaps share a map size."""
        want = (*self.heatmaps.shape[:-3], *self.heatmaps.shape[-2:])
        _check("mask", self.mask, want, f"heatmaps are {tuple(self.heatmaps.shape)}")

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the maps in cells."""
        return self.heatmaps.shape[-2], self.heatmaps.shape[-1]

    def to(self, device: torch.device | str) -> Targets:
        """The same targets on another device."""
        index = None if self.tag_index is None else self.tag_index.to(device, non_blocking=True)
        return Targets(self.heatmaps.to(device, non_blocking=True), self.mask.to(device, non_blocking=True), index)


@dataclass(repr=False)
class Batch(_Record):
    """What a step of training or testing receives.

    Attributes:
        images: list of ``(B, 3, H, W)``; the base scale first, further test scales behind it.
        image_ids: B identifiers.
        image_sizes: B original ``(height, width)``.
        warp: ``(B, 3, 3) float64``, original pixels to pixels of ``images[0]``.
        targets: one per supervised stride, each with a leading B; empty at test time.
        scales: test scale of each of ``images``.
        convention: of the pixels of ``images`` and ``warp``.
        originals: B images before any transform, ``(H, W, 3) uint8``; empty unless the data keep them.
    """

    images: list[Tensor]
    image_ids: list[ImageId]
    image_sizes: list[tuple[int, int]]
    warp: Tensor
    targets: list[Targets] = field(default_factory=list)
    scales: tuple[float, ...] = (1.0,)
    convention: PixelConvention = "continuous"
    originals: list[np.ndarray] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Check that everything speaks of the same B images."""
        count = len(self.image_ids)
        if len(self.scales) != len(self.images):
            raise ValueError(f"{len(self.images)} images, but {len(self.scales)} scales")
        for image in self.images:
            _check("images", image, (count, 3, None, None))
        _check("warp", self.warp, (count, 3, 3))
        if len(self.image_sizes) != count:
            raise ValueError(f"{count} image_ids but {len(self.image_sizes)} image_sizes")
        if len(self.originals) not in (0, count):
            raise ValueError(f"{count} image_ids but {len(self.originals)} originals")

    def __len__(self) -> int:
        """Number of images."""
        return len(self.image_ids)

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the base images in pixels."""
        return self.images[0].shape[-2], self.images[0].shape[-1]

    def to(self, device: torch.device | str) -> Batch:
        """The same batch with images and targets on another device; ``warp`` stays where it is."""
        images = [image.to(device, non_blocking=True) for image in self.images]
        return replace(self, images=images, targets=[t.to(device) for t in self.targets])


@dataclass(repr=False)
class Maps(_Record):
    """What a network says about a batch, at one resolution.

    Attributes:
        heatmaps: ``(B, C, h, w)``.
        tags: ``(B, T, L, h, w)`` with ``T = C`` or 1, or None where a stage predicts none.
    """

    heatmaps: Tensor
    tags: Tensor | None = None

    def __post_init__(self) -> None:
        """Check that tags fit the heatmaps."""
        if self.heatmaps.ndim != 4:
            raise ValueError(f"heatmaps must be (B, C, h, w), got {tuple(self.heatmaps.shape)}")
        if self.tags is None:
            return
        channels = self.heatmaps.shape[1]
        if self.tags.ndim != 5 or self.tags.shape[1] not in (1, channels):
            raise ValueError(
                f"tags must be (B, T, L, h, w) with T=1 or T={channels}, got {tuple(self.tags.shape)}; "
                "did the head get tag_per_keypoint wrong?"
            )

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the heatmaps in cells."""
        return self.heatmaps.shape[-2], self.heatmaps.shape[-1]

    def resize(self, size: tuple[int, int], align_corners: bool = False) -> Maps:
        """Both maps brought to ``size`` cells by bilinear interpolation; 'udp' pixels align the corners."""
        heatmaps, tags = self.heatmaps, self.tags
        if tuple(heatmaps.shape[-2:]) != tuple(size):
            heatmaps = F.interpolate(heatmaps, size=size, mode="bilinear", align_corners=align_corners)
        if tags is not None and tuple(tags.shape[-2:]) != tuple(size):
            flat = F.interpolate(tags.flatten(1, 2), size=size, mode="bilinear", align_corners=align_corners)
            tags = flat.unflatten(1, tags.shape[1:3])
        return Maps(heatmaps, tags)

    def float(self) -> Maps:
        """Both maps in float32, whatever autocast made of them."""
        return Maps(self.heatmaps.float(), None if self.tags is None else self.tags.float())


@dataclass(repr=False)
class Peaks(_Record):
    """The strongest local maxima of every heatmap, best first.

    Attributes:
        scores: ``(B, C, M)`` heatmap values; 0 pads the rows.
        cells: ``(B, C, M, 2) int64`` x, y.
        tags: ``(B, C, M, L)`` tags read at the cells.
    """

    scores: Tensor
    cells: Tensor
    tags: Tensor

    def __post_init__(self) -> None:
        """Check that the three arrays list the same peaks."""
        lead = tuple(self.scores.shape)
        _check("cells", self.cells, (*lead, 2))
        _check("tags", self.tags, (*lead, None))


@dataclass(repr=False)
class Instances(_Record):
    """The instances found in one image; fields a task does not have are None.

    Attributes:
        image_id: the data set's own identifier.
        image_size: ``(height, width)`` of the original image.
        scores: ``(N,)``.
        tags: ``(N, L)`` reference tag of every instance.
        keypoints: ``(N, K, 2)`` in original image pixels.
        keypoint_scores: ``(N, K)``; 0 = keypoint absent, its coordinates are then 0.
        masks: N instance masks of the original size, run-length encoded as :mod:`aemm.ops.masks` writes them.
        labels: ``(N,)`` class of every instance.
        track_ids: ``(N,)`` identity over time.
    """

    image_id: ImageId
    image_size: tuple[int, int]
    scores: np.ndarray
    tags: np.ndarray | None = None
    keypoints: np.ndarray | None = None
    keypoint_scores: np.ndarray | None = None
    masks: list[Any] | None = None
    labels: np.ndarray | None = None
    track_ids: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Check that every field lists the same N instances."""
        count = len(self.scores)
        for name in ("tags", "keypoints", "keypoint_scores", "masks", "labels", "track_ids"):
            value = getattr(self, name)
            if value is not None and len(value) != count:
                raise ValueError(f"image {self.image_id}: {count} scores but {len(value)} {name}")
        if self.keypoints is not None and self.keypoint_scores is not None:
            _check("keypoint_scores", self.keypoint_scores, self.keypoints.shape[:2])

    def __len__(self) -> int:
        """Number of instances."""
        return len(self.scores)

    def __getitem__(self, rows: np.ndarray | slice) -> Instances:
        """The chosen rows of every field."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        of_image = ("image_id", "image_size")
        if self.masks is not None:
            values["masks"] = [self.masks[row] for row in np.arange(len(self))[rows]]
        kept = (*of_image, "masks")
        return Instances(**{k: v if k in kept or v is None else v[rows] for k, v in values.items()})
