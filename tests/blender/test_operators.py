import os
import re
import time

import bpy
import pytest
from bl_ext.devrepo.depthshot.backend.errors import (
    BackendNotStarted,
    Cancelled,
    StorageError,
)
from bl_ext.devrepo.depthshot.operators.clock import Clock, Stage, in_words
from bl_ext.devrepo.depthshot.operators.folders import sweep
from bl_ext.devrepo.depthshot.operators.generation import Generation, Outcome
from bl_ext.devrepo.depthshot.operators.request import read_request, why_not
from bl_ext.devrepo.depthshot.operators.task import Task
from bl_ext.devrepo.depthshot.preferences import PYTHON_VARIABLE, preferences


@pytest.fixture
def scene(empty_scene):
    """A scene with all that a shot needs, and not a thing more."""
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    empty_scene.collection.objects.link(camera)
    empty_scene.camera = camera
    empty_scene.depthshot.model = "projection"
    return empty_scene


def break_nothing(scene):
    pass


def break_camera(scene):
    scene.camera = None


def break_range(scene):
    scene.depthshot.range_source = "OWN"
    scene.depthshot.frame_start, scene.depthshot.frame_end = 10, 9


def break_still_frame(scene):
    scene.depthshot.still_choice = "CHOSEN"
    scene.depthshot.still_frame = 1000


def break_current_frame(scene):
    scene.depthshot.still_choice = "CURRENT"
    scene.frame_set(1000)


def break_no_image(scene):
    scene.depthshot.still_source = "IMAGE"


def break_lost_image(scene):
    scene.depthshot.still_source = "IMAGE"
    scene.depthshot.still_image = "/nowhere/still.png"


def break_frame_step(scene):
    scene.frame_step = 2


def break_selection(scene):
    scene.depthshot.target = "PROJECTED"


def break_lens(scene):
    scene.camera.data.type = "ORTHO"


def break_panorama(scene):
    scene.camera.data.type = "PANO"


def break_camera_type(scene):
    scene.depthshot.target = "PLANE"
    scene.camera.data.type = "ORTHO"


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (break_nothing, None),
        (break_camera, "Scene 'Scene' has no active camera"),
        (break_range, "The range 10 to 9 has no frames"),
        (break_still_frame, "The still's frame 1000 is outside the range 1 to 250"),
        (break_current_frame, "The still's frame 1000 is outside the range 1 to 250"),
        (break_no_image, "No image is chosen for the still"),
        (break_lost_image, "The still's image '/nowhere/still.png' is not there"),
        (break_frame_step, "frame step of 2"),
        (break_selection, "No mesh object is selected"),
        (break_camera_type, "Camera 'Camera' is orthographic at frame 1"),
        (break_lens, "Camera 'Camera' is orthographic at frame 1; Depthshot needs a perspective"),
        (break_panorama, "Camera 'Camera' is panoramic at frame 1"),
    ],
)
def test_generate_is_grey_and_says_why(scene, backend_python, broken, reason):
    broken(scene)
    assert bpy.ops.depthshot.generate.poll() == (reason is None)
    if reason is None:
        assert why_not(bpy.context) is None
    else:
        with pytest.raises(RuntimeError, match=re.escape(reason)):
            bpy.ops.depthshot.generate()


@pytest.mark.parametrize(
    ("operator", "reason"),
    [
        ("cancel", "Nothing is being generated"),
        ("fetch", "No take of this file is waiting"),
        ("show_take", "No take has landed"),
        ("open_folder", "no folder of a last take"),
    ],
)
def test_the_others_are_grey_while_there_is_nothing_for_them(scene, operator, reason):
    with pytest.raises(RuntimeError, match=reason):
        getattr(bpy.ops.depthshot, operator)()


def test_what_the_artist_set_is_what_is_asked_for(scene, stored, tmp_path):
    python = tmp_path / "python"
    python.touch()
    stored.backend_python = str(python)
    stored.takes_folder = str(tmp_path / "takes")
    stored.data_folder = str(tmp_path / "data")
    image = tmp_path / "still.png"
    image.touch()
    scene.name = "Street/corner: 1"
    settings = scene.depthshot
    settings.still_source = "IMAGE"
    settings.still_image = str(image)
    settings.still_choice = "CHOSEN"
    settings.still_frame = 14
    settings.range_source = "OWN"
    settings.frame_start, settings.frame_end = 12, 20
    settings.supersample = True
    settings.prompt, settings.negative_prompt = "rain", "people"
    settings.seed = 7
    settings.models.projection.fill = False
    settings.landing = "EDIT"
    request = read_request(bpy.context)
    capture = request.capture
    assert capture.scene == "Street/corner: 1"
    assert list(capture.frames) == list(range(12, 21))
    assert (capture.still_source, capture.still_image, capture.still_frame) == ("IMAGE", image, 14)
    assert capture.supersample == 1, "an image is used as it is"
    assert capture.with_flow, "the card asks for flow"
    assert capture.free is None, "this one makes nothing move"
    assert (capture.prompt, capture.negative_prompt, capture.seed) == ("rain", "people", 7)
    assert (request.model, dict(request.settings)) == ("projection", {"fill": False})
    assert (request.target, request.place) == ("STRIP", "EDIT")
    assert request.scene_uid == scene.session_uid
    assert request.label == "Street_corner_1-projection"
    assert request.preferences.takes == tmp_path / "takes"
    assert request.preferences.data == tmp_path / "data"

    settings.still_source = "RENDER"
    assert read_request(bpy.context).capture.supersample == 2

    settings.target = "PROJECTED"
    bpy.ops.mesh.primitive_cube_add()
    request = read_request(bpy.context)
    assert (request.target, request.place) == ("PROJECTED", '["Cube"]')
    settings.target = "PLANE"
    assert read_request(bpy.context).place == ""


def test_takes_lie_beside_a_saved_file_and_in_the_data_folder_before(stored, tmp_path, monkeypatch):
    monkeypatch.delenv(PYTHON_VARIABLE, raising=False)
    stored.data_folder = str(tmp_path / "data")
    before = preferences(bpy.context)
    assert before.takes == tmp_path / "data/takes"
    assert before.backend_python.parent.parent == tmp_path / "data/env"
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    assert preferences(bpy.context).takes == tmp_path / "depthshot"
    stored.takes_folder = "//here"
    assert preferences(bpy.context).takes == tmp_path / "here"
    monkeypatch.setenv(PYTHON_VARIABLE, "/some/python")
    assert str(preferences(bpy.context).backend_python) == "/some/python"
    stored.backend_python = "/chosen/python"
    assert str(preferences(bpy.context).backend_python) == "/chosen/python"


def test_a_missing_backend_is_said_before_anything_starts(scene, stored, tmp_path):
    stored.backend_python = str(tmp_path / "nothing")
    stored.data_folder = str(tmp_path / "data")
    with pytest.raises(BackendNotStarted, match=r"no Python at .*nothing"):
        read_request(bpy.context)
    with pytest.raises(RuntimeError, match=r"no Python at .*nothing.* Preferences"):
        bpy.ops.depthshot.generate()
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("takes", ["file", "file/below/it"])
def test_a_folder_for_takes_that_cannot_be_is_said_before_anything_starts(
    scene, stored, tmp_path, takes
):
    (tmp_path / "python").touch()
    (tmp_path / "file").touch()
    stored.backend_python = str(tmp_path / "python")
    stored.data_folder = str(tmp_path / "data")
    stored.takes_folder = str(tmp_path / takes)
    with pytest.raises(RuntimeError, match=r"The folder for takes .*file.* cannot be written"):
        bpy.ops.depthshot.generate()
    assert not (tmp_path / "data").exists()
    stored.takes_folder = str(tmp_path / "new/deep")
    assert read_request(bpy.context).preferences.takes == tmp_path / "new/deep"
    assert not (tmp_path / "new").exists(), "looking makes nothing"


def test_what_crashed_blenders_left_is_swept_and_nothing_else(tmp_path):
    files = {
        "captures/old.partial/shot/guides/0001.exr": 90_000,
        "captures/busy.partial/shot/guides/0001.exr": 90_000,
        "captures/busy.partial/log.txt": 10,
        "captures/kept/shot.json": 90_000,
        "outbox/old.zip": 90_000,
        "outbox/new.zip": 10,
        "pending/old.json": 90_000,
    }
    for name, age in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        for each in (path, *path.parents[: len(path.relative_to(tmp_path).parts) - 1]):
            os.utime(each, (time.time() - age, time.time() - age))
    sweep(tmp_path)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert set(files) - left == {"captures/old.partial/shot/guides/0001.exr", "outbox/old.zip"}
    assert not (tmp_path / "captures/old.partial").exists()
    sweep(tmp_path / "nowhere")


def test_a_generation_sweeps_when_it_starts(scene, stored, tmp_path, backend_python):
    stored.data_folder = str(tmp_path / "data")
    left = tmp_path / "data/outbox/left.zip"
    left.parent.mkdir(parents=True)
    left.touch()
    os.utime(left, (1, 1))
    generation = Generation.start(bpy.context, read_request(bpy.context))
    generation.cancel()
    while generation.outcome is None or left.exists():
        generation.step()
        time.sleep(0.02)


def test_a_task_hands_over_values_and_errors():
    assert Task(lambda: 5).result() == 5
    assert Task(lambda: None).wait()

    def fail():
        raise StorageError("full")

    task = Task(fail)
    assert not task.wait()
    assert task.done
    with pytest.raises(StorageError, match="full"):
        task.result()


class Scripted(Generation):
    """A generation whose steps are given."""

    def __init__(self, steps):
        super().__init__(None)
        self._steps = steps(self)


def test_a_mistake_in_the_program_ends_the_generation_and_is_not_hidden():
    def steps(generation):
        yield
        raise ZeroDivisionError

    generation = Scripted(steps)
    generation.step()
    assert generation.outcome is None
    with pytest.raises(ZeroDivisionError):
        generation.step()
    assert generation.outcome is Outcome.FAILED
    assert "console" in generation.message


def test_cancelling_lets_the_steps_clean_up_over_several_steps():
    seen = []

    def steps(generation):
        try:
            while True:
                yield
        except Cancelled:
            seen.append("told")
            yield
            seen.append("withdrawn")
            raise

    generation = Scripted(steps)
    generation.step()
    generation.cancel()
    generation.step()
    assert (seen, generation.outcome) == (["told"], None)
    generation.step()
    assert (seen, generation.outcome) == (["told", "withdrawn"], Outcome.CANCELLED)
    generation.step()


def test_the_clock_never_goes_back_and_estimates_from_what_was_done():
    now = 100.0
    clock = Clock(now=lambda: now)
    assert clock.seconds_left() is None
    clock.at(Stage.CAPTURE, 0.0)
    now = 101.0
    clock.at(Stage.CAPTURE, 1.0)
    assert clock.seconds_left() is None, "too early to tell"
    now = 110.0
    slow = Clock(now=lambda: now)
    slow.at(Stage.CAPTURE, 0.0)
    now = 160.0
    slow.at(Stage.CAPTURE, 0.18)
    assert slow.seconds_left() is None, "what begins slowly says little of the rest"
    now = 110.0
    assert clock.share == pytest.approx(0.5)
    assert clock.seconds_left() == pytest.approx(10.0)
    clock.at(Stage.CAPTURE, 0.2, detail="again")
    assert clock.share == pytest.approx(0.5)
    assert clock.phase == "Capturing: again"
    clock.at(Stage.LAND, 1.0)
    assert (clock.share, clock.seconds_left()) == (1.0, 0.0)


def test_stages_follow_each_other_without_gaps():
    stages = list(Stage)
    assert (stages[0].begin, stages[-1].end) == (0.0, 1.0)
    assert [stage.end for stage in stages[:-1]] == [stage.begin for stage in stages[1:]]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (0.2, "about 1 s"),
        (59.4, "about 59 s"),
        (90.0, "about 2 min"),
        (5400.0, "about 1.5 h"),
    ],
)
def test_durations_in_words(seconds, words):
    assert in_words(seconds) == words
