import ast
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from backend.setup import pythons as search
from tools import pythons

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stand-ins are shell scripts")


def script(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_the_running_python_tells_its_version():
    assert search.version_of(sys.executable) == sys.version_info[:2]


@pytest.mark.parametrize(
    "body", ["echo 'command not found' >&2; exit 127", "echo 3.11; exit 1", "echo nonsense"]
)
def test_what_does_not_run_has_no_version(tmp_path, body):
    assert search.version_of(str(script(tmp_path / "python3.11", body))) is None


def test_a_name_that_is_not_there_has_no_version(tmp_path):
    assert search.version_of(str(tmp_path / "python3.11")) is None


def test_a_shim_that_fails_is_passed_over_for_the_next_on_the_path(tmp_path):
    script(tmp_path / "shims" / "python3.13", "exit 127")
    working = script(tmp_path / "bin" / "python3.13", "echo 3.13")
    path = f"{tmp_path / 'shims'}{os.pathsep}{tmp_path / 'bin'}"
    wanted = (3, 13) if sys.version_info[:2] != (3, 13) else (3, 11)
    if wanted == (3, 11):
        script(tmp_path / "shims" / "python3.11", "exit 127")
        working = script(tmp_path / "bin" / "python3.11", "echo 3.11")
    assert search.find(wanted, path) == working
    assert search.find(wanted, str(tmp_path / "shims")) is None


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home of its own, in which no version manager is set up elsewhere."""
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    for name in ("PYENV_ROOT", "UV_PYTHON_INSTALL_DIR", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    return home


def other_version() -> tuple[int, int]:
    """The supported Python that does not run this test."""
    return next(version for version in pythons.SUPPORTED if version != sys.version_info[:2])


@pytest.mark.parametrize(
    ("folder", "variable"),
    [
        (".pyenv/versions/{}.2", "PYENV_ROOT=.pyenv"),
        (".local/share/uv/python/cpython-{}.2-linux-x86_64-gnu", "XDG_DATA_HOME=.local/share"),
        (".local/share/uv/python/cpython-{}.2-x", "UV_PYTHON_INSTALL_DIR=.local/share/uv/python"),
        (".local/share/mise/installs/python/{}.2", "XDG_DATA_HOME=.local/share"),
        (".asdf/installs/python/{}.2", None),
    ],
)
def test_what_a_version_manager_keeps_off_the_path_is_found(
    home, tmp_path, monkeypatch, folder, variable
):
    major, minor = wanted = other_version()
    version = f"{major}.{minor}"
    body = f"echo {version}"
    there = script(home / folder.format(version) / "bin" / f"python{version}", body)
    assert search.find(wanted) == there
    if variable:
        name, _, where = variable.partition("=")
        monkeypatch.setenv("HOME", str(tmp_path / "elsewhere"))
        monkeypatch.setenv(name, str(home / where))
        assert search.find(wanted) == there


def test_the_newest_that_works_is_taken_from_a_version_manager(home):
    major, minor = wanted = other_version()
    name, body = f"python{major}.{minor}", f"echo {major}.{minor}"
    versions = home / ".pyenv" / "versions"
    script(versions / f"{major}.{minor}.9" / "bin" / name, body)
    newest = script(versions / f"{major}.{minor}.10" / "bin" / name, body)
    script(versions / f"{major}.{minor}.11" / "bin" / name, "exit 1")
    # Free-threaded, and a development version: wheels do not fit the first, the second is none.
    script(versions / f"{major}.{minor}.12t" / "bin" / name, body)
    script(versions / f"{major}.{minor}-dev" / "bin" / name, body)
    assert search.find(wanted) == newest


def run_dev_under_another_python(path: str, *arguments: str) -> subprocess.CompletedProcess:
    """Runs dev.py as if by a Python 3.12 which itself lies outside of `path`."""
    pretend = (
        "import runpy, sys; sys.version_info = (3, 12, 0, 'final', 0); "
        "sys.executable = '/nowhere/python3.12'; sys.path.insert(0, sys.argv[1]); "
        "sys.argv = [sys.argv[1] + '/dev.py', *sys.argv[2:]]; "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    return subprocess.run(
        [sys.executable, "-c", pretend, str(ROOT), *arguments],
        env={"PATH": path, "HOME": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_another_python_hands_over_to_a_supported_one(tmp_path):
    body = 'if [ "$1" = -c ]; then echo 3.13; else echo "ran $*"; exit 7; fi'
    script(tmp_path / "python3.13", body)
    done = run_dev_under_another_python(str(tmp_path), "test", "-k", "a b")
    assert done.stdout == f"ran {ROOT}/dev.py test -k a b\n"
    assert done.returncode == 7


def test_no_supported_python_is_one_sentence_with_the_way_out(tmp_path):
    done = run_dev_under_another_python(str(tmp_path), "test")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "needs Python 3.11 or 3.13" in done.stderr
    assert "apt-get install python3.11 python3.11-venv" in done.stderr


@pytest.mark.parametrize(
    "file",
    [
        *("dev.py", "tools/__init__.py", "tools/pythons.py"),
        *("backend/__init__.py", "backend/setup/__init__.py", "backend/setup/pythons.py"),
    ],
)
def test_what_an_old_python_reads_it_can_read(file):
    ast.parse((ROOT / file).read_text(encoding="utf-8"), feature_version=(3, 8))
