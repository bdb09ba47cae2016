"""A hub on this machine: as much of its interface as `huggingface_hub` asks for a download."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

from tests.hubs import REPOSITORY, REVISION

LARGE_BYTES = 1000  # files above have a SHA-256, as the hub's large files
GRANTED, NOT_GRANTED, INVALID = "hf_granted", "hf_not_granted", "hf_invalid"


@dataclass(slots=True)
class TinyHub:
    """What the hub has, how it misbehaves, and what it was asked for.

    Attributes:
        files: Content by path.
        url: Where it answers.
        branch: Another name of the one revision there is.
        sent: Content by path where something else is sent than what is listed.
        cuts: For a path, after how many bytes each of its next answers is cut.
        elsewhere: Where large files are to be had instead; the hub points there.
        page: What it says of the repository instead.
        statuses: What its next answers to requests of files are instead.
        gated: Whether files are given to the token GRANTED alone.
        whole: Whether it ignores that only a range is asked for.
        asked: Of every request, its path and its range.
        tokens: Those it was asked with, None for none.
        fast: While it is not set, all but the first half of an answer comes byte by byte.
    """

    files: dict[str, bytes]
    url: str = ""
    branch: str = "main"
    sent: dict[str, bytes] = field(default_factory=dict)
    cuts: dict[str, list[int]] = field(default_factory=dict)
    elsewhere: str = ""
    page: bytes | None = None
    statuses: list[int] = field(default_factory=list)
    gated: bool = False
    whole: bool = False
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    tokens: set[str | None] = field(default_factory=set)
    fast: threading.Event = field(default_factory=threading.Event)

    def of_files(self) -> list[tuple[str, str | None]]:
        """The files that were asked for, with the range."""
        return [
            (path.split(f"/resolve/{REVISION}/")[1], part)
            for path, part in self.asked
            if "/resolve/" in path
        ]


def description(files: dict[str, bytes]) -> bytes:
    """What the hub's API says of the repository, with the names of the contents."""
    siblings = []
    for path, content in files.items():
        blob = hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
        entry = {"rfilename": path, "size": len(content), "blobId": blob}
        if len(content) > LARGE_BYTES:
            digest = hashlib.sha256(content).hexdigest()
            entry["lfs"] = {"sha256": digest, "size": len(content), "pointerSize": 130}
        siblings.append(entry)
    return json.dumps({"id": REPOSITORY, "sha": REVISION, "siblings": siblings}).encode()


@contextlib.contextmanager
def running_hub(files: dict[str, bytes]) -> Iterator[TinyHub]:
    """Serve a hub with the repository of `tests.hubs`."""
    hub = TinyHub(files)
    hub.fast.set()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        hub.fast.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(hub: TinyHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            hub.asked.append((path, self.headers.get("Range")))
            token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
            hub.tokens.add(token)
            about = f"/api/models/{REPOSITORY}/revision/"
            if token == INVALID:
                refused = "Invalid credentials in Authorization header"
                self.refuse(401, {"X-Error-Message": refused})
            elif path in (about + REVISION, about + hub.branch):
                self.answer(200, hub.page or description(hub.files))
            elif path.startswith(about):
                self.refuse(404, {"X-Error-Code": "RevisionNotFound"})
            elif path.startswith(f"/{REPOSITORY}/resolve/{REVISION}/"):
                self.file(path.split(f"/{REVISION}/")[1], token)
            else:
                self.refuse(401, {"X-Error-Code": "RepoNotFound"})

        def file(self, name: str, token: str | None) -> None:
            if hub.gated and token != GRANTED:
                self.refuse(401 if token is None else 403, {"X-Error-Code": "GatedRepo"})
            elif hub.statuses:
                self.refuse(hub.statuses.pop(0), {})
            elif name not in hub.files:
                self.refuse(404, {"X-Error-Code": "EntryNotFound"})
            elif hub.elsewhere and len(hub.files[name]) > LARGE_BYTES:
                self.refuse(302, {"Location": hub.elsewhere + self.path})
            else:
                self.content(name)

        def content(self, name: str) -> None:
            content = hub.sent.get(name, hub.files[name])
            asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
            start = int(asked[1]) if asked and not hub.whole else 0
            rest = content[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(rest)))
            if start:
                self.send_header(
                    "Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}"
                )
            self.end_headers()
            cuts = hub.cuts.get(name)
            if cuts:
                self.wfile.write(rest[: cuts.pop(0)])
                self.close_connection = True
                return
            sent = len(rest) // 2
            with contextlib.suppress(ConnectionError):  # the other side may have given up
                self.wfile.write(rest[:sent])
                while sent < len(rest) and not hub.fast.wait(0.02):
                    self.wfile.write(rest[sent : sent + 1])
                    sent += 1
                self.wfile.write(rest[sent:])

        def refuse(self, status: int, headers: dict[str, str]) -> None:
            self.answer(status, b"{}", headers)

        def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            pass

    return Handler
