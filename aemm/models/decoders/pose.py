"""From maps to people: peaks, grouping, sub-cell shift, filling, and the way back to the image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from aemm.geometry import apply_warp
from aemm.ops.grouping import fill_missing, group_by_tags
from aemm.ops.heatmap import SubpixelKind, TieRule, subpixel, top_peaks
from aemm.ops.maps import clear_padding
from aemm.records import AssignmentTie, EqualTags, TagDistance, check_choice
from aemm.registry import DECODERS
from aemm.skeletons import Skeleton, build_skeleton
from aemm.structures import Batch, Instances, Maps

FilledScore = Literal["one", "heatmap"]
FilledBorder = Literal["map", "authors"]
Padding = Literal["keep", "clear"]


@DECODERS.register_module()
class PoseDecoder:
    """Group the peaks of every image into people, in the pixels of the original image.

    Everything is computed in float32. The defaults are those of HigherHRNet; where the authors' code
    differs is said at each argument.

    Args:
        skeleton: name, dict or json file of the keypoints; gives K and the order of grouping.
        window: side of the window of the non-maximum suppression in cells, odd (authors: 3).
        max_peaks: peaks kept for each keypoint.
        threshold: a peak scores more than this.
        tag_threshold: largest distance, exclusive, between the tag of a peak and of the instance it joins.
        distance: of tags in grouping, 'l2', or 'rms' which divides by L under the root (authors).
        assignment_tie: which of several equally cheap assignments is taken, see
            :func:`aemm.ops.grouping.group_by_tags`.
        equal_tags: whether instances started with exactly equal tags stay 'apart', or one 'overwrite's the
            other (authors, HigherHRNet), see there.
        max_matched: only this many instances, the first ones, can gain keypoints.
        stop_when_full: once that many exist, ignore all further keypoints (authors) instead of
            letting them start instances.
        fill_missing: look absent keypoints up where ``heatmap - round(tag distance)`` is largest.
        filled_score: score of such a keypoint: its heatmap value, or 'one' (authors).
        filled_border: where the neighbours of a filled keypoint end, for its sub-cell shift: at the
            border of the 'map', or, as in the authors' code whose axes are mixed up there, at row
            K - 1 and column h - 1 ('authors'), so that most of them move up.
        subpixel: how coordinates are read between cells, see :func:`aemm.ops.heatmap.subpixel`.
        tie: what 'quarter' does between equal neighbours.
        padding: what the maps say of the surroundings of an image that was padded: 'clear' it, or, as both
            references do, 'keep' it. Losses ignore padding, so that a network may see anything there.
        max_instances: how many instances are returned, the best by score; None = all.
        grouping_order: all K keypoints in the order in which they are grouped; None = the skeleton's.
        filled_subpixel: as ``subpixel``, for filled keypoints; None = the same.

    Attributes:
        flip_index: the channel that each heatmap becomes in a mirrored image.

    Raises:
        ValueError: an argument is out of range, or the skeleton is not valid.
    """

    def __init__(
        self,
        skeleton: str | Mapping[str, Any] | Skeleton,
        window: int = 5,
        max_peaks: int = 30,
        threshold: float = 0.1,
        tag_threshold: float = 1.0,
        distance: TagDistance = "l2",
        assignment_tie: AssignmentTie = "solver",
        equal_tags: EqualTags = "apart",
        max_matched: int = 30,
        stop_when_full: bool = False,
        fill_missing: bool = True,
        filled_score: FilledScore = "heatmap",
        filled_border: FilledBorder = "map",
        subpixel: SubpixelKind = "quarter",
        tie: TieRule = "stay",
        padding: Padding = "keep",
        max_instances: int | None = 30,
        grouping_order: Sequence[int] | None = None,
        filled_subpixel: SubpixelKind | None = None,
    ) -> None:
        check_choice("distance", distance, TagDistance)
        check_choice("assignment_tie", assignment_tie, AssignmentTie)
        check_choice("equal_tags", equal_tags, EqualTags)
        check_choice("filled_score", filled_score, FilledScore)
        check_choice("filled_border", filled_border, FilledBorder)
        filled_subpixel = subpixel if filled_subpixel is None else filled_subpixel
        check_choice("subpixel", subpixel, SubpixelKind)
        check_choice("filled_subpixel", filled_subpixel, SubpixelKind)
        check_choice("tie", tie, TieRule)
        check_choice("padding", padding, Padding)
        if max_matched < 1 or (max_instances is not None and max_instances < 1):
            raise ValueError(
                f"max_matched and max_instances must be at least 1, got {max_matched} and {max_instances}; "
                "max_instances=None returns all"
            )
        self.skeleton = build_skeleton(skeleton)
        self.flip_index = self.skeleton.flip_index
        self.grouping_order = self.skeleton.grouping_order if grouping_order is None else tuple(grouping_order)
        if sorted(self.grouping_order) != list(range(len(self.skeleton))):
            raise ValueError(
                f"grouping_order must hold each of the {len(self.skeleton)} keypoints of skeleton "
                f"{self.skeleton.name!r} once, 0 to {len(self.skeleton) - 1}, got {list(self.grouping_order)}"
            )
        self.window, self.max_peaks, self.threshold = window, max_peaks, threshold
        self.tag_threshold, self.distance, self.assignment_tie = tag_threshold, distance, assignment_tie
        self.equal_tags = equal_tags
        self.max_matched, self.stop_when_full = max_matched, stop_when_full
        self.fill_missing, self.filled_score, self.filled_border = fill_missing, filled_score, filled_border
        self.subpixel, self.filled_subpixel = subpixel, filled_subpixel
        self.tie, self.padding = tie, padding
        self.max_instances = max_instances

    @torch.no_grad()
    def __call__(self, maps: Maps, batch: Batch) -> list[Instances]:
        """Decode a batch.

        Args:
            maps: heatmaps ``(B, K, h, w)`` and tags, of any float type, on any device.
            batch: its images' size, ``convention``, ``warp``, ``image_ids`` and ``image_sizes``.

        Returns:
            One :class:`~aemm.structures.Instances` for each image. ``scores`` is the mean over all K
            keypoints before filling, absent ones counting 0; ``tags`` the mean tag of the keypoints
            found; ``keypoint_scores`` hold filled keypoints, too, and 0 where one is absent.

        Raises:
            ValueError: the maps do not fit the skeleton or the batch, or have no tags.
        """
        channels = maps.heatmaps.shape[1]
        if channels != len(self.skeleton):
            raise ValueError(
                f"heatmaps must have {len(self.skeleton)} channels, one for each keypoint of skeleton "
                f"{self.skeleton.name!r}, got {channels}; do decoder and head name the same skeleton?"
            )
        if len(maps.heatmaps) != len(batch):
            raise ValueError(f"heatmaps must be of the batch's {len(batch)} images, got {len(maps.heatmaps)}")
        maps = maps.float()
        if self.padding == "clear":
            maps = Maps(clear_padding(maps.heatmaps, batch), maps.tags)
        peaks = top_peaks(maps, self.max_peaks, self.threshold, self.window)
        scores, cells, tags = (value.cpu().numpy() for value in (peaks.scores, peaks.cells, peaks.tags))
        return [self._decode(maps, b, scores[b], cells[b], tags[b], batch) for b in range(len(batch))]

    def _decode(
        self, maps: Maps, b: int, scores: np.ndarray, cells: np.ndarray, tags: np.ndarray, batch: Batch
    ) -> Instances:
        """People of image ``b``, whose peaks are ``(K, M)``, ``(K, M, 2)`` and ``(K, M, L)``."""
        pick = group_by_tags(
            scores,
            tags,
            self.grouping_order,
            self.tag_threshold,
            self.distance,
            self.max_matched,
            self.stop_when_full,
            self.assignment_tie,
            self.equal_tags,
        )
        channel = np.arange(pick.shape[1])
        present = pick >= 0
        keypoint_scores = np.where(present, scores[channel, pick], 0)  # (N, K)
        instance_scores = keypoint_scores.mean(1)
        if self.max_instances is not None and len(pick) > self.max_instances:
            best = np.sort(np.argsort(-instance_scores, kind="stable")[: self.max_instances])
            pick, present = pick[best], present[best]
            keypoint_scores, instance_scores = keypoint_scores[best], instance_scores[best]
        found = np.where(present[..., None], tags[channel, pick], 0)  # (N, K, L)
        reference = found.sum(1) / present.sum(1, keepdims=True, dtype=np.float32)

        heatmaps = maps.heatmaps[b]
        at = torch.from_numpy(cells[channel, pick]).to(heatmaps.device)  # (N, K, 2)
        absent = torch.from_numpy(~present).to(heatmaps.device)
        if self.fill_missing and not present.all():
            assert maps.tags is not None
            own = torch.from_numpy(reference).to(heatmaps.device)
            looked_up = fill_missing(heatmaps, maps.tags[b], own, absent, torch.from_numpy(cells))
            at = torch.where(absent[..., None], looked_up, at)
            keypoint_scores = np.where(present, keypoint_scores, self._filled_scores(heatmaps, at))
        points = subpixel(heatmaps, at, self.subpixel, self.tie)
        if self.filled_border == "authors" or self.filled_subpixel != self.subpixel:
            last = (heatmaps.shape[1] - 1, heatmaps.shape[0] - 1) if self.filled_border == "authors" else None
            filled = subpixel(heatmaps, at, self.filled_subpixel, self.tie, last)
            points = torch.where(absent[..., None], filled, points)
        keypoints = apply_warp(points.cpu().double().numpy(), batch.map_warp(b, maps.size)).astype(np.float32)
        return Instances(
            image_id=batch.image_ids[b],
            image_size=batch.image_sizes[b],
            scores=instance_scores,
            tags=reference,
            keypoints=np.where(keypoint_scores[..., None] > 0, keypoints, 0),
            keypoint_scores=keypoint_scores,
        )

    def _filled_scores(self, heatmaps: Tensor, cells: Tensor) -> np.ndarray:
        """Scores ``(N, K)`` that filled keypoints at ``cells`` get; 0 where the map is not positive."""
        channel = torch.arange(len(heatmaps), device=heatmaps.device)
        heat = heatmaps[channel, cells[..., 1], cells[..., 0]].cpu().numpy()
        if self.filled_score == "one":
            return (heat > 0).astype(np.float32)
        return np.maximum(heat, 0)
