"""Pillow and OpenCV, asked so that whatever they do at a damaged file becomes one error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import cv2
import numpy as np
from PIL import Image

MAX_PIXELS = 89_478_485  # a quarter of a GiB as RGB; from here on Pillow warns of a file made to fill the memory
# none that Pillow hands to other programs, as it does with EPS
_FORMATS = ("BMP", "DIB", "GIF", "TIFF", "WEBP", "AVIF", "PNG", "JPEG2000", "PPM")
_PLAIN = {"L", "I", "I;16", "I;16B", "I;16L", "F", "RGB", "RGBA"}
_COLOR = getattr(cv2, "IMREAD_COLOR_RGB", cv2.IMREAD_COLOR)  # OpenCV 4.10 and older know BGR only
_UNKNOWN = "it is damaged, or of a kind that is not known; fetch it anew"


def check_pixels(size: tuple[int, int]) -> None:
    """Refuse an image before it is decoded if it has too many pixels.

    Args:
        size: ``(height, width)``.

    Raises:
        ValueError: it has none, or more than :data:`MAX_PIXELS`.
    """
    height, width = size
    if height < 1 or width < 1:
        raise ValueError(f"its header says {width}x{height} pixels")
    if height * width > MAX_PIXELS:
        raise ValueError(
            f"it has {width}x{height} pixels, up to {MAX_PIXELS} ({MAX_PIXELS / 1e6:.0f} million) are read; scale it "
            "down or cut it into parts"
        )


@contextmanager
def decoding() -> Iterator[None]:
    """Around calls of a decoder: damaged files make them raise nearly anything.

    Raises:
        ValueError: the file is damaged, in words for a user.
    """
    try:
        yield
    except MemoryError:
        raise
    except Image.DecompressionBombError as error:
        raise ValueError(f"it has far more than the {MAX_PIXELS} pixels that are read; scale it down") from error
    except Exception as error:
        detail = f" ({error})" if isinstance(error, OSError | EOFError) and "BytesIO" not in str(error) else ""
        raise ValueError(f"it is damaged{detail}; fetch it anew") from error


def open_pillow(file: IO[bytes]) -> Image.Image:
    """An image file opened by Pillow, if it is of a kind that Pillow reads by itself.

    Raises:
        ValueError: it is not, or its header is damaged.
    """
    with decoding():
        return Image.open(file, formats=_FORMATS)


def pillow_pixels(image: Image.Image) -> np.ndarray:
    """The pixels of Pillow's current picture: grey as stored, else RGB or RGBA.

    Raises:
        ValueError: it is damaged, or its colours are of a kind that cannot be shown without a profile.
    """
    with decoding():
        image.load()
        if image.mode == "1":
            return np.asarray(image.convert("L"))
        if "transparency" in image.info or image.mode in ("LA", "La", "PA", "RGBa"):
            return np.asarray(image.convert("RGBA"))
        if image.mode != "LAB":
            return np.asarray(image if image.mode in _PLAIN else image.convert("RGB"))
    raise ValueError("it holds CIE Lab colours; convert it to RGB")


def opencv_pixels(data: bytes) -> np.ndarray:
    """The pixels of an image file as stored, of any type: grey, RGB or RGBA.

    Raises:
        ValueError: it is damaged.
    """
    return from_bgr(_decode(data, cv2.IMREAD_UNCHANGED))


def opencv_rgb(data: bytes) -> np.ndarray:
    """The pixels of an image file of 8 bits as stored, ``(H, W, 3) uint8`` RGB, without a detour.

    Raises:
        ValueError: it is damaged.
    """
    image = _decode(data, _COLOR)
    if image is None:
        raise ValueError(_UNKNOWN)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB, image) if _COLOR == cv2.IMREAD_COLOR else image


def _decode(data: bytes, flags: int) -> np.ndarray | None:
    with decoding():
        return cv2.imdecode(np.frombuffer(data, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)


def from_bgr(image: np.ndarray | None) -> np.ndarray:
    """What OpenCV decoded, with its channels in the order red, green, blue, alpha.

    Raises:
        ValueError: it decoded nothing.
    """
    if image is None:
        raise ValueError(_UNKNOWN)
    if image.ndim == 3 and image.shape[2] in (3, 4):
        return image[..., [2, 1, 0, 3][: image.shape[2]]]
    return image
