"""Files with foreign bytes anywhere: they are read, or refused with the one error, and nothing else happens."""

import cv2
import numpy as np
import pytest
from PIL import Image

from aemm.formats import UnreadableImageError, load_image, open_frames
from aemm.formats.png import read_indices
from tests.drawn_files import encoded, frame, jpeg_with_preview, scene, write_video

pytestmark = pytest.mark.filterwarnings("ignore")
ALPHA = np.dstack([scene(), scene()[..., 0]])
PAGES = [Image.fromarray(frame(n)) for n in range(4)]
IMAGES = {
    "jpeg": jpeg_with_preview(scene(), 6),
    "progressive": encoded(scene(), "JPEG", progressive=True),
    "png": encoded(scene(), "PNG"),
    "alpha": encoded(ALPHA, "PNG"),
    "deep": cv2.imencode(".png", scene().astype(np.uint16) * 16)[1].tobytes(),
    "palette": encoded(Image.fromarray(scene()).quantize(16), "PNG"),
    "gif": encoded(PAGES[0], "GIF", save_all=True, append_images=PAGES[1:]),
    "webp": encoded(ALPHA, "WEBP", lossless=True),
    "tiff": encoded(scene(), "TIFF", compression="tiff_lzw"),
    "pages": encoded(PAGES[0], "TIFF", save_all=True, append_images=PAGES[1:]),
    "floats": cv2.imencode(".tif", (scene() / 255).astype(np.float32))[1].tobytes(),
    "bmp": encoded(scene(), "BMP"),
    "pnm": encoded(scene(), "PPM"),
    "jpeg2000": encoded(scene(), "JPEG2000"),
}
VIDEOS = [("a.avi", "MJPG"), ("a.mp4", "mp4v"), ("a.mkv", "MJPG")]


def _changed(data, rng):
    """The same bytes after one to five accidents, half of them near the start."""
    data = bytearray(data)
    for _ in range(int(rng.integers(1, 6))):
        at = int(rng.integers(0, len(data) if rng.random() < 0.5 else min(len(data), 200)))
        size = int(rng.integers(1, 40))
        accident = rng.integers(0, 6)
        if accident == 0:
            data[at : at + 1] = bytes([rng.integers(256)])
        elif accident == 1:
            data[at : at + size] = rng.integers(0, 256, size, np.uint8).tobytes()
        elif accident == 2:
            data[at : at + size] = bytes(size)
        elif accident == 3:
            del data[at : at + size]
        elif accident == 4:
            data[at : at + 4] = b"\xff\xff\xff\xff"
        else:
            data = data[: at + 1]
    return bytes(data)


def _read(path, *readers):
    for reader in readers:
        message = str(path)
        try:
            reader(str(path))
        except UnreadableImageError as error:
            message = str(error)
        assert str(path) in message


@pytest.mark.parametrize("kind", IMAGES)
def test_changed_images(tmp_path, kind):
    rng = np.random.default_rng(len(kind))
    for _ in range(20):
        (tmp_path / "a").write_bytes(_changed(IMAGES[kind], rng))
        _read(tmp_path / "a", load_image, read_indices, lambda path: list(open_frames(path)))


@pytest.mark.parametrize(("name", "code"), VIDEOS)
def test_changed_videos(tmp_path, name, code):
    rng = np.random.default_rng(0)
    whole = write_video(tmp_path / f"whole_{name}", 10, code).read_bytes()
    for _ in range(12):
        (tmp_path / name).write_bytes(_changed(whole, rng))
        _read(tmp_path / name, lambda path: list(open_frames(path)))
