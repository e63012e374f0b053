"""From maps to people: peaks, grouping, sub-cell shift, filling, and the way back to the image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from aemm.ops.cell_search import TagCost
from aemm.ops.grouping import Picked, group_by_tags, read_picks
from aemm.ops.heatmap import top_peaks
from aemm.ops.lookup import fill_missing
from aemm.ops.maps import check_maps, clear_padding
from aemm.ops.peaks import read_peaks
from aemm.ops.people import FilledBorder, FilledScore, Padding, Place, PoseRules, decode_pose, place_people, read_points
from aemm.ops.subpixel import SubpixelKind, TieRule
from aemm.ops.transfer import fetch, send
from aemm.records import AssignmentTie, EqualTags, GroupingRules, TagDistance
from aemm.registry import DECODERS
from aemm.skeletons import Skeleton, build_skeleton
from aemm.structures import Batch, Instances, Maps


@DECODERS.register_module()
class PoseDecoder:
    """Group the peaks of every image into people, in the pixels of the original image.

    Three steps: the peaks of the maps, on their device; their grouping, which needs plain arrays and the decoder's
    ``rules`` alone, so that it can run in another process or without torch; and from picks and maps to people.
    Everything is computed in float32. The defaults are those of HigherHRNet; where the authors' code
    differs is said at each argument.

    Args:
        skeleton: name, dict or json file of the keypoints; gives K and the order of grouping.
        window: side of the window of the non-maximum suppression in cells, odd (authors: 3).
        max_peaks: peaks kept for each keypoint.
        threshold: a peak scores more than this.
        tag_threshold: largest distance, exclusive, between the tag of a peak and of the instance it joins.
        distance: of tags in grouping, 'l2', or 'rms' which divides by L under the root (authors).
        assignment_tie: which of several equally cheap assignments is taken, see ``tie`` of
            :class:`aemm.records.GroupingRules`.
        equal_tags: whether instances started with exactly equal tags stay 'apart', or one 'overwrite's the
            other (authors, HigherHRNet), see there.
        max_matched: only this many instances, the first ones, can gain keypoints.
        stop_when_full: once that many exist, ignore all further keypoints (authors) instead of
            letting them start instances.
        fill_missing: look absent keypoints up where ``heatmap - cost of the tag distance`` is largest.
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
        filled_cost: what ``fill_missing`` takes from the heat: the distance of the tags 'rounded' to a whole number
            (both references), or half of it 'squared', which prefers the nearer of two tags within one rounding.

    Attributes:
        flip_index: the channel that each heatmap becomes in a mirrored image.
        rules: of the grouping, see :func:`aemm.ops.grouping.group_by_tags`.

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
        filled_cost: TagCost = "rounded",
    ) -> None:
        self.skeleton = build_skeleton(skeleton)
        self.flip_index = self.skeleton.flip_index
        order = self.skeleton.grouping_order if grouping_order is None else tuple(grouping_order)
        if sorted(order) != list(range(len(self.skeleton))):
            raise ValueError(
                f"grouping_order must hold each of the {len(self.skeleton)} keypoints of skeleton "
                f"{self.skeleton.name!r} once, 0 to {len(self.skeleton) - 1}, got {list(order)}"
            )
        limits = (tag_threshold, distance, max_matched, stop_when_full)
        self.rules = GroupingRules(order, *limits, tie=assignment_tie, equal_tags=equal_tags)
        self.window = window
        self.max_peaks = max_peaks
        self.threshold = threshold
        self.fill_missing = fill_missing
        self.filled_cost = filled_cost
        self.filled_score = filled_score
        self.filled_border = filled_border
        self.subpixel, self.filled_subpixel = subpixel, subpixel if filled_subpixel is None else filled_subpixel
        self.tie, self.padding = tie, padding
        self.max_instances = max_instances
        _ = self.pose_rules  # which checks them

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
        maps = self._checked(maps, batch)
        places = [
            Place(batch.image_ids[b], batch.image_sizes[b], batch.map_warp(b, maps.size)) for b in range(len(batch))
        ]
        if maps.heatmaps.device.type != "cpu":
            return self._by_device(maps, places)
        arrays = zip(maps.heatmaps.detach().numpy(), maps.need_tags().detach().numpy(), places, strict=True)
        rules = self.pose_rules
        limits = (rules.max_peaks, rules.threshold, rules.window)
        return [
            decode_pose(heat, tags, read_peaks(heat, tags, *limits), rules, place, torch.get_num_threads())
            for heat, tags, place in arrays
        ]

    def _by_device(self, maps: Maps, places: Sequence[Place]) -> list[Instances]:
        """The same with the maps left where they are, and as few waits for their device as can be."""
        rules = self.pose_rules
        peaks = top_peaks(maps, self.max_peaks, self.threshold, self.window)
        scores, cells, tags = (value.numpy() for value in fetch([peaks.scores, peaks.cells, peaks.tags]))
        picks = [group_by_tags(scores[b], tags[b], self.rules) for b in range(len(places))]
        people = [read_picks(scores[b], cells[b], tags[b], pick, self.max_instances) for b, pick in enumerate(picks)]
        points = [self._places(maps, b, people[b]) for b in range(len(places))]
        arrived = [value.numpy() for value in fetch([value for pair in points for value in pair])]
        groups = zip(people, arrived[0::2], arrived[1::2], places, strict=True)
        return [place_people(found, at, heat, rules, place) for found, at, heat, place in groups]

    @property
    def pose_rules(self) -> PoseRules:
        """All of the decoder's settings, for who decodes without torch."""
        return PoseRules(
            grouping=self.rules,
            window=self.window,
            max_peaks=self.max_peaks,
            threshold=self.threshold,
            fill_missing=self.fill_missing,
            filled_cost=self.filled_cost,
            filled_score=self.filled_score,
            filled_border=self.filled_border,
            subpixel=self.subpixel,
            filled_subpixel=self.filled_subpixel,
            tie=self.tie,
            padding=self.padding,
            max_instances=self.max_instances,
        )

    def _checked(self, maps: Maps, batch: Batch) -> Maps:
        """The maps in float32, their padding as it is to be, once they fit skeleton and batch."""
        check_maps(maps, self.skeleton, len(batch))
        maps = maps.float()
        return Maps(clear_padding(maps.heatmaps, batch), maps.tags) if self.padding == "clear" else maps

    def _places(self, maps: Maps, b: int, people: Picked) -> tuple[Tensor, Tensor]:
        """Map coordinates ``(N, K, 2)`` of keypoints of image ``b`` and the heat ``(N, K)`` there, on their device.

        Args:
            maps: of the batch.
            b: which image.
            people: N of them, as their peaks tell.
        """
        heatmaps = maps.heatmaps[b]
        cells = send(torch.from_numpy(people.cells), heatmaps.device)  # (N, K, 2)
        missing = torch.from_numpy(~people.present)
        absent = send(missing, heatmaps.device)
        if self.fill_missing and not people.present.all():
            own = send(torch.from_numpy(people.tags), heatmaps.device)
            looked_up = fill_missing(heatmaps, maps.need_tags()[b], own, missing, self.filled_cost)
            cells = torch.where(absent[..., None], looked_up, cells)
        channel = torch.arange(len(heatmaps), device=heatmaps.device)
        return read_points(heatmaps, cells, absent, self.pose_rules), heatmaps[channel, cells[..., 1], cells[..., 0]]
