"""A look at what a large model is making: in the panel while it is made, and nowhere afterwards."""

import subprocess
import threading
import time

import bpy
import numpy as np
import pytest
from bl_ext.devrepo.depthshot.backend import png
from bl_ext.devrepo.depthshot.backend.client import Backend
from bl_ext.devrepo.depthshot.backend.errors import BackendLost, RequestRefused
from bl_ext.devrepo.depthshot.backend.models.weights import variable
from bl_ext.devrepo.depthshot.backend.paths import ROOT
from bl_ext.devrepo.depthshot.operators.generation import Outcome
from bl_ext.devrepo.depthshot.operators.look import (
    SECONDS_BETWEEN_LOOKS,
    Look,
    ShownLook,
    has_looks,
    shown,
)
from bl_ext.devrepo.depthshot.operators.runner import runner
from bl_ext.devrepo.depthshot.panels import sidebar

from tests.blender.drawings import draw, names
from tests.blender.generations import furnish, start

MODEL = "wan-vace-1.3b"
MAKE = "import sys, pathlib; from tests.videos import tiny_wan_vace; "
MAKE += "tiny_wan_vace(pathlib.Path(sys.argv[1]))"


def picture(seed, *, height=6, width=10):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


class Asked:
    """A backend that is asked for a look: answers in turn, and notes from which thread."""

    def __init__(self, *answers):
        self._answers = list(answers)
        self.threads = []

    def __call__(self):
        self.threads.append(threading.current_thread())
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Hours:
    """A clock that is set by hand."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def hours():
    return Hours()


@pytest.fixture
def look(hours):
    look = Look(now=hours)
    look.wanted = True
    return look


@pytest.fixture
def icons():
    icons = ShownLook()
    yield icons
    icons.clear()


def take_in(look, hours, asked):
    """Lets one question be asked and its answer come."""
    before = len(asked.threads)
    hours.now += SECONDS_BETWEEN_LOOKS
    look.step(asked)
    while len(asked.threads) == before or asked.threads[-1].is_alive():
        time.sleep(0.005)
    look.step(asked)
    return look.picture


def test_it_is_asked_for_in_a_thread_and_not_often(look, hours):
    asked = Asked(png.encode(picture(1)), png.encode(picture(2)))
    first = take_in(look, hours, asked)
    hours.now += SECONDS_BETWEEN_LOOKS - 0.1
    look.step(asked)
    assert len(asked.threads) == 1
    second = take_in(look, hours, asked)
    assert threading.main_thread() not in asked.threads
    for seen, made in ((first, picture(1)), (second, picture(2))):
        np.testing.assert_array_equal(seen[::-1, :, :3], made)
        assert (seen[..., 3] == 255).all()


def test_it_is_asked_for_only_where_there_are_looks(look, hours):
    asked = Asked()
    look.wanted = False
    hours.now = 100.0
    look.step(asked)
    look.step(asked)
    assert asked.threads == [] and look.picture is None


def test_a_model_without_looks_is_not_asked_for_any(look, hours):
    asked = Asked()
    look.possible = False
    hours.now = 100.0
    look.step(asked)
    look.step(asked)
    assert asked.threads == []
    assert [has_looks(model) for model in (MODEL, "sana-wm", "svd")] == [True] * 3
    assert not has_looks("draft")
    assert has_looks("") and has_looks("of another version"), "nothing is known of it"


def test_a_slow_answer_is_not_waited_for(look, hours):
    gate = threading.Event()
    asked = []

    def ask():
        asked.append(1)
        gate.wait(60)

    look.step(ask)
    hours.now = 100.0
    look.step(ask)
    look.step(ask)
    gate.set()
    assert asked == [1]


@pytest.mark.parametrize(
    "answer",
    [
        None,  # nothing yet, or a backend of an earlier version
        b"",
        b"no picture",
        png.encode(picture(2))[:-20],
        png.encode(np.zeros((6, 10), np.uint8)),
        RequestRefused("Not that.", status=405),
        BackendLost("It is gone."),
    ],
)
def test_what_is_no_picture_leaves_the_one_before(look, hours, answer):
    content = png.encode(picture(1))
    asked = Asked(answer, content, answer, content, png.encode(picture(3)))
    assert take_in(look, hours, asked) is None
    first = take_in(look, hours, asked)
    assert first is not None
    assert take_in(look, hours, asked) is first
    take_in(look, hours, asked)
    np.testing.assert_array_equal(look.picture, first)
    take_in(look, hours, asked)
    np.testing.assert_array_equal(look.picture[::-1, :, :3], picture(3))


def test_the_same_picture_is_no_new_one(look, hours, icons):
    asked = Asked(*[png.encode(picture(1))] * 2)
    first = take_in(look, hours, asked)
    assert take_in(look, hours, asked) is first
    icons.show(first)
    before = icons.preview
    icons.show(first)
    assert icons.preview is before


def test_a_large_one_is_made_as_small_as_an_icon(look, hours):
    made = picture(1, height=100, width=600)
    seen = take_in(look, hours, Asked(png.encode(made)))
    assert seen.shape == (34, 200, 4)
    np.testing.assert_array_equal(seen[..., :3], made[::-3, ::3])


def test_the_icon_shows_it_and_the_file_has_nothing_of_it(look, hours, icons):
    images = len(bpy.data.images)
    asked = Asked(png.encode(picture(1)), png.encode(picture(2, height=4, width=7)))
    assert icons.icon is None
    for size in ((10, 6), (7, 4)):
        seen = take_in(look, hours, asked)
        icons.show(seen)
        assert icons.icon is not None
        assert tuple(icons.preview.image_size) == size
        pixels = np.empty(size[0] * size[1], np.int32)
        icons.preview.image_pixels.foreach_get(pixels)
        np.testing.assert_array_equal(pixels.view(np.uint8), seen.reshape(-1))
    assert len(bpy.data.images) == images
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    assert tuple(icons.preview.image_size) == (7, 4), "another file is no end of the job"
    icons.clear()
    assert icons.icon is None
    icons.clear()


@pytest.fixture
def large(served, empty_scene, checkout_python, tmp_path, monkeypatch):
    """A saved shot for a large model of tiny random weights, with steps enough to be looked at."""
    weights = tmp_path / "weights"
    subprocess.run([checkout_python, "-c", MAKE, str(weights)], cwd=ROOT, check=True, timeout=300)
    monkeypatch.setenv(variable(MODEL), str(weights))
    scene = furnish(empty_scene)
    scene.depthshot.model = MODEL
    group = scene.depthshot.models.wan_vace_1_3b
    group.size, group.steps, group.guidance = "shot", 60, 1.0
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    yield scene
    runner.abandon()


@pytest.mark.once
def test_the_panel_shows_it_while_it_is_made(large, monkeypatch):
    monkeypatch.setattr("bl_ext.devrepo.depthshot.operators.look.SECONDS_BETWEEN_LOOKS", 0.0)
    images = set(bpy.data.images.keys())
    generation = start()
    runner.start(generation)
    sizes, pictures, kept, rooms, phases = set(), set(), set(), [], set()
    while runner.running:
        runner._timer()
        if runner.running:
            phases.add(generation.clock.phase)
            drawn = draw(sidebar.DEPTHSHOT_PT_progress)
            assert [part[0] for part in drawn[:3]] == ["progress", "label", "operator"]
            rooms.append([part[2] for part in drawn[3:4] if part[0] == "picture"])
            assert names(draw(sidebar.DEPTHSHOT_PT_take), "prop") == [], "its room is the look's"
            if shown.icon is not None:
                sizes.add(tuple(shown.preview.image_size))
                pictures.add(tuple(shown.preview.image_pixels))
                kept |= set(bpy.data.images.keys()) - images
        time.sleep(0.01)
    assert generation.outcome is Outcome.DONE, generation.message
    assert sizes == {(8, 6)}, "a pixel for each latent of 64 x 48"
    first = next(number for number, room in enumerate(rooms) if room)
    assert rooms[first:] == [rooms[first]] * (len(rooms) - first), "there is room before it comes"
    assert first > 0, "and none before denoising"
    assert "Making frames: denoising, step 1 of 60" in phases
    assert len(pictures) > 1
    assert not kept
    assert shown.icon is None


@pytest.mark.once
def test_a_backend_that_shows_none_makes_the_take(large, monkeypatch):
    large.depthshot.models.wan_vace_1_3b.steps = 4
    asked = []
    monkeypatch.setattr(Backend, "preview", lambda self, job: asked.append(job))
    generation = start()
    runner.run(generation)
    assert generation.outcome is Outcome.DONE, generation.message
    assert shown.icon is None


def test_it_goes_when_blender_stops_waiting(icons):
    shown.show(np.zeros((2, 2, 4), np.uint8))
    assert shown.icon is not None
    runner.abandon()
    assert shown.icon is None
