"""From maps to masks: pixels above a threshold, grouped by tag, and the way back to the image, without torch.

Letters: N instances, C classes, T tag channels, L tag dimensions, ``h, w`` map cells, ``H, W`` pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aemm.geometry import apply_warp, translation
from aemm.ops.image import warp_image
from aemm.ops.people import Place
from aemm.ops.pixel_grouping import PixelGroups, group_pixels
from aemm.ops.run_lengths import encode_mask
from aemm.records import Instances, Mask, TagDistance, check_choice


@dataclass(frozen=True)
class MaskRules:
    """How maps become instances with masks; :class:`aemm.models.decoders.InstanceDecoder` explains each field.

    Attributes:
        num_classes: C, heatmaps of the model.
        threshold: a cell belongs to the mask of a class if its heatmap is above it.
        radius: instances of a class whose tags are nearer than this are one.
        bandwidth: smoothing of the tags' histogram.
        distance: of tags.
        min_cells: smallest number of map cells of an instance.
        min_area: smallest number of pixels of a mask in the original image.
        max_instances: how many instances are returned, the best by score; None = all.

    Raises:
        ValueError: a field is out of range.
    """

    num_classes: int
    threshold: float = 0.4
    radius: float = 1.0
    bandwidth: float = 0.3
    distance: TagDistance = "l2"
    min_cells: int = 2
    min_area: int = 4
    max_instances: int | None = 100

    def __post_init__(self) -> None:
        """Check every field."""
        check_choice("distance", self.distance, TagDistance)
        if not (self.threshold > 0 and self.radius > 0 and self.bandwidth > 0):
            raise ValueError(
                f"threshold, radius and bandwidth must be positive, got {self.threshold}, {self.radius} and "
                f"{self.bandwidth}"
            )
        numbers = (self.num_classes, self.min_cells, self.min_area)
        if min(numbers) < 1 or (self.max_instances is not None and self.max_instances < 1):
            raise ValueError(
                f"num_classes, min_cells, min_area and max_instances must be at least 1, got {self.num_classes}, "
                f"{self.min_cells}, {self.min_area} and {self.max_instances}; max_instances=None returns all"
            )


def decode_instances(heatmaps: np.ndarray, tags: np.ndarray, rules: MaskRules, place: Place) -> Instances:
    """The instances of one image, best first.

    Args:
        heatmaps: ``(C, h, w) float32``.
        tags: ``(T, L, h, w) float32``, T = C or 1.
        rules: of all steps.
        place: the image; its warp leads to points that count from the corner of the first pixel.
    """
    unit = tags.shape[1] ** 0.5 if rules.distance == "rms" else 1.0
    groups = group_pixels(heatmaps, tags, rules.threshold, rules.radius * unit, rules.bandwidth * unit, rules.min_cells)
    return _instances(heatmaps, groups, rules, place)


def _instances(heatmaps: np.ndarray, groups: PixelGroups, rules: MaskRules, place: Place) -> Instances:
    """Masks at the size of the image, best first, small ones left out."""
    owner, labels, tags, scores = groups
    size = place.image_size
    order = np.argsort(-scores, kind="stable")
    masks: list[Mask] = []
    kept: list[int] = []
    for row in order.tolist():
        if len(kept) == rules.max_instances:
            break
        area, first = _mask(heatmaps[labels[row]], owner[labels[row]] == row, rules.threshold, place)
        if np.count_nonzero(area) < rules.min_area:
            continue
        masks.append(encode_mask(area, first, size))
        kept.append(row)
    return Instances(
        image_id=place.image_id,
        image_size=size,
        scores=scores[kept],
        tags=tags[kept],
        masks=masks,
        labels=labels[kept],
    )


def _mask(heatmap: np.ndarray, cells: np.ndarray, threshold: float, place: Place) -> tuple[np.ndarray, tuple[int, int]]:
    """One instance between its cells: where the heatmap, interpolated, is above the threshold and mostly its own.

    Args:
        heatmap: ``(h, w)`` of its class.
        cells: ``(h, w) bool`` its own.
        threshold: of the heatmap.
        place: the image.

    Returns:
        The area in a box around it, and the box's first row and column.
    """
    warp, size = place.warp, place.image_size
    down, across = np.flatnonzero(cells.any(1)), np.flatnonzero(cells.any(0))
    low = np.maximum([across[0] - 2, down[0] - 2], 0)
    high = np.minimum([across[-1] + 3, down[-1] + 3], cells.shape[::-1])  # a border for the interpolation
    # the outer cells twice, so that the map's border is no slope to 0
    columns, rows = (np.arange(a - 1, b + 1).clip(a, b - 1) for a, b in zip(low, high, strict=True))
    heat = heatmap[rows[:, None], columns]
    pair = np.stack([heat, heat * cells[rows[:, None], columns]], axis=2)
    corners = np.array([low, high, (low[0], high[1]), (high[0], low[1])], float)
    reach = apply_warp(corners, warp)
    first = np.clip(np.floor(reach.min(0)), 0, size[::-1]).astype(int)
    last = np.clip(np.ceil(reach.max(0)), 0, size[::-1]).astype(int)
    if (first >= last).any():
        return np.zeros((0, 0), bool), (0, 0)
    local = translation(-first[0], -first[1]) @ warp @ translation(low[0] - 1, low[1] - 1)
    shown = warp_image(pair, local, (int(last[1] - first[1]), int(last[0] - first[0])))
    area = (shown[..., 0] > threshold) & (shown[..., 1] >= 0.5 * shown[..., 0])
    return area, (int(first[1]), int(first[0]))
