"""From the outputs of an exported graph to what is in an image, by the rules that its description holds.

Letters: B batch, C heatmap channels, K keypoints, T tag channels, L tag dimensions, M peaks, ``h, w`` map cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from aemm.geometry import PixelConvention, apply_warp, image_cells, is_mirrored, map_warp, to_corners
from aemm.ops.instance_masks import MaskRules, decode_instances
from aemm.ops.openvino import OpenVinoRules, decode_openvino, suppress, top_cells
from aemm.ops.peaks import read_peaks
from aemm.ops.people import Place, PoseRules, decode_pose, place_single
from aemm.ops.subpixel import SubpixelKind, TieRule, subpixel
from aemm.records import GroupingRules, ImageId, Instances
from aemm.runtime.description import Description
from aemm.runtime.rules import read_record

Outputs = Mapping[str, np.ndarray]
Peaks = tuple[np.ndarray, np.ndarray, np.ndarray]  # scores, cells and tags
_OF_PEAKS = ("window", "max_peaks", "threshold")  # rules by which a graph finds them itself


@dataclass(frozen=True)
class View:
    """An image as the graph saw it.

    Attributes:
        image_id: its identifier.
        image_size: its ``(height, width)``.
        input_size: ``(height, width)`` of the input.
        warp: ``(3, 3)`` its pixels to those of the input.
        convention: of the pixels.
    """

    image_id: ImageId
    image_size: tuple[int, int]
    input_size: tuple[int, int]
    warp: np.ndarray
    convention: PixelConvention

    def place(self, map_size: tuple[int, int]) -> Place:
        """The way from map cells to the image."""
        way = map_warp(self.input_size, map_size, self.convention, is_mirrored(self.warp))
        return Place(self.image_id, self.image_size, np.linalg.inv(self.warp) @ way)

    def outside(self, map_size: tuple[int, int]) -> np.ndarray | None:
        """The cells ``(h, w) bool`` that show what was padded around the image; None if there are none."""
        outside = np.ones(map_size, bool)
        outside[image_cells(self.image_size, self.warp, self.input_size, map_size, self.convention)] = False
        return outside if outside.any() else None


class PoseDecoding:
    """Decodes as :class:`aemm.models.decoders.PoseDecoder` does.

    Args:
        description: of the file.
        graph: by whose rules the graph finds its peaks; None = by those of ``description``.

    Raises:
        ValueError: the rules are not valid, or need maps that are no outputs.
    """

    def __init__(self, description: Description, graph: Description | None = None) -> None:
        rules = dict(description.rules)
        grouping = read_record(GroupingRules, rules.get("grouping"))
        self.rules = read_record(PoseRules, {**rules, "grouping": grouping})
        self.stride = description.stride
        check_order(grouping.order, description)
        self._finds_others = graph is not None and any(
            description.rules.get(name) != graph.rules.get(name) for name in _OF_PEAKS
        )
        if "heatmaps" not in description.outputs and (self._finds_others or self._reads_maps()):
            raise ValueError(
                "the maps are no outputs, so that the graph finds the peaks, nothing is filled, and keypoints lie in "
                f"the middle of cells; leave {', '.join(_OF_PEAKS)}, fill_missing=False and subpixel='none' as they "
                "are, or export the maps"
            )

    def _reads_maps(self) -> bool:
        return self.rules.fill_missing or self.rules.subpixel != "none" or self.rules.padding == "clear"

    def __call__(self, outputs: Outputs, b: int, view: View) -> Instances:
        """What is in image ``b``."""
        peaks = (outputs["scores"][b], outputs["cells"][b], outputs["tags"][b])
        if "heatmaps" not in outputs:  # centres of cells are all there is; the rules fill nothing
            height, width = (round(side / self.stride) for side in view.input_size)
            empty = np.broadcast_to(np.float32(0), (len(peaks[0]), height, width))
            return decode_pose(empty, empty[:, None], _in_map_order(peaks), self.rules, view.place((height, width)))
        heatmaps, tags = outputs["heatmaps"][b], outputs["tag_maps"][b]
        size = (heatmaps.shape[1], heatmaps.shape[2])
        outside = view.outside(size) if self.rules.padding == "clear" else None
        if outside is not None:  # the graph does not know where the image ends
            heatmaps = np.where(outside, np.float32(0), heatmaps)
        if outside is not None or self._finds_others or _any_equal(peaks[0]):  # which engines rank as they like
            peaks = read_peaks(heatmaps, tags, self.rules.max_peaks, self.rules.threshold, self.rules.window)
        return decode_pose(heatmaps, tags, peaks, self.rules, view.place(size))


def _any_equal(scores: np.ndarray) -> bool:
    """Whether peaks ``(C, M)``, best first, score the same."""
    return bool(((scores[:, 1:] == scores[:, :-1]) & (scores[:, 1:] > 0)).any())


def _in_map_order(peaks: Peaks) -> Peaks:
    """The same peaks, those that score the same row by row."""
    scores, cells, tags = peaks
    order = np.lexsort((cells[..., 0], cells[..., 1], -scores))
    rows = order[..., None]
    return np.take_along_axis(scores, order, 1), np.take_along_axis(cells, rows, 1), np.take_along_axis(tags, rows, 1)


class OpenVinoDecoding:
    """Decodes as :class:`aemm.models.decoders.OpenVinoGrouping` does.

    Args:
        description: of the file.
    """

    def __init__(self, description: Description) -> None:
        rules = dict(description.rules)
        self.window: int | None = rules.pop("window", None)
        self.rules = read_record(OpenVinoRules, rules)
        check_order(self.rules.order, description)

    def __call__(self, outputs: Outputs, b: int, view: View) -> Instances:
        """What is in image ``b``."""
        heatmaps, tags = outputs["heatmaps"][b], outputs["tag_maps"][b]
        if "nms_heatmaps" in outputs:
            suppressed = outputs["nms_heatmaps"][b]
        else:
            suppressed = heatmaps if self.window is None else suppress(heatmaps, self.window)
        people = decode_openvino(heatmaps, tags, top_cells(suppressed, tags, self.rules.max_peaks), self.rules)
        warp = view.place((heatmaps.shape[1], heatmaps.shape[2])).warp
        keypoints = apply_warp(people.points.astype(np.float64), warp).astype(np.float32)
        return Instances(
            image_id=view.image_id,
            image_size=view.image_size,
            scores=people.scores,
            tags=people.tags,
            keypoints=np.where(people.keypoint_scores[..., None] > 0, keypoints, 0),
            keypoint_scores=people.keypoint_scores,
        )


class InstanceDecoding:
    """Decodes as :class:`aemm.models.decoders.InstanceDecoder` does.

    Args:
        description: of the file.
    """

    def __init__(self, description: Description) -> None:
        rules = dict(description.rules)
        self.merges = bool(rules.pop("merge", False))
        self.rules = read_record(MaskRules, rules)

    def __call__(self, outputs: Outputs, b: int, view: View) -> Instances:
        """What is in image ``b``."""
        heatmaps = outputs["heatmaps"][b]
        place = view.place((heatmaps.shape[1], heatmaps.shape[2]))
        corner = Place(place.image_id, place.image_size, to_corners(view.convention) @ place.warp)
        found = decode_instances(heatmaps, outputs["tag_maps"][b], self.rules, corner)
        # masks of one view share no pixels, so that merging it with no other leaves all of them, and drops their tags
        return replace(found, tags=None) if self.merges else found


@dataclass(frozen=True)
class SingleRules:
    """How the maps of a single person are read.

    Attributes:
        subpixel: how coordinates are read between cells.
        tie: what 'quarter' does between equal neighbours.
    """

    subpixel: SubpixelKind
    tie: TieRule


class SingleDecoding:
    """Decodes as :class:`aemm.models.decoders.SinglePersonDecoder` does.

    Args:
        description: of the file.
    """

    def __init__(self, description: Description) -> None:
        self.rules = read_record(SingleRules, description.rules)

    def __call__(self, outputs: Outputs, b: int, view: View) -> Instances:
        """The person in image ``b``."""
        heatmaps = outputs["heatmaps"][b]
        channels, height, width = heatmaps.shape
        index = heatmaps.reshape(channels, -1).argmax(1)
        cells = np.stack([index % width, index // width], -1)[None]
        heat = np.maximum(heatmaps.reshape(channels, -1)[np.arange(channels), index], 0)[None]
        points = subpixel(heatmaps, cells, self.rules.subpixel, self.rules.tie)
        return place_single(points, heat, view.place((height, width)))


Decoding = PoseDecoding | OpenVinoDecoding | InstanceDecoding | SingleDecoding
NEEDED = {
    "pose": ("scores", "cells", "tags"),
    "openvino": ("heatmaps", "tag_maps"),
    "instance": ("heatmaps", "tag_maps"),
    "single_person": ("heatmaps",),
}
"""Outputs that each task decodes, by aemm's names."""


def decoding_of(description: Description, graph: Description | None = None) -> Decoding:
    """What decodes the outputs of a file.

    Args:
        description: by which they are decoded.
        graph: what the file says of itself; None = the same.

    Raises:
        ValueError: the rules are not valid.
    """
    if description.task == "pose":
        return PoseDecoding(description, graph)
    if description.task == "openvino":
        return OpenVinoDecoding(description)
    return InstanceDecoding(description) if description.task == "instance" else SingleDecoding(description)


def check_order(order: Sequence[int], description: Description) -> None:
    """Raise ``ValueError`` unless the grouping order is one of the keypoints of the skeleton."""
    skeleton = description.keypoint_set()
    if skeleton is not None and len(order) != len(skeleton):
        raise ValueError(f"order must hold the {len(skeleton)} keypoints of the skeleton, got {len(order)}")
