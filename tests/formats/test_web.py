"""Files at web addresses, from a server of this machine."""

import contextlib
import http.server
import io
import threading
import time

import numpy as np
import pytest
from PIL import Image

from aemm.apis import Account, find_sources
from aemm.formats import UnreadableImageError, load_image, open_frames, web
from tests.drawn_files import encoded, frame, scene

PNG = encoded(scene(), "PNG")
GIF = io.BytesIO()
Image.fromarray(frame(0)).save(GIF, "GIF", save_all=True, append_images=[Image.fromarray(frame(1))], duration=40)


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers by the path, whatever kinds it says."""

    def do_GET(self):
        path = self.path.partition("?")[0]
        if path == "/slow.png":
            time.sleep(1.5)
        if path == "/gone.png":
            self.send_error(404)
            return
        body = {"/moving": GIF.getvalue(), "/page.jpg": b"<html><body>log in</body></html>"}.get(path, PNG)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):  # the beginning was enough
            self.wfile.write(body[: len(body) // 2] if path == "/torn.png" else body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def address():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_images_need_no_ending(address):
    for name in ("/a.png", "/photo", "/photo.php?id=3"):
        np.testing.assert_array_equal(load_image(address + name), scene())
        (source,) = find_sources([address + name], Account())
        assert [image_id for image_id, _ in source] == [address + name]


def test_animations_give_all_their_frames(address):
    frames = open_frames(address + "/moving")
    assert frames.moving
    assert [number for number, _ in frames] == [0, 1]
    (source,) = find_sources([address + "/moving"], Account())
    assert len(list(source)) == 2
    assert source.rate == 25


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("/gone.png", "the server answers 404"),
        ("/page.jpg", "web page"),
        ("/torn.png", "it broke off after|bytes read"),
    ],
)
def test_what_is_no_image_says_why(address, name, reason):
    account = Account()
    (source,) = find_sources([address + name], account)
    assert not list(source)
    assert name in account.left_out[0].reason
    with pytest.raises(UnreadableImageError, match=reason):
        load_image(address + name)


def test_size_and_time_have_limits(address, monkeypatch):
    monkeypatch.setattr(web, "MAX_DOWNLOAD", 100)
    with pytest.raises(UnreadableImageError, match="it is larger than 100 bytes; download it"):
        load_image(address + "/a.png")
    monkeypatch.undo()
    monkeypatch.setattr(web, "TIMEOUT", 0.3)
    start = time.monotonic()
    with pytest.raises(UnreadableImageError, match="no answer"):
        load_image(address + "/slow.png")
    assert time.monotonic() - start < 1.4


def test_nobody_there_is_told_at_once():
    with pytest.raises(UnreadableImageError, match="no answer"):
        load_image("http://127.0.0.1:9/a.png")
    with pytest.raises(UnreadableImageError, match="no answer"):
        open_frames("http://127.0.0.1:9/a.mp4")
