"""From maps to masks: pixels above a threshold, grouped by tag, and the way back to the image."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from aemm.geometry import to_corners
from aemm.ops.instance_masks import MaskRules, decode_instances
from aemm.ops.masks import merge_proposals
from aemm.ops.people import Place
from aemm.ops.transfer import fetch
from aemm.records import TagDistance
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
        self.num_classes = num_classes
        self.threshold = threshold
        self.radius = radius
        self.bandwidth = bandwidth
        self.distance = distance
        self.min_cells = min_cells
        self.min_area = min_area
        self.max_instances, self.nms_threshold = max_instances, nms_threshold
        self.flip_index = tuple(range(num_classes))  # a mirror image changes no class
        _ = self.mask_rules  # which checks them

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
        corner, size = to_corners(batch.convention), (heatmaps.shape[2], heatmaps.shape[3])
        return [
            decode_instances(
                heat.numpy(),
                tag.numpy(),
                self.mask_rules,
                Place(batch.image_ids[b], batch.image_sizes[b], corner @ batch.map_warp(b, size)),
            )
            for b, (heat, tag) in enumerate(zip(heatmaps, tags, strict=True))
        ]

    @property
    def mask_rules(self) -> MaskRules:
        """The decoder's settings for one view, for who decodes without torch."""
        return MaskRules(
            num_classes=self.num_classes,
            threshold=self.threshold,
            radius=self.radius,
            bandwidth=self.bandwidth,
            distance=self.distance,
            min_cells=self.min_cells,
            min_area=self.min_area,
            max_instances=self.max_instances,
        )

    def merge(self, views: Sequence[Sequence[Instances]]) -> list[Instances]:
        """Proposals of several scales as one result, see :func:`aemm.ops.masks.merge_proposals`.

        Args:
            views: for each scale what was found in the B images of a batch.
        """
        return [merge_proposals(image, self.nms_threshold, self.max_instances) for image in zip(*views, strict=True)]
