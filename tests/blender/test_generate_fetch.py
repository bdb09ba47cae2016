"""Takes that are sent, left alone, fetched later, and by whom."""

import dataclasses
import subprocess
import sys
import threading
import time
from functools import partial

import bpy
import pytest
from bl_ext.devrepo.depthshot.backend.errors import (
    BackendLost,
    Cancelled,
    RequestRefused,
    StorageError,
    TargetError,
)
from bl_ext.devrepo.depthshot.backend.take import verify_take
from bl_ext.devrepo.depthshot.operators import generate, job
from bl_ext.devrepo.depthshot.operators.generation import Outcome
from bl_ext.devrepo.depthshot.operators.request import read_request
from bl_ext.devrepo.depthshot.operators.task import Task
from bl_ext.devrepo.depthshot.scene.capture import Capture

from tests.blender import artist, takes
from tests.blender.generations import claim, finish, run, sent, start, state, waiting

pytestmark = pytest.mark.usefixtures("backend_python")


def test_closing_the_file_during_a_job_and_fetching_the_take_later(shot, tmp_path):
    generation = run(start(), lambda generation: generation.pending is not None)
    assert not bpy.ops.depthshot.fetch.poll(), "it runs"
    generation.abandon()
    assert generation.outcome is Outcome.CANCELLED
    assert waiting() == [generation.pending.job]
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    assert not bpy.ops.depthshot.fetch.poll()
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    assert bpy.ops.depthshot.fetch() == {"FINISHED"}
    (made,) = takes.strips(bpy.data.scenes["Scene edit"])
    assert made.frame_final_duration == 3
    assert waiting() == []


def test_opening_another_file_meanwhile_leaves_that_file_alone(shot, tmp_path):
    generation = run(start(), lambda generation: generation.pending is not None)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    before = state()
    run(generation)
    assert generation.outcome is Outcome.FAILED
    assert generation.message == (
        "The take is finished, but its scene “Scene” of 'shot.blend' is not open; open it and"
        " choose Fetch Take."
    )
    assert state() == before
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    assert bpy.ops.depthshot.fetch() == {"FINISHED"}
    assert len(takes.strips(bpy.data.scenes["Scene edit"])) == 1
    # What was fetched at first is what landed.
    assert [path.name for path in (tmp_path / "depthshot").glob("[!.]*")] == [
        "Scene-projection-001"
    ]


def test_a_take_of_an_unsaved_file_never_lands_in_another_one(unsaved, stored, tmp_path):
    stored.takes_folder = str(tmp_path / "takes")
    generation = run(start(), lambda generation: generation.pending is not None)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    before = state()
    assert "Scene" in before[0]
    run(generation)
    assert generation.outcome is Outcome.FAILED
    assert "never saved" in generation.message
    assert str(tmp_path / "takes/Scene-projection-001") in generation.message
    assert verify_take(tmp_path / "takes/Scene-projection-001").frames == 3
    assert state() == before
    assert waiting() == []


def test_a_take_of_an_unsaved_file_can_be_fetched_in_the_same_session(unsaved, stored, tmp_path):
    stored.takes_folder = str(tmp_path / "occupied")
    generation = start()
    (tmp_path / "occupied").touch()
    assert run(generation).outcome is Outcome.FAILED
    stored.takes_folder = str(tmp_path / "free")
    unsaved.name = "Renamed"
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "late.blend"))
    assert bpy.ops.depthshot.fetch() == {"FINISHED"}
    assert len(takes.strips(bpy.data.scenes["Renamed edit"])) == 1


def test_another_blender_was_faster_to_fetch(shot, backend):
    job = sent(backend)
    assert bpy.ops.depthshot.fetch.poll()
    other = claim()
    assert other.pending.job == job
    with pytest.raises(TargetError, match="No take of this file is waiting"):
        generate.DEPTHSHOT_OT_fetch.begin(None, bpy.context)
    assert not bpy.ops.depthshot.fetch.poll()
    other.release()
    assert bpy.ops.depthshot.fetch() == {"FINISHED"}


def test_cancelled_while_fetching_leaves_nothing(shot, backend, tmp_path):
    sent(backend)
    fetched = claim()
    stop = threading.Event()
    with pytest.raises(Cancelled):
        job.fetch(
            backend, fetched, tmp_path / "takes", lambda done, _: done < 2 or stop.set(), stop
        )
    fetched.release()
    assert {path.name for path in (tmp_path / "takes").iterdir()} <= {".used-names"}
    assert bpy.ops.depthshot.fetch() == {"FINISHED"}, "the take is still to be had"


def test_fetching_goes_on_where_it_broke_off(shot, backend, tmp_path):
    def full(done, _):
        if done == 2:
            raise StorageError("full")

    sent(backend)
    fetched = claim()
    with pytest.raises(StorageError, match="full"):
        job.fetch(backend, fetched, tmp_path / "takes", full, threading.Event())
    fetched.release()
    again = claim()
    first = tmp_path / "takes/Scene-projection-001"
    there = {path: path.stat().st_mtime_ns for path in first.rglob("*.png")}
    assert len(there) == 2
    for _ in range(2):  # also when it was fetched and could not land
        folder = job.fetch(
            backend, again, tmp_path / "takes", lambda done, total: None, threading.Event()
        )
        assert folder == first
        assert verify_take(folder).frames == 3
        assert {path: path.stat().st_mtime_ns for path in there} == there
    (first / "frames/0006.png").write_bytes(b"damaged")
    folder = job.fetch(
        backend, again, tmp_path / "takes", lambda done, total: None, threading.Event()
    )
    assert folder.name == "Scene-projection-002"
    again.forget()
    again.release()


def captured(request):
    """Captures what is asked for."""
    cache = request.preferences.data / "captures"
    capture = Capture.start(bpy.context, request.capture, cache=cache)
    while not capture.step().finished:
        time.sleep(0.02)
    return capture


class Late:
    """A backend that sends only once something else has happened."""

    def __init__(self, backend, event):
        self._backend, self._event = backend, event
        self.address, self.store = backend.address, backend.store

    def submit(self, archive, **values):
        assert self._event.wait(60)
        return self._backend.submit(archive, **values)


def test_a_shot_can_be_sent_again_while_it_is_sent(shot, backend, tmp_path):
    request = read_request(bpy.context)
    capture = captured(request)
    go = threading.Event()
    stop = threading.Event()
    slow = Task(partial(job.send, Late(backend, go), request, capture, stop))
    fast = job.send(backend, request, capture, stop)
    go.set()
    for each in (fast, slow.result()):
        assert finish(backend, each.pending.job).kind == "done"
        each.forget()
        each.release()
    data = request.preferences.data
    assert list((data / "outbox").iterdir()) == []
    assert not list((data / "captures").glob("*.zip"))


def test_a_job_that_cannot_be_noted_is_not_sent(shot, backend, tmp_path):
    (tmp_path / "pending").touch()
    request = read_request(bpy.context)
    elsewhere = dataclasses.replace(request.preferences, data=tmp_path)
    before = {each["id"] for each in backend.jobs()}
    with pytest.raises(StorageError, match="cannot be written"):
        job.send(
            backend,
            dataclasses.replace(request, preferences=elsewhere),
            captured(request),
            threading.Event(),
        )
    assert {each["id"] for each in backend.jobs()} == before


# Run in a Blender of its own: ends it at a moment of sending that no timing would hit.
DIES = """
import os
import sys

sys.path.insert(0, {root!r})
from bl_ext.devrepo.depthshot.backend.client import Backend
from tests.blender.artist import work

submit = Backend.submit

def dies(self, archive, **values):
    if {received}:
        submit(self, archive, **values)
    os._exit(7)

Backend.submit = dies
work({blend!r})
"""


def killed_while_sending(tmp_path, *, received):
    script = tmp_path / "dies.py"
    script.write_text(
        DIES.format(root=str(artist.ROOT), received=received, blend=bpy.data.filepath)
    )
    starter = str(artist.ROOT / "tools/with_extension.py")
    ended = subprocess.run([sys.executable, starter, str(script)], check=False, timeout=240)
    assert ended.returncode == 7


def test_a_blender_that_dies_when_its_job_was_received_has_it_noted(shot, backend, tmp_path):
    killed_while_sending(tmp_path, received=True)
    (job_id,) = waiting()
    assert job_id in {each["id"] for each in backend.jobs()}
    assert bpy.ops.depthshot.fetch() == {"FINISHED"}
    (made,) = takes.strips(bpy.data.scenes["Scene edit"])
    assert made.frame_final_duration == 3
    assert waiting() == []


def test_a_blender_that_dies_before_its_job_was_received_leaves_no_alarm(shot, backend, tmp_path):
    killed_while_sending(tmp_path, received=False)
    (job_id,) = waiting()
    assert job_id not in {each["id"] for each in backend.jobs()}
    assert bpy.ops.depthshot.fetch() == {"FINISHED"}
    assert "had not reached the backend" in bpy.context.window_manager.depthshot.message
    assert waiting() == []
    assert not bpy.ops.depthshot.fetch.poll()


class Old:
    """A connection to a server of an earlier version, which names jobs itself."""

    def __init__(self, connection):
        self._connection = connection

    def __getattr__(self, name):
        return getattr(self._connection, name)

    def json(self, method, path, *, params=None, **options):
        theirs = {key: value for key, value in (params or {}).items() if key != "job"}
        return self._connection.json(method, path, params=theirs, **options)


def test_a_backend_that_names_jobs_itself_has_them_noted_by_its_names(shot, backend, monkeypatch):
    monkeypatch.setattr(backend, "_connection", Old(backend._connection))
    request = read_request(bpy.context)
    noted = job.send(backend, request, captured(request), threading.Event())
    assert waiting() == [noted.pending.job]
    assert noted.pending.job in {each["id"] for each in backend.jobs()}
    assert finish(backend, noted.pending.job).kind == "done"
    noted.release()
    assert bpy.ops.depthshot.fetch() == {"FINISHED"}


class Refuses:
    """A backend whose answer to a shot is an error."""

    address = store = ""

    def __init__(self, error):
        self._error = error

    def submit(self, archive, **values):
        raise self._error


@pytest.mark.parametrize(
    ("error", "left"), [(RequestRefused("no", 422), 0), (BackendLost("gone"), 1)], ids=repr
)
def test_only_a_job_that_may_have_been_received_stays_noted(shot, error, left):
    request = read_request(bpy.context)
    with pytest.raises(type(error)):
        job.send(Refuses(error), request, captured(request), threading.Event())
    assert len(waiting()) == left
    noted = claim()
    assert (noted is not None) == bool(left), "and nobody holds it"
    if noted is not None:
        noted.forget()
        noted.release()


def test_a_capture_for_one_use_goes_when_it_is_sent(shot):
    bpy.data.objects["Cube"].modifiers.new("Cloth", "CLOTH")
    generation = run(start())
    assert generation.outcome is Outcome.DONE, generation.message
    assert generation.shot.name.startswith("once-")
    assert not generation.shot.exists()
    assert list((generation.shot.parent / "uses").iterdir()) == [], "nothing is held any more"


def test_a_folder_for_takes_that_cannot_be_written_loses_nothing(shot, stored, tmp_path):
    stored.takes_folder = str(tmp_path / "occupied")
    before = state()
    generation = start()
    (tmp_path / "occupied").touch()  # what could be written at the start cannot at the end
    run(generation)
    assert generation.outcome is Outcome.FAILED
    assert "occupied" in generation.message
    assert state() == before
    stored.takes_folder = str(tmp_path / "free")
    assert bpy.ops.depthshot.fetch() == {"FINISHED"}
    assert (tmp_path / "free/Scene-projection-001/take.json").is_file()


def test_a_job_the_backend_no_longer_has_is_said_once(shot, backend):
    backend.delete(sent(backend))
    with pytest.raises(RuntimeError, match=r"no .*job"):
        bpy.ops.depthshot.fetch()
    assert waiting() == []
