"""Kept captures make room for others, but not while somebody reads them."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from bl_ext.devrepo.depthshot.backend.locks import FileLock
from bl_ext.devrepo.depthshot.backend.wire import Camera, Shot, Still
from bl_ext.devrepo.depthshot.scene import kept

CAMERA = Camera(
    fl_x=32.0,
    fl_y=32.0,
    cx=16.0,
    cy=9.0,
    transform_matrix=((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)),
)


def fake(cache, name, *, age):
    """Keeps a capture of one still, last used `age` seconds ago; returns it, held."""
    made = cache.parent / "made"
    made.mkdir()
    (made / "still.png").write_bytes(b"0123456789")
    shot = Shot(
        name=name,
        size=(32, 18),
        fps=24.0,
        frame_start=1,
        stills=(Still(image="still.png", index=0),),
        cameras=(CAMERA,),
    )
    held = kept.keep(shot, made, cache=cache, name=name)
    used = time.time() - age
    os.utime(held.folder / kept.SIZES_FILE, (used, used))
    return held


@pytest.fixture
def cache(tmp_path):
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "notes.txt").write_text("not a capture")
    return folder


def left(cache):
    """Names of the captures that are there."""
    return sorted(path.parent.name for path in cache.glob("*/shot.json"))


def released(cache, ages):
    for name, age in ages.items():
        fake(cache, name, age=age).release()
    return sum(path.stat().st_size for path in (cache / "a").rglob("*") if path.is_file())


def test_the_longest_unused_captures_make_room(cache):
    each = released(cache, {"a": 3, "b": 2, "c": 1})
    kept.find(cache, "a").release()  # used again, so now the latest
    kept.prune(cache, most=3 * each)
    assert left(cache) == ["a", "b", "c"]
    kept.prune(cache, most=2 * each)
    assert left(cache) == ["a", "c"]
    kept.prune(cache, most=0)
    assert left(cache) == []
    assert sorted(path.name for path in cache.iterdir()) == ["captures.lock", "notes.txt", "uses"]
    assert list((cache / "uses").iterdir()) == []


HOLD = """
import sys, time
from pathlib import Path
from bl_ext.devrepo.depthshot.scene import kept
held = kept.find(Path(sys.argv[1]), "a")
print("HELD", held.folder.name, flush=True)
time.sleep(600)
"""


def test_a_capture_that_another_blender_uses_stays(cache, tmp_path):
    """Until that Blender ends, however it does."""
    each = released(cache, {"a": 3, "b": 2})
    (tmp_path / "hold.py").write_text(HOLD)
    root = Path(__file__).parents[2]
    command = [sys.executable, str(root / "tools" / "with_extension.py"), str(tmp_path / "hold.py")]
    other = subprocess.Popen([*command, str(cache)], stdout=subprocess.PIPE, text=True)
    try:
        assert any(line.startswith("HELD a") for line in other.stdout)
        kept.prune(cache, most=each)
        assert left(cache) == ["a"]
    finally:
        other.kill()
        other.wait()
        other.stdout.close()
    kept.prune(cache, most=0)
    assert left(cache) == []


def test_captures_for_one_use_go_when_they_are_released(cache):
    name = kept.once()
    held = fake(cache, name, age=0)
    kept.prune(cache)
    assert left(cache) == [name]
    held.release()
    assert left(cache) == []
    held.release()


def test_captures_for_one_use_of_a_blender_that_ended_go_at_the_next(cache):
    fake(cache, "a", age=0).release()
    (cache / "a").rename(cache / kept.once())
    kept.prune(cache)
    assert left(cache) == []


def test_what_cannot_be_removed_is_said_in_the_log_alone(cache, caplog, monkeypatch):
    released(cache, {"a": 1})
    monkeypatch.setattr(kept.shutil, "rmtree", refuse)
    kept.prune(cache, most=0)
    assert "could not make room" in caplog.text
    assert "Permission denied" in caplog.text


def refuse(path):
    raise PermissionError(13, "Permission denied", str(path))


def test_captures_that_stay_locked_are_made_again(cache, monkeypatch):
    released(cache, {"a": 1})
    monkeypatch.setattr(kept, "_LOCK_SECONDS", 0.0)
    with FileLock(cache / "captures.lock"):
        assert kept.find(cache, "a") is None
    assert kept.find(cache, "a") is not None
    assert left(cache) == ["a"]
