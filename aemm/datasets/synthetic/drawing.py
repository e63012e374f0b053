"""People and scenery, drawn with OpenCV: the pictures of the synthetic data sets.

Figures are painted part by part, far parts first, on a canvas three times as fine as the image. The
canvas' fourth channel says which part of whom lies on top: masks and hidden keypoints are read from
it and are therefore exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np

from aemm.datasets.synthetic.body import (
    BODY_POINTS,
    FACE,
    JOINED,
    OWN_PARTS,
    PARTS,
    PLACE,
    Figure,
    body_indices,
    draw_figure,
    shade,
)
from aemm.skeletons import Skeleton

FINE = 3  # canvas pixels per image pixel; odd, so that one of them shares the image pixel's centre
SHIFT = 4  # OpenCV takes whole numbers; four binary places are 1/16 of a canvas pixel
MAX_PEOPLE = 255 // len(PARTS)  # the fourth channel holds 1 + part + person * parts

# Tapered limbs: part, dye, from, to, how far along they start and end, radii at those ends.
_LIMBS: list[tuple[Any, ...]] = [
    (f"{side}_{part}", "skin" if dye == "skin" else f"{side}_{dye}", PLACE[f"{side}_{a}"], PLACE[f"{side}_{b}"], *sizes)
    for side in ("left", "right")
    for part, dye, a, b, *sizes in [
        ("upper_arm", "sleeve", "shoulder", "elbow", 0.0, 1.0, 0.039, 0.032),
        ("forearm", "skin", "wrist", "hand", 0.3, 1.0, 0.022, 0.022),
        ("forearm", "forearm", "elbow", "wrist", 0.0, 1.0, 0.031, 0.024),
        ("forearm", "cuff", "elbow", "wrist", 0.7, 1.0, 0.028, 0.027),
        ("thigh", "trousers", "hip", "knee", 0.0, 1.0, 0.055, 0.040),
        ("shin", "shin", "knee", "ankle", 0.0, 1.0, 0.038, 0.028),
        ("shin", "shoe", "ankle", "toe", 0.0, 1.0, 0.031, 0.022),
        ("shin", "sock", "knee", "ankle", 0.55, 0.95, 0.035, 0.031),
    ]
]
_LIMBS.append(("head", "skin", PLACE["neck"], PLACE["upper_neck"], 0.0, 1.0, 0.04, 0.036))
_ENDS = np.array([limb[2:4] for limb in _LIMBS])  # (S, 2) body points
_SPAN = np.array([limb[4:6] for limb in _LIMBS])  # (S, 2)
_RADII = np.array([limb[6:8] for limb in _LIMBS])  # (S, 2)
_PART_OF = np.array([PARTS.index(limb[0]) for limb in _LIMBS])
_OF_PART = {part: [s for s, limb in enumerate(_LIMBS) if limb[0] == part] for part in PARTS}
_PART_ENDS = np.array(
    [[PLACE["neck"], PLACE["neck"]], [PLACE["thorax"], PLACE["pelvis"]]] + [_ENDS[_OF_PART[p][-1]] for p in PARTS[2:]]
)
_PART_BIAS = np.array([0.03, 0.0] + [0.012, 0.016, -0.004, -0.006] * 2)  # who is on top at equal depth
_ARC = np.exp(1j * np.linspace(-np.pi / 2, np.pi / 2, 7))
_SKULL_AXES = (0.083, 0.1)  # half the breadth and height of a drawn head, in statures
_SPOKES, _AT_END = np.concatenate([-_ARC, _ARC]), np.repeat([0, 1], len(_ARC))
_CIRCLE = np.exp(2j * np.pi * np.arange(16) / 16).view(float).reshape(16, 2)


class People(NamedTuple):
    """A picture of N people and what is true of it.

    Attributes:
        image: ``(H, W, 3) uint8`` RGB.
        keypoints: ``(N, K, 2) float32`` pixels; 0 where a keypoint is outside the image.
        visible: ``(N, K) int64`` 0 outside the image, 1 hidden, 2 seen.
        masks: ``(N, H, W) bool``: what is seen of each person; masks do not overlap.
    """

    image: np.ndarray
    keypoints: np.ndarray
    visible: np.ndarray
    masks: np.ndarray


def draw_people(
    rng: np.random.Generator,
    image: np.ndarray,
    count: int,
    skeleton: Skeleton,
    height: tuple[float, float] = (0.35, 0.95),
    side_colors: bool = True,
) -> People:
    """Draw people over an image as :func:`place_people` places them."""
    return place_people(rng, image, count, skeleton, height, side_colors)[1]


def place_people(
    rng: np.random.Generator,
    image: np.ndarray,
    count: int,
    skeleton: Skeleton,
    height: tuple[float, float] = (0.35, 0.95),
    side_colors: bool = True,
) -> tuple[list[Figure], People]:
    """Place people in an image, larger ones in front, partly hiding each other and partly outside.

    Everybody drawn can be told to be there: at least three keypoints are seen (or all, of a smaller
    skeleton) and a fifth or so of the silhouette. Whoever turns out worse is drawn anew, and left out
    after a few vain attempts, so that ``count`` is an upper limit.

    Args:
        rng: source of all randomness.
        image: ``(H, W, 3) uint8`` RGB background, left as it is.
        count: number of people.
        skeleton: the keypoints to report.
        height: smallest and largest stature, as a share of the image's shorter side.
        side_colors: dress left limbs in warm colours and right limbs in cool ones. A mirror image then
            contradicts the rest of the data; without, the sides follow from face and body alone.

    Returns:
        The figures in the order in which they are painted, and the picture of them.

    Raises:
        ValueError: more people than can be told apart, or keypoints that the body does not have.
    """
    statures = np.sort(rng.uniform(*height, size=count)) * min(image.shape[:2])
    figures: list[Figure] = []
    for stature in statures:
        figures.append(_place(rng, draw_figure(rng, stature, side_colors), figures, image.shape[:2]))
    for attempt in range(5):
        people = paint_figures(image, figures, skeleton)
        fair = told_apart(people, figures)
        if fair.all():
            break
        kept = [figure for figure, good in zip(figures, fair, strict=True) if good]
        if attempt < 3:  # afterwards they are left out, which can only uncover the others
            for stature in statures[~fair]:
                kept.append(_place(rng, draw_figure(rng, stature, side_colors), kept, image.shape[:2]))
        figures = sorted(kept, key=lambda figure: figure.stature)
        statures = np.array([figure.stature for figure in figures])
    return figures, people


def told_apart(people: People, figures: Sequence[Figure]) -> np.ndarray:
    """Which of the figures painted, ``(N,) bool``, show enough to be told to be there."""
    enough = min(3, people.visible.shape[1])
    bulk = np.array([figure.stature**2 for figure in figures])
    return ((people.visible == 2).sum(1) >= enough) & (people.masks.sum((1, 2)) > 0.04 * bulk)


def _place(
    rng: np.random.Generator, figure: Figure, others: Sequence[Figure], size: tuple[int, int], tries: int = 12
) -> Figure:
    """The figure moved to where it is mostly inside the image and clear of the others' joints and trunks."""
    flat = figure.points[:, :2]
    low, high = flat.min(0), flat.max(0)
    over = (high - low) * (0.4 if rng.random() < 0.3 else 0.05)  # how far it may stick out on either side
    room = np.array([size[1], size[0]], dtype=float)
    first, last = -low - over, room - high + over
    shifts = rng.uniform(np.minimum(first, last), np.maximum(first, last), size=(tries, 2))
    if not others:
        return figure.moved(*shifts[0])
    taken = np.stack([other.points[:, :2] for other in others])  # (M, P, 2)
    gaps = np.linalg.norm(flat + shifts[:, None, None] - taken, axis=3)  # (tries, M, P)
    joints = gaps.min((1, 2)) / (0.05 * min(size))
    reach = np.array([0.5 * min(figure.stature, other.stature) for other in others])
    trunks = (gaps[:, :, PLACE["thorax"]] / reach).min(1)
    clear = np.minimum(joints, trunks)
    return figure.moved(*shifts[np.argmax(np.minimum(clear, 1.0))])  # the first that is clear, or the clearest


def paint_figures(image: np.ndarray, figures: Sequence[Figure], skeleton: Skeleton) -> People:
    """Paint figures over an image, the first farthest away, and say what is seen of each.

    What lies outside the image, the far side of a face, and what is covered together with everything
    joined to it, is not annotated, as in photographs: nobody could tell where it is. Everything else
    that is covered counts as hidden.

    Args:
        image: ``(H, W, 3) uint8`` RGB, left as it is.
        figures: placed in pixels of ``image``.
        skeleton: the keypoints to report.

    Raises:
        ValueError: more people than can be told apart, or keypoints that the body does not have.
    """
    if len(figures) > MAX_PEOPLE:
        raise ValueError(f"at most {MAX_PEOPLE} people can be told apart in one picture, got {len(figures)}")
    height, width = image.shape[:2]
    canvas = np.zeros((FINE * height, FINE * width, 4), np.uint8)
    for n, figure in enumerate(figures):
        _paint_figure(canvas, figure, 1 + n * len(PARTS))
    codes = cv2.extractChannel(canvas, 3)
    bare = cv2.threshold(codes, 0, 255, cv2.THRESH_BINARY_INV)[1]
    behind = cv2.multiply(image, cv2.cvtColor(_shrink(bare), cv2.COLOR_GRAY2RGB), scale=1 / 255)
    picture = cv2.add(behind, cv2.cvtColor(_shrink(canvas), cv2.COLOR_RGBA2RGB))
    owner = (codes[FINE // 2 :: FINE, FINE // 2 :: FINE].astype(np.int64) - 1) // len(PARTS)
    masks = owner == np.arange(len(figures))[:, None, None]

    points = np.stack([figure.points for figure in figures]) if figures else np.zeros((0, len(BODY_POINTS), 3))
    places = points[..., :2].astype(np.float32)
    inside = np.all((places >= 0) & (places < [width, height]), axis=2)
    x, y = np.moveaxis((FINE * np.where(inside[..., None], places, 0)).astype(np.int64), 2, 0)
    top = codes[y, x].astype(np.int64) - 1  # (N, points)
    own = (top // len(PARTS) == np.arange(len(figures))[:, None]) & OWN_PARTS[
        np.arange(len(BODY_POINTS)), top % len(PARTS)
    ]
    seen = inside & (top >= 0) & own
    ears = points[:, [PLACE["left_ear"], PLACE["right_ear"]], 2].mean(1)
    averted = FACE & (points[..., 2] < (ears - [0.02 * figure.stature for figure in figures])[:, None])
    known = inside & ~averted & (seen @ JOINED)
    rows = body_indices(skeleton)
    keypoints = np.where(known[..., None], places, 0)[:, rows]
    visible = np.where(known, np.where(seen, 2, 1), 0)[:, rows]
    return People(picture, keypoints, visible, masks)


def _shrink(canvas: np.ndarray) -> np.ndarray:
    """Mean of the canvas over every image pixel; several times faster than ``INTER_AREA``."""
    size = canvas.shape[1] // FINE, canvas.shape[0] // FINE
    return cv2.resize(cv2.blur(canvas, (FINE, FINE), anchor=(0, 0)), size, interpolation=cv2.INTER_NEAREST)


def _fixed(points: np.ndarray) -> np.ndarray:
    """Canvas coordinates as OpenCV takes them: pixel centres at whole numbers, binary fractions."""
    return np.rint((points - 0.5) * (1 << SHIFT)).astype(np.int32)


def _fill(canvas: np.ndarray, polygon: np.ndarray, color: Sequence[int], code: int) -> None:
    cv2.fillConvexPoly(canvas, polygon, (*color, code), cv2.LINE_8, SHIFT)


def _capsules(ends: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Outlines ``(S, 14, 2)`` of tapered segments with round ends, from ``(S, 2, 2)`` and ``(S, 2)``."""
    flat = np.ascontiguousarray(ends).view(complex)[..., 0]  # x + iy: multiplying turns
    along = flat[:, 1] - flat[:, 0] + 1e-9  # a segment seen end-on is a disc
    turn = radii * (along / np.abs(along))[:, None]
    outline = flat.take(_AT_END, axis=1) + turn.take(_AT_END, axis=1) * _SPOKES
    return outline.view(float).reshape(*outline.shape, 2)


def _paint_figure(canvas: np.ndarray, figure: Figure, code: int) -> None:
    """Paint one person; the fourth channel becomes ``code`` + part."""
    points, size = FINE * figure.points, FINE * figure.stature
    flat = points[:, :2]
    ends = flat[_ENDS]  # (S, 2, 2)
    ends = ends[:, :1] + (ends[:, 1:] - ends[:, :1]) * _SPAN[..., None]
    radii = _RADII * size * figure.breadth
    light = np.array([-0.22, -0.22])  # the lit side of everything round
    lit_ends = ends + light * radii[..., None]
    outlines = _capsules(np.concatenate([ends, lit_ends]), np.concatenate([radii, 0.68 * radii]))
    dark, lit = np.split(_fixed(outlines), 2)
    depth = points[_PART_ENDS, 2].mean(1) / size
    near = np.clip(1.0 + 0.8 * depth, 0.75, 1.0)[_PART_OF]
    dyes = np.array([figure.dyes[limb[1]] for limb in _LIMBS]) * near[:, None]
    bright, dim = dyes.astype(int).tolist(), (0.62 * dyes).astype(int).tolist()
    for part in np.argsort(depth + _PART_BIAS).tolist():
        if PARTS[part] == "torso":
            _paint_torso(canvas, figure, flat, size, code + part)
        for s in _OF_PART[PARTS[part]]:
            _fill(canvas, dark[s], dim[s], code + part)
            _fill(canvas, lit[s], bright[s], code + part)
        if PARTS[part] == "head":
            _paint_head(canvas, figure, points, size, code + part)


def _hull(centers: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Convex outline of circles, ready for :func:`_fill`."""
    ring = centers[:, None] + radii[:, None, None] * _CIRCLE
    return cv2.convexHull(_fixed(ring.reshape(-1, 2)))


def _paint_torso(canvas: np.ndarray, figure: Figure, flat: np.ndarray, size: float, code: int) -> None:
    """Shirt, belt, and a print on the chest or a pack on the back."""
    corner = flat[[PLACE[f"{side}_{name}"] for name in ("shoulder", "hip") for side in ("left", "right")]]
    radii = size * figure.breadth * np.array([0.045, 0.045, 0.055, 0.055])
    shirt, light = figure.dyes["shirt"], -0.014 * size
    _fill(canvas, _hull(corner, radii), shade(shirt, 0.62), code)
    _fill(canvas, _hull(corner + light, 0.6 * radii), shirt, code)
    _fill(canvas, _hull(corner[2:], 0.95 * radii[2:]), shade(figure.dyes["belt"], 0.8), code)
    across, up = corner[0] - corner[1], flat[PLACE["neck"]] - flat[PLACE["pelvis"]]
    facing = float(up[0] * across[1] - up[1] * across[0]) / size**2 / 0.07  # 1 to the front, -1 to the back
    if abs(facing) < 0.25:
        return
    low, high, inset = (0.25, 0.45, 0.3) if facing > 0 else (0.05, 0.65, 0.12)
    rows = np.array([[low], [low], [high], [high]])  # down the trunk
    columns = np.array([[inset], [1 - inset], [1 - inset], [inset]])  # and across it
    left, right = corner[0] + (corner[2] - corner[0]) * rows, corner[1] + (corner[3] - corner[1]) * rows
    panel = left + (right - left) * columns
    _fill(canvas, _fixed(panel), figure.dyes["logo" if facing > 0 else "pack"], code)


def _upwards(points: np.ndarray) -> np.ndarray:
    """Unit vector ``(2,)`` in the picture from the middle of the head to its top."""
    up = points[PLACE["head_top"], :2] - points[[PLACE["left_ear"], PLACE["right_ear"]], :2].mean(0)
    return up / (np.linalg.norm(up) + 1e-9)


def head_box(figure: Figure) -> np.ndarray:
    """The rectangle around the head as it is drawn, hidden or not, ``(4,)`` xyxy."""
    center = figure.points[[PLACE["left_ear"], PLACE["right_ear"]], :2].mean(0)
    up, (across, along) = _upwards(figure.points), _SKULL_AXES
    half = figure.stature * np.hypot(across * up[::-1], along * up)
    return np.concatenate([center - half, center + half])


def _paint_head(canvas: np.ndarray, figure: Figure, points: np.ndarray, size: float, code: int) -> None:
    """Hair, and as much of the face as looks towards the viewer."""
    skin = figure.dyes["skin"]
    ears = points[[PLACE["left_ear"], PLACE["right_ear"]]]
    center = ears[:, :2].mean(0)
    middle = ears[:, 2].mean()
    up = _upwards(points)
    axes = size * np.stack([np.array([-up[1], up[0]]), up])  # across and along the head

    forward, toward = figure.forward[:2], float(figure.forward[2])
    hair = figure.dyes["hair"]
    ovals = [(center, *_SKULL_AXES, shade(hair, 0.7)), (center - 0.014 * size, 0.06, 0.075, hair)]
    if toward > -0.5:
        face, front = center + size * (0.03 * forward - 0.014 * up), center + size * (0.042 * forward - 0.008 * up)
        ovals += [(face, 0.052 + 0.016 * toward, 0.074, shade(skin, 0.8)), (front, 0.04 + 0.016 * toward, 0.06, skin)]
    ovals += [(ear[:2], 0.016, 0.022, shade(skin, 0.85)) for ear in ears if ear[2] - middle > -0.02 * size]
    for eye in points[[PLACE["left_eye"], PLACE["right_eye"]]]:
        if eye[2] - middle > 0.02 * size:
            ovals += [(eye[:2], 0.018, 0.015, (250, 250, 245)), (eye[:2], 0.01, 0.011, (30, 22, 24))]
    nose = points[PLACE["nose"]]
    if nose[2] - middle > -0.02 * size:
        ovals.append((nose[:2], 0.01, 0.011, shade(skin, 0.5)))
    if toward > 0.2:
        ovals.append((center + size * (0.07 * forward - 0.048 * up), 0.02, 0.006, (150, 50, 50)))
    at, across, along, colors = zip(*ovals, strict=True)
    spokes = (_CIRCLE * np.stack([across, along], 1)[:, None]) @ axes  # (ovals, 16, 2)
    for outline, color in zip(_fixed(np.stack(at)[:, None] + spokes), colors, strict=True):
        _fill(canvas, outline, color, code)


def draw_background(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """A picture of nobody: a gradient or a horizon, texture and clutter, limb-like sticks included.

    Args:
        rng: source of all randomness.
        size: ``(height, width)`` in pixels.

    Returns:
        ``(H, W, 3) uint8`` RGB.
    """
    (height, width), side = size, min(size)
    rows = 2 if rng.random() < 0.6 else 6  # six rows of which neighbours are equal make a horizon
    grid = rng.integers(20, 250, size=(rows, 2, 3), dtype=np.uint8)
    if rows == 6:
        grid[:] = np.repeat(grid[:2], (rise := int(rng.integers(2, 5)), 6 - rise), axis=0)
    scene = cv2.resize(grid, (width, height), interpolation=cv2.INTER_LINEAR)
    for cells in (int(rng.integers(4, 9)), int(rng.integers(12, 40))):
        cloud = cv2.resize(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8), (width, height))
        share = rng.uniform(0.0, 0.35)
        scene = cv2.addWeighted(scene, 1 - share, cloud, share, 0)
    for kind, *color in rng.integers(0, 256, size=(rng.integers(3, 14), 4)).tolist():
        x, y, turn, length, slim = rng.random(5)
        middle = np.array([x * width, y * height])
        reach = side * (0.04 + 0.18 * length)
        slim = 0.2 + 0.8 * slim
        arm = reach * np.array([np.cos(np.pi * turn), np.sin(np.pi * turn)])
        if kind < 64:  # box
            across = slim * np.array([-arm[1], arm[0]])
            corners = np.array([arm + across, across - arm, -arm - across, arm - across])
            cv2.fillConvexPoly(scene, _fixed(middle + corners), color, cv2.LINE_AA, SHIFT)
        elif kind < 128:  # disc
            cv2.ellipse(scene, (middle.tolist(), (reach, reach * slim), 180 * turn), color, -1, cv2.LINE_AA)
        else:  # stick
            thickness = max(1, round(0.07 * side * slim))
            start, end = _fixed(np.array([middle - arm, middle + arm])).tolist()
            cv2.line(scene, start, end, color, thickness, cv2.LINE_AA, SHIFT)
    return scene


def add_noise(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """The image as a camera would see it: uneven light and grain of a random strength."""
    corners = np.repeat(rng.uniform(0.8, 1.1, (2, 2, 1)).astype(np.float32), 3, axis=2)
    light = cv2.resize(corners, image.shape[1::-1])
    grain = np.frombuffer(rng.bytes(image.size), np.int8).reshape(image.shape)
    lit = cv2.multiply(image, light, dtype=cv2.CV_8U)
    return cv2.addWeighted(lit, 1.0, grain, rng.uniform(0.02, 0.07), 0, dtype=cv2.CV_8U)
