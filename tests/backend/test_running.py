"""The server that runs: what it is seen to do, its end, and whether it is the one that is meant."""

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
from backend.rendezvous import read_server
from tests.backends import PYTHON, ROOT, gone, running_backend, wait_until


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
