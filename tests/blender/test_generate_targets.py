"""Generate into every target, also when Blender was closed in between."""

import dataclasses

import bpy
import numpy as np
import pytest
from bl_ext.devrepo.depthshot.operators.generation import Outcome
from bl_ext.devrepo.depthshot.scene.targets import TARGETS

from tests.blender import takes
from tests.blender.generations import FRAMES, claim, run, sent, start, waiting

pytestmark = pytest.mark.usefixtures("backend_python")


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.ID)
def test_the_take_lands_where_it_was_asked_for(shot, target):
    bpy.context.view_layer.objects["Cube"].select_set(True)
    shot.depthshot.target = target.ID
    generation = run(start())
    assert generation.outcome is Outcome.DONE, generation.message
    assert generation.message == f"3 frames landed as {generation.landed.where}."
    assert waiting() == []


def test_on_the_plane_rendering_gives_the_take(shot, tmp_path):
    shot.depthshot.target = "PLANE"
    assert bpy.ops.depthshot.generate() == {"FINISHED"}
    shot.cycles.use_denoising = False
    shot.cycles.pixel_filter_type = "BOX"
    shot.cycles.filter_width = 0.01
    folder = tmp_path / "depthshot/Scene-projection-001/frames"
    for frame in FRAMES:
        picture = takes.read(folder / f"{frame:04d}.png")
        rendered = takes.render(shot, tmp_path / "r.png", frame)
        # Through AgX, whose inverse is not exact (test_color.py).
        assert np.abs(rendered - picture).mean() < 1
        assert np.abs(rendered - picture).max() <= 20


def test_objects_are_remembered_while_blender_is_closed(shot, backend, tmp_path):
    for item in shot.objects:
        item.select_set(item.name == "Cube")
    shot.depthshot.target = "PROJECTED"
    sent(backend)
    for item in shot.objects:
        item.select_set(item.name == "Plane")
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    assert bpy.ops.depthshot.fetch() == {"FINISHED"}
    scene = bpy.context.scene
    assert [slot.name for slot in scene.objects["Cube"].material_slots] == ["Scene-projection-001"]
    assert not scene.objects["Plane"].material_slots
    assert waiting() == []


def test_a_target_of_another_version_is_one_sentence_and_the_take_can_be_placed(shot, backend):
    sent(backend)
    mine = claim()
    mine.write(dataclasses.replace(mine.pending, target="HOLOGRAM"))
    mine.release()
    with pytest.raises(RuntimeError, match="cannot place a take as “HOLOGRAM”; choose another way"):
        bpy.ops.depthshot.fetch()
    assert waiting() == [], "another try would end the same way"
    folder = bpy.context.window_manager.depthshot.take
    assert bpy.ops.depthshot.place_take(target="STRIP", directory=folder) == {"FINISHED"}
    (made,) = takes.strips(bpy.data.scenes["Scene edit"])
    assert made.frame_final_start == FRAMES[0]


def test_objects_that_are_gone_leave_the_take_to_be_placed_by_hand(shot, backend):
    shot.depthshot.target = "PROJECTED"
    bpy.context.view_layer.objects["Cube"].select_set(True)
    bpy.context.view_layer.objects["Plane"].select_set(False)
    sent(backend)
    bpy.data.objects.remove(bpy.data.objects["Cube"])
    with pytest.raises(RuntimeError, match=r"None of the objects to project onto .“Cube”"):
        bpy.ops.depthshot.fetch()
    assert len(waiting()) == 1
    bpy.context.view_layer.objects["Plane"].select_set(True)
    folder = bpy.context.window_manager.depthshot.take
    assert bpy.ops.depthshot.place_take(target="PROJECTED", directory=folder) == {"FINISHED"}
    assert waiting() == []
