"""No route answers a request that is not the add-on's own: every route is walked."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from fastapi.routing import APIRoute

from backend.client import Backend
from backend.jobs import JobStore
from backend.rendezvous import ServerInfo, read_server
from backend.server.app import make_app
from backend.server.feed import Feed
from backend.server.lanes import Lanes
from backend.server.leases import Leases
from backend.server.routes import Service
from tests.backends import running_backend


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("guard") / "data"


@pytest.fixture(scope="module")
def backend(data_dir: Path) -> Iterator[Backend]:
    with running_backend(data_dir) as backend:
        yield backend


@pytest.fixture(scope="module")
def server(backend: Backend, data_dir: Path) -> ServerInfo:
    return read_server(data_dir)


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """Every (method, path) of the app, built as the server builds it."""
    store, feed = JobStore(tmp_path_factory.mktemp("routes")), Feed()
    service = Service(store, Lanes(store=store, feed=feed), feed, Leases(None))
    app = make_app(service, on_idle=lambda: None)
    found = []
    for route in all_routes(app.routes):
        path = re.sub(r"\{[^}]*\}", "1", route.path)
        found += [(method, path) for method in route.methods]
    store.close()
    # And what no route serves: a stranger does not even learn that.
    return sorted({*found, ("GET", "/"), ("GET", "/docs"), ("POST", "/nowhere")})


def all_routes(routes: list) -> Iterator[APIRoute]:
    for route in routes:
        if hasattr(route, "methods"):
            yield route
        else:
            yield from all_routes(route.original_router.routes)


def send(server: ServerInfo, method: str, path: str, headers: dict[str, str]) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, server.url + path, headers=headers, timeout=10)


def token(server: ServerInfo) -> dict[str, str]:
    return {"Authorization": f"Bearer {server.token}"}


def test_the_walk_finds_the_routes(routes):
    paths = {path for _, path in routes}
    assert {"/v1/hello", "/v1/shots", "/v1/shots/1/frames/1", "/v1/openapi.json"} <= paths
    assert len(routes) >= 18


STRANGERS = {
    "no token": ({"Authorization": ""}, 401),
    "a wrong token": ({"Authorization": "Bearer " + "x" * 43}, 401),
    "the token as a password": ({"Authorization": "Basic {token}"}, 401),
    "a token that is no ASCII": ({"Authorization": "Bearer \xe4"}, 401),
    "a rebound name": ({"Host": "evil.example"}, 403),
    "a rebound name with the port": ({"Host": "evil.example:{port}"}, 403),
    "this address, another port": ({"Host": "127.0.0.1:1"}, 403),
    "a web page": ({"Origin": "https://evil.example"}, 403),
    "a page from a file or a sandbox": ({"Origin": "null"}, 403),
    "a page of this very address": ({"Origin": "http://127.0.0.1:{port}"}, 403),
}


@pytest.mark.parametrize("stranger", STRANGERS)
def test_no_route_answers_a_stranger(server, routes, stranger):
    headers, status = STRANGERS[stranger]
    filled = {
        name: value.format(port=server.port, token=server.token) for name, value in headers.items()
    }
    answers = {route: send(server, *route, token(server) | filled).status_code for route in routes}
    assert answers == dict.fromkeys(routes, status)


def test_a_request_without_a_host_or_with_two_is_refused(server):
    import socket

    for hosts in ((), ("127.0.0.1:{port}", "evil.example")):
        lines = [f"Host: {host.format(port=server.port)}" for host in hosts]
        request = "\r\n".join(
            ["GET /v1/hello HTTP/1.0", f"Authorization: Bearer {server.token}", *lines, "", ""]
        )
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(request.encode())
            answer = connection.recv(100)
        assert answer.split()[1] in (b"400", b"403"), answer


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
        "application/zip, text/plain",
        "",
    ],
)
def test_what_a_form_can_send_is_no_accepted_type(server, kind):
    with requests.Session() as session:
        session.trust_env = False
        for method, path in (
            ("POST", "/v1/shots"),
            ("POST", "/v1/drain"),
            ("PUT", "/v1/clients/1"),
        ):
            answer = session.request(
                method,
                server.url + path,
                params={"model": "projection"},
                data=b"{}",
                headers=token(server) | {"Content-Type": kind},
                timeout=10,
            )
            assert answer.status_code == 415, (method, path)


def test_the_right_token_is_let_in_under_both_names(server):
    for host in ("127.0.0.1", "localhost", "LOCALHOST"):
        answer = send(server, "GET", "/v1/hello", token(server) | {"Host": f"{host}:{server.port}"})
        assert answer.status_code == 200


def test_it_listens_on_the_loopback_address_alone(server):
    import psutil

    addresses = {
        connection.laddr.ip
        for connection in psutil.Process(server.pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert addresses == {"127.0.0.1"}


def test_the_server_process_has_no_torch(server):
    import psutil

    maps = {Path(entry.path).name for entry in psutil.Process(server.pid).memory_maps()}
    assert any(name.startswith("libpython") or "python" in name for name in maps)
    assert not any("torch" in name for name in maps)


def test_the_token_is_for_the_user_alone(data_dir, server):
    file = data_dir / f"server-{server.protocol}.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert data_dir.stat().st_mode & 0o777 == 0o700
    assert (data_dir / "store-1").stat().st_mode & 0o777 == 0o700
    assert len(server.token) >= 40
    assert [path.name for path in data_dir.glob("server-*")] == [file.name]
    logs = "".join(path.read_text() for path in (data_dir / "logs").iterdir())
    assert server.token not in logs
