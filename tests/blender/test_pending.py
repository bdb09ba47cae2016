import os
import subprocess
import sys

import pytest
from bl_ext.devrepo.depthshot.backend.errors import StorageError
from bl_ext.devrepo.depthshot.backend.locks import FileLock
from bl_ext.devrepo.depthshot.backend.paths import ROOT
from bl_ext.devrepo.depthshot.operators.folders import new_take_folder, private_folder
from bl_ext.devrepo.depthshot.operators.pending import (
    SESSION,
    OpenFile,
    Pending,
    claim_next,
    has_pending,
    note,
)

A = OpenFile(blend="/a.blend", scenes=(1, 2))
B = OpenFile(blend="/b.blend", scenes=(3,))

HOLD = """
import sys
from pathlib import Path
from backend.locks import FileLock
assert FileLock(Path(sys.argv[1])).take()
print("held", flush=True)
sys.stdin.read()
"""


def some_pending(**changes):
    values = {
        "job": "j1",
        "blend": "/a.blend",
        "scene": "Scene",
        "scene_uid": "1",
        "label": "Scene-projection",
        "target": "STRIP",
        "place": "AUTO",
        "session": "another",
    }
    return Pending(**(values | changes))


def left(data, pending):
    """Notes a job as a Blender that has ended did; returns where."""
    before = set(notes(data))
    note(data, pending).release()
    (path,) = set(notes(data)) - before
    return path


def notes(data):
    return sorted((data / "pending").glob("*.json"))


def test_jobs_are_found_again_by_their_file_oldest_first(tmp_path):
    first, second = some_pending(job="z1"), some_pending(job="a2")
    other = some_pending(job="b3", blend="/b.blend")
    for age, pending in enumerate((first, second, other)):
        os.utime(left(tmp_path, pending), (age, age))
    assert not has_pending(tmp_path, OpenFile(blend="", scenes=(1, 2, 3)))
    assert claim_next(tmp_path, B).pending == other
    claim = claim_next(tmp_path, A)
    assert claim.pending == first
    claim.forget()
    claim.forget()
    claim.release()
    assert claim_next(tmp_path, A).pending == second


def test_a_job_somebody_works_on_is_nobody_elses(tmp_path):
    claim = note(tmp_path, some_pending())
    assert not has_pending(tmp_path, A)
    assert claim_next(tmp_path, A) is None
    claim.release()
    assert has_pending(tmp_path, A)
    again = claim_next(tmp_path, A)
    assert again.pending == some_pending()
    assert not has_pending(tmp_path, A)
    again.release()


def test_a_job_of_another_process_is_free_when_that_ends_in_any_way(tmp_path):
    path = left(tmp_path, some_pending())
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path.with_suffix(".lock"))],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with other:
        assert other.stdout.readline() == "held\n"
        assert not has_pending(tmp_path, A)
        assert claim_next(tmp_path, A) is None
        other.kill()
        other.wait()
        assert has_pending(tmp_path, A)
        claim_next(tmp_path, A).release()


def test_nothing_is_left_of_a_job_that_landed(tmp_path):
    claim = note(tmp_path, some_pending())
    claim.forget()
    claim.release()
    assert list((tmp_path / "pending").iterdir()) == []


WAIT = """
import sys
from pathlib import Path
from backend.locks import FileLock
print("waits", flush=True)
assert FileLock(Path(sys.argv[1]), timeout=60).take()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(os.name == "nt", reason="a file that is open is not removed there")
def test_who_waits_for_a_job_that_landed_is_the_only_one_to_have_its_lock(tmp_path, monkeypatch):
    """It gets the lock at the first moment it can: as soon as it is given back."""
    claim = note(tmp_path, some_pending())
    (path,) = (tmp_path / "pending").glob("*.lock")
    command = [sys.executable, "-c", WAIT, str(path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    let_go = FileLock.release
    with subprocess.Popen(command, cwd=ROOT, **pipes) as other:

        def until_the_other_has_it(lock):
            let_go(lock)
            assert other.stdout.readline() == "held\n"

        try:
            assert other.stdout.readline() == "waits\n"
            claim.forget()
            with monkeypatch.context() as slow:
                slow.setattr(FileLock, "release", until_the_other_has_it)
                claim.release()
            third = FileLock(path)
            assert not third.take(), "two have the lock"
        finally:
            other.kill()


def test_a_right_given_back_twice_takes_it_from_nobody(tmp_path):
    first = note(tmp_path, some_pending())
    first.forget()
    first.release()
    second = note(tmp_path, some_pending())
    second.forget()
    first.release()
    (path,) = (tmp_path / "pending").glob("*.lock")
    assert not FileLock(path).take()
    second.release()
    assert not path.exists()


def test_without_a_path_only_the_scene_in_this_session_counts(tmp_path):
    left(tmp_path, some_pending(blend="", session=SESSION, scene_uid="7"))
    left(tmp_path, some_pending(job="j2", blend="", session="another", scene_uid="8"))
    assert not has_pending(tmp_path, OpenFile(blend="", scenes=(1, 8)))
    # Saved meanwhile, or not.
    assert has_pending(tmp_path, OpenFile(blend="", scenes=(1, 7)))
    assert has_pending(tmp_path, OpenFile(blend="/new.blend", scenes=(7,)))


def test_a_damaged_note_is_named_and_not_kept_locked(tmp_path):
    path = left(tmp_path, some_pending())
    path.write_text('{"job": 5}')
    for _ in range(2):
        with pytest.raises(StorageError, match=path.name):
            claim_next(tmp_path, A)


def test_a_note_never_leaves_its_folder(tmp_path):
    with pytest.raises(ValueError, match="not the id of a job"):
        note(tmp_path, some_pending(job="../../x"))


def test_a_note_is_written_at_once_or_not_at_all(tmp_path):
    claim = note(tmp_path, some_pending())
    (path,) = notes(tmp_path)
    # Whoever is killed while writing leaves what a second name of the old file shows.
    os.link(path, tmp_path / "before")
    content = path.read_bytes()
    claim.write(some_pending(folder="/takes/one"))
    assert (tmp_path / "before").read_bytes() == content
    assert b"/takes/one" in path.read_bytes()
    claim.release()
    assert claim_next(tmp_path, A).pending == some_pending(folder="/takes/one")


def test_folders_that_cannot_be_written_are_said(tmp_path):
    (tmp_path / "pending").touch()
    with pytest.raises(StorageError, match="cannot be written"):
        note(tmp_path, some_pending())
    with pytest.raises(StorageError, match=r"pending.* cannot be written"):
        new_take_folder(tmp_path / "pending", "Scene")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_folders_of_the_users_data_are_for_the_user_alone(tmp_path):
    before = os.umask(0o022)
    try:
        folder = private_folder(tmp_path / "data", "captures")
    finally:
        os.umask(before)
    assert [path.stat().st_mode & 0o777 for path in (folder.parent, folder)] == [0o700, 0o700]


def test_each_take_has_a_number_of_its_own(tmp_path):
    names = [new_take_folder(tmp_path / "takes", "Scene").name for _ in range(3)]
    assert names == ["Scene-001", "Scene-002", "Scene-003"]
