"""A large model from Blender: tiny random weights of its own classes, made and used by the backend.

What it makes of them is noise; what is tested is the way.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path

import bpy
import pytest
from bl_ext.devrepo.depthshot.backend.errors import ModelError, SettingError
from bl_ext.devrepo.depthshot.backend.models import find_card, hub
from bl_ext.devrepo.depthshot.backend.models.machine import Machine
from bl_ext.devrepo.depthshot.backend.models.snapshot import INDEX
from bl_ext.devrepo.depthshot.backend.models.weights import variable
from bl_ext.devrepo.depthshot.backend.paths import ROOT
from bl_ext.devrepo.depthshot.backend.take import verify_take
from bl_ext.devrepo.depthshot.operators.generation import Outcome
from bl_ext.devrepo.depthshot.operators.model_weights import Whose, shelf
from bl_ext.devrepo.depthshot.operators.request import read_request, why_not
from bl_ext.devrepo.depthshot.operators.this_machine import this_machine
from bl_ext.devrepo.depthshot.panels import sequencer, sidebar
from bl_ext.devrepo.depthshot.preferences import preferences

from tests.blender import takes
from tests.blender.drawings import draw, names
from tests.blender.generations import FRAMES, furnish, run, start, state
from tests.hubs import safetensors

MODEL = "wan-vace-1.3b"
MISSING = (
    f"The weights of '{MODEL}' (19.0 GB) are not on this computer; get them with Download in"
    f" Depthshot's panel or with `models pull {MODEL}`, or choose a folder that has them with Use a"
    f" Folder in Depthshot's panel or with `models use {MODEL} FOLDER` (on a server also in"
    f" {variable(MODEL)})."
)
MAKE = "import sys, pathlib; from tests.videos import tiny_wan_vace; "
MAKE += "tiny_wan_vace(pathlib.Path(sys.argv[1]))"
PROMPT = "A quiet street at dusk, warm light in the windows. Wet stones; nothing moves. " * 5


@pytest.fixture(scope="module")
def tiny(checkout_python, tmp_path_factory):
    """A folder of weights, a megabyte of them, that the backend's own Python has made."""
    folder = tmp_path_factory.mktemp("weights") / "tiny"
    subprocess.run([checkout_python, "-c", MAKE, str(folder)], cwd=ROOT, check=True, timeout=300)
    return folder


@pytest.fixture
def large(served, empty_scene, tmp_path, monkeypatch):
    """A saved shot for a large model whose weights are nowhere on this computer."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", variable(MODEL)):
        monkeypatch.delenv(name, raising=False)
    scene = furnish(empty_scene)
    scene.depthshot.model = MODEL
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    yield scene
    shelf.forget()


@pytest.fixture
def snapshot(large, tiny, tmp_path):
    """The same weights where the hub's own tools would have put them."""
    folder = hub.snapshot_folder(hub.users_cache(), find_card(MODEL))
    folder.parent.mkdir(parents=True)
    folder.symlink_to(tiny, target_is_directory=True)
    return folder


@pytest.mark.once
def test_a_take_of_a_large_model_lands_with_what_was_asked_for(large, tiny, tmp_path, monkeypatch):
    monkeypatch.setenv(variable(MODEL), str(tiny))
    settings = large.depthshot
    settings.prompt, settings.negative_prompt, settings.seed = PROMPT, "people", 7
    group = settings.models.wan_vace_1_3b
    group.size, group.steps, group.guidance, group.feather = "shot", 2, 1.0, 2
    assert bpy.ops.depthshot.generate() == {"FINISHED"}
    status = bpy.context.window_manager.depthshot
    assert "3 frames landed as strip “Scene-wan-vace-1_3b-001”" in status.message

    take = verify_take(tmp_path / "depthshot/Scene-wan-vace-1_3b-001")
    assert (take.model, take.seed, take.frames) == (MODEL, 7, len(FRAMES))
    assert take.size == (64, 36)
    assert (take.settings["size"], take.settings["steps"]) == ("shot", 2)
    assert take.digital_source_type == "compositeWithTrainedAlgorithmicMedia"
    assert 0 < max(take.generated) < 0.5, "what the still shows is kept"
    (made,) = takes.strips(bpy.data.scenes["Scene edit"])
    assert (made.frame_final_start, made.frame_final_duration) == (FRAMES[0], len(FRAMES))
    _, named, *_ = sequencer.describe(take)
    assert "Steps 2" in named and "Feather 2" in named
    assert "Window" not in named, "an advanced setting that was left as it is"


def test_what_is_free_to_move_is_made_anew(large, tiny, tmp_path, monkeypatch):
    monkeypatch.setenv(variable(MODEL), str(tiny))
    free = bpy.data.collections.new("Moves")
    large.collection.children.link(free)
    free.objects.link(bpy.data.objects["Cube"])
    settings = large.depthshot
    group = settings.models.wan_vace_1_3b
    group.size, group.steps, group.guidance, group.feather = "shot", 2, 1.0, 0
    shares = []
    for settings.free in (None, free):
        assert bpy.ops.depthshot.generate() == {"FINISHED"}
        take = verify_take(Path(bpy.context.window_manager.depthshot.take))
        shares.append(take.generated[0])
    assert shares[0] == 0, "all of the first frame is the still's"
    assert 0.02 < shares[1] < 0.5, "but for the cube"
    assert "free" in names(draw(sidebar.DEPTHSHOT_PT_model), "prop")
    settings.model = "projection"
    assert "free" not in names(draw(sidebar.DEPTHSHOT_PT_model), "prop")


def test_all_of_the_words_reach_the_backend(large, tiny, monkeypatch):
    monkeypatch.setenv(variable(MODEL), str(tiny))
    large.depthshot.prompt, large.depthshot.negative_prompt = PROMPT, "people"
    generation = run(start(), lambda generation: generation.pending is not None)
    (shot,) = preferences(bpy.context).data.glob("store-*/jobs/*/**/shot.json")
    told = json.loads(shot.read_text(encoding="utf-8"))
    assert (told["prompt"], told["negative_prompt"]) == (PROMPT, "people")
    generation.cancel()
    assert run(generation).outcome is Outcome.CANCELLED


def test_without_weights_nothing_is_captured(large):
    before = state()
    assert why_not(bpy.context) == MISSING
    with pytest.raises(RuntimeError, match="are not on this computer; get them with Download"):
        bpy.ops.depthshot.generate()
    with pytest.raises(ModelError) as refusal:
        read_request(bpy.context)
    assert str(refusal.value) == MISSING
    assert state() == before
    assert not (preferences(bpy.context).data / "captures").exists()
    large.depthshot.model = "projection"
    assert why_not(bpy.context) is None


def test_a_variable_that_names_nothing_to_use_is_told_before_a_capture(
    large, tiny, tmp_path, monkeypatch
):
    mine = tmp_path / "nowhere"
    monkeypatch.setenv(variable(MODEL), str(mine))
    assert "where no folder is; correct it, or clear it" in why_not(bpy.context)
    mine.mkdir()
    assert f"needs ({INDEX} is missing); put it there" in why_not(bpy.context)
    assert "put it there, name another folder" in _said() and "Installed" not in _said()
    assert _offered() == [], "a folder of the artist's own is not completed"
    with pytest.raises(RuntimeError, match=f"{INDEX} is missing"):
        bpy.ops.depthshot.generate()
    shutil.copytree(tiny, mine, dirs_exist_ok=True)
    assert why_not(bpy.context) is None
    assert shelf.look(find_card(MODEL), tmp_path).whose is Whose.NAMED
    assert f"Installed where {variable(MODEL)} says" in _said()
    assert "depthshot.download_weights" not in _offered()


def test_settings_that_do_not_go_together_are_told_before_a_capture(large, tiny, monkeypatch):
    monkeypatch.setenv(variable(MODEL), str(tiny))
    group = large.depthshot.models.wan_vace_1_3b
    group.depth_near, group.depth_far = 9.0, 2.0
    said = "'depth_near' (9 m) must be less than 'depth_far' (2 m)"
    assert why_not(bpy.context).startswith(said)
    with pytest.raises(RuntimeError, match=re.escape(said)):
        bpy.ops.depthshot.generate()
    group.depth_near = 0.0
    assert why_not(bpy.context) is None
    large.frame_end = large.frame_start + 40
    group.window, group.overlap = 9, "13"
    assert "set 'window' higher or 'overlap' lower" in why_not(bpy.context)
    group.window, group.memory = 81, "fp8"
    monkeypatch.setattr(this_machine, "found", Machine((), 10**11, 10**11))
    assert "'fp8' is not for the device 'cpu'; set 'memory' to auto" in why_not(bpy.context)
    with pytest.raises(SettingError, match="is not for the device 'cpu'"):
        read_request(bpy.context)
    assert not (preferences(bpy.context).data / "captures").exists()


def test_weights_in_the_users_own_cache_are_used_and_not_removed(snapshot):
    assert why_not(bpy.context) is None
    assert read_request(bpy.context).model == MODEL
    assert "Installed, 19.0 GB, in your own cache of the hub" in _said()
    assert not {"depthshot.download_weights", "depthshot.remove_weights"} & set(_offered())
    with pytest.raises(RuntimeError, match="has downloaded no weights of “Wan VACE"):
        bpy.ops.depthshot.remove_weights(model=MODEL)
    assert (snapshot / INDEX).is_file()


def test_a_redraw_reads_nothing_again_and_generate_everything(snapshot, tiny, monkeypatch):
    """A file that vanishes inside the folder is missed by Generate, and then by the panel."""
    assert why_not(bpy.context) is None
    with monkeypatch.context() as patch:
        patch.setattr(hub, "what_is_missing", lambda folder, source: pytest.fail("it was read"))
        assert why_not(bpy.context) is None
    config, index = tiny / "vae/config.json", tiny / INDEX
    content = index.read_bytes()
    try:
        config.rename(tiny / "config.json")
        shelf.forget()
        assert "vae is missing or has no configuration" in why_not(bpy.context)
        (tiny / "config.json").rename(config)
        shelf.forget()
        assert why_not(bpy.context) is None
        config.rename(tiny / "vae/elsewhere")
        assert "vae is missing or has no configuration" in why_not(bpy.context)
        (tiny / "vae/elsewhere").rename(config)
        assert why_not(bpy.context) is None
        index.write_bytes(b"[]")
        assert why_not(bpy.context) is None, "only the folders are looked at"
        with pytest.raises(ModelError, match=f"{INDEX} is no JSON object"):
            read_request(bpy.context)
        assert f"{INDEX} is no JSON object" in why_not(bpy.context)
        assert "depthshot.download_weights" in _offered()
    finally:
        index.write_bytes(content)
        for path in (tiny / "config.json", tiny / "vae/elsewhere"):
            if path.exists():
                path.rename(config)


def test_what_makes_it_need_few_steps_is_asked_for_where_that_is_set(
    large, tiny, tmp_path, monkeypatch
):
    monkeypatch.setenv(variable(MODEL), str(tiny))
    fast = find_card(MODEL).fast_card
    large.depthshot.models.wan_vace_1_3b.fast = True
    assert fast.hub.repository in why_not(bpy.context)
    with pytest.raises(ModelError, match=fast.hub.repository):
        read_request(bpy.context)
    assert "Wan VACE 1.3B, 4 steps: 'wan-vace-1.3b-fast' is not downloaded" in _said()
    offered = ["depthshot.copy_command", "depthshot.use_folder"]
    assert _offered() == offered, "no revision was checked"
    bpy.ops.depthshot.copy_command(model=fast.id)
    command = f"hf download {fast.hub.repository} {fast.hub.files[0]} --local-dir FOLDER"
    assert bpy.context.window_manager.clipboard in (command, ""), "without a window there is none"
    with pytest.raises(RuntimeError, match="is not downloaded by Depthshot"):
        bpy.ops.depthshot.download_weights(model=fast.id, accept=True)
    monkeypatch.setenv(variable(fast.id), str(tmp_path))
    assert f"{fast.hub.files[0]} is missing" in why_not(bpy.context)
    (tmp_path / fast.hub.files[0]).parent.mkdir(parents=True)
    (tmp_path / fast.hub.files[0]).write_bytes(safetensors(b"LoRA"))
    shelf.forget()
    assert why_not(bpy.context) is None
    large.depthshot.model = "wan-vace-14b"
    large.depthshot.models.wan_vace_14b.fast = True
    assert _offered() == ["depthshot.download_weights", "depthshot.use_folder"] * 2
    assert "0.6 GB to download, Apache-2.0" in _said()


def test_another_computers_weights_are_its_own_matter(large, stored):
    stored.use_elsewhere = True
    assert why_not(bpy.context) is None
    assert f"download them there: `models pull {MODEL}`" in _said()
    assert "depthshot.download_weights" not in _offered()
    assert not bpy.ops.depthshot.download_weights.poll()
    assert not bpy.ops.depthshot.remove_weights.poll()


def _said():
    return " ".join(names(draw(sidebar.DEPTHSHOT_PT_model), "label"))


def _offered():
    return names(draw(sidebar.DEPTHSHOT_PT_model), "operator")
