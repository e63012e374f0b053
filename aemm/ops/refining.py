"""What a second look at every person takes, and which keypoints it changes; on plain arrays and without torch.

Letters: N instances, K keypoints, ``h, w`` map cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aemm import geometry
from aemm.ops.boxes import keypoint_box, person_square
from aemm.ops.image import warp_image

Square = tuple[tuple[float, float], float]
"""Middle and side, pixels of the image."""


@dataclass(frozen=True)
class RefineRules:
    """How people are looked at again; :class:`aemm.postprocess.SinglePersonRefiner` explains each field.

    Attributes:
        sizes: of the squares shown, pixels; the first is decoded.
        multiple_of: a size that is no multiple is shown with more of its surroundings.
        padding: side of the square over the longer side of the box of the keypoints.
        min_side: the longer side counts as at least this many pixels.
        min_score: a keypoint that had been found is replaced where the new score exceeds this.
        near: pixels below which two places agree.
        min_agreement: share of the keypoints found that must agree with the network's.
        max_batch: people shown to the network at once.

    Raises:
        ValueError: a field is out of range.
    """

    sizes: tuple[int, ...] = (512, 400, 300)
    multiple_of: int = 64
    padding: float = 1.3
    min_side: float = 60.0
    min_score: float = 0.15
    near: float = 10.0
    min_agreement: float = 0.2
    max_batch: int = 16

    def __post_init__(self) -> None:
        """Check every field."""
        object.__setattr__(self, "sizes", tuple(self.sizes))
        if self.max_batch < 1:
            raise ValueError(f"max_batch must be at least 1 person, got {self.max_batch}")
        if not self.sizes or min(self.sizes) < 1:
            raise ValueError(f"sizes must be one or more positive numbers of pixels, got {list(self.sizes)}")


def find_squares(
    keypoints: np.ndarray, keypoint_scores: np.ndarray, rules: RefineRules
) -> tuple[list[int], list[list[Square]]]:
    """Which people are looked at, and the squares around them, in lots of ``max_batch``.

    Args:
        keypoints: ``(N, K, 2)`` pixels.
        keypoint_scores: ``(N, K)``, 0 = absent.
        rules: of the squares.
    """
    boxes = [keypoint_box(p, s > 0) for p, s in zip(keypoints, keypoint_scores, strict=True)]
    rows = [row for row, box in enumerate(boxes) if box is not None]
    squares = [person_square(box, rules.padding, rules.min_side) for box in boxes if box is not None]
    return rows, [squares[at : at + rules.max_batch] for at in range(0, len(squares), rules.max_batch)]


def cut_squares(image: np.ndarray, squares: list[Square], size: int, multiple_of: int) -> tuple[np.ndarray, np.ndarray]:
    """Every square at ``size`` pixels, in the upper left of an image that the network can take.

    Args:
        image: ``(H, W, 3) uint8``.
        squares: N of them.
        size: of their sides, pixels.
        multiple_of: what the sides of the network's images are a multiple of.

    Returns:
        ``(N, side, side, 3) uint8`` and warps ``(N, 3, 3)``, pixels of the image to theirs.
    """
    side = geometry.round_up(size, multiple_of)
    warps = np.stack([geometry.crop_warp(center, length, (size, size)) for center, length in squares])
    return np.stack([warp_image(image, warp, (side, side)) for warp in warps]), warps


def cells_of_square(cells: int, side: int, size: int) -> int:
    """How many of the cells along a map show the square itself, and not its surroundings.

    Args:
        cells: along the map.
        side: pixels of the image that it is a map of.
        size: pixels of the square.

    Raises:
        ValueError: the square ends within a cell.
    """
    shown, rest = divmod(size * cells, side)
    if rest:
        raise ValueError(f"sizes must be multiples of the network's stride {side / cells:g}, got {size}")
    return shown


def accept(
    old: tuple[np.ndarray, np.ndarray], new: tuple[np.ndarray, np.ndarray], rules: RefineRules
) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints ``(N, K, 2)`` and scores ``(N, K)`` after the rules of replacement.

    Args:
        old: keypoints and scores that had been found.
        new: those of the second look.
        rules: of the replacement.
    """
    points, scores = old
    new_points, new_scores = new
    present = scores > 0
    agree = present & (np.linalg.norm(new_points - points, axis=2) < rules.near)
    trusted = agree.sum(1) >= rules.min_agreement * present.sum(1)
    change = trusted[:, None] & (~present | (new_scores > rules.min_score)) & (new_scores > 0)
    return np.where(change[..., None], new_points, points), np.where(change, new_scores, scores)
