"""Test-time augmentation: a batch seen at several scales and mirrored, brought together again.

A pipeline's :class:`~aemm.datasets.transforms.ResizeToFit` makes the views, ``batch.images``, the scale
nearest 1 first; all show the same region, so that maps of one are those of another, resized.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from aemm.interfaces import Decoder, MergingDecoder, Network
from aemm.ops.maps import hflip, merge_maps
from aemm.records import check_choice
from aemm.registry import MODELS
from aemm.structures import Batch, Instances, Maps

TagScales = Literal["all", "near", "base"]
MergedSize = Literal["base", "largest", "input"]
MergeWhat = Literal["maps", "instances"]
Mirror = Literal["together", "apart"]

_NEAR = 0.5  # a scale is near 1 when it differs by less


@MODELS.register_module()
class TestTimeAugmentation:
    """Run a network on every view of a batch and merge what it says.

    Scales run one after the other, and what has been added up is dropped at once: beside the sum of the
    heatmaps and the tags that are kept, the maps of a single view are in memory.

    Args:
        flip: look at each view mirrored, too.
        flip_index: the channel that each heatmap becomes in a mirror; the model passes its decoder's.
        tags: the scales whose tags are kept, concatenated along L, those of the mirrored image behind:
            'all' (the paper), 'near' those that differ from 1 by less than 0.5 (the authors' code), or
            'base' the one nearest 1 (HigherHRNet). The base is always among them.
        size: of the merged maps: that of the 'base' view's, of the 'largest' view's (the authors;
            HigherHRNet without PROJECT2IMAGE), or of the base view's pixels, 'input' (with it).
        merge: 'maps' of all scales, to be decoded once; or 'instances', where every scale is decoded by
            itself and the decoder merges the proposals.
        max_heat: merged heatmaps are cut off here (1 in the authors' code).
        drop_above: a scale whose heatmaps exceed this anywhere adds nothing to the sum for that image,
            though the mean still counts it (5 in the authors' code). Its tags stay, which the authors
            would drop, too.
        mirror: an image and its mirror image go through the network one after the other, 'apart', or in one batch,
            'together': twice the memory, and on a GPU, which a single image keeps waiting, nearly half the time.

    Attributes:
        needs_decoder: a :class:`~aemm.interfaces.MergingDecoder` where every scale is decoded by itself.

    Raises:
        ValueError: an argument is out of range, or ``flip`` without ``flip_index``.

    Reference:
        Newell et al. 2017, section 4.2; princeton-vl/pose-ae-train test.py, multiperson;
        HRNet/HigherHRNet-Human-Pose-Estimation lib/core/inference.py.
    """

    __test__ = False  # no test case, whatever its name suggests

    def __init__(
        self,
        flip: bool = False,
        flip_index: Sequence[int] | None = None,
        tags: TagScales = "all",
        size: MergedSize = "base",
        merge: MergeWhat = "maps",
        max_heat: float | None = None,
        drop_above: float | None = None,
        mirror: Mirror = "apart",
    ) -> None:
        check_choice("tags", tags, TagScales)
        check_choice("size", size, MergedSize)
        check_choice("merge", merge, MergeWhat)
        check_choice("mirror", mirror, Mirror)
        if flip and flip_index is None:
            raise ValueError(
                "flip=True needs flip_index, the channel that each heatmap becomes in a mirror (range(C) if none "
                "changes); a model passes its decoder's"
            )
        self.flip = flip
        self.flip_index = flip_index
        self.tags = tags
        self.size = size
        self.merge = merge
        self.max_heat = max_heat
        self.drop_above = drop_above
        self.mirror = mirror
        self.needs_decoder: type = Decoder if merge == "maps" else MergingDecoder

    def maps(self, network: Network, batch: Batch) -> Maps:
        """The maps that are decoded; where every scale is decoded by itself, those of the base scale.

        Args:
            network: ``(B, 3, H, W)`` images to maps.
            batch: with one or more ``images``.
        """
        return self.merged(network, batch) if self.merge == "maps" else next(self.views(network, batch))

    def predict(self, network: Network, decoder: Any, batch: Batch) -> list[Instances]:
        """What is in each image.

        Args:
            network: ``(B, 3, H, W)`` images to maps.
            decoder: one that follows ``needs_decoder``.
            batch: with one or more ``images``.
        """
        if self.merge == "maps":
            return decoder(self.merged(network, batch), batch)
        return decoder.merge([decoder(maps, batch) for maps in self.views(network, batch)])

    def views(self, network: Network, batch: Batch) -> Iterator[Maps]:
        """Maps of one scale after the other, the base first, each of its own size and merged with its mirror image.

        Args:
            network: ``(B, 3, H, W)`` images to maps.
            batch: with one or more ``images``.
        """
        return (self._view(network, image) for image in batch.images)

    def merged(self, network: Network, batch: Batch) -> Maps:
        """The maps of all scales merged.

        Args:
            network: ``(B, 3, H, W)`` images to maps.
            batch: with one or more ``images``.
        """
        order = list(range(len(batch.images)))
        if self.size == "largest":  # the first view to run gives the size of the merged maps
            order.sort(key=lambda i: -batch.images[i].shape[-1])
        total, tags = None, {}
        for i in order:
            view = self._view(network, batch.images[i])
            if total is None:
                size = batch.input_size if self.size == "input" else view.size
            if not self._keeps_tags(batch.scales, i):
                view = Maps(view.heatmaps)
            view = view.resize(size, align_corners=batch.convention == "udp")
            if view.tags is not None:
                tags[i] = view.tags
            heatmaps = self._without_outliers(view.heatmaps)
            if total is None:
                total = heatmaps.clone() if len(order) > 1 else heatmaps  # the network's own maps are not added to
            else:
                total += heatmaps
        assert total is not None  # a batch has an image
        if len(order) > 1:
            total /= len(order)
        if self.max_heat is not None:
            total = total.clamp(max=self.max_heat)
        return Maps(total, torch.cat([tags[i] for i in sorted(tags)], dim=2) if tags else None)

    def _view(self, network: Network, image: Tensor) -> Maps:
        """Maps of one image, and of its mirror image turned back."""
        if not self.flip or self.flip_index is None:
            return network(image)
        if self.mirror == "together":
            maps, mirrored = network(torch.cat([image, image.flip(-1)])).halves()
        else:
            maps, mirrored = network(image), network(image.flip(-1))
        return merge_maps([maps, hflip(mirrored, self.flip_index)], maps.size)

    def _keeps_tags(self, scales: Sequence[float], i: int) -> bool:
        return i == 0 or self.tags == "all" or (self.tags == "near" and abs(scales[i] - 1) < _NEAR)

    def _without_outliers(self, heatmaps: Tensor) -> Tensor:
        """Heatmaps ``(B, C, h, w)``, zero for images in which they exceed ``drop_above``."""
        if self.drop_above is None:
            return heatmaps
        fine = heatmaps.amax((1, 2, 3), keepdim=True) <= self.drop_above
        return torch.where(fine, heatmaps, 0)
