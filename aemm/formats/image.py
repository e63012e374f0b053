"""Image files."""

from __future__ import annotations

import cv2
import mmengine.fileio as fileio
import numpy as np


class UnreadableImageError(OSError):
    """An image file is missing, empty or corrupt."""


def load_image(path: str) -> np.ndarray:
    """An image file as ``(H, W, 3) uint8`` RGB, through mmengine's file backends.

    Raises:
        UnreadableImageError: the file is missing, or no image.
    """
    try:
        data = fileio.get(path)
    except OSError as error:
        raise UnreadableImageError(f"image {path} cannot be opened: {error}") from error
    cut_off = data[:2] == b"\xff\xd8" and b"\xff\xd9" not in data  # a JPEG without its end marker
    image = None
    try:
        if not cut_off:
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        pass  # what a decoder says of a broken file helps nobody
    if image is None:
        raise UnreadableImageError(
            f"image {path} cannot be decoded ({len(data)} bytes); fetch the file anew, or set on_unreadable='next' to "
            "train without it"
        )
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB, image)
