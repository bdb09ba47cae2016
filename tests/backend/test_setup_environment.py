"""An environment is Depthshot's by what Depthshot has written into it, from first to last."""

import shutil
import sys
import venv
from pathlib import Path

import pytest

from backend.errors import SetupError
from backend.setup import environment, place, removal
from backend.setup.environment import MARK, STAMP, Environment
from backend.setup.place import Kind
from backend.setup.process import Work, run
from backend.setup.progress import Progress


@pytest.fixture
def data(tmp_path) -> Path:
    data = tmp_path / "data"
    data.mkdir()
    return data


@pytest.fixture
def own(data) -> Path:
    """An artist's own environment, with the name that Depthshot's would have."""
    venv.create(data / "env", with_pip=False)
    script = data / "env" / "bin" / "rename_shots.py"
    script.parent.mkdir(exist_ok=True)
    script.write_text("print('mine')")
    return data / "env"


def recipe(data: Path) -> Environment:
    return Environment(
        name="tiny",
        folder=data / "env",
        version=sys.version_info[:2],
        locks=(),
        with_torch=False,
        download=0,
        disk=0,
        device="CPU",
    )


def make(data: Path, interpreter: Path) -> None:
    work = Work(log=data / "setup.log", progress=Progress())
    environment.make(recipe(data), interpreter, work)


def test_an_artists_own_environment_stays(data, own):
    before = sorted(own.rglob("*"))
    assert removal.size(data) == 0
    assert removal.remove(data) == [own]
    assert sorted(own.rglob("*")) == before
    assert place.examine(data).kind is Kind.BLOCKED
    with pytest.raises(SetupError, match="was not made by Depthshot"):
        make(data, Path(sys.executable))
    assert sorted(own.rglob("*")) == before


@pytest.mark.parametrize("mark", [MARK, STAMP])
def test_what_depthshot_has_written_into_says_that_it_is_its_own(data, own, mark):
    """Environments that were made whole before there was a mark have the stamp."""
    (own / mark).write_text("{}")
    assert removal.remove(data) == []
    assert not data.exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk here is always full")
def test_a_log_that_finds_the_disk_full_does_not_hold_a_program_up(data):
    """It goes on being read: one whose words nobody takes would wait for ever."""
    ended = data / "ended"
    says = f"print('word\\n' * 50_000); open({str(ended)!r}, 'w').close()"
    with pytest.raises(OSError, match="No space left on device"):
        run([sys.executable, "-c", says], Work(log=Path("/dev/full")))
    assert ended.exists()


def test_one_whose_making_was_interrupted_at_its_first_step_is_ours(data, tmp_path):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\n: > data/env/pyvenv.cfg\nexit 1\n".replace("data", str(data)))
    broken.chmod(0o755)
    with pytest.raises(SetupError, match="could not make"):
        make(data, broken)
    assert place.examine(data).kind is Kind.BROKEN
    removal.discard(data / "env")
    assert not (data / "env").exists()


@pytest.mark.parametrize("ours", [MARK, STAMP])
def test_one_whose_removal_was_interrupted_is_ours_still(data, own, monkeypatch, ours):
    (own / ours).write_text("{}")
    remove = shutil.rmtree
    for _ in range(3):

        def once_and_no_more(path: Path) -> None:
            remove(path)
            raise OSError(5, "Input/output error", str(path))

        with monkeypatch.context() as disk:
            disk.setattr(shutil, "rmtree", once_and_no_more)
            with pytest.raises(OSError, match="Input/output"):
                removal.discard(own)
        assert environment.is_environment(own)
        assert not (own / STAMP).exists(), "it passes for whole"
    removal.discard(own)
    assert not own.exists()
