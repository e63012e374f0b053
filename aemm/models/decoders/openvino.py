"""From maps to people as Open Model Zoo's decoder of associative embeddings groups, shifts and fills them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from aemm.geometry import apply_warp
from aemm.ops.heatmap import nms
from aemm.ops.maps import check_maps
from aemm.ops.openvino import FilledTags, OpenVinoRules, decode_openvino, openvino_order, top_cells
from aemm.ops.transfer import fetch
from aemm.registry import DECODERS
from aemm.skeletons import Skeleton, build_skeleton
from aemm.structures import Batch, Instances, Maps


@DECODERS.register_module()
class OpenVinoGrouping:
    """Group the peaks of every image as OpenVINO's Open Model Zoo does, in the pixels of the original image.

    Tags are distances reweighted by how near a candidate is in the image; absent keypoints are filled by rules of
    their own. Cells count as whole numbers, and ``delta`` makes up for their middles. The inputs that its networks
    expect are made by :class:`aemm.datasets.transforms.OpenVinoResize`. Everything is computed on the CPU.

    Args:
        skeleton: name, dict or json file of the keypoints.
        pose_threshold: people stay whose score is above it; 0.1 in the zoo's demos.
        delta: cells added to keypoints that were not filled: 0.5 with HigherHRNet's pixels, 0 with those of
            human-pose-estimation-0005 to -0007.
        window: side of the window of the non-maximum suppression in cells, odd; None where the network did it, and
            suppressed cells carry the negated value.
        dist_reweight: see :class:`aemm.ops.openvino.OpenVinoRules`, as for all that follow.
        fill_missing: see there.
        filled_tags: see there.
        max_peaks: see there.
        threshold: see there.
        tag_threshold: see there.
        grouping_order: all K keypoints in the order in which they are grouped; None = the original's, which depends on
            their number alone.

    Attributes:
        flip_index: the channel that each heatmap becomes in a mirrored image.
        rules: of all steps.

    Raises:
        ValueError: an argument is out of range, or the skeleton is not valid.
    """

    def __init__(
        self,
        skeleton: str | Mapping[str, Any] | Skeleton,
        pose_threshold: float,
        delta: float = 0.0,
        window: int | None = 5,
        dist_reweight: bool = True,
        fill_missing: bool = True,
        filled_tags: FilledTags = "unfiltered",
        max_peaks: int = 30,
        threshold: float = 0.1,
        tag_threshold: float = 1.0,
        grouping_order: Sequence[int] | None = None,
    ) -> None:
        self.skeleton = build_skeleton(skeleton)
        self.flip_index = self.skeleton.flip_index
        order = openvino_order(len(self.skeleton)) if grouping_order is None else tuple(grouping_order)
        if sorted(order) != list(range(len(self.skeleton))):
            raise ValueError(
                f"grouping_order must hold each of the {len(self.skeleton)} keypoints of skeleton "
                f"{self.skeleton.name!r} once, 0 to {len(self.skeleton) - 1}, got {list(order)}"
            )
        if window is not None and (window < 1 or window % 2 == 0):
            raise ValueError(f"window must be an odd number of cells, or None, got {window}")
        self.window = window
        self.rules = OpenVinoRules(
            order,
            pose_threshold,
            delta,
            dist_reweight,
            fill_missing,
            filled_tags,
            max_peaks,
            threshold,
            tag_threshold,
        )

    @torch.no_grad()
    def __call__(self, maps: Maps, batch: Batch) -> list[Instances]:
        """Decode a batch.

        Args:
            maps: heatmaps ``(B, K, h, w)`` and tags, of any float type, on any device.
            batch: its images' size, ``warp``, ``image_ids`` and ``image_sizes``.

        Returns:
            One :class:`~aemm.structures.Instances` for each image. ``scores`` is the mean over all K keypoints before
            filling, ``tags`` the mean tag of those found.

        Raises:
            ValueError: the maps do not fit the skeleton or the batch, have no tags, or have tags of several dimensions
                although absent keypoints are to be filled.
        """
        check_maps(maps, self.skeleton, len(batch))
        heat = maps.heatmaps.float()
        suppressed = heat if self.window is None else nms(heat, self.window)
        arrays = [value.numpy() for value in fetch([heat, maps.need_tags().float(), suppressed])]
        return [self._instances(batch, b, *(value[b] for value in arrays)) for b in range(len(batch))]

    def _instances(
        self, batch: Batch, b: int, heatmaps: np.ndarray, tags: np.ndarray, suppressed: np.ndarray
    ) -> Instances:
        """People of image ``b`` in its pixels."""
        people = decode_openvino(heatmaps, tags, top_cells(suppressed, tags, self.rules.max_peaks), self.rules)
        way = batch.map_warp(b, (heatmaps.shape[1], heatmaps.shape[2]))
        keypoints = apply_warp(people.points.astype(np.float64), way).astype(np.float32)
        return Instances(
            image_id=batch.image_ids[b],
            image_size=batch.image_sizes[b],
            scores=people.scores,
            tags=people.tags,
            keypoints=np.where(people.keypoint_scores[..., None] > 0, keypoints, 0),
            keypoint_scores=people.keypoint_scores,
        )
