"""Poses, masks, heatmaps and tags drawn on pictures: pure functions on ``(H, W, 3) uint8`` RGB arrays.

Colours depend on the position of an instance alone (or its track), so that two pictures of one result
agree. Every function returns a new picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from aemm.formats.image import write_picture
from aemm.geometry import PixelConvention, apply_warp, scaling, to_corners
from aemm.ops.image import warp_image
from aemm.ops.masks import decode_masks, encode_mask
from aemm.skeletons import Skeleton
from aemm.structures import Instances, Maps, Sample
from aemm.visualization.labels import Label, write_labels
from aemm.visualization.palette import Color, instance_color, limb_side, side_color, sides

_SHIFT = 4
_PARTS = 2**_SHIFT  # of a pixel, in which OpenCV takes places
_FAR = 2**20  # parts; lines that leave the picture are cut off there
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_WIDTHS_PER_PERSON = 60  # of lines, on the diagonal of somebody small
_RIMS: dict[str, Color] = {"left": (255, 255, 255), "": (255, 255, 255), "right": (0, 0, 0)}


def line_width(size: tuple[int, int]) -> int:
    """Width of lines that suits a picture of ``(height, width)``, pixels."""
    return max(1, round(max(size) / 180))


def draw_pose(
    image: np.ndarray,
    instances: Instances,
    skeleton: Skeleton,
    threshold: float = 0.1,
    show_scores: bool = True,
) -> np.ndarray:
    """Limbs and keypoints of every instance in a colour of its own, the surest instance on top.

    The left side of a body is brighter than the right one, whose keypoints have a dark rim. Surer keypoints are larger
    and more opaque; a limb is as opaque as its less sure end. Lines are thinner on small people.

    Args:
        image: ``(H, W, 3) uint8`` RGB, the original image.
        instances: with ``keypoints`` in pixels of ``image``; all count as sure without ``keypoint_scores``.
        skeleton: K limbs and names.
        threshold: keypoints below it are left out.
        show_scores: write the score of every instance above it.

    Raises:
        ValueError: the instances have no keypoints, or not those of the skeleton; or the image is no RGB image.
    """
    check_picture(image)
    if instances.keypoints is None or instances.keypoints.shape[1] != len(skeleton):
        got = "none" if instances.keypoints is None else str(instances.keypoints.shape[1])
        raise ValueError(
            f"image {instances.image_id}: expected the {len(skeleton)} keypoints of skeleton {skeleton.name!r}, "
            f"got {got}; pass the skeleton that the model was trained with"
        )
    picture, width = image.copy(), line_width(image.shape[:2])
    sure = np.ones(instances.keypoints.shape[:2]) if instances.keypoint_scores is None else instances.keypoint_scores
    shown = (sure >= threshold) & (sure > 0) & np.isfinite(instances.keypoints).all(2)
    opacity = np.where(shown, 0.3 + 0.7 * np.clip(sure, 0, 1), 0.0).astype(float)  # (N, K); OpenCV takes no float32
    order = np.argsort(instances.scores, kind="stable")
    labels = []
    for n in order[shown[order].any(1)].tolist():
        color, points = _color_of(instances, n), instances.keypoints[n]
        low, high = points[shown[n]].min(0), points[shown[n]].max(0)
        thin = int(np.clip(round(float(np.linalg.norm(high - low)) / _WIDTHS_PER_PERSON), 1, width))
        _draw_person(picture, points, opacity[n], skeleton, (color, thin))
        labels.append(Label(f"{instances.scores[n]:.2f}", (low[0], low[1] - 2 * thin), color))
    if show_scores:
        write_labels(picture, labels[::-1])
    return picture


def _draw_person(
    picture: np.ndarray, points: np.ndarray, opacity: np.ndarray, skeleton: Skeleton, style: tuple[Color, int]
) -> None:
    """Blend a person into a picture, in place: limbs, on top of them rimmed discs, in one cover that is laid on once.

    Args:
        picture: ``(H, W, 3) uint8``.
        points: ``(K, 2)`` pixels.
        opacity: ``(K,)``; 0 = not shown, and one or more are.
        skeleton: of the keypoints.
        style: a colour and a width of lines.
    """
    color, width = style
    side, shown = sides(skeleton), np.flatnonzero(opacity > 0)
    reach = 2 * width + 3  # of the largest disc with its rim
    bound = np.array(picture.shape[1::-1])
    low = np.clip(np.floor(points[shown].min(0)) - reach, 0, bound).astype(int)
    high = np.clip(np.ceil(points[shown].max(0)) + reach, 0, bound).astype(int)
    if (low >= high).any():
        return
    region = picture[low[1] : high[1], low[0] : high[0]]
    cover, paint = np.zeros(region.shape[:2], np.uint8), np.full(region.shape, color, np.uint8)
    places = np.where(opacity[:, None] > 0, points, 0) - low - 0.5  # middles of pixels at whole numbers
    ends = np.rint(places * _PARTS).clip(-_FAR, _FAR).astype(int).tolist()
    sure = opacity.tolist()
    for strength, a, b in sorted((min(sure[a], sure[b]), a, b) for a, b in skeleton.limbs):
        if strength > 0:
            cv2.line(cover, ends[a], ends[b], 255 * strength, width, cv2.LINE_AA, _SHIFT)
            tone = side_color(color, limb_side(side[a], side[b]))
            cv2.line(paint, ends[a], ends[b], tone, width + 2, cv2.LINE_8, _SHIFT)  # the cover has the smooth edge
    for k in shown[np.argsort(opacity[shown], kind="stable")].tolist():
        radius = round(width * (0.6 + sure[k]) * _PARTS)
        cv2.circle(cover, ends[k], radius + _PARTS, 255 * sure[k], cv2.FILLED, cv2.LINE_AA, _SHIFT)
        cv2.circle(paint, ends[k], radius + _PARTS, _RIMS[side[k]], cv2.FILLED, cv2.LINE_AA, _SHIFT)
        cv2.circle(paint, ends[k], radius, side_color(color, side[k]), cv2.FILLED, cv2.LINE_AA, _SHIFT)
    share = cover.astype(np.float32)
    region[:] = cv2.blendLinear(paint, region, share, 255 - share)


def draw_truth(sample: Sample, skeleton: Skeleton | None = None) -> np.ndarray:
    """What is known of a sample: poses with hidden keypoints paler, masks, and the ignored region darkened.

    Args:
        sample: raw or transformed; it is drawn over its own image.
        skeleton: the keypoints' set; the sample's own by default.

    Raises:
        ValueError: there are keypoints but no skeleton.
    """
    picture = sample.image.copy()
    if sample.masks is not None:
        picture = draw_masks(picture, sample.masks)
    if sample.ignore is not None:
        picture[sample.ignore] //= 3
    if sample.keypoints is None or sample.visible is None:
        return picture
    skeleton = sample.skeleton if skeleton is None else skeleton
    if skeleton is None:
        raise ValueError(f"image {sample.image_id}: sample.skeleton is None; pass the skeleton of its keypoints")
    known = Instances(
        image_id=sample.image_id,
        image_size=sample.image_size,
        scores=np.ones(len(sample.keypoints)),
        keypoints=sample.keypoints,
        keypoint_scores=np.array([0.0, 0.3, 1.0])[sample.visible.astype(int)],
    )
    return draw_pose(picture, known, skeleton, threshold=0.0, show_scores=False)


def draw_masks(
    image: np.ndarray, masks: Any, opacity: float = 0.45, numbers: Sequence[int] | None = None
) -> np.ndarray:
    """Instance masks as tinted areas with an outline.

    Args:
        image: ``(H, W, 3) uint8`` RGB.
        masks: N masks ``(H, W) bool``, or run lengths as :mod:`aemm.ops.masks` writes them.
        opacity: of the tint.
        numbers: N, by which each gets its colour, see :func:`~aemm.visualization.palette.instance_color`; by default
            its row.

    Raises:
        ValueError: the image is no RGB image, or a mask is of another size.
    """
    check_picture(image)
    picture = image.copy()
    for n, mask in zip(range(len(masks)) if numbers is None else numbers, masks, strict=True):
        area = _pixels(mask)
        if area.shape != image.shape[:2]:
            raise ValueError(f"masks[{n}] must be of the image's size {image.shape[:2]}, got {area.shape}")
        tint = (1 - opacity) * picture[area] + opacity * np.array(instance_color(n))
        picture[area] = tint.astype(np.uint8)
        outlines, _ = cv2.findContours(area.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, outlines, -1, instance_color(n), line_width(image.shape[:2]), cv2.LINE_AA)
    return picture


def draw_heatmaps(image: np.ndarray, maps: Maps, index: int = 0, warp: np.ndarray | None = None) -> np.ndarray:
    """The strongest heatmap of every cell as a colour over the image: blue low, red one.

    Args:
        image: ``(H, W, 3) uint8`` RGB.
        maps: of a batch.
        index: which image of the batch.
        warp: ``(3, 3)`` cells to pixels of ``image``, as ``Batch.map_warp`` makes it; by default the maps
            are stretched over the image.
    """
    heat = _over(image, maps.heatmaps[index].detach().float().amax(0).cpu().numpy(), warp).clip(0, 1)
    color = cv2.applyColorMap((255 * heat).astype(np.uint8), cv2.COLORMAP_TURBO)[..., ::-1]
    return _mix(_dimmed(image, 0.6), color, 0.85 * np.sqrt(heat))


def draw_tags(
    image: np.ndarray, maps: Maps, index: int = 0, warp: np.ndarray | None = None, threshold: float = 0.1
) -> np.ndarray:
    """Tags as colours over the image, so that each instance shows one colour and two differ.

    A cell's tag is the mean over channels weighted by their heatmaps; colours span the tags of the
    image's confident cells. One dimension runs from violet to red; two or more are red, green
    and blue, the third being the opposite of the others where there are two.

    Args:
        image: ``(H, W, 3) uint8`` RGB.
        maps: of a batch, with tags.
        index: which image of the batch.
        warp: ``(3, 3)`` cells to pixels of ``image``; by default the maps are stretched over the image.
        threshold: cells whose strongest heatmap is below it show no tag.

    Raises:
        ValueError: the maps have no tags.
    """
    maps = maps.float().resize(maps.size)
    if maps.tags is None:
        raise ValueError("maps.tags is None: this stage predicts no tags; draw the maps that the decoder receives")
    heat = maps.heatmaps[index].detach().clamp(min=0)  # (C, h, w)
    tags = maps.tags[index].detach()  # (T, L, h, w)
    weight = heat[:, None] + 1e-9 if len(tags) > 1 else heat.amax(0)[None, None] + 1e-9
    value = ((tags * weight).sum(0) / weight.sum(0))[:3].cpu().numpy()  # (L, h, w)
    strength = heat.amax(0).cpu().numpy()
    confident = strength >= threshold
    if not confident.any():
        return _dimmed(image, 0.4)
    low, high = (np.percentile(value[:, confident], q, axis=1)[:, None, None] for q in (2, 98))
    scaled = ((value - low) / np.maximum(high - low, 1e-6)).clip(0, 1)
    if len(scaled) == 1:
        hue = (150 * (1 - scaled[0])).astype(np.uint8)  # violet to red at full brightness; OpenCV's hues end at 180
        color = cv2.cvtColor(cv2.merge([hue, np.full_like(hue, 230), np.full_like(hue, 255)]), cv2.COLOR_HSV2RGB)
    else:
        third = scaled[2] if len(scaled) == 3 else 1 - scaled.mean(0)
        color = (255 * np.stack([scaled[0], scaled[1], third], axis=2)).astype(np.uint8)
    # colours of cells that show nothing must not bleed into those that do
    nearest = _over(image, color, warp, cv2.INTER_NEAREST)
    shown = np.where(confident, 0.4 + 0.6 * strength.clip(0, 1), 0)
    return _mix(_dimmed(image, 0.4), nearest, _over(image, shown.astype(np.float32), warp, cv2.INTER_NEAREST))


def side_by_side(panels: Sequence[np.ndarray], captions: Sequence[str] = ()) -> np.ndarray:
    """Panels in a row, brought to the height of the first, each under its caption.

    Args:
        panels: ``(H, W, 3) uint8`` RGB pictures.
        captions: one for each panel, or none.

    Raises:
        ValueError: no panel, or another number of captions than panels.
    """
    if not panels or (captions and len(captions) != len(panels)):
        raise ValueError(f"expected panels and a caption for each or none, got {len(panels)} and {len(captions)}")
    height = panels[0].shape[0]
    bar, gap = max(16, height // 16), np.full((height + bool(captions) * max(16, height // 16), 2, 3), 255, np.uint8)
    row: list[np.ndarray] = []
    for n, panel in enumerate(panels):
        width = max(1, round(panel.shape[1] * height / panel.shape[0]))
        fitted = panel if panel.shape[0] == height else cv2.resize(panel, (width, height), interpolation=cv2.INTER_AREA)
        if captions:
            title = np.full((bar, width, 3), 30, np.uint8)
            cv2.putText(title, captions[n], (4, round(0.75 * bar)), _FONT, bar / 36, (255, 255, 255), 1, cv2.LINE_AA)
            fitted = np.concatenate([title, fitted])
        row += [gap, fitted]
    return np.concatenate(row[1:], axis=1)


@dataclass(frozen=True)
class SeenMaps:
    """What the network said of one image.

    Attributes:
        maps: of a batch.
        index: which image of the batch.
        warp: ``(3, 3)`` cells of ``maps`` to pixels of the image, as ``Batch.map_warp`` makes it; None = the maps
            cover the image.
    """

    maps: Maps
    index: int = 0
    warp: np.ndarray | None = None


def draw_result(
    image: np.ndarray,
    instances: Instances,
    skeleton: Skeleton | None = None,
    seen: SeenMaps | None = None,
    convention: PixelConvention = "continuous",
    threshold: float = 0.1,
    min_side: int = 384,
) -> np.ndarray:
    """One picture of a result: masks and poses, and beside them heatmaps and tags where maps are given.

    Args:
        image: ``(H, W, 3) uint8`` RGB, the original image.
        instances: found in it.
        skeleton: needed where the instances have keypoints.
        seen: what the network said of it.
        convention: of the keypoints and of ``seen.warp``.
        threshold: keypoints and tags below it are left out.
        min_side: smaller images are enlarged by a whole number until their longer side has as many pixels.

    Raises:
        ValueError: see :func:`draw_pose` and :func:`draw_masks`.
    """
    check_picture(image)
    corners = to_corners(convention)
    warp = None if seen is None or seen.warp is None else corners @ seen.warp
    if instances.keypoints is not None:
        instances = replace(instances, keypoints=apply_warp(instances.keypoints, corners))
    zoom = max(1, -(-min_side // max(image.shape[:2])))
    if zoom > 1:
        warp = None if warp is None else scaling(zoom) @ warp
        image, instances = _enlarged(image, zoom), _scaled(instances, zoom)
    numbers = None if instances.track_ids is None else instances.track_ids.tolist()
    found = image if instances.masks is None else draw_masks(image, instances.masks, numbers=numbers)
    if skeleton is not None and instances.keypoints is not None:
        found = draw_pose(found, instances, skeleton, threshold)
    if seen is None:
        return found.copy()
    heat = draw_heatmaps(image, seen.maps, seen.index, warp)
    panels, captions = [found, heat], [f"{len(instances)} found", "heatmaps"]
    if seen.maps.tags is not None:
        panels.append(draw_tags(image, seen.maps, seen.index, warp, threshold))
        captions.append("tags")
    return side_by_side(panels, captions)


def save_picture(path: str | Path, picture: np.ndarray) -> None:
    """Write an RGB picture, with the folders above it; the ending of the name says the format.

    Raises:
        OSError: it cannot be written there.
    """
    check_picture(picture)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    write_picture(path, picture)


def check_picture(image: np.ndarray) -> None:
    """Raise ``ValueError`` unless an image is ``(H, W, 3) uint8``."""
    shape: tuple[int, ...] = getattr(image, "shape", ())
    kind = getattr(image, "dtype", type(image).__name__)
    if len(shape) != 3 or shape[2] != 3 or kind != np.uint8 or 0 in shape:
        raise ValueError(
            f"a picture to draw on must be (H, W, 3) uint8 RGB, got {kind}{shape}; aemm.formats.load_image "
            "reads files so, and cv2.cvtColor turns grey and RGBA arrays into it"
        )


def _color_of(instances: Instances, n: int) -> Color:
    return instance_color(n if instances.track_ids is None else int(instances.track_ids[n]))


def _enlarged(picture: np.ndarray, zoom: int) -> np.ndarray:
    return cv2.resize(picture, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_CUBIC)


def _scaled(instances: Instances, zoom: int) -> Instances:
    """The same instances in a picture ``zoom`` times as large."""
    height, width = instances.image_size
    keypoints, masks = instances.keypoints, instances.masks
    block = np.ones((zoom, zoom), bool)
    return replace(
        instances,
        image_size=(height * zoom, width * zoom),
        keypoints=None if keypoints is None else keypoints * zoom,
        masks=None if masks is None else [encode_mask(np.kron(_pixels(mask), block)) for mask in masks],
    )


def _pixels(mask: Any) -> np.ndarray:
    """A mask ``(H, W) bool``, whether it is given by pixels or by run lengths."""
    if isinstance(mask, dict):
        height, width = mask["size"]
        return decode_masks([{"size": [height, width], "counts": mask["counts"]}], (height, width))[0]
    return np.asarray(mask, bool)


def _over(
    image: np.ndarray, values: np.ndarray, warp: np.ndarray | None, interpolation: int = cv2.INTER_LINEAR
) -> np.ndarray:
    """Values ``(h, w, ...)`` of map cells brought to the pixels of an image; 0 where there is no cell."""
    check_picture(image)
    height, width = image.shape[:2]
    if warp is None:
        return cv2.resize(values, (width, height), interpolation=interpolation)
    return warp_image(values, warp, (height, width), interpolation=interpolation)


def _dimmed(image: np.ndarray, brightness: float) -> np.ndarray:
    """The image in grey and darker, for colours to stand out."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return cv2.cvtColor((grey * brightness).astype(np.uint8), cv2.COLOR_GRAY2RGB)


def _mix(below: np.ndarray, above: np.ndarray, opacity: np.ndarray) -> np.ndarray:
    """Two pictures blended with an opacity ``(H, W)`` in 0..1."""
    share = opacity[..., None].astype(np.float32)
    return (below * (1 - share) + above * share).round().astype(np.uint8)
