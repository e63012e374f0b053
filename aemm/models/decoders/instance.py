"""From maps to masks: pixels above a threshold, grouped by tag, and the way back to the image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from aemm.geometry import apply_warp, to_corners, translation
from aemm.ops.image import warp_image
from aemm.ops.masks import encode_mask, merge_proposals
from aemm.ops.pixel_grouping import PixelGroups, group_pixels
from aemm.ops.transfer import fetch
from aemm.records import Mask, TagDistance, check_choice
from aemm.registry import DECODERS
from aemm.structures import Batch, Instances, Maps


@DECODERS.register_module()
class InstanceDecoder:
    """Group the mask pixels of every class into instances, with masks of the original image's size.

    Everything is computed in float32; maps of a device are fetched, and grouped on the CPU.

    Args:
        num_classes: C, heatmaps of the model.
        threshold: a cell belongs to the mask of a class if its heatmap is above it.
        radius: instances of a class whose tags are nearer than this are one.
        bandwidth: smoothing of the tags' histogram, see :func:`aemm.ops.pixel_grouping.find_modes`.
        distance: of tags, 'l2', or 'rms' which divides by L under the root: it suits tags of several views,
            where distance and noise both grow with their number.
        min_cells: smallest number of map cells of an instance.
        min_area: smallest number of pixels of a mask in the original image.
        max_instances: how many instances are returned, the best by score; None = all.
        nms_threshold: :meth:`merge` drops a mask whose IoU with a better one is above it.

    Raises:
        ValueError: an argument is out of range.

    Reference: Newell et al. 2017, section 3.3.
    """

    def __init__(
        self,
        num_classes: int,
        threshold: float = 0.4,
        radius: float = 1.0,
        bandwidth: float = 0.3,
        distance: TagDistance = "l2",
        min_cells: int = 2,
        min_area: int = 4,
        max_instances: int | None = 100,
        nms_threshold: float = 0.5,
    ) -> None:
        check_choice("distance", distance, TagDistance)
        if not (threshold > 0 and radius > 0 and bandwidth > 0):
            raise ValueError(
                f"threshold, radius and bandwidth must be positive, got {threshold}, {radius} and {bandwidth}"
            )
        if num_classes < 1 or min_cells < 1 or min_area < 1 or (max_instances is not None and max_instances < 1):
            raise ValueError(
                f"num_classes, min_cells, min_area and max_instances must be at least 1, got {num_classes}, "
                f"{min_cells}, {min_area} and {max_instances}; max_instances=None returns all"
            )
        self.num_classes = num_classes
        self.threshold = threshold
        self.radius = radius
        self.bandwidth = bandwidth
        self.distance = distance
        self.min_cells = min_cells
        self.min_area = min_area
        self.max_instances, self.nms_threshold = max_instances, nms_threshold
        self.flip_index = tuple(range(num_classes))  # a mirror image changes no class

    @torch.no_grad()
    def __call__(self, maps: Maps, batch: Batch) -> list[Instances]:
        """Decode a batch.

        Args:
            maps: heatmaps ``(B, C, h, w)`` and tags, of any float type, on any device.
            batch: its images' size, ``warp``, ``image_ids`` and ``image_sizes``.

        Returns:
            One :class:`~aemm.structures.Instances` for each image, best first. ``scores`` is the mean heatmap
            over the cells of an instance, ``tags`` the mean tag, ``masks`` run lengths.

        Raises:
            ValueError: the maps do not fit the classes or the batch, or have no tags.
        """
        if maps.heatmaps.shape[1] != self.num_classes:
            raise ValueError(
                f"heatmaps must have {self.num_classes} channels, one for each class, got {maps.heatmaps.shape[1]}; do "
                "decoder and head have the same num_classes and num_heatmaps?"
            )
        if len(maps.heatmaps) != len(batch):
            raise ValueError(f"heatmaps must be of the batch's {len(batch)} images, got {len(maps.heatmaps)}")
        heatmaps, tags = fetch([maps.heatmaps.float(), maps.need_tags().float()])  # grouping would wait at every class
        unit = tags.shape[2] ** 0.5 if self.distance == "rms" else 1.0
        radius, bandwidth = self.radius * unit, self.bandwidth * unit
        found = []
        for b, (heat, tag) in enumerate(zip(heatmaps, tags, strict=True)):
            groups = group_pixels(heat, tag, self.threshold, radius, bandwidth, self.min_cells)
            found.append(self._instances(heat.numpy(), groups, batch, b))
        return found

    def merge(self, views: Sequence[Sequence[Instances]]) -> list[Instances]:
        """Proposals of several scales as one result, see :func:`aemm.ops.masks.merge_proposals`.

        Args:
            views: for each scale what was found in the B images of a batch.
        """
        return [merge_proposals(image, self.nms_threshold, self.max_instances) for image in zip(*views, strict=True)]

    def _instances(self, heatmaps: np.ndarray, groups: PixelGroups, batch: Batch, b: int) -> Instances:
        """Masks at the original size of the groups of image ``b``, best first, small ones left out."""
        size = batch.image_sizes[b]
        warp = to_corners(batch.convention) @ batch.map_warp(b, (heatmaps.shape[1], heatmaps.shape[2]))
        owner, labels, tags, scores = (value.numpy() for value in groups)
        order = np.argsort(-scores, kind="stable")
        masks: list[Mask] = []
        kept: list[int] = []
        canvas = np.zeros(size, np.uint8, order="F")
        for row in order.tolist():
            if len(kept) == self.max_instances:
                break
            area, top, left = self._mask(heatmaps[labels[row]], owner[labels[row]] == row, warp, size)
            if area.sum() < self.min_area:
                continue
            canvas[:] = 0
            canvas[top : top + area.shape[0], left : left + area.shape[1]] = area
            masks.append(encode_mask(canvas))
            kept.append(row)
        return Instances(
            image_id=batch.image_ids[b],
            image_size=size,
            scores=scores[kept],
            tags=tags[kept],
            masks=masks,
            labels=labels[kept],
        )

    def _mask(
        self, heatmap: np.ndarray, cells: np.ndarray, warp: np.ndarray, size: tuple[int, int]
    ) -> tuple[np.ndarray, int, int]:
        """One instance between its cells: where the heatmap, interpolated, is above the threshold and mostly its own.

        Args:
            heatmap: ``(h, w)`` of its class.
            cells: ``(h, w) bool`` its own.
            warp: cells to pixels of the original image.
            size: of that image.

        Returns:
            The area in a box around it, and the box's first row and column.
        """
        down, across = np.flatnonzero(cells.any(1)), np.flatnonzero(cells.any(0))
        low = np.maximum([across[0] - 2, down[0] - 2], 0)
        high = np.minimum([across[-1] + 3, down[-1] + 3], cells.shape[::-1])  # a border for the interpolation
        box = np.s_[low[1] : high[1], low[0] : high[0]]
        pair = np.stack([heatmap[box], heatmap[box] * cells[box]], axis=2)
        pair = np.pad(pair, ((1, 1), (1, 1), (0, 0)), mode="edge")  # so that the map's border is no slope to 0
        corners = np.array([low, high, (low[0], high[1]), (high[0], low[1])], float)
        reach = apply_warp(corners, warp)
        first = np.clip(np.floor(reach.min(0)), 0, size[::-1]).astype(int)
        last = np.clip(np.ceil(reach.max(0)), 0, size[::-1]).astype(int)
        if (first >= last).any():
            return np.zeros((0, 0), bool), 0, 0
        local = translation(-first[0], -first[1]) @ warp @ translation(low[0] - 1, low[1] - 1)
        shown = warp_image(pair, local, (int(last[1] - first[1]), int(last[0] - first[0])))
        return (shown[..., 0] > self.threshold) & (shown[..., 1] >= 0.5 * shown[..., 0]), int(first[1]), int(first[0])
