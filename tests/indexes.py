"""Package indexes for tests: tiny wheels, in a folder or served over HTTP by a slow hand."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import threading
import zipfile
from collections import Counter
from pathlib import Path


def wheel(folder: Path, name: str, *, version: str = "1.0", size: int = 0) -> Path:
    """Writes a wheel of one module whose VALUE is 42, and `size` bytes that do not compress."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    blob = b"".join(
        hashlib.sha256(bytes([n % 251, n // 251 % 251])).digest() for n in range(size // 32)
    )
    files = {
        f"{name}.py": b"VALUE = 42\n",
        f"{name}_data.bin": blob,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for inside, content in files.items():
            archive.writestr(inside, content)
        record = "".join(f"{inside},,\n" for inside in (*files, f"{info}/RECORD"))
        archive.writestr(f"{info}/RECORD", record)
    return path


def lock(path: Path, *wheels: Path, digest: str | None = None) -> Path:
    """Writes a lock file of wheels; `digest` in place of their hashes where it is given."""
    lines = []
    for each in wheels:
        name, version, *_ = each.name.split("-")
        found = digest or hashlib.sha256(each.read_bytes()).hexdigest()
        lines.append(f"{name}=={version} \\\n    --hash=sha256:{found}\n")
    path.write_text("".join(lines))
    return path


class Index:
    """Serves the wheels of a folder; may stop in the middle of one and wait.

    Attributes:
        url: for PIP_INDEX_URL.
        served: how often each file was asked for.
        stuck: set while a file is held back.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.served: Counter[str] = Counter()
        self.hold_back: str | None = None
        self.stuck = threading.Event()
        self._go_on = threading.Event()
        index = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index._answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/simple"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def go_on(self) -> None:
        """Holds nothing back any more."""
        self.hold_back = None
        self._go_on.set()

    def close(self) -> None:
        """Ends it."""
        self.go_on()
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        name = request.path.rstrip("/").rpartition("/")[2]
        if request.path.startswith("/files/"):
            self._send_file(request, self.folder / name)
            return
        links = "".join(
            f'<a href="/files/{each.name}">{each.name}</a>'
            for each in self.folder.glob(f"{name}-*.whl")
        )
        content = f"<!DOCTYPE html><html><body>{links}</body></html>".encode()
        request.send_response(200)
        request.send_header("Content-Type", "text/html")
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    def _send_file(self, request: http.server.BaseHTTPRequestHandler, path: Path) -> None:
        self.served[path.name] += 1
        content = path.read_bytes()
        request.send_response(200)
        request.send_header("Content-Type", "application/octet-stream")
        request.send_header("Cache-Control", "max-age=365000000, immutable, public")
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        half = len(content) // 2
        request.wfile.write(content[:half])
        request.wfile.flush()
        if self.hold_back == path.name:
            self.stuck.set()
            self._go_on.wait(500)
        # Whoever asked may have gone.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            request.wfile.write(content[half:])
