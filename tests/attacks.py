"""What somebody else could send to the server, as tables; `test_attacks` sends it.

`ROUTES` has a row for each route of the app and `QUERIES` one for each value that a route reads
from its address or headers. `STRANGERS` are the requests of web pages and other programs, which no
route answers. What has the token is believed to be a client, and still must not get out of a job's
folder, break the server or fill it: `HOSTILE` are such values, `ARCHIVES` such shots.
"""

from __future__ import annotations

import io
import json
import pickle
import stat
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests import pngs

ZIP = "application/zip"


@dataclass(frozen=True, slots=True)
class Row:
    """What a route answers when it is asked as it should be, by a client with no job.

    Attributes:
        status: Of that answer; None where asking would end the server.
        content: What the request carries.
        query: Behind the path.
    """

    status: int | None
    content: str | None = None
    query: str = ""


ROUTES = {
    ("GET", "/v1/hello"): Row(200),
    ("POST", "/v1/drain"): Row(None),
    ("GET", "/v1/health"): Row(200),
    ("PUT", "/v1/clients/{client_id}"): Row(200),
    ("DELETE", "/v1/clients/{client_id}"): Row(204),
    ("GET", "/v1/models"): Row(200),
    ("GET", "/v1/preflight"): Row(200, query="?model=projection"),
    ("POST", "/v1/shots"): Row(422, ZIP, "?model=projection"),  # no zip in it
    ("GET", "/v1/shots"): Row(200),
    ("GET", "/v1/shots/{job_id}"): Row(404),
    ("DELETE", "/v1/shots/{job_id}"): Row(404),
    ("POST", "/v1/shots/{job_id}/cancel"): Row(404),
    ("GET", "/v1/shots/{job_id}/events"): Row(404),
    ("GET", "/v1/shots/{job_id}/take.json"): Row(404),
    ("GET", "/v1/shots/{job_id}/frames/{frame}"): Row(404),
    ("GET", "/v1/shots/{job_id}/masks/{frame}"): Row(404),
    ("GET", "/v1/shots/{job_id}/depth/{frame}"): Row(404),
    ("GET", "/v1/shots/{job_id}/preview"): Row(404),
    ("GET", "/v1/shots/{job_id}/control/{frame}"): Row(404),
    ("GET", "/v1/shots/{job_id}/control-mask/{frame}"): Row(404),
    ("GET", "/v1/openapi.json"): Row(200),
    ("HEAD", "/v1/openapi.json"): Row(200),
}
# What no route serves: a stranger does not even learn that.
NOWHERE = (("GET", "/"), ("GET", "/docs"), ("POST", "/nowhere"), ("OPTIONS", "/v1/shots"))

Headers = dict[str, str | None]  # None: without it
STRANGERS: dict[str, tuple[Headers, int]] = {
    "no token": ({"Authorization": None}, 401),
    "an empty token": ({"Authorization": ""}, 401),
    "a wrong token": ({"Authorization": "Bearer " + "x" * 43}, 401),
    "the token as a password": ({"Authorization": "Basic {token}"}, 401),
    "the token and more": ({"Authorization": "Bearer {token}x"}, 401),
    "a token that is no ASCII": ({"Authorization": "Bearer \xe4"}, 401),
    "no host": ({"Host": None}, 400),
    "a rebound name": ({"Host": "evil.example"}, 403),
    "a rebound name with the port": ({"Host": "evil.example:{port}"}, 403),
    "a name that begins as ours": ({"Host": "127.0.0.1.evil.example:{port}"}, 403),
    "this address, another port": ({"Host": "127.0.0.1:1"}, 403),
    "a web page": ({"Origin": "https://evil.example"}, 403),
    "a page from a file or a sandbox": ({"Origin": "null"}, 403),
    "a page of this very address": ({"Origin": "http://127.0.0.1:{port}"}, 403),
    "a page's picture or script": ({"Authorization": None, "Sec-Fetch-Site": "cross-site"}, 403),
    "a page that has the token": ({"Sec-Fetch-Site": "cross-site"}, 403),
    "a page of another port": ({"Sec-Fetch-Site": "same-site"}, 403),
    "one header of a megabyte": ({"X-Long": "x" * 2**20}, 400),
    "thousands of headers": ({f"X-{n}": "x" * 30 for n in range(5_000)}, 400),
}
# What a page can send without asking first.
FORMS = (
    "text/plain",
    "multipart/form-data; boundary=x",
    "application/x-www-form-urlencoded",
    f"{ZIP}, text/plain",
    "",
)
HOSTILE = (
    "..", "../../server-1.json", "..\\..\\server-1.json", "/etc/passwd", "C:\\Windows\\win.ini",
    "\0", "1\0.png", "0001.png", "1e3", "nan", "-", "9" * 400, "x" * 5_000, "\U0001f4a9",
    "' OR 1=1 --", "%2e%2e", "{job_id}", "\r\nX-Injected: 1",
)  # fmt: skip
QUERIES = {
    "after": ("-1", "x", "1e9", "nan", "9" * 30, ""),
    "last-event-id": ("-1", "x", "9" * 30),
    "model": ("", "nope", "../draft", "\0", "\U0001f4a9", "x" * 10_000),
    "settings": (
        "", "{", "[]", "null", "[" * 19_000, "9" * 10_000, '{"fill": NaN}', '{"fill": 1e999}',
        '{"\\ud800": 1}', '{"fill": "\\ud800"}', '{"../x": 1}', " " * 30_000,
    ),
    "seed": ("-1", "x", "1.5", "9" * 30, ""),
    "width": ("-1", "0", "x", "1.5", "9" * 30, ""),
    "height": ("-1", "0", "x", "1.5", "9" * 30, ""),
    "frames": ("-1", "0", "x", "1.5", "9" * 30, ""),
    "format": ("", "nope", "../png8", "\0", "x" * 5_000),
    "job": ("1", "../" + "0" * 29, "A" * 32, "0" * 33, "\0" * 32, "x" * 5_000),
}  # fmt: skip


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return open, (self.path, "w")


# Whole requests, as no library would send them.
RAW = {
    "a NUL in the path": b"GET /v1/hello\0 HTTP/1.1\r\nHost: {host}\r\n{token}\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(60) + b"\r\n\r\n",
    "two hosts": b"GET /v1/hello HTTP/1.0\r\nHost: {host}\r\nHost: evil.example\r\n{token}\r\n\r\n",
    "another host in the address": (
        b"GET http://evil.example/v1/hello HTTP/1.1\r\nHost: evil.example\r\n{token}\r\n\r\n"
    ),
    "two tokens": b"GET /v1/hello HTTP/1.1\r\nHost: {host}\r\n{token}\r\nAuthorization: x\r\n\r\n",
    "two lengths": (
        b"POST /v1/shots HTTP/1.1\r\nHost: {host}\r\n{token}\r\nContent-Length: 3\r\n"
        b"Content-Length: 300\r\n\r\nabc"
    ),
    "a length below nothing": (
        b"POST /v1/shots HTTP/1.1\r\nHost: {host}\r\n{token}\r\nContent-Length: -1\r\n\r\n"
    ),
    "a header on several lines": (
        b"GET /v1/hello HTTP/1.1\r\nHost: {host}\r\nX: a\r\n {token}\r\n\r\n"
    ),
    "an upgrade": (
        b"GET /v1/hello HTTP/1.1\r\nHost: evil.example\r\nConnection: Upgrade\r\n"
        b"Upgrade: websocket\r\n{token}\r\n\r\n"
    ),
}


def archive(entries: dict[str, bytes], *, mode: int = stat.S_IFREG) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for name, data in entries.items():
            info = zipfile.ZipInfo(name)
            info.filename = name  # as given: ZipInfo would tidy it
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (mode | 0o644) << 16
            target.writestr(info, data)
    return buffer.getvalue()


def tree(place: Path) -> dict[str, bytes]:
    folder = place / "shot"
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def with_json(place: Path, **changes: object) -> dict[str, bytes]:
    files = tree(place)
    files["shot.json"] = json.dumps(json.loads(files["shot.json"]) | changes).encode()
    return files


ARCHIVES: dict[str, Callable[[Path], bytes]] = {
    "traversal": lambda place: archive(tree(place) | {"../../evil": b"x"}),
    "an absolute name": lambda place: archive(tree(place) | {"/tmp/evil": b"x"}),
    "a drive": lambda place: archive(tree(place) | {"C:\\evil": b"x"}),
    "a NUL in a name": lambda place: archive(tree(place) | {"evil.bin": b"x"}).replace(
        b"evil.bin", b"ev\0l.bin"
    ),
    "a symbolic link": lambda place: archive({"shot.json": b"/etc/passwd"}, mode=stat.S_IFLNK),
    "a device": lambda place: archive(tree(place), mode=stat.S_IFCHR),
    "a bomb": lambda place: archive(tree(place) | {"x": bytes(50_000_000)}),
    "a bomb as the description": lambda place: archive({"shot.json": b" " * 50_000_000}),
    "a deep description": lambda place: archive({"shot.json": b"[" * 500_000}),
    "a still outside": lambda place: archive(
        with_json(place, stills=[{"image": "../../../../etc/passwd", "index": 0}])
    ),
    "a name of no text": lambda place: archive(with_json(place, name="\ud800")),
    "a prompt without end": lambda place: archive(with_json(place, prompt="x" * 5_000_000)),
    "a picture of 65535 x 65535": lambda place: archive(
        tree(place)
        | {
            "still.png": pngs.SIGNATURE
            + pngs.header(65_535, 65_535, 16, 6)
            + pngs.chunk(b"IDAT", b"x")
        }
    ),
    "a page instead of a still": lambda place: archive(
        tree(place) | {"still.png": b"<svg xmlns='http://www.w3.org/2000/svg'/>"}
    ),
    "a pickle instead of depth": lambda place: archive(
        tree(place) | {"depth/0001.exr": pickle.dumps(Trap(str(place / "sprung")))}
    ),
}
