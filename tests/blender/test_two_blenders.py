"""Two Blenders on one backend, two on one file, and a backend of another version."""

import os
import shutil
import subprocess
from pathlib import Path

import bpy
import pytest
from bl_ext.devrepo.depthshot.backend.paths import ROOT
from bl_ext.devrepo.depthshot.backend.rendezvous import read_server, server_file
from bl_ext.devrepo.depthshot.backend.take import verify_take
from bl_ext.devrepo.depthshot.backend.wire import PROTOCOL
from bl_ext.devrepo.depthshot.operators.clock import Stage
from bl_ext.devrepo.depthshot.operators.generation import Generation, Outcome
from bl_ext.devrepo.depthshot.preferences import PYTHON_VARIABLE, preferences

from tests.blender.artist import Artist
from tests.blender.generations import claim, run, start, state, waiting

pytestmark = [pytest.mark.usefixtures("backend_python"), pytest.mark.once]

# Serves another protocol until its stdin closes, and says when it answers.
ANOTHER = """
import sys, threading
import backend.wire
backend.wire.PROTOCOL += 1
from backend.cli import main
threading.Thread(target=lambda: (sys.stdin.read(), __import__("os")._exit(0)), daemon=True).start()
main(["serve", "--data", sys.argv[1]])
"""


def long_enough(scene):
    """Makes a shot that is still being made when the other Blender looks."""
    scene.frame_end = 44
    bpy.ops.wm.save_mainfile()
    return Path(bpy.data.filepath)


def test_two_on_one_backend(shot, own_jobs, tmp_path):
    first = long_enough(shot)
    second = tmp_path / "elsewhere" / "second.blend"
    second.parent.mkdir()
    shutil.copy(first, second)
    server = read_server(preferences(bpy.context).data)
    with Artist(first) as one, Artist(second) as other:
        ends = [one.end(), other.end()]
    assert [end["outcome"] for end in ends] == ["done", "done"], ends
    folders = [Path(end["folder"]) for end in ends]
    assert [folder.parent.parent for folder in folders] == [first.parent, second.parent]
    assert [verify_take(folder).frames for folder in folders] == [40, 40]
    assert read_server(preferences(bpy.context).data) == server, (
        "both had the server that was there"
    )
    assert waiting() == []
    assert own_jobs() == []


def test_two_on_one_file(shot, backend):
    blend = long_enough(shot)
    before = blend.read_bytes()
    with Artist(blend) as artist:
        assert artist.until(Stage.RUN.label)
        artist.pause()
        assert claim() is None, "it is the other Blender's as long as that lives"
        own = run(start())
        assert own.outcome is Outcome.DONE, own.message
        assert len(waiting()) == 1
        artist.go_on()
        end = artist.end()
    assert end["outcome"] == "done", end
    folders = {own.folder, Path(end["folder"])}
    assert {folder.parent for folder in folders} == {blend.parent / "depthshot"}
    assert len(folders) == 2
    assert [verify_take(folder).frames for folder in folders] == [40, 40]
    assert blend.read_bytes() == before
    assert waiting() == []


def test_the_job_of_a_blender_that_was_killed_is_taken_in_by_the_other(shot, own_jobs):
    with Artist(long_enough(shot)) as artist:
        assert artist.until(Stage.RUN.label)
        artist.kill()
    noted = claim()
    assert noted is not None
    generation = run(Generation.resume(noted, preferences(bpy.context)))
    assert generation.outcome is Outcome.DONE, generation.message
    assert verify_take(generation.folder).frames == 40
    assert (claim(), waiting(), own_jobs()) == (None, [], [])


def test_a_backend_of_another_version_is_said_and_changes_nothing(shot, stored, tmp_path):
    data = tmp_path / "data"
    stored.data_folder = str(data)
    theirs = subprocess.Popen(
        [os.environ[PYTHON_VARIABLE], "-c", ANOTHER, str(data)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
    )
    try:
        while read_server(data, PROTOCOL + 1) is None:
            assert theirs.poll() is None
        # Under our name: as a version that forgot to change it would leave it.
        text = server_file(data, PROTOCOL + 1).read_text()
        ours = text.replace(f'"protocol": {PROTOCOL + 1}', f'"protocol": {PROTOCOL}')
        server_file(data).write_text(ours)
        before = state()
        generation = run(start())
        assert generation.outcome is Outcome.FAILED
        assert f"speaks protocol {PROTOCOL + 1}" in generation.message
        assert state() == before
        assert not list((data / "captures").glob("*.partial"))
        server_file(data).unlink()
    finally:
        theirs.communicate()
    generation = run(start())
    assert generation.outcome is Outcome.DONE, generation.message
