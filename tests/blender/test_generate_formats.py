"""Takes of 16 bits and scene-linear ones, from the button to the strip."""

import bpy
import pytest
from bl_ext.devrepo.depthshot.backend.errors import CaptureError
from bl_ext.devrepo.depthshot.backend.take import verify_take
from bl_ext.devrepo.depthshot.operators import generation as module
from bl_ext.devrepo.depthshot.operators.generation import Outcome

from tests.blender import fine_takes, takes
from tests.blender.generations import FRAMES, run, sent, start, waiting
from tests.blender.looks import look

pytestmark = pytest.mark.usefixtures("backend_python")


@pytest.mark.parametrize("view_transform", ["Filmic", "AgX"])
def test_an_exr_take_lands_with_its_view(shot, tmp_path, view_transform):
    look(shot, view_transform)
    shot.depthshot.format = "exr"
    generation = run(start())
    assert generation.outcome is Outcome.DONE, generation.message
    take = verify_take(generation.folder)
    assert take == generation.take
    assert (take.format, take.view) == ("exr", view_transform)
    edit = bpy.data.scenes["Scene edit"]
    assert edit.view_settings.view_transform == view_transform
    (made,) = takes.strips(edit)
    assert made.colorspace_settings.name == "Linear Rec.709"
    for frame in FRAMES:
        shown = fine_takes.render(edit, tmp_path / "shown.png", frame).astype(int)
        display = fine_takes.read(generation.folder / f"frames/{frame:04d}.png")
        assert abs(shown - display).mean() / 257 < 0.5
    assert waiting() == []


def test_a_16_bit_take_lands_as_one_of_8_bits_does(shot, tmp_path):
    look(shot, "AgX")
    shot.depthshot.format = "png16"
    generation = run(start())
    assert generation.outcome is Outcome.DONE, generation.message
    assert (generation.take.format, generation.take.view) == ("png16", "")
    (made,) = takes.strips(bpy.data.scenes["Scene edit"])
    assert made.colorspace_settings.name == "sRGB"
    shown = fine_takes.render(bpy.data.scenes["Scene edit"], tmp_path / "r.png", FRAMES[1])
    own = fine_takes.read(generation.folder / f"frames/{FRAMES[1]:04d}.png").astype(int)
    assert abs(shown - own).max() <= 2
    assert (own % 257 != 0).any()


def test_a_job_that_was_left_comes_home_in_its_format_whatever_the_scene_has_now(
    shot, backend, tmp_path
):
    look(shot, "Filmic")
    shot.depthshot.format = "exr"
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    sent(backend)
    look(shot, "AgX")
    shot.depthshot.format = "png8"
    assert bpy.ops.depthshot.fetch() == {"FINISHED"}
    take = verify_take(tmp_path / "depthshot/Scene-projection-001")
    assert (take.format, take.view) == ("exr", "Filmic")
    assert bpy.data.scenes["Scene edit"].view_settings.view_transform == "Filmic"


def test_exr_frames_that_cannot_be_made_are_made_by_the_next_fetch(
    shot, backend, tmp_path, monkeypatch
):
    shot.depthshot.format = "exr"
    sent(backend)

    def refuse(*arguments, **named):
        raise CaptureError("The second Blender could not be started.")

    with monkeypatch.context() as patch:
        patch.setattr(module.LinearFrames, "start", refuse)
        with pytest.raises(RuntimeError, match="could not be started"):
            bpy.ops.depthshot.fetch()
    folder = tmp_path / "depthshot/Scene-projection-001"
    assert verify_take(folder).format == "png16"
    assert bpy.ops.depthshot.fetch() == {"FINISHED"}
    assert verify_take(folder).format == "exr"
    assert waiting() == []
