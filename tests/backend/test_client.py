"""Starting, attaching, and everything that can be wrong with the other side."""

import http.server
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.bundle import pack
from backend.client import Backend
from backend.connection import Connection
from backend.errors import (
    BackendLost,
    BackendNotStarted,
    ProtocolMismatch,
    RequestRefused,
    StorageError,
)
from backend.launch import find_server, start_or_attach
from backend.rendezvous import ServerInfo, read_server, remove_server, server_file, write_server
from backend.wire import PROTOCOL
from tests.analytic import analytic_shot
from tests.backends import PYTHON, ROOT, all_events, end_server, events_until, gone, running_backend
from tests.waiting import wait_until


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A data folder; a server that runs there is ended."""
    yield tmp_path / "data"
    end_server(tmp_path / "data")


def script(path: Path, *lines: str) -> Path:
    """Write an executable that stands where the backend's Python should be."""
    path.write_text("\n".join(["#!/bin/sh", *lines]) + "\n")
    path.chmod(0o755)
    return path


def refused_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_a_python_that_is_not_there(data, tmp_path):
    with pytest.raises(BackendNotStarted) as caught:
        Backend.start_or_attach(tmp_path / "no-python", ROOT, data)
    assert str(caught.value) == (
        f"The backend's Python '{tmp_path / 'no-python'}' cannot be started (No such file or"
        " directory); choose another one in the add-on's preferences."
    )


def test_a_python_without_the_backends_packages_is_named(data, tmp_path):
    python = script(tmp_path / "python", f'exec "{sys.executable}" -S "$@"')
    with pytest.raises(BackendNotStarted) as caught:
        Backend.start_or_attach(python, ROOT, data)
    log = data / "logs" / f"server-{PROTOCOL}.log"
    assert str(caught.value) == (
        f"The Python '{python}' has no package 'numpy', so it is not the backend's; choose that of"
        f" the backend's environment in the add-on's preferences. (log: {log})"
    )


def test_a_python_that_ends_at_once_is_quoted_with_its_log(data, tmp_path):
    python = script(
        tmp_path / "python", "echo some noise", "echo 'No module named torch' >&2", "exit 1"
    )
    with pytest.raises(BackendNotStarted) as caught:
        Backend.start_or_attach(python, ROOT, data)
    log = data / "logs" / f"server-{PROTOCOL}.log"
    assert str(caught.value) == (
        "The backend ended while starting (status 1): some noise / No module named torch"
        f" (log: {log})"
    )
    assert "\n" not in str(caught.value)
    assert log.read_text() == "some noise\nNo module named torch\n"


def test_a_log_is_kept_over_the_next_start(data, tmp_path):
    for word in ("first", "second"):
        python = script(tmp_path / "python", f"echo {word}", "exit 1")
        with pytest.raises(BackendNotStarted, match=word):
            Backend.start_or_attach(python, ROOT, data)
    assert (data / "logs" / f"server-{PROTOCOL}.previous.log").read_text() == "first\n"


def test_a_server_that_cannot_be_reached_is_said(data, tmp_path):
    info = json.dumps({"protocol": PROTOCOL, "port": refused_port(), "token": "x", "pid": 1})
    python = script(tmp_path / "python", f"echo '{info}' > '{server_file(data)}'", "exec sleep 60")
    with pytest.raises(BackendNotStarted, match=r"is refused; allow Python .* firewall"):
        Backend.start_or_attach(python, ROOT, data)
    server_file(data).unlink()


def test_a_data_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="choose another one in the preferences"):
        Backend.start_or_attach(PYTHON, ROOT, tmp_path / "file" / "data")


def test_a_port_that_is_taken_is_said(data):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [PYTHON, "-m", "backend", "serve", "--data", data, "--port", str(port)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"Port {port} on 127.0.0.1 is refused (Address already in use)" in done.stderr
    assert "Traceback" not in done.stderr
    assert read_server(data) is None


def test_two_servers_never_share_a_data_folder(data):
    with running_backend(data):
        command = [PYTHON, "-m", "backend", "serve", "--data", data]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Another Depthshot backend is using" in done.stderr


def test_many_starting_at_once_end_up_at_one_server(data):
    infos: list[ServerInfo] = []
    threads = [
        threading.Thread(target=lambda: infos.append(start_or_attach(PYTHON, ROOT, data)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(infos) == 4
    assert len(set(infos)) == 1


def test_what_a_killed_server_left_is_replaced(data):
    with running_backend(data) as backend:
        first = read_server(data)
        os.kill(first.pid, 9)
        wait_until(lambda: gone(first.pid))
        assert find_server(data) is None
        with pytest.raises(BackendLost, match="does not answer any more"):
            backend.jobs()
        second = start_or_attach(PYTHON, ROOT, data)
        assert second.token != first.token
        assert backend.jobs() == []  # a client that was attached to the first finds the second


def test_a_damaged_server_file_counts_as_none(data):
    data.mkdir()
    for content in ("", "{", "[]", '{"port": 1}', '{"protocol": 1, "port": 0}'):
        server_file(data).write_text(content)
        assert read_server(data) is None
    with running_backend(data) as backend:
        assert backend.jobs() == []


def test_a_server_file_is_removed_by_its_own_server_alone(tmp_path):
    old, new = (ServerInfo(PROTOCOL, 1000, token, 1) for token in ("old", "new"))
    write_server(tmp_path, new)
    remove_server(tmp_path, old)
    assert read_server(tmp_path) == new
    remove_server(tmp_path, new)
    assert list(tmp_path.iterdir()) == []


def serve_protocol(data: Path, protocol: int) -> subprocess.Popen:
    """Start a real server that speaks another protocol version, as a Blender would."""
    code = (
        "import sys, backend.wire; backend.wire.PROTOCOL = int(sys.argv[1]);"
        "from backend.cli import main;"
        "sys.exit(main(['serve', '--lease', '60', '--data', sys.argv[2]]))"
    )
    return subprocess.Popen([PYTHON, "-c", code, str(protocol), str(data)], cwd=ROOT)


def test_a_server_of_another_protocol_is_drained_and_ours_started(data):
    other = serve_protocol(data, PROTOCOL + 1)
    try:
        wait_until(lambda: read_server(data, PROTOCOL + 1) is not None)
        theirs = read_server(data, PROTOCOL + 1)
        with running_backend(data) as backend:
            ours = read_server(data)
            assert ours.port != theirs.port
            assert backend.jobs() == []
            assert other.wait(60) == 0
            assert read_server(data, PROTOCOL + 1) is None
            assert backend.health()["clients"] == 1
    finally:
        other.kill()
        other.wait()


def test_another_protocol_under_our_name_is_said(data):
    other = serve_protocol(data, PROTOCOL + 1)
    try:
        wait_until(lambda: read_server(data, PROTOCOL + 1) is not None)
        theirs = read_server(data, PROTOCOL + 1)
        write_server(data, ServerInfo(PROTOCOL, theirs.port, theirs.token, theirs.pid))
        with pytest.raises(ProtocolMismatch, match=f"speaks protocol {PROTOCOL + 1}"):
            Backend.start_or_attach(PYTHON, ROOT, data)
    finally:
        other.terminate()
        other.wait()


def test_a_draining_server_takes_no_more_shots_and_ends(data, tmp_path):
    archive = tmp_path / "shot.zip"
    pack(analytic_shot(tmp_path / "shot"), archive)
    with running_backend(data) as backend:
        server = read_server(data)
        backend.submit(archive, model="projection", settings={})
        Connection(server).json("POST", "/v1/drain")
        with pytest.raises((RequestRefused, BackendLost), match=r"is ending|does not answer"):
            backend.submit(archive, model="projection", settings={})
        wait_until(lambda: gone(server.pid))
        backend.reattach()
        assert read_server(data) != server
        assert [job["state"] for job in backend.jobs()] == ["done"]


def test_a_backend_that_dies_in_a_job_and_cannot_be_started_again_is_said(data, tmp_path):
    archive = tmp_path / "shot.zip"
    pack(analytic_shot(tmp_path / "shot", frames=30, size=(160, 96), step=0.01), archive)
    python = tmp_path / "python"
    python.symlink_to(PYTHON)
    script_python = script(
        tmp_path / "wrapper", f'[ -e "{python}" ] || exit 9', f'exec {PYTHON} "$@"'
    )
    backend = Backend.start_or_attach(script_python, ROOT, data)
    try:
        job_id = backend.submit(archive, model="projection", settings={})
        following = backend.follow(job_id)
        events_until(following, lambda event: event.kind == "frame")
        python.unlink()
        os.kill(read_server(data).pid, 9)
        with pytest.raises(BackendNotStarted, match="ended while starting"):
            while True:
                assert not any(event.final for event in following.drain())
    finally:
        backend.close()


def test_following_a_job_that_is_not_there_is_said(data):
    with running_backend(data) as backend:
        following = backend.follow("unknown")
        with pytest.raises(RequestRefused, match="no such job"):
            events_until(following, lambda event: event.final)


def test_an_archive_that_is_not_there(data, tmp_path):
    with running_backend(data) as backend, pytest.raises(StorageError, match="cannot be read"):
        backend.submit(tmp_path / "none.zip", model="projection", settings={})


def test_a_folder_that_is_in_use_is_not_written_into(data, tmp_path):
    archive = tmp_path / "shot.zip"
    pack(analytic_shot(tmp_path / "shot"), archive)
    with running_backend(data) as backend:
        job_id = backend.submit(archive, model="projection", settings={})
        all_events(backend.follow(job_id))
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "holiday.jpg").write_text("")
        with pytest.raises(StorageError, match="in use already"):
            backend.download(job_id, tmp_path / "mine")
        (tmp_path / "empty").mkdir()
        assert backend.download(job_id, tmp_path / "empty") == tmp_path / "empty"
        with pytest.raises(StorageError, match="in use already"):
            backend.download(job_id, tmp_path / "empty")


def test_neither_proxy_nor_netrc_come_between(data, tmp_path, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{refused_port()}")
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with running_backend(data) as backend:
        assert backend.jobs() == []


def test_pythons_own_variables_do_not_reach_the_backend(data, tmp_path, monkeypatch):
    (tmp_path / "fastapi.py").write_text("raise SystemExit('the wrong one')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONHOME", str(tmp_path))
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    with running_backend(data) as backend:
        assert backend.jobs() == []


class _Stranger(http.server.BaseHTTPRequestHandler):
    """Another program, on a port that a killed server had before."""

    answer = (200, b"<html>")

    def do_GET(self) -> None:
        status, body = self.answer
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@pytest.mark.parametrize(
    "answer", [(200, b"<html>"), (200, b"[]"), (200, b""), (404, b"no"), (401, b""), (302, b"")]
)
def test_another_program_on_the_port_is_no_backend(data, answer, monkeypatch):
    monkeypatch.setattr(_Stranger, "answer", answer)
    data.mkdir()
    with http.server.HTTPServer(("127.0.0.1", 0), _Stranger) as stranger:
        thread = threading.Thread(target=stranger.serve_forever)
        thread.start()
        try:
            write_server(data, ServerInfo(PROTOCOL, stranger.server_port, "x", pid=99_999_999))
            assert find_server(data) is None
        finally:
            stranger.shutdown()
            thread.join()
    server_file(data).unlink()
