"""Image files by OpenCV alone."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from aemm.ops.pixels import to_rgb
from aemm.runtime.description import DeployedModelError

ENDINGS = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
_JPEG = b"\xff\xd8"
_PNG = b"\x89PNG\r\n\x1a\n"
_KIND = 25  # byte of a PNG file that says what its pixels are
_WITHOUT_ALPHA = (0, 2, 3)  # grey, RGB, of a palette
_DEEP = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH


def read_picture(path: str | Path) -> np.ndarray:
    """An image file as ``(H, W, 3) uint8`` RGB, turned as its EXIF says.

    As :func:`aemm.formats.load_image` does, it scales more than 8 bits by the range in use, and lays what is
    transparent over white; only the one transparent value that a grey PNG can name is read as it is.

    Raises:
        FileNotFoundError: there is no such file.
        DeployedModelError: it is no image, damaged, or of a range that cannot be told.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: there is no such file")
    data = np.fromfile(path, np.uint8)
    try:
        image = _decode(data)
        return to_rgb(image, str(path))
    except (ValueError, cv2.error) as error:
        raise DeployedModelError(f"{path}: {error}") from error


def _decode(data: np.ndarray) -> np.ndarray:
    """What a file shows, ``(H, W, 3)`` RGB or ``(H, W, 4)`` with alpha, in its own type of numbers.

    Raises:
        ValueError: OpenCV cannot read it.
    """
    shown = cv2.imdecode(data, _DEEP) if data.size else None
    if shown is None:
        raise ValueError(f"OpenCV cannot read an image from it; is it one of {', '.join(ENDINGS)}?")
    shown = shown[..., ::-1]
    stored = None if _is_opaque(data.tobytes()) else cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    if stored is None or stored.ndim != 3 or stored.shape[2] != 4 or stored.dtype != shown.dtype:
        return shown
    return np.dstack([shown, _turned_alike(stored, shown)])


def _is_opaque(content: bytes) -> bool:
    """Whether a file says before its pixels that none of them is transparent."""
    if not content.startswith(_PNG):
        return content.startswith(_JPEG)
    head = content[: content.find(b"IDAT")]
    return head[_KIND] in _WITHOUT_ALPHA and b"tRNS" not in head


def _turned_alike(stored: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """Alpha ``(H, W)`` of what a file stores, turned by the quarters and mirrored as its colours are where it is shown.

    Args:
        stored: ``(h, w, 4)`` BGR and alpha, as stored.
        shown: ``(H, W, 3)`` RGB, turned as EXIF says.
    """
    for mirrored in (stored, stored[:, ::-1]):
        for quarters in range(4):
            view = np.rot90(mirrored, quarters)
            if view.shape[:2] == shown.shape[:2] and np.array_equal(view[..., 2::-1], shown):
                return view[..., 3]
    return np.full(shown.shape[:2], np.iinfo(stored.dtype).max if stored.dtype.kind == "u" else 1, stored.dtype)


def find_pictures(inputs: list[str]) -> list[Path]:
    """Image files: those named, and those in folders that are named, in the order of names.

    Raises:
        FileNotFoundError: a path does not exist.
        DeployedModelError: a folder holds none.
    """
    found: list[Path] = []
    for given in map(Path, inputs):
        if given.is_dir():
            within = sorted(path for path in given.rglob("*") if path.suffix.lower() in ENDINGS)
            if not within:
                raise DeployedModelError(f"{given}: the folder holds no image; expected files {', '.join(ENDINGS)}")
            found += within
        elif given.exists():
            found.append(given)
        else:
            raise FileNotFoundError(f"{given}: there is no such file or folder")
    return found
