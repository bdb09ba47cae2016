"""Real environments of one tiny package, made by the real pip without a network."""

import hashlib
import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from backend.errors import SetupError
from backend.setup import pip
from backend.setup.environment import STAMP, Environment, is_ready, write_stamp
from backend.setup.process import Work
from tools import environments
from tools.console import DevError


@pytest.fixture
def tiny(tmp_path, monkeypatch) -> Environment:
    """An environment whose lock file holds one package, to be found in a folder."""
    wheel = tmp_path / "wheels" / "tiny-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny.py", "VALUE = 42\n")
        info = "tiny-1.0.dist-info"
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    lock = tmp_path / "tiny.txt"
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    lock.write_text(f"tiny==1.0 \\\n    --hash=sha256:{digest}\n")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("DEPTHSHOT_ENV_DIR", str(tmp_path / "envs"))
    return Environment(
        name="tiny",
        folder=environments.root() / "tiny",
        version=sys.version_info[:2],
        locks=(lock,),
        with_torch=False,
        download=1e3,
        disk=1e6,
    )


def value(environment: Environment) -> str:
    command = [str(environment.python), "-c", "import tiny; print(tiny.VALUE)"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_made_once_then_left_alone_then_made_again_when_broken(tiny, capsys):
    assert not is_ready(tiny)
    environments.ensure(tiny)
    assert is_ready(tiny)
    assert value(tiny) == "42"
    assert "done in" in capsys.readouterr().err

    mark = tiny.folder / "mark"
    mark.touch()
    environments.ensure(tiny)
    assert mark.exists()
    assert capsys.readouterr().err == ""

    # As an interrupted installation leaves it: files, no stamp.
    (tiny.folder / STAMP).unlink()
    environments.ensure(tiny)
    assert not mark.exists()
    assert is_ready(tiny)
    assert "made again" in capsys.readouterr().err


def test_a_changed_lock_or_python_is_not_ready(tiny):
    tiny.folder.mkdir(parents=True)
    tiny.python.parent.mkdir()
    tiny.python.touch()
    write_stamp(tiny)
    assert is_ready(tiny)
    assert not is_ready(replace(tiny, version=(3, 99)))
    assert not is_ready(replace(tiny, with_torch=True))
    tiny.locks[0].write_text("other==1.0\n")
    assert not is_ready(tiny)


@pytest.mark.parametrize("stamp", ["", "{", "[]", "null", json.dumps({"key": "0"})])
def test_a_torn_stamp_is_no_stamp(tiny, stamp):
    tiny.folder.mkdir(parents=True)
    tiny.python.parent.mkdir()
    tiny.python.touch()
    (tiny.folder / STAMP).write_text(stamp)
    assert not is_ready(tiny)


def look_for(environment: Environment) -> None:
    """Lets pip do everything but install, with the Python that runs this test."""
    log = environment.locks[0].with_suffix(".log")
    options = ["--dry-run", "--ignore-installed", "--require-hashes"]
    pip.install(Path(sys.executable), [*options, "-r", str(environment.locks[0])], work=Work(log))
    assert "tiny" in log.read_text()


def test_a_file_with_another_hash_is_refused_by_name(tiny):
    look_for(tiny)
    tiny.locks[0].write_text(f"tiny==1.0 \\\n    --hash=sha256:{'0' * 64}\n")
    with pytest.raises(SetupError, match="another file for tiny"):
        look_for(tiny)


def test_no_network_is_one_sentence(tiny, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    # Nothing listens on port 9 here: refused, as by a machine without a network.
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(SetupError) as caught:
        look_for(tiny)
    assert "cannot be reached: connect to the network" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_too_little_disk_is_found_before_anything_is_made(tiny):
    with pytest.raises(DevError, match="are left"):
        environments.ensure(replace(tiny, disk=1e18))
    assert not tiny.folder.exists()


def test_a_python_that_is_not_there_is_found_before_anything_is_made(tiny):
    with pytest.raises(DevError, match=r"needs Python 3\.99"):
        environments.ensure(replace(tiny, version=(3, 99)))
    assert not tiny.folder.exists()


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("ERROR: Could not install: [Errno 28] No space left on device", "The disk is full"),
        ("SSLError: CERTIFICATE_VERIFY_FAILED: self-signed", "certificate is not trusted"),
        ("socket.gaierror: Temporary failure in name resolution", "cannot be reached"),
        ("ERROR: No matching distribution found for x==1", "No matching distribution found"),
        ("", "no reason given"),
    ],
)
def test_what_pip_says_becomes_a_sentence(tmp_path, output, expected):
    assert expected in pip.explain(output, log=tmp_path / "log")


def test_the_environments_of_this_checkout():
    backend, blender = environments.backend(), environments.blender("4.5.15")
    assert [lock.name for lock in backend.locks] == ["backend.txt", "dev.txt"]
    assert backend.with_torch and not blender.with_torch
    assert blender.folder.name == "blender-4.5.15"
    assert blender.version == (3, 11)
    assert environments.blender("5.2.3").version == (3, 13)


def test_an_unknown_blender_names_those_there_are():
    known = r"no Blender 3\.6\.0 here: choose one of 4\.2\.23, 4\.5\.15"
    with pytest.raises(DevError, match=known):
        environments.blender("3.6.0")
