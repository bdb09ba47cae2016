"""Takes that are sent, left alone, fetched later, and by whom."""

import dataclasses
import threading
import time
from functools import partial

import bpy
import pytest
from bl_ext.devrepo.depthshot.backend.errors import Cancelled, StorageError, TargetError
from bl_ext.devrepo.depthshot.backend.take import verify_take
from bl_ext.devrepo.depthshot.operators import generate, job
from bl_ext.devrepo.depthshot.operators.generation import Outcome
from bl_ext.devrepo.depthshot.operators.request import read_request
from bl_ext.devrepo.depthshot.operators.task import Task
from bl_ext.devrepo.depthshot.scene.capture import Capture

from tests.blender import takes
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
    assert [path.name for path in (tmp_path / "depthshot").iterdir()] == ["Scene-projection-001"]


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
    assert list((tmp_path / "takes").iterdir()) == []
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


def test_a_job_that_cannot_be_noted_is_cancelled(shot, backend, tmp_path):
    (tmp_path / "pending").touch()
    shot.frame_end = 40  # enough for the cancel to come first
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
    (sent_job,) = {each["id"] for each in backend.jobs()} - before
    finish(backend, sent_job)
    assert backend.job(sent_job)["state"] == "cancelled"


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
