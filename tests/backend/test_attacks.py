"""Every route against everything that somebody else could send to it: one table.

`ROUTES` has a row for each route of the app and `QUERIES` one for each value that a route reads
from its address or headers; both are compared with the app, so that a new route or value without
a row fails. `STRANGERS` are the requests of web pages and other programs, which no route answers.
What has the token is believed to be a client, and still must not get out of a job's folder, break
the server or fill it: `HOSTILE` are such values, `ARCHIVES` such shots.
"""

import contextlib
import http.client
import io
import json
import pickle
import re
import socket
import stat
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from fastapi.routing import APIRoute

from backend.client import Backend
from backend.jobs import JobStore
from backend.models.draft.load import save_pipeline
from backend.models.weights import variable
from backend.rendezvous import ServerInfo, read_server
from backend.server.app import make_app
from backend.server.feed import Feed
from backend.server.lanes import Lanes
from backend.server.leases import Leases
from backend.server.routes import Service
from tests import pngs
from tests.analytic import analytic_shot
from tests.backends import all_events, running_backend, wait_until, worker_pid
from tests.drafts import small_pipeline

JSON, ZIP = "application/json", "application/zip"


@dataclass(frozen=True, slots=True)
class Row:
    """What a route answers when it is asked as it should be, by a client with no job.

    Attributes:
        status: Of that answer; None where asking would end the server.
        content: What the request carries.
    """

    status: int | None
    content: str | None = None


ROUTES = {
    ("GET", "/v1/hello"): Row(200),
    ("POST", "/v1/drain"): Row(None),
    ("GET", "/v1/health"): Row(200),
    ("PUT", "/v1/clients/{client_id}"): Row(200),
    ("DELETE", "/v1/clients/{client_id}"): Row(204),
    ("GET", "/v1/models"): Row(200),
    ("POST", "/v1/shots"): Row(422, ZIP),  # no zip in it
    ("GET", "/v1/shots"): Row(200),
    ("GET", "/v1/shots/{job_id}"): Row(404),
    ("DELETE", "/v1/shots/{job_id}"): Row(404),
    ("POST", "/v1/shots/{job_id}/cancel"): Row(404),
    ("GET", "/v1/shots/{job_id}/events"): Row(404),
    ("GET", "/v1/shots/{job_id}/take.json"): Row(404),
    ("GET", "/v1/shots/{job_id}/frames/{frame}"): Row(404),
    ("GET", "/v1/shots/{job_id}/masks/{frame}"): Row(404),
    ("GET", "/v1/shots/{job_id}/depth/{frame}"): Row(404),
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
    "format": ("", "nope", "../png8", "\0", "x" * 5_000),
}  # fmt: skip


def all_routes(routes: list) -> Iterator[APIRoute]:
    for route in routes:
        if hasattr(route, "methods"):
            yield route
        else:
            yield from all_routes(route.original_router.routes)


@pytest.fixture(scope="module")
def app_routes(tmp_path_factory: pytest.TempPathFactory) -> list[APIRoute]:
    """The routes of the app, built as the server builds it."""
    store, feed = JobStore(tmp_path_factory.mktemp("routes")), Feed()
    service = Service(store, Lanes(store=store, feed=feed), feed, Leases(None))
    routes = list(all_routes(make_app(service, on_idle=lambda: None).routes))
    store.close()
    return routes


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a shot, and weights that are a pickle under the right name."""
    folder = tmp_path_factory.mktemp("attacks")
    analytic_shot(folder / "shot", frames=2, size=(32, 20))
    save_pipeline(small_pipeline().network, folder / "weights")
    (weights,) = (folder / "weights").rglob("*.safetensors")
    weights.write_bytes(pickle.dumps(Trap(str(folder / "sprung"))))
    return folder


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return open, (self.path, "w")


@pytest.fixture(scope="module")
def backend(place: Path) -> Iterator[Backend]:
    """A server that is attacked by all tests, and is as well afterwards as before."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(variable("draft"), str(place / "weights"))
        with running_backend(place / "data") as backend:
            wait_until(lambda: backend.health()["state"] == "ready")
            worker = worker_pid(backend)
            yield backend
            assert backend.health()["state"] == "ready"
            assert worker_pid(backend) == worker, "the worker died of an attack"
            assert (backend.health()["clients"], backend.jobs()) == (1, [])
    assert list((place / "data" / "store-1" / "jobs").iterdir()) == []
    assert not (place / "sprung").exists()


@pytest.fixture(scope="module")
def server(backend: Backend, place: Path) -> ServerInfo:
    return read_server(place / "data")


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes


def ask(
    server: ServerInfo,
    method: str,
    path: str,
    *,
    headers: Headers | None = None,
    body: bytes | None = None,
) -> Answer:
    """Send a request as it is: nothing tidies the path, and headers can be left out."""
    wanted: Headers = {
        "Host": f"127.0.0.1:{server.port}",
        "Authorization": f"Bearer {server.token}",
        "Content-Length": None if body is None else str(len(body)),
    }
    wanted |= headers or {}
    with contextlib.closing(
        http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    ) as connection:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in wanted.items():
            if value is not None:
                value = value.replace("{token}", server.token).replace("{port}", str(server.port))
                connection.putheader(name, value)
        try:
            connection.endheaders(body)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        except ConnectionError:  # what is too long is refused while it is still being sent
            return Answer(400, http.client.HTTPMessage(), b"")


def filled(path: str, value: str = "1") -> str:
    """Return a route's path with a value, quoted, in place of each of its parameters."""
    return re.sub(r"\{[^}]*\}", lambda _: quote(value, safe=""), path)


def is_sentence(answer: Answer) -> bool:
    """Return whether an answer says in its `detail` what is wrong."""
    return bool(re.search(r"[.)]$", json.loads(answer.body)["detail"]))


def test_every_route_and_every_value_it_reads_has_a_row(app_routes):
    assert {(method, r.path) for r in app_routes for method in r.methods} == set(ROUTES)
    read = set()
    for route in app_routes:
        dependant = getattr(route, "dependant", None)  # the OpenAPI document's route reads nothing
        if dependant is not None:
            read |= {field.alias for field in dependant.query_params + dependant.header_params}
    assert read == set(QUERIES)


def test_who_asks_as_the_client_does_is_answered(server):
    statuses = {
        route: ask(
            server,
            route[0],
            filled(route[1]) + ("?model=projection" if row.content == ZIP else ""),
            headers={"Content-Type": row.content},
            body=None if row.content is None else b"no zip",
        ).status
        for route, row in ROUTES.items()
        if row.status is not None
    }
    assert statuses == {route: row.status for route, row in ROUTES.items() if row.status}


@pytest.mark.parametrize("stranger", STRANGERS)
def test_no_route_answers_a_stranger(server, stranger):
    headers, status = STRANGERS[stranger]
    answers = {}
    for method, path in (*ROUTES, *NOWHERE):
        answer = ask(server, method, filled(path), headers=headers)
        answers[method, path] = answer.status
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]
    assert answers == dict.fromkeys((*ROUTES, *NOWHERE), status)


@pytest.mark.parametrize("kind", FORMS)
def test_no_route_takes_what_a_form_can_send(server, kind):
    changing = [route for route in (*ROUTES, *NOWHERE) if route[0] in ("POST", "PUT", "DELETE")]
    answers = {
        route: ask(
            server, *(route[0], filled(route[1])), headers={"Content-Type": kind}, body=b"{}"
        ).status
        for route in changing
    }
    assert len(answers) >= 6
    assert answers == dict.fromkeys(changing, 415)


@pytest.mark.parametrize("value", HOSTILE)
def test_no_path_leads_anywhere_else(server, value):
    for (method, path), row in ROUTES.items():
        if "{" not in path:
            continue
        answer = ask(server, method, filled(path, value))
        known = row.status == 200 or row.status == 204  # a client may be called many things
        named = known and re.fullmatch(r"[\w-]{1,64}", value) is not None
        assert answer.status in ((row.status,) if named else (404, 405, 422)), (method, path)
        assert "X-Injected" not in answer.headers
        if named and method == "PUT":
            ask(server, "DELETE", filled(path, value))


@pytest.mark.parametrize("name", QUERIES)
def test_no_value_is_believed(server, app_routes, name):
    sent = 0
    for route in app_routes:
        dependant = getattr(route, "dependant", None)
        fields = () if dependant is None else dependant.query_params + dependant.header_params
        if name not in [field.alias for field in fields]:
            continue
        headers = name in [field.alias for field in dependant.header_params]
        for value in QUERIES[name]:
            (method,) = route.methods
            query = {"model": "projection"} if "model" in [f.alias for f in fields] else {}
            query |= {} if headers else {name: value}
            text = "&".join(f"{key}={quote(each, safe='')}" for key, each in query.items())
            answer = ask(
                server,
                method,
                f"{filled(route.path)}?{text}",
                headers={"Content-Type": ZIP if method == "POST" else None}
                | ({name: value} if headers else {}),
                body=b"no zip" if method == "POST" else None,
            )
            assert answer.status in (404, 422), (name, value[:40], answer.body)
            assert is_sentence(answer), answer.body
            sent += 1
    assert sent >= len(QUERIES[name])


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


@pytest.mark.parametrize("name", RAW)
def test_what_no_library_would_send(server, name):
    request = RAW[name].replace(b"{host}", f"127.0.0.1:{server.port}".encode())
    request = request.replace(b"{token}", f"Authorization: Bearer {server.token}".encode())
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(request)
        answer = connection.recv(100)
    assert answer.split()[1] in (b"400", b"401", b"403"), answer


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


@pytest.mark.parametrize("name", ARCHIVES)
def test_no_shot_gets_out_or_breaks_anything(server, backend, place, name):
    answer = ask(
        server,
        "POST",
        "/v1/shots?model=projection",
        headers={"Content-Type": ZIP},
        body=ARCHIVES[name](place),
    )
    if answer.status == 201:  # what only its pixels show, the worker finds
        job = json.loads(answer.body)["id"]
        last = all_events(backend.follow(job))[-1]
        assert (last.kind, last.message[-1:]) == ("failed", "."), last
        backend.delete(job)
    else:
        assert answer.status == 422
        assert is_sentence(answer)
    assert {path.name for path in place.iterdir()} == {"shot", "weights", "data"}


def test_a_pickle_posing_as_weights_is_refused_unread(server, backend, place):
    answer = ask(
        server,
        "POST",
        "/v1/shots?model=draft",
        headers={"Content-Type": ZIP},
        body=archive(tree(place)),
    )
    assert answer.status == 201, answer.body
    job = json.loads(answer.body)["id"]
    last = all_events(backend.follow(job))[-1]
    assert last.kind == "failed"
    assert "damaged" in last.message or "safetensors" in last.message, last.message
    assert not (place / "sprung").exists()
    backend.delete(job)
