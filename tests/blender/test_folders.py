"""Folders of takes and of the user's data. Nothing here needs bpy but the package that it is in."""

import logging
import os
import shutil
import threading
import time

import pytest
from bl_ext.devrepo.depthshot.backend.errors import StorageError
from bl_ext.devrepo.depthshot.operators.folders import USED_NAMES, new_take_folder, sweep


def test_a_number_is_never_used_again(tmp_path):
    takes = tmp_path / "takes"
    made = [new_take_folder(takes, "Shot-draft") for _ in range(3)]
    assert [folder.name for folder in made] == [f"Shot-draft-00{n}" for n in (1, 2, 3)]
    shutil.rmtree(made[1])
    shutil.rmtree(made[2])
    assert new_take_folder(takes, "Shot-draft").name == "Shot-draft-004"
    assert new_take_folder(takes, "Shot").name == "Shot-001"
    assert new_take_folder(takes, "Shot-draft").name == "Shot-draft-005"


def test_takes_of_an_older_version_count_too(tmp_path):
    (tmp_path / "Shot-007").mkdir()
    (tmp_path / "Shot-two-009").mkdir()
    assert new_take_folder(tmp_path, "Shot").name == "Shot-008"
    (tmp_path / USED_NAMES).write_bytes(b"Shot-1200\n\xff\nShot-x\n")
    assert new_take_folder(tmp_path, "Shot").name == "Shot-1201"


def test_two_blenders_get_two_folders(tmp_path):
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(new_take_folder(tmp_path, "Shot")))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 8
    assert all(folder.is_dir() for folder in found)


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "takes").write_text("a file")
    with pytest.raises(StorageError, match=r"The folder for takes .+ cannot be written"):
        new_take_folder(tmp_path / "takes", "Shot")


def test_what_goes_while_it_is_looked_at_was_not_left_behind(tmp_path, caplog):
    """Captures of this and other Blenders come and go beside the sweep."""
    captures = tmp_path / "captures"
    going_on = threading.Event()

    def work():
        while not going_on.is_set():
            folder = captures / "one.partial"
            for number in range(30):
                (folder / str(number)).mkdir(parents=True)
            shutil.rmtree(folder)

    captures.mkdir()
    worker = threading.Thread(target=work)
    worker.start()
    try:
        with caplog.at_level(logging.WARNING):
            for _ in range(400):
                sweep(tmp_path)
    finally:
        going_on.set()
        worker.join()
    assert caplog.messages == []


def test_what_a_crash_left_goes(tmp_path):
    old = tmp_path / "captures/old.partial"
    new = tmp_path / "captures/new.partial"
    for folder in (old, new):
        (folder / "shot").mkdir(parents=True)
    for path in (old / "shot", old):
        os.utime(path, (time.time() - 1e6,) * 2)
    sweep(tmp_path)
    assert (old.exists(), new.exists()) == (False, True)
