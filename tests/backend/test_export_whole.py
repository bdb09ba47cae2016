"""What an export writes is there in full or not at all; what killed ones have left is removed."""

import os
import subprocess
import sys
import time

import pytest

from backend.errors import StorageError
from backend.export.whole import written_whole
from tests.backends import ROOT

LONGEST = 255  # bytes, of a name on every system that matters
OLD = time.time() - 3600

KILLED = """
import os, signal, sys
from pathlib import Path
from backend.export.whole import written_whole
with written_whole(Path(sys.argv[1])) as part:
    if sys.argv[2] == "folder":
        part.mkdir()
        part = part / "picture"
    part.write_bytes(b"half")
    print("begun", flush=True)
    if sys.argv[3] == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    sys.stdin.read()
"""


def exporting(target, *, kind="file", then="wait"):
    """Start another process that exports and has written half of it."""
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(target), kind, then],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "begun\n"
    return process


def make_old(folder):
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (OLD, OLD))


def test_the_longest_name_can_be_exported_to(tmp_path):
    target = tmp_path / f"{'n' * (LONGEST - 4)}.mp4"
    with written_whole(target) as part:
        part.write_bytes(b"whole")
    assert [path.name for path in tmp_path.iterdir()] == [target.name]
    assert target.read_bytes() == b"whole"


@pytest.mark.parametrize("where", ["", f"{'m' * LONGEST}x/"])
def test_a_name_that_is_too_long_is_said(tmp_path, where):
    target = tmp_path / f"{where}{'n' * LONGEST}.mp4"
    with pytest.raises(StorageError, match=r"cannot be written \(File name too long\)"):  # noqa: SIM117
        with written_whole(target) as part:
            part.write_bytes(b"whole")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such signal")
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_a_killed_export_left_is_removed_by_the_next_one(tmp_path, kind):
    with exporting(tmp_path / "killed", kind=kind, then="die") as process:
        process.communicate(timeout=60)
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".")
    make_old(left)
    with written_whole(tmp_path / "next") as part:
        part.write_bytes(b"whole")
    assert [path.name for path in tmp_path.iterdir()] == ["next"]


def test_what_another_export_is_at_work_on_stays(tmp_path):
    other = exporting(tmp_path / "other")
    (part_of_other,) = tmp_path.iterdir()
    make_old(part_of_other)  # however long it takes
    mine = tmp_path / ".mine.12345678.part"
    mine.write_bytes(b"of another program")
    os.utime(mine, (OLD, OLD))
    with written_whole(tmp_path / "next") as part:
        part.write_bytes(b"whole")
    assert part_of_other.is_dir() and mine.is_file()
    other.communicate("", timeout=60)
    assert other.returncode == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [mine.name, "next", "other"]
    assert (tmp_path / "other").read_bytes() == b"half"
