"""A folder of weights chosen in the panel: used as it is, named by the take, and let go of."""

import json
import shutil
import subprocess
import threading
from pathlib import Path

import bpy
import pytest
from bl_ext.devrepo.depthshot.backend.errors import ModelError
from bl_ext.devrepo.depthshot.backend.models import find_card, folders, hub
from bl_ext.devrepo.depthshot.backend.models.snapshot import INDEX
from bl_ext.devrepo.depthshot.backend.models.weights import fingerprint, variable
from bl_ext.devrepo.depthshot.backend.paths import ROOT
from bl_ext.devrepo.depthshot.backend.take import verify_take
from bl_ext.devrepo.depthshot.operators import model_chores, model_weights
from bl_ext.devrepo.depthshot.operators.backend_care import care
from bl_ext.devrepo.depthshot.operators.model_chores import choosing
from bl_ext.devrepo.depthshot.operators.model_weights import Whose, shelf
from bl_ext.devrepo.depthshot.operators.request import why_not
from bl_ext.devrepo.depthshot.operators.runner import runner
from bl_ext.devrepo.depthshot.panels import sidebar
from bl_ext.devrepo.depthshot.preferences import preferences

from tests.blender.drawings import draw, names
from tests.blender.generations import furnish
from tests.hubs import safetensors
from tests.waiting import wait_until

MODEL = "wan-vace-1.3b"
UNPINNED = "sana-wm"
USE, LET_GO = "depthshot.use_folder", "depthshot.let_go_of_folder"
REMOVE = "depthshot.remove_weights"
MAKE = "import sys, pathlib; from tests.videos import tiny_wan_vace; "
MAKE += "tiny_wan_vace(pathlib.Path(sys.argv[1]))"
OPERATORS = bpy.ops.depthshot


@pytest.fixture(scope="module")
def made(checkout_python, tmp_path_factory):
    """Tiny weights that the backend's own Python has made."""
    folder = tmp_path_factory.mktemp("weights") / "tiny"
    subprocess.run([checkout_python, "-c", MAKE, str(folder)], cwd=ROOT, check=True, timeout=300)
    return folder


@pytest.fixture
def mine(made, tmp_path):
    """The artist's own folder with these weights."""
    return Path(shutil.copytree(made, tmp_path / "meine Gewichte"))


@pytest.fixture
def large(served, empty_scene, tmp_path, monkeypatch):
    """A saved shot for a large model whose weights Depthshot finds nowhere."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    fast = find_card(MODEL).fast_card.id
    for name in ("HF_HUB_CACHE", *map(variable, (MODEL, UNPINNED, fast))):
        monkeypatch.delenv(name, raising=False)
    scene = furnish(empty_scene)
    scene.depthshot.model = MODEL
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    yield scene
    shelf.forget()


def test_a_take_is_made_with_the_folder_and_names_its_weights(large, mine):
    assert USE in _offered() and LET_GO not in _offered()
    before = sorted(mine.rglob("*"))
    assert OPERATORS.use_folder(model=MODEL, directory=f"{mine}/") == {"FINISHED"}
    assert care.message == (
        f"The weights of “Wan VACE 1.3B” come from '{mine}'; Generate can use them now."
    )
    assert _says(f"Installed, in the folder that you chose: {mine}")
    assert _offered() == [LET_GO]
    assert why_not(bpy.context) is None
    group = large.depthshot.models.wan_vace_1_3b
    group.size, group.steps, group.guidance = "shot", 1, 1.0
    assert OPERATORS.generate() == {"FINISHED"}
    take = verify_take(Path(bpy.context.window_manager.depthshot.take))
    assert (take.model, take.revision) == (MODEL, fingerprint(mine))
    assert take.revision != find_card(MODEL).revision

    assert OPERATORS.let_go_of_folder(model=MODEL) == {"FINISHED"}
    assert care.message == f"'{mine}' is no longer used for '{MODEL}', and stays as it is."
    assert sorted(mine.rglob("*")) == before
    assert _says("19.0 GB to download") and USE in _offered()
    with pytest.raises(RuntimeError, match="there is nothing to let go of"):
        OPERATORS.let_go_of_folder(model=MODEL)


def test_a_model_that_is_not_downloaded_takes_a_folder(large, mine):
    large.depthshot.model = UNPINNED
    assert _says("choose that folder with Use a Folder in Depthshot's panel")
    assert _offered() == ["depthshot.copy_command", USE]
    with pytest.raises(RuntimeError, match=r"cannot come from '.*', which does not have all"):
        OPERATORS.use_folder(directory=str(mine / "vae"))
    assert care.failed and _says(care.message), "the artist sees why, in a window too"
    assert folders.chosen(data=_data()) == {}


def test_what_makes_it_need_few_steps_takes_a_folder_of_its_own(large, mine, tmp_path):
    fast = find_card(MODEL).fast_card
    large.depthshot.models.wan_vace_1_3b.fast = True
    OPERATORS.use_folder(model=MODEL, directory=str(mine))
    assert fast.id in why_not(bpy.context)
    lora = tmp_path / "lora" / fast.hub.files[0]
    lora.parent.mkdir(parents=True)
    lora.write_bytes(safetensors(b"LoRA"))
    OPERATORS.use_folder(model=fast.id, directory=str(tmp_path / "lora"))
    assert why_not(bpy.context) is None and _offered() == [LET_GO, LET_GO]


def test_a_folder_that_went_away_is_told_and_comes_back(large, mine):
    OPERATORS.use_folder(model=MODEL, directory=str(mine))
    away = mine.rename(mine.with_name("away"))
    said = f"The weights of '{MODEL}' come from '{mine}', where no folder is; bring it back"
    assert why_not(bpy.context).startswith(said) and _says(said)
    assert _offered() == [USE, LET_GO], "nothing is downloaded behind the artist's back"
    with pytest.raises(RuntimeError, match="bring it back, choose another one with Use a Folder"):
        OPERATORS.generate()
    OPERATORS.use_folder(model=MODEL, directory=str(away))
    assert shelf.look(find_card(MODEL), _data()).chosen == away and why_not(bpy.context) is None
    (away / INDEX).rename(away / "elsewhere")
    assert f"({INDEX} is missing); put it there" in why_not(bpy.context)


def test_a_choice_of_the_command_line_is_seen_at_the_next_redraw(large, mine):
    assert _says("to download")
    folders.choose(find_card(MODEL), mine, data=_data())
    assert shelf.look(find_card(MODEL), _data()).whose is Whose.CHOSEN
    assert _says(f"Installed, in the folder that you chose: {mine}")
    folders.CHOSEN.path(_data()).write_text("[]")
    assert _says("is damaged; remove it, and choose the folders of weights again")
    assert _offered() == [USE, LET_GO] and "is damaged" in why_not(bpy.context)
    assert OPERATORS.let_go_of_folder(model=MODEL) == {"FINISHED"}
    aside = folders.CHOSEN.path(_data()).with_name("folders.json.damaged")
    assert care.message == (
        f"The list of the folders of weights that you chose was damaged, and is now '{aside}';"
        " choose those of other models again."
    )
    assert aside.read_text() == "[]" and _says("to download")


@pytest.mark.parametrize("entry", ["/a\0b", "/a\ud800b", "relative"])
def test_a_choice_that_is_no_path_here_is_told_and_let_go_of(large, entry):
    path = folders.CHOSEN.path(_data())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({MODEL: entry, UNPINNED: "/mine"}))
    assert _says("choose another one with Use a Folder in Depthshot's panel")
    assert _offered() == [USE, LET_GO]
    assert OPERATORS.let_go_of_folder(model=MODEL) == {"FINISHED"}
    assert list(folders.chosen(data=_data())) == [UNPINNED] and _says("to download")


@pytest.fixture
def dead(mine, monkeypatch):
    """A disk that answers nothing about the artist's folder until this is set, in a window."""
    answers = threading.Event()
    look = model_weights._changed

    def changed(folder):
        if folder.is_relative_to(mine):
            assert threading.current_thread() is not threading.main_thread(), "it holds Blender"
            answers.wait(60)
        return look(folder)

    monkeypatch.setattr(model_weights, "_changed", changed)
    monkeypatch.setattr(shelf.answers, "waits", False)
    yield answers
    answers.set()


@pytest.mark.parametrize("way", ["chosen", "named"])
def test_a_disk_that_does_not_answer_does_not_hold_blender(large, mine, dead, monkeypatch, way):
    if way == "chosen":
        folders.choose(find_card(MODEL), mine, data=_data())
    else:
        monkeypatch.setenv(variable(MODEL), str(mine))
    for _ in range(2):
        assert _says(f"Looking at '{mine}'…") and not _says("Installed")
        assert why_not(bpy.context) == f"Looking at '{mine}'…"
        assert not OPERATORS.generate.poll() and not shelf.answers.step()
    offered = [USE, LET_GO] if way == "chosen" else []
    assert _offered() == offered
    monkeypatch.setattr(model_weights, "_HOLD_SECONDS", 0.0)
    with pytest.raises(ModelError, match="has not answered for 0 s; bring its disk") as refused:
        shelf.check(find_card(MODEL), _data())
    assert ("--forget`" in str(refused.value)) == (way == "chosen")
    assert _says("Looking at") and _offered() == offered
    monkeypatch.setattr(model_weights, "PATIENCE_SECONDS", 0.0)
    assert "has not answered for 0 s; bring its disk back, " in why_not(bpy.context)
    assert _says("has not answered") and _offered() == offered
    dead.set()
    wait_until(shelf.answers.step)
    assert _says("Installed") and why_not(bpy.context) is None
    assert not shelf.answers.step(), "nothing is known anew, so nothing is drawn anew"


def test_a_folder_on_a_disk_that_does_not_answer_is_let_go_of(large, mine, dead):
    folders.choose(find_card(MODEL), mine, data=_data())
    assert _says("Looking at") and _offered() == [USE, LET_GO]
    assert OPERATORS.let_go_of_folder(model=MODEL) == {"FINISHED"}
    assert _says("Looking for the weights of “Wan VACE 1.3B”…")
    wait_until(shelf.answers.step)
    assert _says("19.0 GB to download") and not dead.is_set()


def test_what_was_known_is_drawn_after_a_look_that_took_too_long(large, mine, dead, monkeypatch):
    folders.choose(find_card(MODEL), mine, data=_data())
    dead.set()
    wait_until(lambda: _says("Installed") or shelf.answers.step())
    dead.clear()
    monkeypatch.setattr(model_weights, "_HOLD_SECONDS", 0.0)
    with pytest.raises(ModelError, match="has not answered"):
        shelf.check(find_card(MODEL), _data())
    assert _says("Installed") and why_not(bpy.context) is None, "so that it can be tried again"
    dead.set()


def test_a_folder_whose_disk_does_not_answer_is_not_chosen(large, mine, monkeypatch):
    answers, look = threading.Event(), folders.what_is_missing

    def missing(folder, *arguments, **options):
        answers.wait(60)
        return look(folder, *arguments, **options)

    monkeypatch.setattr(folders, "what_is_missing", missing)
    monkeypatch.setattr(model_chores, "PATIENCE_SECONDS", 0.1)
    try:
        with pytest.raises(RuntimeError, match="has not answered for 0 s; bring its disk back, or"):
            OPERATORS.use_folder(model=MODEL, directory=str(mine))
        assert care.chore is None
    finally:
        answers.set()
    assert _says("to download") and not folders.CHOSEN.path(_data()).exists()


def test_where_depthshot_has_the_weights_the_users_cache_is_not_looked_at(large, mine, monkeypatch):
    card = find_card(MODEL)
    ours = hub.snapshot_folder(hub.home(_data()), card)
    shutil.copytree(mine, ours)
    look = model_weights._changed

    def changed(folder):
        assert not folder.is_relative_to(hub.users_cache()), "its disk may not answer"
        return look(folder)

    monkeypatch.setattr(model_weights, "_changed", changed)
    for _ in range(2):
        assert shelf.look(card, _data()).whose is Whose.OURS
    shelf.check(card, _data())
    monkeypatch.setattr(model_weights, "_changed", look)
    shutil.rmtree(ours)
    assert shelf.look(card, _data()).whose is Whose.NOBODY


def test_what_the_panel_says_stays_until_the_disk_has_answered(large, mine, dead, monkeypatch):
    folders.choose(find_card(MODEL), mine, data=_data())
    dead.set()
    assert _says("Looking at")
    wait_until(shelf.answers.step)
    dead.clear()
    monkeypatch.setattr(shelf.answers, "_again", 0.0)
    away = mine.rename(mine.with_name("away"))
    assert _says("Installed, in the folder that you chose")
    dead.set()
    wait_until(lambda: _says("where no folder is") or shelf.answers.step())
    assert _says("where no folder is; bring it back") and _offered() == [USE, LET_GO]
    away.rename(mine)


def test_a_variable_comes_first_and_is_not_chosen_over(large, mine, monkeypatch):
    monkeypatch.setenv(variable(MODEL), str(mine / "nowhere"))
    assert _offered() == []
    with pytest.raises(RuntimeError, match="comes before one that is chosen; clear the variable"):
        OPERATORS.use_folder(model=MODEL, directory=str(mine))


@pytest.mark.parametrize("usable", [True, False])
def test_a_choice_behind_a_variable_is_shown_and_let_go_of(large, mine, monkeypatch, usable):
    folders.choose(find_card(MODEL), mine, data=_data())
    monkeypatch.setenv(variable(MODEL), str(mine if usable else mine / "nowhere"))
    assert shelf.look(find_card(MODEL), _data()).whose is (Whose.NAMED if usable else Whose.NOBODY)
    said = f"Also chosen, not used while {variable(MODEL)} is set: {mine}"
    assert _says(said) and _offered() == [LET_GO]
    assert OPERATORS.let_go_of_folder(model=MODEL) == {"FINISHED"}
    assert not _says(said) and _offered() == [] and folders.chosen(data=_data()) == {}


def test_another_computers_folders_are_not_shown(large, mine, stored):
    stored.use_elsewhere = True
    assert _says(f"choose a folder there: `models use {MODEL} FOLDER`")
    assert _offered() == [USE], "grey, and it says why"
    for ask in (OPERATORS.use_folder, OPERATORS.let_go_of_folder):
        assert not ask.poll()
        with pytest.raises(RuntimeError, match=r"folders Blender does not see; .* `models use`"):
            ask(model=MODEL)


def test_while_something_is_done_it_waits_and_a_running_take_keeps_its_folder(
    large, mine, monkeypatch
):
    care.begin(choosing(_data(), find_card(MODEL), mine))
    assert not OPERATORS.use_folder.poll() and not OPERATORS.let_go_of_folder.poll()
    assert care.why_no_take() is None
    wait_until(lambda: not care.step())
    assert not care.failed
    monkeypatch.setattr(runner, "_generation", object())
    assert not OPERATORS.let_go_of_folder.poll()
    assert OPERATORS.use_folder.poll(), "another model may be given a folder meanwhile"


def test_nothing_named_and_a_model_that_ships_are_refused(large, mine):
    with pytest.raises(RuntimeError, match="No folder was named; choose the one that has the"):
        OPERATORS.use_folder(model=MODEL)
    with pytest.raises(RuntimeError, match="comes with Depthshot, without a download"):
        OPERATORS.use_folder(model="draft", directory=str(mine))
    assert not folders.CHOSEN.path(_data()).exists()


def test_removing_what_was_downloaded_lets_go_of_the_folder_and_leaves_it(large, mine):
    card = find_card(MODEL)
    hub.snapshot_folder(hub.home(_data()), card).mkdir(parents=True)
    folders.choose(card, mine, data=_data())
    assert _offered() == [LET_GO, REMOVE], "the one for the folder, the other for what is ours"
    assert OPERATORS.remove_weights(model=MODEL) == {"FINISHED"}
    assert f"'{mine}' is no longer used for '{MODEL}', and stays as it is." in care.message
    assert (mine / INDEX).is_file() and folders.chosen(data=_data()) == {}


def _data():
    return preferences(bpy.context).data


def _says(text):
    """Whether the panel says this, wherever its lines are broken: paths are, inside words."""
    said = "".join(names(draw(sidebar.DEPTHSHOT_PT_model), "label"))
    return text.replace(" ", "") in said.replace(" ", "")


def _offered():
    return names(draw(sidebar.DEPTHSHOT_PT_model), "operator")
