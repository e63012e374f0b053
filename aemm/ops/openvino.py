"""Associative embedding as OpenVINO's Open Model Zoo deploys it: its input, its grouping, its filling.

Networks of that form (human-pose-estimation-0005, -0006, -0007, higher-hrnet-w32-human-pose-estimation) are read by
demos and libraries that group in a way of their own. On plain arrays and without torch.

Letters: N instances, K keypoints, T tag channels, L tag dimensions, M candidates per keypoint, ``h, w`` map cells.

Reference: openmodelzoo-modelapi 2022.3, AssociativeEmbeddingDecoder and HpeAssociativeEmbedding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import cv2
import numpy as np

from aemm.geometry import scaling, translation
from aemm.ops.assignment import solve
from aemm.ops.grouping import read_picks
from aemm.records import check_choice

FilledTags = Literal["unfiltered", "own"]
OpenVinoPadding = Literal["right_bottom", "center"]

_ORDER_17 = (0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13, 14, 15, 16)
_LEAST = 1e-10  # keeps the nearest candidate's distance from dividing by 0


def openvino_order(keypoints: int) -> tuple[int, ...]:
    """The order in which keypoints are grouped: limbs last where there are 17, else as they are listed."""
    return _ORDER_17 if keypoints == len(_ORDER_17) else tuple(range(keypoints))


@dataclass(frozen=True)
class OpenVinoRules:
    """How maps become people.

    Attributes:
        order: all K keypoints in the order in which they are taken up.
        pose_threshold: people stay whose score, the mean over all K keypoints before filling, is above it. 0.1 in
            Open Model Zoo's demos; it has no default there, and none here.
        delta: cells added to both coordinates of every keypoint that was not filled: 0.5 for HigherHRNet, 0 for
            human-pose-estimation-0005 to -0007.
        dist_reweight: among people whose tags are near enough, prefer those nearby in the image.
        fill_missing: look absent keypoints up in the maps; needs tags of one dimension.
        filled_tags: by whose tag a person is filled: 'unfiltered', as the original does, by that of the person who had
            this place in the list before ``pose_threshold`` took people out of it; 'own' is what it meant.
        max_peaks: candidates of each keypoint.
        threshold: a candidate scores more than this.
        tag_threshold: largest distance, exclusive, between the tags of a candidate and the person it joins.

    Raises:
        ValueError: a field is out of range.
    """

    order: tuple[int, ...]
    pose_threshold: float
    delta: float = 0.0
    dist_reweight: bool = True
    fill_missing: bool = True
    filled_tags: FilledTags = "unfiltered"
    max_peaks: int = 30
    threshold: float = 0.1
    tag_threshold: float = 1.0

    def __post_init__(self) -> None:
        """Check every field."""
        object.__setattr__(self, "order", tuple(int(k) for k in self.order))
        if sorted(self.order) != list(range(len(self.order))):
            raise ValueError(f"order must hold each of 0..{len(self.order) - 1} once, got {list(self.order)}")
        check_choice("filled_tags", self.filled_tags, FilledTags)
        if self.max_peaks < 1 or self.threshold < 0:
            raise ValueError(
                f"max_peaks must be at least 1 and threshold at least 0, got {self.max_peaks} and {self.threshold}"
            )


class Candidates(NamedTuple):
    """The highest cells of every heatmap, best first.

    Attributes:
        scores: ``(K, M)``; those not above the threshold are none.
        cells: ``(K, M, 2) int64`` x, y.
        tags: ``(K, M, L)``.
    """

    scores: np.ndarray
    cells: np.ndarray
    tags: np.ndarray


class OpenVinoPeople(NamedTuple):
    """People of one image.

    Attributes:
        scores: ``(N,)`` mean over all K keypoints, before filling.
        points: ``(N, K, 2)`` map coordinates, in which a whole number is a cell; ``delta`` where a keypoint is absent.
        keypoint_scores: ``(N, K)``, 0 = absent.
        tags: ``(N, L)`` mean tag of the keypoints that were not filled.
    """

    scores: np.ndarray
    points: np.ndarray
    keypoint_scores: np.ndarray
    tags: np.ndarray


def suppress(heatmaps: np.ndarray, window: int) -> np.ndarray:
    """Heatmaps ``(K, h, w)`` with 0 at every cell that is not the largest of the square window around it.

    Args:
        heatmaps: of one image.
        window: side of the window in cells, odd.
    """
    kernel = np.ones((window, window), np.uint8)
    largest = np.stack([cv2.dilate(plane, kernel) for plane in heatmaps])  # OpenCV's border never wins
    return np.where(heatmaps == largest, heatmaps, np.float32(0))


def top_cells(suppressed: np.ndarray, tags: np.ndarray, max_peaks: int) -> Candidates:
    """The highest cells of maps after non-maximum suppression, which is done elsewhere.

    Args:
        suppressed: ``(K, h, w)``, not positive wherever a cell is no maximum.
        tags: ``(T, L, h, w)``, T = K or 1.
        max_peaks: M, fewer where the maps have fewer cells.
    """
    channels, _, width = suppressed.shape
    flat = suppressed.reshape(channels, -1)
    index = np.argsort(-flat, axis=1, kind="stable")[:, :max_peaks]
    planes = np.broadcast_to(tags.reshape(*tags.shape[:2], -1), (channels, tags.shape[1], flat.shape[1]))
    read = np.take_along_axis(planes, index[:, None], axis=2).swapaxes(1, 2)
    cells = np.stack([index % width, index // width], -1)
    return Candidates(np.take_along_axis(flat, index, axis=1), cells, read)


def group_nearby(found: Candidates, rules: OpenVinoRules) -> tuple[np.ndarray, np.ndarray]:
    """Assign the candidates of one image to people, keypoint by keypoint, by their tags and their place.

    Args:
        found: of every keypoint.
        rules: of the grouping.

    Returns:
        ``(N, K) int64`` candidate of each person, -1 = absent, people in the order in which they were started; and the
        running mean ``(N, L) float32`` of their tags.

    Raises:
        ValueError: the rules are for another number of keypoints.
    """
    channels, _, dims = found.tags.shape
    if len(rules.order) != channels:
        raise ValueError(f"rules.order must hold the {channels} keypoints that have candidates, got {len(rules.order)}")
    pick = np.zeros((0, channels), np.int64)
    tags, centers = np.zeros((0, dims), np.float32), np.zeros((0, 2))
    for k in rules.order:
        at = np.flatnonzero(found.scores[k] > rules.threshold)
        if not len(at):
            continue
        own, cells = found.tags[k, at].astype(np.float32), found.cells[k, at]
        partner = _partners(found.scores[k, at], own, cells, (tags, centers), rules)
        fresh = int((partner < 0).sum())
        partner[partner < 0] = np.arange(len(pick), len(pick) + fresh)
        members = np.pad((pick >= 0).sum(1), (0, fresh))[partner, None].astype(np.float32)
        pick = np.pad(pick, ((0, fresh), (0, 0)), constant_values=-1)
        tags, centers = np.pad(tags, ((0, fresh), (0, 0))), np.pad(centers, ((0, fresh), (0, 0)))
        pick[partner, k] = at
        tags[partner] = (tags[partner] * members + own) / (members + 1)
        centers[partner] = (centers[partner] * members + cells) / (members + 1)
    return pick, tags


def _partners(
    scores: np.ndarray,
    tags: np.ndarray,
    cells: np.ndarray,
    people: tuple[np.ndarray, np.ndarray],
    rules: OpenVinoRules,
) -> np.ndarray:
    """The person that each candidate joins, -1 = none.

    Args:
        scores: ``(candidates,)``.
        tags: ``(candidates, L) float32``.
        cells: ``(candidates, 2)``.
        people: their mean tags ``(people, L) float32`` and mean cells ``(people, 2)``.
        rules: of the grouping.
    """
    known, centers = people
    joined = np.full(len(scores), -1)
    if not len(known):
        return joined
    gap = np.linalg.norm(tags[:, None] - known, axis=2)  # (candidates, people) float32
    weighted = gap
    if rules.dist_reweight:
        away = np.linalg.norm(cells[:, None] - centers, axis=2)
        away /= away.min(0) + _LEAST
        weighted = np.where(gap < rules.tag_threshold, gap * away, gap).astype(np.float32)
    cost = np.full((len(scores), max(len(scores), len(known))), 1e10)
    cost[:, : len(known)] = np.round(weighted) * 100 - scores[:, None].astype(np.float64)
    row, column = solve(cost)
    fits = column < len(known)
    row, column = row[fits], column[fits]
    near = gap[row, column] < rules.tag_threshold
    joined[row[near]] = column[near]
    return joined


def decode_openvino(heatmaps: np.ndarray, tags: np.ndarray, found: Candidates, rules: OpenVinoRules) -> OpenVinoPeople:
    """People of one image.

    Args:
        heatmaps: ``(K, h, w)``, of either sign; they stay as they are.
        tags: ``(T, L, h, w)``, T = K or 1.
        found: candidates, from :func:`top_cells`.
        rules: of all steps.

    Raises:
        ValueError: the rules fill keypoints, but tags have several dimensions.
    """
    if rules.fill_missing and tags.shape[1] != 1:
        raise ValueError(
            f"fill_missing=True needs tags of one dimension, got {tags.shape[1]}; set fill_missing=False, or "
            "flip=False where a mirror image added the others"
        )
    pick, means = group_nearby(found, rules)
    picked = read_picks(found.scores, found.cells, found.tags, pick)
    heat = np.abs(heatmaps)
    cells = np.where(picked.present[..., None], picked.cells, 0)
    points = (cells + _quarter_steps(heat, cells) + rules.delta).astype(np.float32)
    keep = picked.scores > rules.pose_threshold
    points, keypoint_scores = points[keep], picked.keypoint_scores[keep]
    if rules.fill_missing:
        seen_by = means[keep] if rules.filled_tags == "own" else means[: len(points)]
        _fill(points, keypoint_scores, heat, tags, seen_by)
    return OpenVinoPeople(picked.scores[keep], points, keypoint_scores, means[keep])


def _quarter_steps(heat: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """A quarter cell towards the higher neighbours of ``cells (N, K, 2)``; none within two cells of the border."""
    channels, height, width = heat.shape
    x, y = np.moveaxis(cells, -1, 0)
    inner = (x > 1) & (x < width - 1) & (y > 1) & (y < height - 1)
    x, y = np.where(inner, x, 0), np.where(inner, y, 0)
    right, below = np.minimum(x + 1, width - 1), np.minimum(y + 1, height - 1)
    k = np.arange(channels)
    rise = [heat[k, y, right] - heat[k, y, x - 1], heat[k, below, x] - heat[k, y - 1, x]]
    return np.where(inner[..., None], 0.25 * np.sign(np.stack(rise, -1)), 0)


def _fill(
    points: np.ndarray, keypoint_scores: np.ndarray, heat: np.ndarray, tags: np.ndarray, means: np.ndarray
) -> None:
    """Put absent keypoints where tag and heat fit best, in place; the first cell wins a tie, rounding is half up."""
    for row, k in np.argwhere(~(keypoint_scores > 0)):
        gap = np.floor(np.abs(tags[k if len(tags) > 1 else 0, 0] - means[row]) + 0.5)
        y, x = np.divmod((gap - heat[k]).argmin(), heat.shape[2])
        if heat[k, y, x] > 0:
            cell = np.array([[[x, y]]])
            points[row, k] = (cell + _quarter_steps(heat[k : k + 1], cell))[0, 0]
            keypoint_scores[row, k] = heat[k, y, x]


def openvino_input_size(target: int, aspect: float, divisor: int = 32) -> tuple[int, int]:
    """``(height, width)`` of the network's input.

    Args:
        target: length of the shorter side, pixels.
        aspect: width over height.
        divisor: both sides are rounded up to a multiple of this.

    >>> openvino_input_size(288, 4 / 3)
    (288, 384)
    """
    sides = (target, round(target * aspect)) if aspect >= 1 else (round(target / aspect), target)
    height, width = (-(-side // divisor) * divisor for side in sides)
    return height, width


def fit_openvino(
    image: np.ndarray, size: tuple[int, int], padding: OpenVinoPadding = "right_bottom"
) -> tuple[np.ndarray, np.ndarray]:
    """An image resized to the network's input without changing its proportions, the rest black.

    Args:
        image: ``(H, W, 3)``.
        size: ``(height, width)`` of the input.
        padding: on which sides.

    Returns:
        The input ``(height, width, 3)``, and the warp ``(3, 3)`` whose inverse takes keypoints back as the original
        does: with padding around the 'center' that of the image's shorter side is never undone, and the longer side's
        scale counts for both.
    """
    check_choice("padding", padding, OpenVinoPadding)
    rows, columns = image.shape[:2]
    scale = min(size[0] / rows, size[1] / columns)
    resized = cv2.resize(image, None, fx=max(scale, 1 / columns), fy=max(scale, 1 / rows))  # a pixel at least
    down, across = size[0] - resized.shape[0], size[1] - resized.shape[1]
    zoom = np.array([resized.shape[1] / columns, resized.shape[0] / rows])
    if padding == "right_bottom":
        shown = np.pad(resized, ((0, down), (0, across), (0, 0)))
        return shown, scaling(*zoom)
    top, left = (down + 1) // 2, (across + 1) // 2
    shown = np.pad(resized, ((top, down - top), (left, across - left), (0, 0)))
    wide = columns >= rows
    both = zoom[1] if wide else zoom[0]
    shift = (max(rows, columns) - max(size) / both) / 2
    back = translation(shift if wide else 0, 0 if wide else shift) @ scaling(1 / both)
    return shown, np.linalg.inv(back)


@dataclass(frozen=True)
class OpenVinoFit:
    """How images are brought to the network's input.

    Attributes:
        size: length of the shorter side of the input, pixels.
        divisor: both sides are rounded up to a multiple of this.
        padding: 'right_bottom' (human-pose-estimation-0005 to -0007) or around the 'center' (HigherHRNet).
        aspect: width over height of the input; None = those of each image.

    Raises:
        ValueError: a field is out of range.
    """

    size: int
    divisor: int = 32
    padding: OpenVinoPadding = "right_bottom"
    aspect: float | None = None

    def __post_init__(self) -> None:
        """Check every field."""
        check_choice("padding", self.padding, OpenVinoPadding)
        if self.size < 1 or self.divisor < 1 or (self.aspect is not None and not self.aspect > 0):
            raise ValueError(
                f"size, divisor and aspect must be positive, got {self.size}, {self.divisor} and {self.aspect}"
            )

    def show(self, image: np.ndarray, size: tuple[int, int] | None = None) -> tuple[np.ndarray, np.ndarray]:
        """An image at the size of the input, and the warp ``(3, 3)`` there; see :func:`fit_openvino`.

        Args:
            image: ``(H, W, 3)``.
            size: ``(height, width)`` of an input that is fixed; None = as the image asks for.
        """
        height, width = image.shape[:2]
        asked = openvino_input_size(self.size, self.aspect or width / height, self.divisor)
        return fit_openvino(image, size or asked, self.padding)
