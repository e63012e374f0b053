"""An articulated body with named points: what the people of the synthetic data sets are made of.

A body lives in three dimensions, a person's height being 1: x to the viewer's right, y down, z
towards the viewer. Its points cover every keypoint of the skeletons that come with aemm.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

from aemm.skeletons import Skeleton

Dye = tuple[int, int, int]

_SIDES = ("left", "right")
PARTS = ("head", "torso", *(f"{side}_{part}" for side in _SIDES for part in ("upper_arm", "forearm", "thigh", "shin")))
# Points of the body, and the parts under whose surface each of them lies.
_MIDDLE = {
    "nose": ("head",),
    "head_top": ("head",),
    "top_head": ("head",),
    "upper_neck": ("head", "torso"),
    "neck": ("head", "torso"),
    "thorax": ("head", "torso"),
    "pelvis": ("torso", "left_thigh", "right_thigh"),
}
_SIDED = {
    "eye": ("head",),
    "ear": ("head",),
    "shoulder": ("torso", "*upper_arm"),
    "elbow": ("*upper_arm", "*forearm"),
    "wrist": ("*forearm",),
    "hand": ("*forearm",),
    "hip": ("torso", "*thigh"),
    "knee": ("*thigh", "*shin"),
    "ankle": ("*shin",),
    "toe": ("*shin",),
}
_INSIDE = _MIDDLE | {
    f"{side}_{name}": tuple(part.replace("*", f"{side}_") for part in parts)
    for side in _SIDES
    for name, parts in _SIDED.items()
}
BODY_POINTS = tuple(_INSIDE)
PLACE = {name: p for p, name in enumerate(BODY_POINTS)}
# (points, parts): a point counts as seen where one of its own parts is on top
OWN_PARTS = np.array([[part in parts for part in PARTS] for parts in _INSIDE.values()])
FACE = np.array([name.endswith(("nose", "eye", "ear")) for name in BODY_POINTS])
_RIGID = (
    ("nose", "left_eye", "right_eye", "left_ear", "right_ear", "head_top", "top_head", "upper_neck"),
    ("neck", "thorax", "pelvis", "left_shoulder", "right_shoulder", "left_hip", "right_hip"),
    ("neck", "upper_neck"),
    *((f"{side}_{a}", f"{side}_{b}") for side in _SIDES for a, b in [("shoulder", "elbow"), ("elbow", "wrist")]),
    *((f"{side}_{a}", f"{side}_{b}") for side in _SIDES for a, b in [("wrist", "hand"), ("hip", "knee")]),
    *((f"{side}_{a}", f"{side}_{b}") for side in _SIDES for a, b in [("knee", "ankle"), ("ankle", "toe")]),
)
# (points, points): on one rigid piece, so that whoever sees the one can tell where the other must be, more or less
JOINED = np.array([[any(p in piece and q in piece for piece in _RIGID) for q in BODY_POINTS] for p in BODY_POINTS])
_LEGS = np.array([name.endswith(("hip", "knee", "ankle", "toe")) for name in BODY_POINTS])
# The rigid parts, upright and facing the viewer: shoulders and hips about the pelvis; nose, eyes, ears,
# top of the head and upper neck about the middle of the head.
_ROOTS = np.array([[0.11, -0.275, 0], [-0.11, -0.275, 0], [0.062, 0.01, 0], [-0.062, 0.01, 0]])
_LENGTHS = np.array([[0.17, 0.15], [0.17, 0.15], [0.235, 0.22], [0.235, 0.22]])
_EYES_AND_EARS = [[0.034, -0.016, 0.066], [-0.034, -0.016, 0.066], [0.076, 0, 0], [-0.076, 0, 0]]
_SKULL = np.array([[0, 0.012, 0.078], *_EYES_AND_EARS, [0, -0.098, 0], [0, 0.078, 0]])

_SKIN: list[Dye] = [(255, 219, 190), (241, 194, 155), (222, 170, 125), (190, 132, 90), (142, 92, 60), (92, 58, 40)]
_HAIR: list[Dye] = [(28, 22, 20), (66, 42, 26), (120, 78, 40), (196, 154, 84), (150, 62, 30), (165, 165, 165)]


@dataclass
class Figure:
    """One person, posed and dressed.

    Attributes:
        points: ``(len(BODY_POINTS), 3)``; in image pixels once placed.
        forward: ``(3,)`` unit vector in which the face looks.
        stature: height of the person when upright, in the unit of ``points``.
        breadth: thickness of limbs and trunk, 1 = average.
        dyes: colour of skin, hair and each piece of clothing.
    """

    points: np.ndarray
    forward: np.ndarray
    stature: float
    breadth: float
    dyes: dict[str, Dye]

    def moved(self, x: float, y: float) -> Figure:
        """The same figure shifted in the image plane."""
        return Figure(self.points + np.array([x, y, 0.0]), self.forward, self.stature, self.breadth, self.dyes)


def body_indices(skeleton: Skeleton) -> np.ndarray:
    """Rows of :data:`BODY_POINTS` that are the keypoints of ``skeleton``, ``(K,)``.

    Raises:
        ValueError: naming the keypoints that the body does not have.
    """
    if unknown := [name for name in skeleton.keypoints if name not in PLACE]:
        raise ValueError(
            f"skeleton {skeleton.name!r}: the drawn body has no {', '.join(unknown)}; it has {', '.join(BODY_POINTS)}"
        )
    return np.array([PLACE[name] for name in skeleton.keypoints])


def draw_figure(rng: np.random.Generator, stature: float, side_colors: bool = True) -> Figure:
    """A person in a random pose, build, direction and dress, with the pelvis at the origin.

    Args:
        rng: source of all randomness.
        stature: height when upright, pixels.
        side_colors: dress left limbs in warm colours and right limbs in cool ones.
    """
    points, forward = _pose(rng)
    lying = rng.random() < 0.04
    roll = rng.uniform(-1.7, 1.7) if lying else rng.normal(0.0, 0.12)
    away = rng.random() < 0.22
    view = _turn(2, roll) @ _turn(1, rng.normal(np.pi if away else 0.0, 0.65))
    dyes = _dress(rng, side_colors)
    return Figure(stature * points @ view.T, view @ forward, stature, rng.uniform(0.85, 1.25), dyes)


def _turn(axis: int, angle: float) -> np.ndarray:
    """Rotation matrix about the x, y or z axis."""
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[i, i] = matrix[j, j] = np.cos(angle)
    matrix[j, i] = np.sin(angle)
    matrix[i, j] = -matrix[j, i]
    return matrix


def _bend_limbs(
    roots: np.ndarray, lengths: np.ndarray, lift: np.ndarray, swing: np.ndarray, bend: np.ndarray, out: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Middle joint, end, and direction of the lower half of limbs, each ``(4, 3)``: left, right, left, right.

    Args:
        roots: ``(4, 3)`` shoulders and hips.
        lengths: ``(4, 2)`` of the upper and the lower half.
        lift: ``(4,)`` radians sideways from hanging down.
        swing: ``(4,)`` radians forwards.
        bend: ``(4,)`` radians at the middle joint, positive to the front.
        out: ``(4,)`` radians by which the bend is turned outwards.
    """
    side = np.array([1.0, -1.0, 1.0, -1.0])
    sin_l = np.sin(lift)
    cos_l = np.cos(lift)
    sin_s = np.sin(swing)
    cos_s = np.cos(swing)
    upper = np.array([side * sin_l, cos_l * cos_s, cos_l * sin_s])  # (3, 4)
    front = np.array([np.zeros(4), -sin_s, cos_s])
    outwards = np.array([side * cos_l, -sin_l * cos_s, -sin_l * sin_s])
    lower = np.cos(bend) * upper + np.sin(bend) * (np.cos(out) * front + np.sin(out) * outwards)
    middle = roots + lengths[:, :1] * upper.T
    return middle, middle + lengths[:, 1:] * lower.T, lower.T


def _pose_legs(rng: np.random.Generator, style: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lift, swing and bend of the legs ``(2,)`` standing, walking, sitting or jumping."""
    u = rng.random
    if style < 0.45:
        return 0.03 + 0.22 * u(2), -0.12 + 0.3 * u(2), -0.25 * u(2)
    if style < 0.75:
        stride = (0.25 + 0.4 * u()) * np.array([1.0, -1.0])
        return 0.02 + 0.1 * u(2), stride if u() < 0.5 else -stride, -1.0 * u(2)
    if style < 0.88:
        return 0.1 + 0.4 * u(2), 1.0 + 0.5 * u(2), -1.0 - 0.6 * u(2)
    return 0.2 + 0.5 * u(2), -0.1 + 0.7 * u(2), -1.2 * u(2)


def _pose(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Points ``(len(BODY_POINTS), 3)`` of a body of height 1 that faces the viewer, and where it looks ``(3,)``."""
    u = rng.random
    style = u()
    raised = u(2) < (0.8 if style > 0.88 else 0.3)
    lift = np.where(raised, 1.2 + 1.5 * u(2), 0.12 + 0.75 * u(2))
    arms = (lift, -0.5 + 1.2 * u(2), 2.0 * u(2) ** 1.3, np.where(raised, 0.4, -0.5) + 1.2 * u(2))
    legs = (*_pose_legs(rng, style), np.zeros(2))
    lift, swing, bend, out = map(np.concatenate, zip(arms, legs, strict=True))
    middles, ends, lower = _bend_limbs(_ROOTS, _LENGTHS, lift, swing, bend, out)
    elbows, knees = np.split(middles, 2)
    wrists, ankles = np.split(ends, 2)
    reach, shank = np.split(lower, 2)
    step = np.array([[0.3, -0.3], -shank[:, 2], np.abs(shank[:, 1])]).T  # feet point forwards and a little out
    toes = ankles + 0.02 * shank + 0.065 * step

    head_turn = _turn(2, 0.4 * (u() - 0.5)) @ _turn(1, 1.2 * (u() - 0.5))
    skull = _SKULL @ head_turn.T + np.array([0.0, -0.405, 0.012])
    nose, left_eye, right_eye, left_ear, right_ear, head_top, upper_neck = skull
    # in the order of BODY_POINTS
    middle = [nose, head_top, head_top, upper_neck, [0.0, -0.315, 0.0], [0.0, -0.28, 0.0], [0.0, 0.0, 0.0]]
    sided = [[left_eye, right_eye], [left_ear, right_ear], _ROOTS[:2], elbows, wrists, wrists + 0.04 * reach]
    pairs = np.array([*sided, _ROOTS[2:], knees, ankles, toes])  # (10, 2, 3)
    points = np.concatenate([np.array(middle), pairs[:, 0], pairs[:, 1]])
    lean = _turn(0, -0.35 * u() ** 2) @ _turn(2, 0.3 * (u() - 0.5))
    return np.where(_LEGS[:, None], points, points @ lean.T), (lean @ head_turn)[:, 2]


def shade(color: Dye, factor: float) -> Dye:
    """A colour made darker, or lighter, by a factor."""
    return int(color[0] * factor), int(color[1] * factor), int(color[2] * factor)


def _dye(hue: float, saturation: float, value: float) -> Dye:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return int(255 * red), int(255 * green), int(255 * blue)


_UNIFORM = {
    "left": (0.86, 0.98, 0.06, 0.15),
    "right": (0.76, 0.62, 0.50, 0.36),
}  # hues: upper arm, forearm, thigh, shin


def _dress(rng: np.random.Generator, side_colors: bool) -> dict[str, Dye]:
    """Colours of one person; the limbs' clothing tells left from right if ``side_colors``."""
    u = rng.random
    skin, hair = _SKIN[rng.integers(len(_SKIN))], _HAIR[rng.integers(len(_HAIR))]
    bald, short_sleeves, shorts = u(3) < (0.08, 0.5, 0.35)
    arm, leg = u(2)
    depth = (0.6 + 0.35 * u(), 0.55 + 0.45 * u())  # saturation, value of the sleeves
    dyes = {"skin": skin, "hair": skin if bald else hair}
    dyes |= {"shirt": _dye(u(), 0.8 * u(), 0.25 + 0.75 * u()), "belt": _dye(u(), 0.5 * u(), 0.15 + 0.5 * u())}
    dyes |= {"logo": _dye(u(), 0.9 * u(), 0.5 + 0.5 * u()), "pack": _dye(u(), 0.6 * u(), 0.2 + 0.5 * u())}
    for side in ("left", "right"):
        if side_colors:  # every piece a hue of its own, warm on the left, cool on the right; each person its own depth
            sleeve, forearm, trousers, shin = (_dye(hue + 0.03 * (u() - 0.5), *depth) for hue in _UNIFORM[side])
        else:
            sleeve, trousers = _dye(arm, *depth), _dye(leg, depth[0], 0.8 * depth[1])
            forearm, shin = skin if short_sleeves else sleeve, skin if shorts else trousers
        dyes[f"{side}_sleeve"] = dyes[f"{side}_cuff"] = sleeve
        dyes[f"{side}_forearm"] = forearm
        dyes[f"{side}_trousers"] = trousers
        dyes[f"{side}_sock"] = dyes[f"{side}_shin"] = shin
        dyes[f"{side}_shoe"] = shade(shin, 0.5)
    return dyes
