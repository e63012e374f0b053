"""Image and video files drawn for tests, of the kinds that people bring."""

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

CORNERS = ("red", "green", "blue", "white")  # upper left, upper right, lower left, lower right


def scene(size=(48, 64), seed=0):
    """A smooth picture ``(H, W, 3) uint8`` RGB with some grain, different in every corner."""
    height, width = size
    y, x = np.mgrid[:height, :width]
    ramp = np.stack([x * 200 // width, y * 220 // height, (x + y) * 120 // (height + width) + 40], -1)
    grain = np.random.default_rng(seed).integers(0, 16, (height, width, 1))
    return (ramp + grain).astype(np.uint8)


def encoded(image, kind, **settings):
    """An image as the bytes of a file, by Pillow."""
    file = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, kind, **settings)
    return file.getvalue()


def jpeg_with_preview(image, orientation=1, **settings):
    """A JPEG whose EXIF block holds a whole preview, as cameras write it."""
    preview = encoded(np.ascontiguousarray(image[::4, ::4]), "JPEG")
    entries = struct.pack("<HHHII", 1, 0x0112, 3, 1, orientation)
    block = b"Exif\0\0II*\0" + struct.pack("<I", 8) + entries + struct.pack("<I", 0) + preview
    whole = encoded(image, "JPEG", **settings)
    return whole[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + whole[2:]


def png(pixels, depth, color=0, parts=b""):
    """A PNG of numbers as they are, of any depth; ``parts`` come before the pixels."""
    height, width = pixels.shape[:2]
    if depth == 16:
        rows = [row.astype(">u2").tobytes() for row in pixels]
    else:
        bits = np.unpackbits(pixels.astype(np.uint8)[..., None], axis=-1)[..., 8 - depth :].reshape(height, -1)
        rows = [row.tobytes() for row in np.packbits(bits, axis=1)]
    body = zlib.compress(b"".join(b"\0" + row for row in rows))
    head = png_part(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + parts + png_part(b"IDAT", body) + png_part(b"IEND", b"")


def png_part(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def frame(number, size=(60, 80)):
    """A frame of one grey that tells its number, with a coarse pattern above it."""
    image = np.full((*size, 3), 8 * number, np.uint8)
    image[: size[0] // 4] = np.random.default_rng(number).integers(0, 255, (size[0] // 4, size[1], 3))
    return image


def number_of(image):
    """The number that a decoded :func:`frame` shows."""
    return round(float(image[image.shape[0] // 2 :].mean()) / 8)


def write_video(path, count=30, code="MJPG", rate=10, size=(60, 80)):
    """A video of :func:`frame`."""
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), rate, size[::-1])
    assert video.isOpened(), path
    for number in range(count):
        video.write(frame(number, size))
    video.release()
    return Path(path)
