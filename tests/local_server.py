"""A server of files on this machine, with the faults that servers and connections have."""

import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Served:
    """What a server sends, and what it was asked for.

    Attributes:
        files: bytes by path.
        ranges: whether it can send a part.
        tags: whether it tells versions apart.
        cut: bytes after which each answer of a list of requests breaks off; None sends all.
        kind: what it says that it sends.
        asked: path and Range of every request.
    """

    def __init__(self, files):
        self.files, self.ranges, self.tags = files, True, True
        self.kind = "application/octet-stream"
        self.cut, self.asked, self.agents, self.status = [], [], [], []
        self.address = ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        served = self.server.served
        path, wanted = self.path, self.headers.get("Range")
        served.asked.append((path, wanted))
        content = served.files.get(re.sub(r"^http://[^/]+", "", path))
        status = served.status.pop(0) if served.status else 200
        if content is None or status != 200:
            self.send_error(404 if content is None else status)
            return
        tag = f'"{hash(content)}"'
        start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted and served.ranges else 0
        if self.headers.get("If-Range", tag) != tag:
            start = 0
        if start and start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if served.tags:
            self.send_header("ETag", tag)
        self.send_header("Content-Type", served.kind)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        cut = served.cut.pop(0) if served.cut else None
        self.wfile.write(content[start:] if cut is None else content[start : start + cut])
        self.close_connection = True

    def log_message(self, *_):
        """Nothing on the console."""


@contextmanager
def serving(files):
    """A server of ``files``, bytes by path, for as long as the context lasts."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.served = Served(files)
    server.served.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs=dict(poll_interval=0.01), daemon=True)
    thread.start()
    try:
        yield server.served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
