"""Image files by OpenCV alone."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from aemm.runtime.description import DeployedModelError

ENDINGS = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


def read_picture(path: str | Path) -> np.ndarray:
    """An image file as ``(H, W, 3) uint8`` RGB, turned as its EXIF says.

    Raises:
        FileNotFoundError: there is no such file.
        DeployedModelError: it is no image, or damaged.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: there is no such file")
    data = np.fromfile(path, np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if image is None:
        raise DeployedModelError(f"{path}: OpenCV cannot read an image from it; is it one of {', '.join(ENDINGS)}?")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def find_pictures(inputs: list[str]) -> list[Path]:
    """Image files: those named, and those in folders that are named, in the order of names.

    Raises:
        FileNotFoundError: a path does not exist.
    """
    found: list[Path] = []
    for given in map(Path, inputs):
        if given.is_dir():
            found += sorted(path for path in given.rglob("*") if path.suffix.lower() in ENDINGS)
        elif given.exists():
            found.append(given)
        else:
            raise FileNotFoundError(f"{given}: there is no such file or folder")
    return found
