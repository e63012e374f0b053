"""The pixel convention and everything that follows from it.

Coordinates are continuous: pixel ``j`` covers ``[j, j + 1)`` and its centre is ``j + 0.5``. A map of
stride ``s`` therefore has ``cell = floor(x / s)`` and ``point = (cell + 0.5) * s``; a mirror image is
``W - x``; resizing is a pure scale. ``align_corners=False`` agrees with all of it. Geometry travels as
one 3x3 matrix, original pixels to network pixels: each transform multiplies from the left and the
decoder inverts the product once.

That is the convention 'continuous'. Published models were trained with others, which are named here
and nowhere else; a sample carries the name of its own to targets and decoder:

- 'index': warps are the same matrices, but images are resampled as if the middle of pixel ``j`` lay at
  ``j``, so that what the network sees is half a pixel off. A mirror image is ``W - 1 - x``, and each map
  is mirrored by itself, ``w - 1 - x``: keypoints of a mirrored image lie a whole cell left of where
  'continuous' has them. HigherHRNet and mmpose 0.x train so.
- 'newell': images are resampled as in 'index', all else is as in 'continuous'.
- 'udp' (unbiased data processing): the middle of pixel ``j`` lies at ``j`` everywhere, an image of
  width ``W`` is ``W - 1`` long, a mirror image is ``W - 1 - x``, and cell ``j`` of a map of width ``w``
  lies at ``j (W - 1) / (w - 1)``. ``align_corners=True`` agrees with it.

Reference:
    princeton-vl/pose-ae-train utils/misc.py and data/coco_pose/dp.py ('newell');
    HRNet/HigherHRNet-Human-Pose-Estimation lib/utils/transforms.py and lib/dataset/transforms
    ('index'); Huang et al., The devil is in the details: delving into unbiased data processing for
    human pose estimation (CVPR 2020; 'udp').
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, get_args

import numpy as np

PixelConvention = Literal["continuous", "index", "newell", "udp"]

_HALF = np.array([[1.0, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
_BACK = np.array([[1.0, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])


def scaling(x: float, y: float | None = None) -> np.ndarray:
    """Warp that multiplies x and y; one number scales both."""
    return np.diag([x, x if y is None else y, 1.0])


def translation(x: float, y: float) -> np.ndarray:
    """Warp that moves points by ``(x, y)`` pixels."""
    return np.array([[1.0, 0, x], [0, 1, y], [0, 0, 1]])


def rotation(degrees: float) -> np.ndarray:
    """Warp that turns points about the origin, from the x axis towards the y axis."""
    angle = np.deg2rad(degrees)
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1.0]])


def check_convention(convention: str) -> None:
    """Raise ``ValueError`` unless there is a pixel convention of that name."""
    if convention not in get_args(PixelConvention):
        known = ", ".join(map(repr, get_args(PixelConvention)))
        raise ValueError(f"convention must be one of {known}, got {convention!r}")


def extent(pixels: float, convention: PixelConvention = "continuous") -> float:
    """Length of a row of pixels: their number, or in 'udp' the way from the first to the last."""
    return pixels - 1 if convention == "udp" else pixels


def mirror(width: float, convention: PixelConvention = "continuous") -> np.ndarray:
    """Warp of a left-right flip of an image ``width`` pixels wide: ``x`` becomes ``width - x``.

    >>> apply_warp(np.array([[0.5, 3.0]]), mirror(10))
    array([[9.5, 3. ]])
    """
    far = width - 1 if convention == "index" else extent(width, convention)
    return np.array([[-1.0, 0, far], [0, 1, 0], [0, 0, 1]])


def is_mirrored(warp: np.ndarray) -> bool:
    """Whether a ``(3, 3)`` warp turns left into right."""
    (a, b), (c, d) = warp[:2, :2].tolist()
    return bool(a * d < b * c)


def crop_warp(
    center: tuple[float, float],
    side: float,
    size: tuple[int, int],
    degrees: float = 0.0,
    convention: PixelConvention = "continuous",
) -> np.ndarray:
    """Warp of a turned square crop to the middle of an output of ``size``.

    Args:
        center: middle of the crop, image pixels x, y.
        side: side of the square that is to fill the output's shorter side, image pixels.
        size: ``(height, width)`` of the output.
        degrees: rotation of the contents.
        convention: of the pixels.
    """
    height, width = extent(size[0], convention), extent(size[1], convention)
    zoom = scaling(min(height, width) / side)
    return translation(width / 2, height / 2) @ rotation(degrees) @ zoom @ translation(-center[0], -center[1])


def apply_warp(points: np.ndarray, warp: np.ndarray) -> np.ndarray:
    """Points ``(..., 2)`` taken through a ``(3, 3)`` warp; the float type of ``points`` is kept."""
    return (points @ warp[:2, :2].T + warp[:2, 2]).astype(points.dtype, copy=False)


def resampling_warp(warp: np.ndarray, convention: PixelConvention = "continuous") -> np.ndarray:
    """The matrix for a resampler that puts the middle of pixel ``j`` at ``j``, as OpenCV does.

    Args:
        warp: ``(3, 3)`` as points are taken through it.
        convention: 'continuous' moves the middles from halves to whole numbers; in the others the warp
            is used as it is.
    """
    return _BACK @ warp @ _HALF if convention == "continuous" else warp


def _map_scale(input_size: tuple[int, int], map_size: tuple[int, int], convention: PixelConvention) -> np.ndarray:
    """Input pixels per cell along x and y."""
    lengths = [(extent(i, convention), extent(m, convention)) for i, m in zip(input_size, map_size, strict=True)]
    return np.array([length / max(cells, 1) for length, cells in reversed(lengths)])


def _map_shift(
    input_size: tuple[int, int], map_size: tuple[int, int], convention: PixelConvention, mirrored: bool
) -> np.ndarray:
    """What is added to x and y in cells once they are scaled."""
    if convention == "index" and mirrored:  # as if the map were mirrored, not the pixels
        return np.array([(map_size[1] - 1) - (input_size[1] - 1) * map_size[1] / input_size[1], 0.0])
    return np.full(2, 0.5 if convention == "udp" else 0.0)


def to_map(
    points: np.ndarray,
    input_size: tuple[int, int],
    map_size: tuple[int, int],
    convention: PixelConvention = "continuous",
    mirrored: bool = False,
) -> np.ndarray:
    """Input pixels ``(..., 2)`` to map coordinates, where cell ``j`` covers ``[j, j + 1)`` in every convention.

    Args:
        points: pixels of the network's input.
        input_size: its ``(height, width)``.
        map_size: ``(h, w)`` of the map in cells.
        convention: of ``points``.
        mirrored: whether the input is a mirror image, which 'index' counts in cells.

    >>> to_map(np.array([[511.0, 0]]), (512, 512), (128, 128), "udp")
    array([[127.5,   0.5]])
    """
    cells = points / _map_scale(input_size, map_size, convention).astype(points.dtype)
    return cells + _map_shift(input_size, map_size, convention, mirrored).astype(points.dtype)


def map_warp(
    input_size: tuple[int, int],
    map_size: tuple[int, int],
    convention: PixelConvention = "continuous",
    mirrored: bool = False,
) -> np.ndarray:
    """Warp ``(3, 3)`` from map coordinates back to pixels of the network's input; undoes :func:`to_map`."""
    x, y = _map_scale(input_size, map_size, convention)
    shift_x, shift_y = _map_shift(input_size, map_size, convention, mirrored)
    return scaling(x, y) @ translation(-shift_x, -shift_y)


def to_corners(convention: PixelConvention) -> np.ndarray:
    """Warp ``(3, 3)`` from points of a convention to points that count from the corner of the first pixel.

    Drawing and masks count so; in 'udp' alone points count from the middle of the first pixel.
    """
    return _HALF if convention == "udp" else np.eye(3)


@lru_cache(maxsize=64)  # asked for at every sample, of few sizes
def cell_pixels(
    input_size: tuple[int, int],
    map_size: tuple[int, int],
    convention: PixelConvention,
    mirrored: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Rows ``(h,)`` and columns ``(w,)`` of the input pixels that a resampler reads for the cells of a map; read only.

    Args:
        input_size: ``(height, width)`` of the input.
        map_size: ``(h, w)`` of the map in cells.
        convention: one that puts the middle of pixel ``j`` at ``j``.
        mirrored: as in :func:`to_map`.

    Raises:
        ValueError: in 'continuous' no single pixel stands for a cell.
    """
    if convention == "continuous":
        raise ValueError("convention must be one that puts the middle of pixel j at j, got 'continuous'")
    cells = np.arange(max(map_size))[:, None].repeat(2, 1) + (0.5 if convention == "udp" else 0.0)
    if convention == "newell" and mirrored:  # its keypoints are a cell off there, its pixels are not
        convention = "index"
    pixels = np.rint(apply_warp(cells, map_warp(input_size, map_size, convention, mirrored))).astype(int)
    pixels.flags.writeable = False
    return pixels[: map_size[0], 1], pixels[: map_size[1], 0]


def image_cells(
    image_size: tuple[int, int],
    warp: np.ndarray,
    input_size: tuple[int, int],
    map_size: tuple[int, int],
    convention: PixelConvention,
) -> tuple[slice, slice]:
    """Rows and columns of a map that show the image; the others show what was padded around it.

    Args:
        image_size: ``(height, width)`` of the image.
        warp: ``(3, 3)`` its pixels to those of the input; it turns no image, so that each fills an upright box.
        input_size: ``(height, width)`` of the input.
        map_size: ``(h, w)`` of the map in cells.
        convention: of the pixels.
    """
    rows, columns = image_size
    ends = np.array([[0.0, 0.0], [extent(columns, convention), extent(rows, convention)]])
    cells = to_map(apply_warp(ends, warp), input_size, map_size, convention, is_mirrored(warp))
    left, top = np.floor(cells.min(0)).astype(int).clip(0).tolist()
    right, bottom = np.ceil(cells.max(0)).astype(int).clip(0).tolist()
    return slice(top, bottom), slice(left, right)


def round_up(value: float, multiple: int) -> int:
    """The smallest multiple that is not below ``value``, fractions of a unit beyond one not counted.

    >>> round_up(512, 64), round_up(512.9, 64), round_up(513, 64)
    (512, 512, 576)
    """
    return max(1, int((value + multiple - 1) // multiple)) * multiple
