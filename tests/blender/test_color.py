import bpy
import numpy as np
import pytest
from bl_ext.devrepo.depthshot.scene.color import INVERSES, display_note, view_inverse
from bl_ext.devrepo.depthshot.scene.targets import strip

from tests.blender import takes
from tests.blender.looks import BOUNDS, bounds_of, look, through_the_view


def landed_and_rendered(scene, picture, folder, *, place="SCENE"):
    """Returns code values of a take of one picture, rendered through the sequencer."""
    scene.render.resolution_x, scene.render.resolution_y = picture.shape[1::-1]
    take = takes.make_take(folder / "take", [picture])
    landed = strip.land(scene, folder / "take", take, place=place)
    rendered = takes.render(bpy.data.scenes[landed.scene], folder / "rendered.png", 1)
    return landed, rendered


def test_every_inverse_is_measured():
    assert {view_transform for view_transform, _ in BOUNDS} == set(INVERSES)


@pytest.mark.parametrize(("view_transform", "grey"), BOUNDS)
def test_a_take_looks_as_it_was_made(empty_scene, tmp_path, view_transform, grey):
    mean, largest = bounds_of(view_transform, grey)
    look(empty_scene, view_transform)
    picture = through_the_view(empty_scene, tmp_path / "picture.png", grey=grey)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 1000
    landed, rendered = landed_and_rendered(empty_scene, picture, tmp_path)
    (made,) = takes.strips(empty_scene)
    assert made.colorspace_settings.name == INVERSES[view_transform]
    difference = np.abs(rendered - picture.astype(int))
    assert difference.mean() <= mean
    assert difference.max() <= largest
    assert not any("true colours" in note for note in landed.notes)


@pytest.mark.parametrize("view_transform", ["Filmic", "AgX"])
def test_left_as_plain_srgb_it_would_look_wrong(empty_scene, tmp_path, view_transform):
    look(empty_scene, view_transform)
    picture = through_the_view(empty_scene, tmp_path / "picture.png", grey=0.1)
    landed_and_rendered(empty_scene, picture, tmp_path)
    (made,) = takes.strips(empty_scene)
    made.colorspace_settings.name = "sRGB"
    wrong = takes.render(empty_scene, tmp_path / "wrong.png", 1)
    assert np.abs(wrong - picture.astype(int)).mean() > 4


OBSTACLES = {
    "look": ("look", "AgX - Punchy", "the look “AgX - Punchy”"),
    "exposure": ("exposure", 1.0, "an exposure of 1"),
    "gamma": ("gamma", 1.2, "a gamma of 1.2"),
    "curves": ("use_curve_mapping", True, "curves"),
    "white balance": ("use_white_balance", True, "a white balance"),
    "view": ("view_transform", "False Color", "the view transform “False Color”"),
}


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_what_has_no_inverse_is_said(empty_scene, tmp_path, obstacle):
    look(empty_scene, "AgX")
    name, value, words = OBSTACLES[obstacle]
    if not hasattr(empty_scene.view_settings, name):
        pytest.skip(f"this Blender has no {name}")
    setattr(empty_scene.view_settings, name, value)
    inverse = view_inverse(empty_scene)
    assert inverse.obstacles == (words,)
    assert not inverse.exact
    picture = takes.noise(1)[0]
    landed, _ = landed_and_rendered(empty_scene, picture, tmp_path)
    assert any(words in note and "edit scene" in note for note in landed.notes)


def test_another_display_is_said(empty_scene):
    look(empty_scene, "Standard")
    empty_scene.display_settings.display_device = "Display P3"
    assert view_inverse(empty_scene).obstacles == ("the display “Display P3”",)


@pytest.mark.parametrize("display", ["Display P3", "Rec.1886"])
@pytest.mark.parametrize("place", ["AUTO", "EDIT", "SCENE"])
def test_a_take_made_for_another_display_is_never_called_exact(
    empty_scene, tmp_path, place, display
):
    look(empty_scene, "Standard")
    empty_scene.display_settings.display_device = display
    landed, _ = landed_and_rendered(empty_scene, takes.noise(1)[0], tmp_path, place=place)
    told = f"“Scene” renders for the display “{display}”, but takes are sRGB"
    assert len([note for note in landed.notes if told in note]) == 1
    assert not any("true colours" in note for note in landed.notes)


def test_the_display_of_the_output_counts_as_far_as_the_still_has_it(empty_scene):
    settings = empty_scene.render.image_settings
    assert display_note(empty_scene) is None
    settings.color_management = "OVERRIDE"
    settings.display_settings.display_device = "Display P3"
    assert "“Display P3”" in display_note(empty_scene)
    empty_scene.display_settings.display_device = "Display P3"
    settings.display_settings.display_device = "sRGB"
    assert display_note(empty_scene) is None
    settings.color_management = "FOLLOW_SCENE"
    assert "“Display P3”" in display_note(empty_scene)


def test_dithering_adds_no_noise_to_a_take(empty_scene, tmp_path):
    picture = takes.noise(1)[0]
    take = takes.make_take(tmp_path / "take", [picture])
    landed = strip.land(empty_scene, tmp_path / "take", take)
    edit = bpy.data.scenes[landed.scene]
    assert edit.render.dither_intensity > 0
    rendered = takes.render(edit, tmp_path / "r.png", dither=edit.render.dither_intensity)
    assert np.array_equal(rendered, picture)


def test_an_edited_scene_without_an_inverse_gets_an_edit_scene_where_colours_are_exact(
    empty_scene, tmp_path
):
    look(empty_scene, "AgX")
    empty_scene.view_settings.exposure = 1.0
    empty_scene.view_settings.gamma = 1.2
    take = takes.make_take(tmp_path / "first", takes.noise(1))
    strip.land(empty_scene, tmp_path / "first", take, place="SCENE")
    picture = takes.noise(1, seed=3)[0]
    landed, rendered = landed_and_rendered(empty_scene, picture, tmp_path, place="AUTO")
    assert landed.scene == "Scene edit"
    assert landed.notes == (
        "The take lies in the scene “Scene edit”: “Scene” shows pictures through an exposure of 1"
        " and a gamma of 1.2.",
    )
    assert np.array_equal(rendered, picture)
