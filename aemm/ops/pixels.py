"""Pixels of any kind become 8-bit RGB, or are refused with the range that was found."""

from __future__ import annotations

import warnings

import numpy as np

_BITS = (8, 10, 12, 14, 16)  # that cameras and scanners use of a 16-bit number
_GROUND = 255  # white, as viewers and browsers show what is transparent
_DARKEST = 16  # a float picture whose largest value is between 1 and this could be of either range
Range = tuple[float, float]
_SAID: set[str] = set()


def warn_once(key: str, message: str) -> None:
    """A warning for the first of many alike, once in a process.

    Args:
        key: what the many have in common.
        message: names the first.
    """
    if key not in _SAID:
        _SAID.add(key)
        warnings.warn(message, stacklevel=2)


def to_rgb(image: np.ndarray, name: str, white_is_zero: bool = False, among: Range | None = None) -> np.ndarray:
    """An image as ``(H, W, 3) uint8`` RGB.

    Whole numbers of more than 8 bits are scaled by the range that the file uses: the smallest of 10, 12, 14
    and 16 bits that holds its largest value; up to 255 they stay as they are. Floats are taken as 0 to 1, or as 0 to
    255 where the largest is 16 or more. What is transparent is laid over white.

    Args:
        image: ``(H, W)`` or ``(H, W, channels)``: grey, grey and alpha, RGB, or RGBA; any type.
        name: of the file, for messages.
        white_is_zero: as fax machines and X-ray scanners store it.
        among: smallest and largest value of all pictures that belong together; None = of this one.

    Raises:
        ValueError: the range cannot be told, or there are other channels.
    """
    channels = 1 if image.ndim == 2 else image.shape[2]
    if image.ndim not in (2, 3) or channels > 4 or 0 in image.shape:
        raise ValueError(f"it holds an array of shape {image.shape}, expected 1 to 4 channels")
    image = image.reshape(*image.shape[:2], channels)
    alpha = image[..., -1:] if channels in (2, 4) else None
    colors = _to_8_bits(image if alpha is None else image[..., :-1], name, among)
    if white_is_zero:
        colors = 255 - colors
    if alpha is not None:
        colors = _over_ground(colors, alpha)
    return np.ascontiguousarray(np.broadcast_to(colors, (*image.shape[:2], 3)))


def _to_8_bits(colors: np.ndarray, name: str, among: Range | None) -> np.ndarray:
    if colors.dtype == np.uint8:
        return colors
    if colors.dtype == bool:
        return colors.astype(np.uint8) * np.uint8(255)
    low, high = among or (colors.min(), colors.max())
    found = f"it holds {colors.dtype} values from {low:g} to {high:g}"
    if colors.dtype.kind == "f":
        if not np.isfinite(low + high) or low < 0 or high > 255 or 1 < high < _DARKEST:
            raise ValueError(f"{found}, expected 0 to 1 or 0 to 255; convert it to 8 bits with the range you mean")
        return np.rint(colors * (255 if high <= 1 else 1)).astype(np.uint8)
    if low < 0 or high > 65535:
        raise ValueError(f"{found}, expected 0 to 65535 at most; convert it to 8 bits with the range you mean")
    bits = next(bits for bits in _BITS if high < 2**bits)
    warn_once(
        f"bits {bits}",
        f"image {name}: {found}, so it is read as {bits} bits (0 to {2**bits - 1} become 0 to 255), each such image by "
        "its own range; convert the images to 8 bits if their brightness has to be comparable",
    )
    return np.rint(colors * (255 / (2**bits - 1))).astype(np.uint8)


def _over_ground(colors: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    whole = 1 if alpha.dtype.kind == "f" else np.iinfo(alpha.dtype).max
    share = alpha.astype(np.float32).clip(0, whole) / whole
    return np.rint(colors * share + _GROUND * (1 - share)).astype(np.uint8)
