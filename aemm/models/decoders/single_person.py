"""From heatmaps of one person to that person: the highest cell of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from aemm.ops.people import Place, place_single
from aemm.ops.subpixel import SubpixelKind, TieRule, subpixel
from aemm.ops.transfer import fetch
from aemm.records import check_choice
from aemm.registry import DECODERS
from aemm.skeletons import Skeleton, build_skeleton
from aemm.structures import Batch, Instances, Maps


@DECODERS.register_module()
class SinglePersonDecoder:
    """Take the highest cell of every heatmap as a keypoint of the one person that a crop shows.

    Args:
        skeleton: name, dict or json file of the keypoints.
        subpixel: how coordinates are read between cells, see :func:`aemm.ops.heatmap.subpixel`.
        tie: what 'quarter' does between equal neighbours.

    Attributes:
        flip_index: the channel that each heatmap becomes in a mirrored image.

    Reference: princeton-vl/pose-ae-demo main.py, refinement.
    """

    def __init__(
        self, skeleton: str | Mapping[str, Any] | Skeleton, subpixel: SubpixelKind = "quarter", tie: TieRule = "stay"
    ) -> None:
        check_choice("subpixel", subpixel, SubpixelKind)
        check_choice("tie", tie, TieRule)
        self.skeleton = build_skeleton(skeleton)
        self.flip_index = self.skeleton.flip_index
        self.subpixel, self.tie = subpixel, tie

    @torch.no_grad()
    def __call__(self, maps: Maps, batch: Batch) -> list[Instances]:
        """Decode a batch.

        Args:
            maps: heatmaps ``(B, K, h, w)``; tags are not looked at.
            batch: its images' size, ``convention``, ``warp``, ``image_ids`` and ``image_sizes``.

        Returns:
            One :class:`~aemm.structures.Instances` of a single person for each image; ``keypoint_scores``
            are heatmap values, at least 0, and ``scores`` their mean.

        Raises:
            ValueError: the maps do not fit the skeleton.
        """
        heatmaps = maps.float().heatmaps
        count, channels, _, width = heatmaps.shape
        if channels != len(self.skeleton):
            raise ValueError(
                f"heatmaps must have {len(self.skeleton)} channels, one for each keypoint of skeleton "
                f"{self.skeleton.name!r}, got {channels}; do decoder and head name the same skeleton?"
            )
        scores, index = heatmaps.flatten(2).max(2)  # (B, K)
        cells = torch.stack([index % width, torch.div(index, width, rounding_mode="floor")], -1)
        places = [subpixel(heatmaps[b], cells[b, None], self.subpixel, self.tie) for b in range(count)]
        points, heat = (value.numpy() for value in fetch([torch.stack(places), scores.clamp(min=0)]))
        return [
            place_single(
                points[b], heat[b, None], Place(batch.image_ids[b], batch.image_sizes[b], batch.map_warp(b, maps.size))
            )
            for b in range(count)
        ]
