"""The server that runs: what it is seen to do, its end, and whether it is the one that is meant."""

import http.server
import os
import shutil
import sys
import threading
from pathlib import Path

import pytest

from backend import launch, running
from backend.client import Backend
from backend.connection import Connection
from backend.errors import BackendNotStarted
from backend.launch import start_or_attach
from backend.rendezvous import ServerInfo, read_server, write_server
from tests.backends import PYTHON, ROOT, gone, running_backend
from tests.certificates import SELF_SIGNED
from tests.remotes import served
from tests.waiting import wait_until


def another_python(folder: Path) -> Path:
    """The environment of this test under another path."""
    (folder / "bin").mkdir(parents=True)
    shutil.copy(Path(sys.prefix) / "pyvenv.cfg", folder)
    (folder / "lib").symlink_to(Path(sys.prefix) / "lib")
    python = folder / "bin" / "python"
    python.symlink_to(Path(sys.executable).resolve())
    return python


def test_nothing_runs(tmp_path):
    assert running.look(tmp_path) is None
    assert running.stop(tmp_path) is False


def test_it_is_seen_and_stopped(tmp_path):
    with running_backend(tmp_path):
        info = read_server(tmp_path)
        wait_until(lambda: running.look(tmp_path).state == "ready")
        seen = running.look(tmp_path)
        assert seen.pid == info.pid
        assert seen.in_words() == f"Running on {seen.devices[0]}: no job"
        assert running.stop(tmp_path) is True
        wait_until(lambda: gone(info.pid))
        assert read_server(tmp_path) is None
        assert running.look(tmp_path) is None


def test_another_attached_blender_does_not_keep_it(tmp_path):
    with running_backend(tmp_path):
        other = Backend.start_or_attach(PYTHON, ROOT, tmp_path)
        assert running.stop(tmp_path) is True
        other.close()


def test_one_with_another_python_makes_way(tmp_path):
    with running_backend(tmp_path / "data"):
        first = read_server(tmp_path / "data")
        same = start_or_attach(PYTHON, ROOT, tmp_path / "data")
        assert same == first
        other = start_or_attach(another_python(tmp_path / "env"), ROOT, tmp_path / "data")
        assert other.pid != first.pid
        wait_until(lambda: gone(first.pid))


@pytest.mark.parametrize(("ours", "stays"), [("9.0", False), ("0.0.1", True)])
def test_one_of_an_older_version_makes_way_and_a_newer_one_stays(
    tmp_path, monkeypatch, ours, stays
):
    with running_backend(tmp_path):
        first = read_server(tmp_path)
        monkeypatch.setattr(launch, "software", lambda: f"Depthshot {ours}")
        assert (start_or_attach(PYTHON, ROOT, tmp_path) == first) is stays


def test_one_that_has_jobs_finishes_them_first(tmp_path, monkeypatch):
    with running_backend(tmp_path / "data"):
        first = read_server(tmp_path / "data")
        monkeypatch.setattr(launch, "_DRAIN_SECONDS", 0.5)
        asked = threading.Event()
        hello = Connection.hello

        def busy(connection: Connection) -> dict:
            # As it answers while it has jobs after it was asked to end.
            if asked.is_set():
                return {**hello(connection), "draining": True}
            return hello(connection)

        monkeypatch.setattr(Connection, "hello", busy)
        monkeypatch.setattr(launch, "_ask_to_drain", lambda info: asked.set())
        with pytest.raises(BackendNotStarted, match="finishing its last jobs; try again when"):
            start_or_attach(another_python(tmp_path / "env"), ROOT, tmp_path / "data")
        assert read_server(tmp_path / "data") == first


@pytest.fixture(params=["plain", "TLS"])
def by_hand(request, tmp_path):
    """A server that somebody has served by hand, as docs/manual/remote.md says."""
    tls = ()
    if request.param == "TLS":
        certificate, key = SELF_SIGNED.write(tmp_path)
        tls = ("--tls-cert", certificate, "--tls-key", key)
    with served(tmp_path / "data", *tls) as box:
        yield box


def test_one_that_was_served_by_hand_stays_whatever_is_asked_for(tmp_path, by_hand, monkeypatch):
    monkeypatch.setattr(launch, "software", lambda: "Depthshot 9.0")
    other = another_python(tmp_path / "env")
    assert start_or_attach(other, ROOT, by_hand.data).pid == by_hand.process.pid
    wait_until(lambda: running.look(by_hand.data).state == "ready")
    assert running.look(by_hand.data).in_words().endswith(": no job; it was served by hand")
    with pytest.raises(BackendNotStarted, match="was served by hand, maybe for other machines"):
        running.stop(by_hand.data)
    assert start_or_attach(PYTHON, ROOT, by_hand.data).pid == by_hand.process.pid
    assert by_hand.process.poll() is None


def test_one_of_another_protocol_that_was_served_by_hand_is_left_alone(tmp_path, monkeypatch):
    with served(tmp_path / "data") as box:
        (tmp_path / "ours").mkdir()
        old = tmp_path / "ours/server-0.json"
        old.write_text((box.data / "server-1.json").read_text().replace('col": 1', 'col": 0'))
        with running_backend(tmp_path / "ours"):
            hello = Connection(read_server(box.data)).hello()
            assert hello["draining"] is False


def test_one_environment_by_another_path_is_the_same(tmp_path):
    (tmp_path / "link").symlink_to(sys.prefix)
    (tmp_path / "sub").mkdir()
    with running_backend(tmp_path / "data"):
        first = read_server(tmp_path / "data")
        for python, data in (
            (tmp_path / "link/bin/python", tmp_path / "data"),
            (tmp_path / "sub/../link/bin" / Path(sys.executable).name, tmp_path / "sub/../data"),
        ):
            assert start_or_attach(python, ROOT, data) == first


def test_a_relative_data_folder_is_one_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with running_backend(Path("rel")) as backend:
        assert backend.health()
        assert (tmp_path / "rel/store-1/jobs.sqlite").is_file()
        assert not (ROOT / "rel").exists()


@pytest.mark.parametrize("answer", [b'{"status": "ok"}', b"[]", b"<html>"])
def test_another_program_at_the_old_port_is_no_backend(tmp_path, answer):
    class Stranger(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Stranger) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        write_server(tmp_path, ServerInfo(1, server.server_port, "x" * 43, os.getpid()))
        assert running.look(tmp_path) is None
        assert running.stop(tmp_path) is False
        server.shutdown()


def test_a_folder_that_cannot_be_asked_for_has_no_server(tmp_path):
    assert running.look(tmp_path / ("a" * 300)) is None
