"""Images of reports: what was found, what is true, heatmaps and tags, each a picture of one size."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np
import torch

from aemm.evaluation.pairs import Pair
from aemm.geometry import PixelConvention, apply_warp, scaling, to_corners
from aemm.ops.heatmap import top_peaks
from aemm.ops.masks import decode_masks
from aemm.ops.pixel_grouping import group_pixels
from aemm.records import Instances, Truth
from aemm.reports.matching import Match, nearness, only_needed
from aemm.reports.measures import Measure, instances_of
from aemm.reports.plots import plot_tag_histograms, plot_tags
from aemm.structures import Maps
from aemm.visualization import draw_heatmaps, draw_result, draw_tags

LAYERS = ("prediction", "truth", "heatmaps", "tags", "image")
SIDES = (640, 512, 384, 256, 160)  # of the pictures, until all of them fit into a page
_MOST_PEAKS, _LEAST_PEAK, _WINDOW = 12, 0.1, 5  # what counts as a peak in figure 4
_LEAST_PIXEL = 0.4  # what counts as a pixel of a class in figure 5
_MOST_CLASSES = 3


@dataclass(frozen=True)
class View:
    """What a network saw of one image, and said of it.

    Attributes:
        image: ``(H, W, 3) uint8`` RGB, the original.
        maps: of a batch of this image alone, on the CPU.
        warp: ``(3, 3)`` cells of the maps to pixels of the original.
        convention: of the pixels.
    """

    image: np.ndarray
    maps: Maps
    warp: np.ndarray
    convention: PixelConvention = "continuous"


class Look(Protocol):
    """How a report gets to see an image."""

    def __call__(self, index: int) -> View:
        """What the network says of the image at a place of the data set."""


def tell_apart(found: Instances, match: Match) -> Instances:
    """The instances found, numbered as the true ones that they stand for, so that both are drawn in one colour."""
    wrong = len(match.needed) + np.arange(len(found))
    return replace(found, track_ids=np.where(match.owner >= 0, match.owner, wrong))


def draw_layers(view: View, pair: Pair, measure: Measure) -> dict[str, np.ndarray]:
    """The pictures of :data:`LAYERS` that there are, ``(H, W, 3) uint8``.

    Args:
        view: of the image.
        pair: truth and prediction, as the measure prepares them.
        measure: of the set.
    """
    truth, found = pair
    whole = only_needed(truth)
    found = tell_apart(found, measure.match((whole, found)))
    zoom = max(1, -(-384 // max(view.image.shape[:2])))
    image = view.image if zoom == 1 else cv2.resize(view.image, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_CUBIC)
    warp = scaling(zoom) @ to_corners(view.convention) @ view.warp
    skeleton, convention = measure.skeleton, view.convention
    layers = {
        "prediction": draw_result(view.image, found, skeleton, convention=convention),
        "truth": draw_result(view.image, instances_of(truth), skeleton, convention=convention),
        "heatmaps": draw_heatmaps(image, view.maps, 0, warp),
    }
    if view.maps.tags is not None:
        layers["tags"] = draw_tags(image, view.maps, 0, warp)
    return layers | {"image": image}


def plot_grouping(view: View, pair: Pair, measure: Measure) -> str | None:
    """Figure 4 of the paper for poses, figure 5 for masks; None where the network says nothing to be grouped."""
    if view.maps.tags is None:
        return None
    truth = only_needed(pair[0])
    if measure.skeleton is None:
        return _histograms(view, truth, measure.info.classes)
    peaks = top_peaks(view.maps.float().resize(view.maps.size), _MOST_PEAKS, _LEAST_PEAK, _WINDOW)
    scores, cells, tags = (value[0].numpy()[measure.columns] for value in (peaks.scores, peaks.cells, peaks.tags))
    rows, places = np.nonzero(scores > 0)
    if not len(rows):
        return None
    owners = _peak_owners(apply_warp(cells + 0.5, view.warp), scores > 0, truth, measure)
    found = np.zeros((0, tags.shape[2])) if pair[1].tags is None else pair[1].tags
    return plot_tags(tags[rows, places], rows, owners[rows, places], found, measure.skeleton.keypoints)


def _peak_owners(points: np.ndarray, present: np.ndarray, truth: Truth, measure: Measure) -> np.ndarray:
    """The person ``(K, M)`` whose keypoint lies at each peak, -1 = nobody's."""
    places, visible = truth.need_keypoints()
    if not len(places):
        return np.full(present.shape, -1)
    near = nearness(points.transpose(1, 0, 2), present.T, places, measure.units(truth)) * (visible > 0)  # (M, N, K)
    return np.where(near.max(1) >= 0.1, near.argmax(1), -1).T


def _histograms(view: View, truth: Truth, names: Sequence[str]) -> str | None:
    """The classes of most pixels, each a histogram."""
    heat, tags = view.maps.heatmaps[0].float(), view.maps.need_tags()[0].float()
    inside = heat > _LEAST_PIXEL
    counts = inside.flatten(1).sum(1)
    labels = [label for label in torch.argsort(counts, descending=True).tolist()[:_MOST_CLASSES] if counts[label] > 1]
    groups = group_pixels(heat, tags, _LEAST_PIXEL)
    masks, classes = truth.need_masks()
    areas = decode_masks(masks, truth.image_size)
    panels = []
    for label in labels:
        cells = np.argwhere(inside[label].numpy())  # (M, 2) y, x
        values = tags[label if len(tags) > 1 else 0].permute(1, 2, 0).numpy()[cells[:, 0], cells[:, 1]]  # (M, L)
        owners = _pixel_owners(cells, view, areas, np.flatnonzero(classes == label))
        panels.append((names[label], values, owners, groups.tags[groups.labels == label].numpy()))
    return plot_tag_histograms(panels) if panels else None


def _pixel_owners(cells: np.ndarray, view: View, areas: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The instance ``(M,)``, one of ``rows`` of ``areas``, in which the middle of each cell lies; -1 = none.

    Args:
        cells: ``(M, 2)`` y, x.
        view: of the image.
        areas: ``(N, H, W) bool``.
        rows: of the instances that count.
    """
    points = apply_warp(cells[:, ::-1] + 0.5, to_corners(view.convention) @ view.warp)
    height, width = view.image.shape[:2]
    places = np.clip(np.floor(points), 0, (width - 1, height - 1)).astype(int)
    owners = np.full(len(cells), -1)
    for n in rows.tolist():
        owners[areas[n][places[:, 1], places[:, 0]]] = n
    return owners


def embed(picture: np.ndarray, side: int, quality: int = 78) -> str:
    """A picture as a data address for a page.

    Args:
        picture: ``(H, W, 3) uint8`` RGB.
        side: it is made smaller until its longer side has as many pixels.
        quality: of the WebP encoding, 0 to 100.
    """
    scale = min(1.0, side / max(picture.shape[:2]))
    if scale < 1:
        picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".webp", np.ascontiguousarray(picture[..., ::-1]), [cv2.IMWRITE_WEBP_QUALITY, quality])
    return "data:image/webp;base64," + base64.b64encode(data.tobytes()).decode()
