"""Images: any file that shows a picture as 8-bit RGB, the way a viewer shows it."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import get_args

import cv2
import numpy as np

from aemm.formats import jpeg, png
from aemm.formats.decoders import check_pixels, decoding, open_pillow, opencv_pixels, opencv_rgb, pillow_pixels
from aemm.formats.files import told_with
from aemm.formats.kinds import HEAD, kind_of
from aemm.formats.paths import UnreadableImageError, read_bytes
from aemm.formats.tiff import TiffFile
from aemm.ops.orientation import ORIENTATION, Exif, describe_orientation, is_orientation, swaps_sides, turn
from aemm.ops.pixels import to_rgb, warn_once

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SWAPPED = "the annotations were made on the {} pixels; set exif={!r} in the data set"


@dataclass
class StoredImage:
    """An image as its file stores it.

    Attributes:
        pixels: ``(H, W, 3) uint8`` RGB.
        orientation: how a viewer turns them, 1 to 8.
        frames: pictures in the file, of which this is the first.
    """

    pixels: np.ndarray
    orientation: int = 1
    frames: int = 1


def load_image(path: str, exif: Exif = "apply") -> np.ndarray:
    """An image file as ``(H, W, 3) uint8`` RGB, through mmengine's file backends.

    What a file holds is told by its content, not by its name.

    - Grey, palettes and 1 to 4 bits, CMYK and YCbCr become RGB.
    - More than 8 bits are scaled by the range in use, see :func:`aemm.ops.pixels.to_rgb`; floats are taken as 0 to
      1 or 0 to 255. Where the range cannot be told, the file is refused and the range named.
    - What is transparent is laid over white.
    - Of an animation or of several pages the first is taken, with a warning.
    - A file that is cut off, or seen to be damaged inside, is refused; see :func:`aemm.formats.jpeg.find_damage`.
    - An image of more than :data:`~aemm.formats.decoders.MAX_PIXELS` is refused before it is decoded.

    Args:
        path: of the file.
        exif: ``'apply'`` turns and mirrors the image as its EXIF orientation says, ``'ignore'`` leaves it as stored.

    Raises:
        UnreadableImageError: the file is missing, damaged, too large, no image, or of a range that cannot be told.
    """
    if exif not in get_args(Exif):
        raise ValueError(f"exif must be 'apply' or 'ignore', got {exif!r}")
    stored = read_image(path)
    return stored.pixels if exif == "ignore" else turn(stored.pixels, stored.orientation)


def load_annotated_image(path: str, size: tuple[int, int], source: str, exif: Exif | None = None) -> np.ndarray:
    """An image whose size an annotation file states, as :func:`load_image` gives it.

    Where the stated size fits the stored pixels alone, or those turned by EXIF alone, and the others were asked
    for, the error says so. Where it fits both, nothing tells which ones were annotated: unless ``exif``
    decides, there is a warning, once for each annotation file.

    Args:
        path: of the image.
        size: ``(height, width)`` that the annotation file states.
        source: the annotation file.
        exif: ``'apply'`` where viewed images were annotated, ``'ignore'`` where raw pixels were; None = apply, and
            warn where it matters and nothing tells.

    Raises:
        UnreadableImageError: see :func:`load_image`; or the image is of another size.
    """
    stored = read_image(path)
    raw = stored.pixels.shape[:2]
    turned = raw[::-1] if swaps_sides(stored.orientation) else raw
    shown, other = (raw, turned) if exif == "ignore" else (turned, raw)
    if shown != tuple(size):
        oriented = f" by its {describe_orientation(stored.orientation)}" if stored.orientation > 1 else ""
        said = f"{source} says {size[1]}x{size[0]}"
        if other == tuple(size):
            cure = _SWAPPED.format(*(("turned", "apply") if exif == "ignore" else ("raw", "ignore")))
            raise UnreadableImageError(
                f"image {path} is {turned[1]}x{turned[0]}{oriented} and {raw[1]}x{raw[0]} as stored, but {said}: {cure}"
            )
        raise UnreadableImageError(
            f"image {path} is {shown[1]}x{shown[0]}{oriented and oriented.replace(' by', ' after')}, but {said}; the "
            "file was replaced or resized, or the annotation file is of other images"
        )
    if stored.orientation > 1 and turned == raw and exif is None:
        warn_once(
            f"orientation {source}",
            f"image {path} has {describe_orientation(stored.orientation)}, which is applied. Its size of {raw[1]}x"
            f"{raw[0]} fits either way, so nothing tells whether {source} was made on the viewed image or on raw "
            "pixels: look at some with their annotations, then set exif='apply' or exif='ignore' in the data set",
        )
    return stored.pixels if exif == "ignore" else turn(stored.pixels, stored.orientation)


def read_image(path: str) -> StoredImage:
    """The pixels of an image file as stored, and what a viewer does with them.

    Raises:
        UnreadableImageError: see :func:`load_image`.
    """
    data = read_bytes(path)
    try:
        stored = _decode(data, path)
    except ValueError as error:
        raise UnreadableImageError(f"image {path} cannot be decoded ({len(data)} bytes): {error}") from error
    if stored.frames > 1:
        warn_once(f"frames {path}", f"image {path} holds {stored.frames} pictures; only the first is taken")
    return stored


def _decode(data: bytes, name: str) -> StoredImage:
    kind = kind_of(data[:HEAD], name)
    if kind.reads not in ("image", "frames"):
        known = f"it holds {kind.name}" if kind.name else f"it begins with {data[:8]!r}, as no known image does"
        raise ValueError(f"{known}; {kind.remedy or 'fetch it anew'}")
    if kind.name == "JPEG":
        return _decode_jpeg(data)
    if kind.name == "PNG":
        return _decode_png(data, name)
    if kind.name == "TIFF":
        file = TiffFile(data)
        page = file.pages[0]
        check_pixels(page.size)
        pixels = to_rgb(file.read(page), name, page.white_is_zero)
        return StoredImage(pixels, page.orientation, len(file.pages))
    with open_pillow(BytesIO(data)) as image:
        check_pixels((image.height, image.width))
        with decoding():
            orientation, frames = image.getexif().get(ORIENTATION, 1), getattr(image, "n_frames", 1)
        six_bytes = data[:2] == b"P6" and len(data) >= 6 * image.width * image.height
        deep = kind.name == "JPEG 2000" or six_bytes  # more than 8 bits a channel, which Pillow cuts off
        pixels = opencv_pixels(data) if deep else pillow_pixels(image)
    return StoredImage(to_rgb(pixels, name), orientation if is_orientation(orientation) else 1, frames)


def _decode_jpeg(data: bytes) -> StoredImage:
    header = jpeg.read_jpeg_header(data)
    check_pixels(header.size)
    if damage := jpeg.find_damage(data, header):
        raise ValueError(f"{damage}; fetch it anew")
    pixels = opencv_rgb(data)
    if jpeg.ends_early(data, header, pixels):
        raise ValueError("it is damaged: its data ends before the picture does; fetch it anew")
    return StoredImage(pixels, header.orientation)


def _decode_png(data: bytes, name: str) -> StoredImage:
    check_pixels(png.read_png_header(data).size)
    header = png.read_png(data)
    if header.depth <= 8 and not header.transparent:
        return StoredImage(opencv_rgb(data), header.orientation, header.frames)
    pixels = opencv_pixels(data)
    if header.clear_grey is not None and pixels.ndim == 2:  # which OpenCV passes over
        most = np.iinfo(pixels.dtype).max
        clear = pixels == header.clear_grey * (most // (2**header.depth - 1))
        pixels = np.dstack([pixels, np.where(clear, 0, most).astype(pixels.dtype)])
    return StoredImage(to_rgb(pixels, name), header.orientation, header.frames)


def write_picture(path: str | Path, picture: np.ndarray) -> None:
    """Write an RGB picture whole or not at all; the ending of the name says the format. OpenCV tells of no full disk.

    Args:
        path: of the file.
        picture: ``(H, W, 3) uint8`` RGB, or ``(H, W, 1)`` grey.

    Raises:
        OSError: it cannot be written.
    """
    pixels = picture if picture.shape[2] == 1 else picture[..., ::-1]
    try:
        done, data = cv2.imencode(Path(path).suffix, np.ascontiguousarray(pixels))
    except cv2.error as error:  # of an ending that it does not know
        raise OSError(f"cannot write a picture to {path}; call it .png or .jpg: {error}") from error
    if not done:
        raise OSError(f"cannot write a picture to {path}")
    try:
        with told_with(path):
            Path(path).write_bytes(data.data)
    except OSError as error:
        if error.errno in _FULL:
            Path(path).unlink(missing_ok=True)
        raise
