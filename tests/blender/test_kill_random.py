"""Blender and its second Blender, killed at drawn moments of a generation.

Whatever was killed and when: the file is as it was, every picture under its own name is whole, the
job that was sent is found again when the file is opened, and the take has the bytes that it has
when nobody is killed. See `tests.kills` for the number of kills and their seed.
"""

import os
import shutil
import sys
import time
from pathlib import Path

import bpy
import pytest
from bl_ext.devrepo.depthshot.backend.take import verify_take
from bl_ext.devrepo.depthshot.operators.clock import Stage
from bl_ext.devrepo.depthshot.operators.folders import sweep
from bl_ext.devrepo.depthshot.operators.generation import NEVER_RECEIVED, Generation, Outcome
from bl_ext.devrepo.depthshot.preferences import preferences

from tests import kills
from tests.blender import scene_hash
from tests.blender.artist import Artist
from tests.blender.generations import claim, run, start, waiting
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.once,
    pytest.mark.usefixtures("backend_python"),
    pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"),
]
# Each of these costs the start of one Blender or two, so there are fewer than of the backend's.
KILLS = range(max(1, kills.KILLS // 10))
LONGEST = 1.5  # seconds after a stage has begun; on a quiet machine most are over by then


@pytest.fixture
def true(shot):
    """Every picture of the take when nobody is killed; what was captured for it is removed."""
    shot.frame_end = 14
    bpy.ops.wm.save_mainfile()
    generation = run(start())
    assert generation.outcome is Outcome.DONE, generation.message
    pictures = bytes_of(generation.folder)
    shutil.rmtree(generation.folder.parent)
    forget_captures()
    bpy.ops.wm.open_mainfile(filepath=bpy.data.filepath)
    return pictures


def bytes_of(take):
    """Returns the bytes of every picture that has its own name, by path."""
    paths = (*take.glob("frames/[!.]*"), *take.glob("mask/[!.]*"))
    return {path.relative_to(take).as_posix(): path.read_bytes() for path in paths}


def forget_captures():
    shutil.rmtree(preferences(bpy.context).data / "captures", ignore_errors=True)


def captors():
    """Returns the process ids of second Blenders that work in this test's data folder."""
    captures = os.fsencode(preferences(bpy.context).data / "captures")
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):  # it has ended since it was listed
            continue
        if b"capture_child.py" in command and captures in command:
            found.append(int(process.name))
    return found


def check_whole(take, true):
    assert verify_take(take).frames == len(true) // 2
    assert bytes_of(take) == true


@pytest.mark.parametrize("number", KILLS, ids=kills.name)
def test_random_kill_of_blender(true, own_jobs, tmp_path, number):
    draw = kills.draws("blender", number)
    stage, seconds = draw.choice([*Stage][:-1]), draw.uniform(0, LONGEST)
    said = f"seed {kills.SEED}, kill {number}: {seconds:.2f} s into {stage.name}"
    blend = Path(bpy.data.filepath)
    before = blend.read_bytes(), blend.stat().st_mtime_ns
    with Artist(blend) as artist:
        artist.until(stage.label)
        time.sleep(seconds)
        artist.kill()
    wait_until(lambda: not captors())
    assert (blend.read_bytes(), blend.stat().st_mtime_ns) == before, said
    takes = sorted((tmp_path / "depthshot").glob("*"))
    for take in takes:
        assert bytes_of(take).items() <= true.items(), said

    bpy.ops.wm.open_mainfile(filepath=str(blend))
    noted = claim()
    if noted is not None:
        generation = run(Generation.resume(noted, preferences(bpy.context)))
        if generation.message == NEVER_RECEIVED:  # it was killed while it sent
            assert own_jobs() == [], said
            generation = run(start())
    else:  # it was killed before there was a job, or after its take had landed
        assert own_jobs() == [], said
        generation = run(start())
    assert generation.outcome is Outcome.DONE, f"{generation.message}; {said}"
    check_whole(generation.folder, true)
    assert waiting() == [], said
    sweep(preferences(bpy.context).data, older_than=0.0)
    assert not list((preferences(bpy.context).data / "captures").glob("*.partial")), said
    assert not list((preferences(bpy.context).data / "outbox").glob("*")), said
    forget_captures()


@pytest.mark.parametrize("number", KILLS, ids=kills.name)
def test_random_kill_of_the_second_blender(true, monkeypatch, number):
    draw = kills.draws("second blender", number)
    phase = draw.choice(["starting", "cameras", "still", "guides"])
    seconds = draw.uniform(0, LONGEST)
    said = f"seed {kills.SEED}, kill {number}: {seconds:.2f} s into {phase}"
    monkeypatch.setattr(bpy.context.preferences, "is_dirty", False)
    before = scene_hash.session_state()
    generation = start()
    wanted = {
        "starting": "opening the copy",
        "cameras": "reading cameras",
        "still": "making the still",
        "guides": "rendering guides",
    }[phase]
    run(generation, lambda generation: wanted in generation.clock.phase)
    time.sleep(seconds)
    killed = [pid for pid in captors() if kills.kill(pid)]
    run(generation)
    if generation.outcome is Outcome.FAILED:
        assert killed, said
        assert "crashed or was ended" in generation.message, said
        assert scene_hash.differences(before, scene_hash.session_state()) == [], said
        assert waiting() == [], said
        generation = run(start())
    assert generation.outcome is Outcome.DONE, f"{generation.message}; {said}"
    check_whole(generation.folder, true)
    assert not list((preferences(bpy.context).data / "captures").glob("*.partial")), said
    forget_captures()
