"""The nouns that are made of tensors or on their way to become some: Sample, Targets, Batch, Maps, Peaks.

With :class:`~aemm.records.Truth` and :class:`~aemm.records.Instances` they are the seven nouns that every
part of aemm speaks in; all can be imported from here.

Letters mean the same everywhere: B batch, N instances, K keypoints, C heatmap channels (K, or
classes), T tag channels (C, or 1 when shared), L tag dimensions, P locations per instance, M peaks
per channel, ``h, w`` map cells, ``H, W`` pixels. Tags always have five axes ``(B, T, L, h, w)``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from aemm.geometry import PixelConvention, is_mirrored, map_warp
from aemm.records import ImageId, Instances, Record, Truth, check_shape
from aemm.skeletons import Skeleton

__all__ = ["Batch", "ImageId", "Instances", "Maps", "Peaks", "Sample", "Targets", "Truth"]


@dataclass(repr=False)
class Sample(Record):
    """One image with what is known about it, before it is batched.

    Attributes:
        image: ``(H, W, 3) uint8``, RGB.
        image_id: the data set's own identifier, never derived from a file name.
        image_size: ``(height, width)`` of the original image, before any transform.
        keypoints: ``(N, K, 2) float32`` in pixels of ``image``.
        visible: ``(N, K)`` 0 not annotated, 1 annotated but hidden, 2 visible.
        masks: ``(N, H, W) bool`` of the instances, if the task has any.
        labels: ``(N,) int64`` class of each instance.
        ignore: ``(H, W) bool``: crowd, unlabelled people, void, outside the image.
        warp: ``(3, 3)`` original pixels to pixels of ``image``.
        convention: of the pixels of ``image``; one of :data:`aemm.geometry.PixelConvention`.
        scales: test scale of ``image`` and of each of ``views``.
        views: the same region as ``image`` shows, at further test scales.
        original: the image before any transform, for what corrects instances after decoding.
        skeleton: names, flips and order of the keypoints.
        truth: what is known of the image, where the sample is evaluated; no transform touches it.
        targets: one for each supervised stride; empty until the target transform.
        passed_over: what is wrong with the images that could not be read, in whose place this one is.
        rng: the sample's own randomness; transforms draw from nothing else.
    """

    image: np.ndarray
    image_id: ImageId
    image_size: tuple[int, int]
    keypoints: np.ndarray | None = None
    visible: np.ndarray | None = None
    masks: np.ndarray | None = None
    labels: np.ndarray | None = None
    ignore: np.ndarray | None = None
    warp: np.ndarray = field(default_factory=lambda: np.eye(3))
    convention: PixelConvention = "continuous"
    scales: tuple[float, ...] = (1.0,)
    views: tuple[np.ndarray, ...] = ()
    original: np.ndarray | None = None
    skeleton: Skeleton | None = field(default=None, repr=False)
    truth: Truth | None = None
    targets: list[Targets] = field(default_factory=list)
    passed_over: tuple[str, ...] = ()
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0), repr=False)

    def __post_init__(self) -> None:
        """Check the shapes against each other."""
        if self.image.ndim != 3 or self.image.shape[2] != 3:
            raise ValueError(f"image {self.image_id} must be (H, W, 3) RGB, got {self.image.shape}")
        if (self.keypoints is None) != (self.visible is None):
            raise ValueError(f"image {self.image_id}: keypoints and visible come together or not at all")
        if self.keypoints is not None and self.visible is not None:
            check_shape("keypoints", self.keypoints, (None, None, 2), f"image {self.image_id}")
            check_shape("visible", self.visible, self.keypoints.shape[:2], f"image {self.image_id}")
        if self.ignore is not None:
            check_shape("ignore", self.ignore, self.image.shape[:2], f"image {self.image_id}")
        if len(self.scales) != 1 + len(self.views):
            raise ValueError(f"image {self.image_id}: {len(self.scales)} scales, but {1 + len(self.views)} views")
        check_shape("warp", self.warp, (3, 3))

    def need_keypoints(self) -> tuple[np.ndarray, np.ndarray]:
        """Keypoints ``(N, K, 2)`` and visibility ``(N, K)``.

        Raises:
            ValueError: the sample has none.
        """
        if self.keypoints is None or self.visible is None:
            raise ValueError(f"image {self.image_id}: keypoints and visible are needed, got None")
        return self.keypoints, self.visible

    def need_masks(self) -> tuple[np.ndarray, np.ndarray]:
        """Masks ``(N, H, W) bool`` and labels ``(N,)``.

        Raises:
            ValueError: the sample has none.
        """
        if self.masks is None or self.labels is None:
            raise ValueError(f"image {self.image_id}: masks and labels are needed, got None")
        return self.masks, self.labels


@dataclass(repr=False)
class SparseMaps(Record):
    """Maps that are 0 in most cells, by the others: how heatmaps travel from a loader to the device, nothing lost.

    Attributes:
        cells: ``(Q,) int32``, flat into ``shape``, none twice.
        values: ``(Q,)``.
        shape: of the maps, such as ``(B, C, h, w)``.
    """

    cells: Tensor
    values: Tensor
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        """Check that every cell has a value."""
        check_shape("values", self.values, self.cells.shape)

    def dense(self) -> Tensor:
        """The maps, where the cells are; nothing is read back from a device."""
        flat = self.values.new_zeros(math.prod(self.shape))
        return flat.scatter_(0, self.cells.long(), self.values).view(self.shape)

    def to(self, device: torch.device | str, non_blocking: bool = True) -> SparseMaps:
        """The same cells and values on another device."""
        cells, values = (part.to(device, non_blocking=non_blocking) for part in (self.cells, self.values))
        return SparseMaps(cells, values, self.shape)

    def pin_memory(self) -> SparseMaps:
        """A copy in memory that a GPU reads by itself."""
        return SparseMaps(self.cells.pin_memory(), self.values.pin_memory(), self.shape)


@dataclass(repr=False)
class Targets(Record):
    """What one output stride is trained towards.

    Attributes:
        heatmaps: ``(C, h, w)``; with a leading B in a :class:`Batch`. Between the loader and the preprocessor
            they are packed, see :meth:`dense`.
        weight: ``(h, w)``, 0 where the loss must not look.
        tag_index: ``(N, P) int64`` flat into ``(T, h, w)``, -1 = absent; None where a stride has no tags.
    """

    heatmaps: Tensor | SparseMaps
    weight: Tensor
    tag_index: Tensor | None = None

    def __post_init__(self) -> None:
        """Check that weight and heatmaps share a map size."""
        want = (*self.heatmaps.shape[:-3], *self.heatmaps.shape[-2:])
        check_shape("weight", self.weight, want, f"heatmaps are {tuple(self.heatmaps.shape)}")

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the maps in cells."""
        return self.heatmaps.shape[-2], self.heatmaps.shape[-1]

    def need_heatmaps(self) -> Tensor:
        """Heatmaps ``(B, C, h, w)``.

        Raises:
            ValueError: they are packed.
        """
        if isinstance(self.heatmaps, SparseMaps):
            raise ValueError(
                f"heatmaps {self.heatmaps.shape} are packed, as a loader sends them; let the model's preprocessor have "
                "the batch first, or call dense()"
            )
        return self.heatmaps

    def dense(self) -> Targets:
        """The same targets with heatmaps as a tensor and weights in float32, where they are."""
        heatmaps = self.heatmaps.dense() if isinstance(self.heatmaps, SparseMaps) else self.heatmaps
        return Targets(heatmaps, self.weight.float(), self.tag_index)

    def to(self, device: torch.device | str, non_blocking: bool = True) -> Targets:
        """The same targets on another device."""
        index = None if self.tag_index is None else self.tag_index.to(device, non_blocking=non_blocking)
        heatmaps = self.heatmaps.to(device, non_blocking=non_blocking)
        return Targets(heatmaps, self.weight.to(device, non_blocking=non_blocking), index)

    def pin_memory(self) -> Targets:
        """A copy in memory that a GPU reads by itself."""
        index = None if self.tag_index is None else self.tag_index.pin_memory()
        return Targets(self.heatmaps.pin_memory(), self.weight.pin_memory(), index)


@dataclass(repr=False)
class Batch(Record):
    """What a step of training or testing receives.

    Attributes:
        images: list of ``(B, 3, H, W)``; the base scale first, further test scales behind it.
        image_ids: B identifiers.
        image_sizes: B original ``(height, width)``.
        warp: ``(B, 3, 3) float64`` array, original pixels to pixels of ``images[0]``.
        targets: one per supervised stride, each with a leading B; empty at test time.
        truths: B, where the images are evaluated; else empty.
        scales: test scale of each of ``images``.
        convention: of the pixels of ``images`` and ``warp``.
        originals: B images before any transform, ``(H, W, 3) uint8``; empty unless the data keep them.
        passed_over: what is wrong with the images that could not be read, in whose place others are.
    """

    images: list[Tensor]
    image_ids: list[ImageId]
    image_sizes: list[tuple[int, int]]
    warp: np.ndarray
    targets: list[Targets] = field(default_factory=list)
    truths: list[Truth] = field(default_factory=list)
    scales: tuple[float, ...] = (1.0,)
    convention: PixelConvention = "continuous"
    originals: list[np.ndarray] = field(default_factory=list)
    passed_over: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check that everything speaks of the same B images."""
        count = len(self.image_ids)
        if len(self.scales) != len(self.images):
            raise ValueError(f"{len(self.images)} images, but {len(self.scales)} scales")
        for image in self.images:
            check_shape("images", image, (count, 3, None, None))
        check_shape("warp", self.warp, (count, 3, 3))
        if len(self.image_sizes) != count:
            raise ValueError(f"{count} image_ids but {len(self.image_sizes)} image_sizes")
        for name in ("originals", "truths"):
            if len(getattr(self, name)) not in (0, count):
                raise ValueError(f"{count} image_ids but {len(getattr(self, name))} {name}")

    def __len__(self) -> int:
        """Number of images."""
        return len(self.image_ids)

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the base images in pixels."""
        return self.images[0].shape[-2], self.images[0].shape[-1]

    def map_warp(self, b: int, size: tuple[int, int]) -> np.ndarray:
        """The one way from map coordinates to pixels of the original: a warp ``(3, 3)``.

        Args:
            b: which image.
            size: ``(h, w)`` of the maps in cells.
        """
        way = map_warp(self.input_size, size, self.convention, is_mirrored(self.warp[b]))
        return np.linalg.inv(self.warp[b]) @ way

    def to(self, device: torch.device | str, non_blocking: bool = True) -> Batch:
        """The same batch with images and targets on another device; ``warp`` stays where it is.

        Args:
            device: where they go.
            non_blocking: do not wait for the copies, which a GPU makes by itself where the batch is pinned.
        """
        images = [image.to(device, non_blocking=non_blocking) for image in self.images]
        return replace(self, images=images, targets=[t.to(device, non_blocking) for t in self.targets])

    def pin_memory(self) -> Batch:
        """A copy of images and targets in memory that a GPU reads by itself, beside the work of the CPU.

        PyTorch's loaders call this where they are told ``pin_memory=True``.
        """
        images = [image.pin_memory() for image in self.images]
        return replace(self, images=images, targets=[t.pin_memory() for t in self.targets])


@dataclass(repr=False)
class Maps(Record):
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

    def need_tags(self) -> Tensor:
        """Tags ``(B, T, L, h, w)``.

        Raises:
            ValueError: there are none.
        """
        if self.tags is None:
            raise ValueError(
                f"tags must be (B, T, L, h, w) to group by, got None beside heatmaps {tuple(self.heatmaps.shape)}; "
                "merge this stage with one that predicts tags"
            )
        return self.tags

    def resize(self, size: tuple[int, int], align_corners: bool = False) -> Maps:
        """Both maps brought to ``size`` cells by bilinear interpolation; 'udp' pixels align the corners."""
        heatmaps, tags = self.heatmaps, self.tags
        if tuple(heatmaps.shape[-2:]) != tuple(size):
            heatmaps = F.interpolate(heatmaps, size=size, mode="bilinear", align_corners=align_corners)
        if tags is not None and tuple(tags.shape[-2:]) != tuple(size):
            flat = F.interpolate(tags.flatten(1, 2), size=size, mode="bilinear", align_corners=align_corners)
            tags = flat.unflatten(1, tags.shape[1:3])
        return Maps(heatmaps, tags)

    def halves(self) -> tuple[Maps, Maps]:
        """The maps of the first and of the second half of the batch; nothing is copied."""
        heatmaps = self.heatmaps.chunk(2)
        tags = (None, None) if self.tags is None else self.tags.chunk(2)
        return Maps(heatmaps[0], tags[0]), Maps(heatmaps[1], tags[1])

    def float(self) -> Maps:
        """Both maps in float32, whatever autocast made of them."""
        return Maps(self.heatmaps.float(), None if self.tags is None else self.tags.float())


@dataclass(repr=False)
class Peaks(Record):
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
        check_shape("cells", self.cells, (*lead, 2))
        check_shape("tags", self.tags, (*lead, None))
