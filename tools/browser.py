"""Headless Chromium, driven over its DevTools protocol; and a web server for a folder."""

import contextlib
import functools
import gzip
import http.client
import http.server
import json
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from websocket import WebSocketTimeoutException, create_connection

NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]


def find_browser():
    """The path of a Chromium, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Page:
    """One tab. `events` collects everything that DevTools reports of it."""

    def __init__(self, socket):
        self.socket, self.events, self.last_id = socket, [], 0
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method, **params):
        """Send one command and return its result."""
        self.last_id += 1
        self.socket.send(json.dumps({"id": self.last_id, "method": method, "params": params}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == self.last_id:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]
            self.events.append(message)

    def wait(self, seconds):
        """Collect events for a while."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.socket.settimeout(left)
            with contextlib.suppress(WebSocketTimeoutException):
                self.events.append(json.loads(self.socket.recv()))
        self.socket.settimeout(60)

    def open(self, address, settle=0.5):
        """Open an address and wait until it has loaded; forgets earlier events."""
        self.events.clear()
        self.call("Page.navigate", url=address)
        for _ in range(100):
            if any(event["method"] == "Page.loadEventFired" for event in self.events):
                break
            self.wait(0.1)
        self.wait(settle)

    def run(self, script):
        """The value of a JavaScript expression; waits for promises."""
        result = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"])
        return result["result"].get("value")

    def media(self, **features):
        """Set what the system asks for, such as prefers_color_scheme="dark"."""
        pairs = [{"name": k.replace("_", "-"), "value": v} for k, v in features.items()]
        self.call("Emulation.setEmulatedMedia", features=pairs)

    def resize(self, width, height=900):
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def requested(self):
        """Addresses of all requests since the page was opened."""
        sent = [e["params"] for e in self.events if e["method"] == "Network.requestWillBeSent"]
        return [params["request"]["url"] for params in sent]

    def received_bytes(self):
        """Bytes over the wire since the page was opened."""
        done = [e["params"] for e in self.events if e["method"] == "Network.loadingFinished"]
        return int(sum(params["encodedDataLength"] for params in done))


@contextlib.contextmanager
def browser():
    """A Page of a fresh headless Chromium."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        options += ["--remote-debugging-port=0", f"--user-data-dir={profile}", "--no-first-run"]
        options += ["--disable-background-networking", "--disable-component-update"]
        options += ["--disable-sync", "--remote-allow-origins=*"]
        process = subprocess.Popen(
            [find_browser(), *options, "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            port = _port(Path(profile) / "DevToolsActivePort")

            yield Page(create_connection(_tab(port), timeout=60, suppress_origin=True))
        finally:
            process.terminate()
            process.wait(timeout=20)


def _port(file):
    for _ in range(300):
        if file.exists() and (lines := file.read_text().splitlines()):
            return int(lines[0])
        time.sleep(0.1)
    raise RuntimeError("Chromium did not start")


def _tab(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("PUT", "/json/new?about:blank")
    return json.loads(connection.getresponse().read())["webSocketDebuggerUrl"]


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, text compressed as web hosts do."""

    def do_GET(self):
        path = Path(self.translate_path(self.path.split("?")[0]))
        if path.is_dir():
            path /= "index.html"
        if not path.is_file():
            return self.send_error(404)
        content = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        if path.suffix in {".html", ".css", ".js", ".json", ".svg", ".txt", ".md"}:
            content = gzip.compress(content)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # the browser may leave before the end
            self.wfile.write(content)

    def log_message(self, *args):
        pass


@contextlib.contextmanager
def served(folder):
    """Serve a folder on a free local port; gives the address."""
    handler = functools.partial(_Handler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
