"""Panels drawn into a layout that writes down what it is asked for; Blender checks the names."""

from dataclasses import replace
from types import SimpleNamespace

import bpy
import pytest
from bl_ext.devrepo.depthshot.backend.models import cards, find_card
from bl_ext.devrepo.depthshot.operators.request import why_not
from bl_ext.devrepo.depthshot.operators.runner import runner
from bl_ext.devrepo.depthshot.panels import folders_page, model_card, sidebar
from bl_ext.devrepo.depthshot.panels.text import paragraph
from bl_ext.devrepo.depthshot.scene.targets import TARGETS

from tests.blender.drawings import Layout, draw, drawn_layout, in_a_sidebar, names
from tests.blender.generations import furnish


@pytest.fixture
def status(empty_scene):
    status = bpy.context.window_manager.depthshot
    yield status
    for prop in status.bl_rna.properties:
        if not prop.is_readonly:
            status.property_unset(prop.identifier)


def test_every_panel_is_in_the_tab_and_draws(status):
    for panel in sidebar.CLASSES:
        assert (panel.bl_space_type, panel.bl_region_type) == ("VIEW_3D", "UI")
        assert panel.bl_category == "Depthshot"
        assert panel.is_registered
        assert draw(panel)


def test_only_what_matters_for_the_choices_made_is_drawn(empty_scene):
    settings = empty_scene.depthshot
    drawn = names(draw(sidebar.DEPTHSHOT_PT_shot), "prop")
    assert drawn == ["still_source", "supersample", "still_choice", "range_source"]
    assert ("label", "250 frames, 1 to 250", "NONE") in draw(sidebar.DEPTHSHOT_PT_shot)
    settings.still_source = "IMAGE"
    settings.still_choice = "CHOSEN"
    settings.range_source = "OWN"
    drawn = names(draw(sidebar.DEPTHSHOT_PT_shot), "prop")
    assert drawn == [
        *("still_source", "still_image", "still_choice", "still_frame"),
        *("range_source", "frame_start", "frame_end"),
    ]


@pytest.mark.parametrize("card", cards(), ids=lambda card: card.id)
def test_a_models_settings_are_drawn_from_its_card(empty_scene, card):
    empty_scene.depthshot.model = card.id
    drawn = names(draw(sidebar.DEPTHSHOT_PT_model), "prop")
    usual = [setting.name for setting in card.settings if not setting.advanced]
    seed = ["seed"] if card.takes_seed else []
    words = ["prompt", "negative_prompt"] if card.takes_prompt else []
    free = ["free"] if "lock" in card.guides else []
    assert drawn == ["model", *words, *usual, *free, *seed]
    advanced = [setting.name for setting in card.settings if setting.advanced]
    panel = model_card.DEPTHSHOT_PT_advanced
    assert panel.poll(bpy.context) == bool(advanced)
    assert "DEFAULT_CLOSED" in panel.bl_options
    assert names(draw(panel), "prop") == advanced


@pytest.mark.parametrize(("prompt", "seed"), [(True, False), (False, True), (False, False)])
def test_words_and_seed_are_offered_to_models_that_take_them(
    empty_scene, monkeypatch, prompt, seed
):
    card = replace(find_card("projection"), takes_prompt=prompt, takes_seed=seed)
    monkeypatch.setattr(sidebar, "cards", lambda: (card,))
    empty_scene.depthshot.model = card.id
    drawn = names(draw(sidebar.DEPTHSHOT_PT_model), "prop")
    assert ("prompt" in drawn, "negative_prompt" in drawn) == (prompt, prompt)
    assert ("seed" in drawn) == seed


@pytest.mark.parametrize("idle", [True, False])
def test_a_setting_without_effect_is_grey(empty_scene, monkeypatch, idle):
    card = find_card("projection")
    (fill,) = card.settings
    monkeypatch.setattr(
        sidebar, "cards", lambda: (replace(card, settings=(replace(fill, unless="fill"),)),)
    )
    empty_scene.depthshot.model = card.id
    empty_scene.depthshot.models.projection.fill = idle
    assert (("grey", "fill") in draw(sidebar.DEPTHSHOT_PT_model)) == idle


def test_generate_gives_way_to_progress_and_cancel(status, monkeypatch):
    drawn = draw(sidebar.DEPTHSHOT_PT_take)
    offered = ["depthshot.generate", "depthshot.fetch", "depthshot.place_take"]
    assert names(drawn, "operator") == offered
    assert not sidebar.DEPTHSHOT_PT_progress.poll(bpy.context)
    monkeypatch.setattr(runner, "_generation", object())
    status.phase = "Capturing: rendering guides 3/48"
    status.progress = 0.25
    status.time_left = "about 40 s"
    status.held_up = 0.25
    assert not names(draw(sidebar.DEPTHSHOT_PT_take), "operator")
    assert sidebar.DEPTHSHOT_PT_progress.poll(bpy.context)
    drawn = draw(sidebar.DEPTHSHOT_PT_progress)
    assert names(drawn, "operator") == ["depthshot.cancel"]
    assert ("progress", 0.25, "Capturing: rendering guides 3/48") in drawn
    assert ("label", "about 40 s left", "NONE") in drawn
    assert ("label", "Copying the file held Blender up for 0.25 s", "NONE") in drawn


def test_the_end_and_the_warnings_are_shown(status, backend_python):
    furnish(bpy.context.scene)
    status.message = "The backend ended."
    status.failed = True
    status.warnings = "One thing.\nAnother."
    drawn = draw(sidebar.DEPTHSHOT_PT_take)
    assert ("label", "The backend ended.", "ERROR") in drawn
    assert ("label", "One thing.", "DOT") in drawn
    assert ("label", "Another.", "DOT") in drawn
    status.failed = False
    assert ("label", "The backend ended.", "INFO") in draw(sidebar.DEPTHSHOT_PT_take)


def test_an_error_makes_way_for_another_reason_why_nothing_can_be_generated(status, backend_python):
    settings = furnish(bpy.context.scene).depthshot
    status.message = "The backend ended."
    status.failed = True
    error = ("label", "The backend ended.", "ERROR")
    assert error in draw(sidebar.DEPTHSHOT_PT_take)
    settings.still_source = "IMAGE"
    assert error not in draw(sidebar.DEPTHSHOT_PT_take)
    status.message = why_not(bpy.context)
    assert names(draw(sidebar.DEPTHSHOT_PT_take), "label"), "the same reason stays"
    status.message = "48 frames."
    status.failed = False
    assert ("label", "48 frames.", "INFO") in draw(sidebar.DEPTHSHOT_PT_take)


def test_the_last_take_says_how_much_of_it_is_generated(status, tmp_path):
    assert not sidebar.DEPTHSHOT_PT_last_take.poll(bpy.context)
    status.take = str(tmp_path)
    status.generated = 0.123
    assert sidebar.DEPTHSHOT_PT_last_take.poll(bpy.context)
    drawn = draw(sidebar.DEPTHSHOT_PT_last_take)
    assert ("label", "12% of the pixels are generated", "NONE") in drawn
    places = ["depthshot.place_take"] * len(TARGETS)
    assert names(drawn, "operator") == [*places, "depthshot.show_take", "depthshot.open_folder"]


def test_the_last_take_can_be_placed_as_what_is_possible_now(status, tmp_path):
    status.take = str(tmp_path)
    furnish(bpy.context.scene)
    buttons = drawn_layout(sidebar.DEPTHSHOT_PT_last_take).buttons[: len(TARGETS)]
    assert [button.text for button, _ in buttons] == [target.LABEL for target in TARGETS]
    assert [button.target for button, _ in buttons] == [target.ID for target in TARGETS]
    assert {button.directory for button, _ in buttons} == {str(tmp_path)}
    assert all(enabled for _, enabled in buttons)
    bpy.context.scene.camera = None
    buttons = drawn_layout(sidebar.DEPTHSHOT_PT_last_take).buttons[: len(TARGETS)]
    grey = {button.target for button, enabled in buttons if not enabled}
    assert grey == {"PLANE", "PROJECTED", "BACKGROUND"}


def test_where_it_lands_is_asked_for_strips_alone(empty_scene):
    assert "landing" in names(draw(sidebar.DEPTHSHOT_PT_take), "prop")
    empty_scene.depthshot.target = "TEXTURE"
    assert "landing" not in names(draw(sidebar.DEPTHSHOT_PT_take), "prop")


def test_sentences_wrap_to_the_width_of_the_sidebar():
    layout = Layout()
    text = "It landed in the sequencer of “Shot edit”; rendering “Shot” stays as it is, always."
    paragraph(layout, in_a_sidebar(width=330), text, icon="ERROR")
    assert len(layout.drawn) > 1
    assert " ".join(names(layout.drawn, "label")) == text
    assert [icon for _, _, icon in layout.drawn] == ["ERROR"] + ["BLANK1"] * (len(layout.drawn) - 1)


def test_preferences_show_what_an_empty_field_stands_for(empty_scene):
    layout = Layout()
    stored = bpy.context.preferences.addons["bl_ext.devrepo.depthshot"].preferences
    properties = dict.fromkeys(("takes_folder", "backend_python", "data_folder"), "")
    page = SimpleNamespace(layout=layout, bl_rna=stored.bl_rna, **properties)
    folders_page.draw(page, in_a_sidebar())
    assert names(layout.drawn, "prop") == list(properties)
    assert len(names(layout.drawn, "label")) == 3
