"""From the peaks of one image and its maps to people in its pixels, on plain arrays and without torch.

Letters: N instances, K keypoints, T tag channels, L tag dimensions, M peaks per channel, ``h, w`` map cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from aemm.geometry import apply_warp
from aemm.ops.cell_search import TagCost, search_blocks
from aemm.ops.grouping import Picked, group_by_tags, read_picks
from aemm.ops.subpixel import Array, SubpixelKind, TieRule, library_of, subpixel
from aemm.records import GroupingRules, ImageId, Instances, check_choice

FilledScore = Literal["one", "heatmap"]
FilledBorder = Literal["map", "authors"]
Padding = Literal["keep", "clear"]


@dataclass(frozen=True)
class PoseRules:
    """How maps become people; :class:`aemm.models.decoders.PoseDecoder` explains each field.

    Attributes:
        grouping: of the peaks.
        window: side of the window of the non-maximum suppression in cells, odd.
        max_peaks: kept for each keypoint.
        threshold: a peak scores more than this.
        fill_missing: look absent keypoints up in the maps.
        filled_cost: what the distance of tags takes from the heat where they are looked up.
        filled_score: score of such a keypoint.
        filled_border: where the neighbours of a filled keypoint end.
        subpixel: how coordinates are read between cells.
        filled_subpixel: the same for filled keypoints.
        tie: what 'quarter' does between equal neighbours.
        padding: what the maps say of the surroundings of an image.
        max_instances: how many are returned; None = all.

    Raises:
        ValueError: a field is out of range.
    """

    grouping: GroupingRules
    window: int = 5
    max_peaks: int = 30
    threshold: float = 0.1
    fill_missing: bool = True
    filled_cost: TagCost = "rounded"
    filled_score: FilledScore = "heatmap"
    filled_border: FilledBorder = "map"
    subpixel: SubpixelKind = "quarter"
    filled_subpixel: SubpixelKind = "quarter"
    tie: TieRule = "stay"
    padding: Padding = "keep"
    max_instances: int | None = 30

    def __post_init__(self) -> None:
        """Check every field."""
        check_choice("filled_cost", self.filled_cost, TagCost)
        check_choice("filled_score", self.filled_score, FilledScore)
        check_choice("filled_border", self.filled_border, FilledBorder)
        check_choice("subpixel", self.subpixel, SubpixelKind)
        check_choice("filled_subpixel", self.filled_subpixel, SubpixelKind)
        check_choice("tie", self.tie, TieRule)
        check_choice("padding", self.padding, Padding)
        if self.max_instances is not None and self.max_instances < 1:
            raise ValueError(
                f"max_instances must be at least 1, got {self.max_instances}; max_instances=None returns all"
            )


@dataclass(frozen=True)
class Place:
    """The image that instances are found in, and the way there.

    Attributes:
        image_id: its identifier.
        image_size: its ``(height, width)``.
        warp: ``(3, 3)`` map coordinates to its pixels.
    """

    image_id: ImageId
    image_size: tuple[int, int]
    warp: np.ndarray


def decode_pose(
    heatmaps: np.ndarray,
    tags: np.ndarray,
    peaks: tuple[np.ndarray, np.ndarray, np.ndarray],
    rules: PoseRules,
    place: Place,
    threads: int = 1,
) -> Instances:
    """The people of one image.

    Args:
        heatmaps: ``(K, h, w) float32``, without heat in the padding where the rules clear it.
        tags: ``(T, L, h, w) float32``, T = K or 1.
        peaks: scores ``(K, M)``, cells ``(K, M, 2)`` and tags ``(K, M, L)``, best first.
        rules: of all steps.
        place: the image.
        threads: among which the look-ups in large maps are shared.
    """
    scores, cells, peak_tags = peaks
    people = read_picks(scores, cells, peak_tags, group_by_tags(scores, peak_tags, rules.grouping), rules.max_instances)
    at = people.cells
    if rules.fill_missing and not people.present.all():
        index = search_blocks(heatmaps, tags, people.tags, ~people.present, cells, rules.filled_cost, threads)
        found = np.stack([index % heatmaps.shape[2], index // heatmaps.shape[2]], -1)
        at = np.where(people.present[..., None], at, found)
    points = read_points(heatmaps, at, ~people.present, rules)
    heat = heatmaps[np.arange(len(heatmaps)), at[..., 1], at[..., 0]]
    return place_people(people, points, heat, rules, place)


def read_points(heatmaps: Array, cells: Array, absent: Array, rules: PoseRules) -> Array:
    """Map coordinates ``(N, K, 2)`` of keypoints.

    Args:
        heatmaps: ``(K, h, w)``.
        cells: ``(N, K, 2) int64`` x, y.
        absent: ``(N, K) bool``: those that had no peak and were looked up, if anything.
        rules: say how coordinates are read.
    """
    points = subpixel(heatmaps, cells, rules.subpixel, rules.tie)
    if rules.filled_border == "map" and rules.filled_subpixel == rules.subpixel:
        return points
    last = (heatmaps.shape[1] - 1, heatmaps.shape[0] - 1) if rules.filled_border == "authors" else None
    filled = subpixel(heatmaps, cells, rules.filled_subpixel, rules.tie, last)
    return library_of(heatmaps).where(absent[..., None], filled, points)


def place_people(people: Picked, points: np.ndarray, heat: np.ndarray, rules: PoseRules, place: Place) -> Instances:
    """People in the pixels of their image.

    Args:
        people: N of them, as their peaks tell.
        points: ``(N, K, 2)`` map coordinates.
        heat: ``(N, K)`` there.
        rules: say what filled keypoints score.
        place: the image.
    """
    keypoint_scores = people.keypoint_scores
    if rules.fill_missing:
        filled = (heat > 0).astype(np.float32) if rules.filled_score == "one" else np.maximum(heat, 0)
        keypoint_scores = np.where(people.present, keypoint_scores, filled)
    keypoints = apply_warp(points.astype(np.float64), place.warp).astype(np.float32)
    return Instances(
        image_id=place.image_id,
        image_size=place.image_size,
        scores=people.scores,
        tags=people.tags,
        keypoints=np.where(keypoint_scores[..., None] > 0, keypoints, 0),
        keypoint_scores=keypoint_scores,
    )


def place_single(points: np.ndarray, heat: np.ndarray, place: Place) -> Instances:
    """The one person that a crop shows, in the pixels of the image.

    Args:
        points: ``(1, K, 2)`` map coordinates of the highest cells.
        heat: ``(1, K)`` there, at least 0.
        place: the image.
    """
    keypoints = apply_warp(points.astype(np.float64), place.warp).astype(np.float32)
    return Instances(
        image_id=place.image_id,
        image_size=place.image_size,
        scores=heat.mean(1),
        keypoints=np.where(heat[..., None] > 0, keypoints, 0),
        keypoint_scores=heat,
    )
