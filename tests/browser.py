"""A headless Chromium, driven through chromedriver by the WebDriver protocol alone."""

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.end_to_end import free_port

_QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)


def programs() -> tuple[str, str]:
    """Paths of browser and driver; skips the test where there are none."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip("no Chromium with chromedriver on the PATH (Debian: apt install chromium chromium-driver)")
    return browser, driver


class Page:
    """A page that is open in a browser."""

    def __init__(self, address: str):
        self.address = address

    def ask(self, method, path, body=None):
        """What the driver answers."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data, method=method)
        with urllib.request.urlopen(request, timeout=180) as answer:
            return json.load(answer)["value"]

    def open(self, file: Path, width: int, dark: bool = False):
        """Go to a file, on a screen of that width."""
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self._command("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._command("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.ask("POST", "/url", {"url": file.resolve().as_uri()})

    def _command(self, name, values):
        self.ask("POST", "/goog/cdp/execute", {"cmd": name, "params": values})

    def run(self, script, *arguments):
        """What a script returns in the page."""
        return self.ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def press(self, key):
        """Press a key, wherever the focus is."""
        steps = [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        self.ask("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": steps}]})

    def complaints(self):
        """What the console says that is no mere information."""
        entries = self.ask("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "WARNING")]


@contextmanager
def started(folder: Path):
    """A browser whose profile lies in ``folder``, with an empty page."""
    browser, driver = programs()
    port = free_port()
    process = subprocess.Popen([driver, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        page = Page(f"http://127.0.0.1:{port}")
        for _ in range(600):
            try:
                page.ask("GET", "/status")
                break
            except urllib.error.URLError:
                time.sleep(0.1)
        options = {"binary": browser, "args": [*_QUIET, f"--user-data-dir={folder / 'profile'}"]}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        session = page.ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        page.address += f"/session/{session['sessionId']}"
        yield page
        page.ask("DELETE", "")
    finally:
        process.terminate()
        process.wait(30)
