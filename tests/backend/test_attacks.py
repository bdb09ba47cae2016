"""Every route against all that somebody else could send to it: the tables of `tests.attacks`.

The tables are compared with the app, so that a new route or value without a row fails.
"""

import contextlib
import http.client
import json
import pickle
import re
import socket
from collections.abc import Iterator
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
from tests.analytic import analytic_shot
from tests.attacks import (
    ARCHIVES,
    FORMS,
    HOSTILE,
    NOWHERE,
    QUERIES,
    RAW,
    ROUTES,
    STRANGERS,
    ZIP,
    Headers,
    Trap,
    archive,
    tree,
)
from tests.backends import all_events, running_backend, worker_pid
from tests.drafts import small_pipeline
from tests.waiting import wait_until


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
            filled(route[1]) + row.query,
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


@pytest.mark.parametrize("name", RAW)
def test_what_no_library_would_send(server, name):
    request = RAW[name].replace(b"{host}", f"127.0.0.1:{server.port}".encode())
    request = request.replace(b"{token}", f"Authorization: Bearer {server.token}".encode())
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(request)
        answer = connection.recv(100)
    assert answer.split()[1] in (b"400", b"401", b"403"), answer


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
