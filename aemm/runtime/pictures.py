"""Image files by OpenCV alone."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np

from aemm.ops.fitting import check_stretch
from aemm.ops.orientation import clear_orientation, read_orientation, turn
from aemm.ops.pixels import to_rgb
from aemm.runtime.description import DeployedModelError

ENDINGS = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
_JPEG, _END_OF_JPEG = b"\xff\xd8", b"\xff\xd9"
_SCAN = 0xDA  # marker of a JPEG behind which there are no more segments of known length
_PNG, _END_OF_PNG = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
_KIND = 25  # byte of a PNG file that says what its pixels are
_WITHOUT_ALPHA = (0, 2, 3)  # grey, RGB, of a palette
_TIFF = (b"II*\0", b"MM\0*")
_DEEP = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH


def read_picture(path: str | Path) -> np.ndarray:
    """An image file as ``(H, W, 3) uint8`` RGB, turned as its EXIF says.

    As :func:`aemm.formats.load_image` does, it scales more than 8 bits by the range in use, and lays what is
    transparent over white; only the one transparent value that a grey PNG can name is read as it is.

    Raises:
        FileNotFoundError: there is no such file.
        DeployedModelError: it is no image, cut off, of a range that cannot be told, or far longer than wide.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: there is no such file")
    content = Path(path).read_bytes()
    try:
        if _is_cut_off(content):
            raise ValueError("it is cut off: the marker of its end is missing; fetch it anew")
        orientation = 1
        if content.startswith(_TIFF):  # of which OpenCV turns some, and others not
            orientation, content = read_orientation(content), clear_orientation(content)
        image = np.ascontiguousarray(turn(to_rgb(_decode(content), str(path)), orientation))
        check_stretch(image, str(path))
        return image
    except (ValueError, cv2.error) as error:
        raise DeployedModelError(f"{path}: {error}") from error


def _is_cut_off(data: bytes) -> bool:
    """Whether a JPEG or PNG ends before its picture does, whose rest OpenCV would fill."""
    if not data.startswith(_JPEG):
        return data.startswith(_PNG) and _END_OF_PNG not in data
    at = data.find(b"\xff", 2)
    while 0 <= at < len(data) - 3 and data[at + 1] != _SCAN:  # over segments, of which one may hold a whole preview
        length = int.from_bytes(data[at + 2 : at + 4], "big") if data[at + 1] != 0xFF else -1  # which fills up
        at = data.find(b"\xff", at + 2 + length)
    return at < 0 or data.find(_END_OF_JPEG, at) < 0


def _decode(content: bytes) -> np.ndarray:
    """What a file shows, ``(H, W, 3)`` RGB or ``(H, W, 4)`` with alpha, in its own type of numbers.

    Raises:
        ValueError: OpenCV cannot read it.
    """
    data = np.frombuffer(content, np.uint8)
    shown = cv2.imdecode(data, _DEEP) if content else None
    if shown is None:
        raise ValueError(f"OpenCV cannot read an image from it; is it one of {', '.join(ENDINGS)}?")
    shown = shown[..., ::-1]
    stored = None if _is_opaque(content) else cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    if stored is None or stored.ndim != 3 or stored.shape[2] != 4 or stored.dtype != shown.dtype:
        return shown
    alpha = _turned_alike(stored, shown)
    if content.startswith(_TIFF) and shown.dtype == np.uint8:  # colours that OpenCV took the share of already
        return (shown + (255 - alpha.astype(np.uint16))[..., None]).clip(max=255).astype(np.uint8)
    return np.dstack([shown, alpha])


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


def _is_picture(path: Path, folder: Path) -> bool:
    """Whether something in a folder is an image file by its name, and not hidden."""
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return path.suffix.lower() in ENDINGS and not hidden and path.is_file()


def find_pictures(inputs: list[str]) -> list[Path]:
    """Image files: those named, and those in folders that are named, in the order of names and each once.

    Hidden files of a folder are passed over.

    Raises:
        FileNotFoundError: a path does not exist.
        DeployedModelError: a folder holds none.
    """
    found: list[Path] = []
    for given in map(Path, inputs):
        if given.is_dir():
            within = sorted(path for path in given.rglob("*") if _is_picture(path, given))
            if not within:
                raise DeployedModelError(f"{given}: the folder holds no image; expected files {', '.join(ENDINGS)}")
            found += within
        elif given.exists():
            found.append(given)
        else:
            raise FileNotFoundError(f"{given}: there is no such file or folder")
    once: dict[str, Path] = {}
    for path in found:
        once.setdefault(os.path.abspath(path), path)
    return list(once.values())
