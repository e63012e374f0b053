"""From maps to masks: pixels above a threshold, grouped by tag, and the way back to the image, without torch.

Letters: N instances, C classes, T tag channels, L tag dimensions, ``h, w`` map cells, ``H, W`` pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from aemm.geometry import apply_warp, translation
from aemm.ops.image import warp_image
from aemm.ops.people import Place
from aemm.ops.pixel_grouping import PixelGroups, group_pixels
from aemm.ops.run_lengths import encode_parts
from aemm.records import Instances, TagDistance, check_choice


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
    parts: list[tuple[np.ndarray, tuple[int, int]]] = []
    kept: list[int] = []
    for row in order.tolist():
        if len(kept) == rules.max_instances:
            break
        part = _mask(heatmaps[labels[row]], owner[labels[row]] == row, rules.threshold, place)
        if np.count_nonzero(part[0]) >= rules.min_area:
            parts.append(part)
            kept.append(row)
    return Instances(
        image_id=place.image_id,
        image_size=size,
        scores=scores[kept],
        tags=tags[kept],
        masks=encode_parts(parts, size),
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
    left, top, width, height = cv2.boundingRect(cells.view(np.uint8))
    low = np.maximum([left - 2, top - 2], 0)
    high = np.minimum([left + width + 2, top + height + 2], cells.shape[::-1])  # a border for the interpolation
    reach = apply_warp(np.array([low, high, (low[0], high[1]), (high[0], low[1])], float), warp)
    first = np.floor(reach.min(0)).clip(0, size[::-1]).astype(int)
    last = np.ceil(reach.max(0)).clip(0, size[::-1]).astype(int)
    if (first >= last).any():
        return np.zeros((0, 0), bool), (0, 0)
    part = slice(low[1], high[1]), slice(low[0], high[0])
    pair = cv2.merge([heatmap[part], heatmap[part] * cells[part]])
    pair = cv2.copyMakeBorder(pair, 1, 1, 1, 1, cv2.BORDER_REPLICATE)  # so that the map's border is no slope to 0
    local = translation(-first[0], -first[1]) @ warp @ translation(low[0] - 1, low[1] - 1)
    heat, own = cv2.split(warp_image(pair, local, (int(last[1] - first[1]), int(last[0] - first[0]))))
    return (heat > threshold) & (own >= 0.5 * heat), (int(first[1]), int(first[0]))
