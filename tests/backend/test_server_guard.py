"""Where the server listens and who can read its token; see `test_attacks` for who is let in."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from backend.client import Backend
from backend.rendezvous import ServerInfo, read_server
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


def send(server: ServerInfo, method: str, path: str, headers: dict[str, str]) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, server.url + path, headers=headers, timeout=10)


def token(server: ServerInfo) -> dict[str, str]:
    return {"Authorization": f"Bearer {server.token}"}


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
