"""A page in a headless Chromium, which posts what it finds to this process."""

import base64
import http.server
import json
import shutil
import subprocess
import threading
from pathlib import Path

import cv2
import numpy as np

FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
# runs behind the page: shows every picture, moves the slider, and posts people, errors and the last drawing
HARNESS = """
<script>
const faults = [];
window.onerror = (message) => faults.push(String(message));
console.error = (...words) => faults.push(words.map(String).join(" "));
(async () => {
  const answer = { people: [], moved: [], faults };
  try {
    for (const url of @pictures@) {
      const blob = await (await fetch(url)).blob();
      await ready;
      await openFile(new File([blob], "picture.png"));
      answer.people.push(shown.people);
    }
    const before = threshold.value;
    for (const value of @thresholds@) {
      threshold.value = value;
      threshold.dispatchEvent(new Event("input"));
      answer.moved.push({ value: threshold.value, people: shown.people, status: status.textContent });
    }
    threshold.value = before;
    threshold.dispatchEvent(new Event("input"));
    answer.drawing = canvas.toDataURL("image/png");
    answer.status = status.textContent;
  } catch (error) {
    faults.push(String(error.stack || error));
  }
  await fetch("http://127.0.0.1:@port@/", { method: "POST", mode: "no-cors", body: JSON.stringify(answer) });
})();
</script>
</body>"""


def chromium() -> str | None:
    """The browser, if it is installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def look_at(
    page: Path, pictures: list[np.ndarray], folder: Path, thresholds: tuple[float, ...] = (), patience: float = 240
) -> dict:
    """What a page finds in files of RGB or RGBA pictures, what went wrong there, and the last drawing as RGB pixels.

    In the last picture the slider is moved to each of some tag thresholds, and back.
    """
    urls = []
    for picture in pictures:
        _, data = cv2.imencode(".png", picture[..., [2, 1, 0, 3][: picture.shape[2]]])
        urls.append("data:image/png;base64," + base64.b64encode(data.tobytes()).decode())
    answer: dict = {}
    arrived = threading.Event()

    class Listener(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            answer.update(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()
            arrived.set()

        def log_message(self, *words):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    text = page.read_text(encoding="utf-8")
    head, _, _ = text.rpartition("</body>")
    parts = {"pictures": json.dumps(urls), "thresholds": json.dumps(thresholds), "port": str(server.server_port)}
    behind = HARNESS
    for name, part in parts.items():
        behind = behind.replace(f"@{name}@", part)
    tested = folder / "tested.html"
    tested.write_text(f"{head}{behind}</html>", encoding="utf-8")
    command = [str(chromium()), *FLAGS, f"--user-data-dir={folder / 'profile'}", "--remote-debugging-port=0"]
    browser = subprocess.Popen([*command, tested.as_uri()], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert arrived.wait(patience), "the page did not answer"
    finally:
        browser.terminate()
        browser.wait(20)
        server.shutdown()
        server.server_close()
    if "drawing" in answer:
        data = np.frombuffer(base64.b64decode(answer["drawing"].partition(",")[2]), np.uint8)
        answer["drawing"] = cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1]
    return answer
