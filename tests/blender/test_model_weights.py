"""Weights downloaded and removed by the panel's buttons: the real command, and a hub of the test's.

The model's card names a tiny repository instead of its own, here and in the command.
"""

import json
from dataclasses import replace
from types import SimpleNamespace

import bpy
import pytest
from bl_ext.devrepo.depthshot.backend.models import cards, find_card, hub, wan_vace
from bl_ext.devrepo.depthshot.operators import model_chores
from bl_ext.devrepo.depthshot.operators.backend_care import care
from bl_ext.devrepo.depthshot.operators.backend_state import busy
from bl_ext.devrepo.depthshot.operators.model_chores import PullProgress, downloading
from bl_ext.devrepo.depthshot.operators.model_download import (
    DEPTHSHOT_OT_download_weights as Download,
)
from bl_ext.devrepo.depthshot.operators.model_download import (
    DEPTHSHOT_OT_remove_weights as Remove,
)
from bl_ext.devrepo.depthshot.operators.model_weights import Whose, shelf
from bl_ext.devrepo.depthshot.operators.runner import runner
from bl_ext.devrepo.depthshot.panels import backend_missing, sidebar
from bl_ext.devrepo.depthshot.preferences import preferences

from tests.blender import layouts
from tests.blender.drawings import draw, names
from tests.hub_server import running_hub
from tests.hubs import LARGE, REPOSITORY, command_line, from_here, model_files
from tests.waiting import wait_until

MODEL = "wan-vace-1.3b"
FILES = model_files(shard_bytes=60_000)
OPERATORS = bpy.ops.depthshot


@pytest.fixture
def served_hub(served, empty_scene, tmp_path, monkeypatch):
    """A hub with the model's weights, and a scene that has chosen the model."""
    card, *others = wan_vace.CARDS
    monkeypatch.setattr(wan_vace, "CARDS", (from_here(card, FILES), *others))
    monkeypatch.setattr(model_chores, "BACKEND", ("-c", command_line(FILES)))
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    empty_scene.depthshot.model = MODEL
    with running_hub(dict(FILES)) as here:
        monkeypatch.setenv("HF_ENDPOINT", here.url)
        yield here
    shelf.forget()


def test_without_the_licence_nothing_is_asked_of_the_hub(served_hub):
    with pytest.raises(RuntimeError, match="Nothing is downloaded without its licence; read it"):
        OPERATORS.download_weights(model=MODEL)
    assert served_hub.asked == [] and care.chore is None
    assert not hub.home(preferences(bpy.context).data).exists()


def test_downloaded_by_the_button_and_removed_by_the_other(served_hub):
    assert "0.0 GB to download, Apache-2.0" in _said()
    assert _offered() == ["depthshot.download_weights", "depthshot.use_folder"]
    assert OPERATORS.download_weights(accept=True) == {"FINISHED"}
    assert "are on this computer; Generate can use them now" in care.message
    data = preferences(bpy.context).data
    assert shelf.look(find_card(MODEL), data).whose is Whose.OURS
    assert "Installed, 0.0 GB" in _said() and care.message in _said()
    assert _offered() == ["depthshot.remove_weights"]
    assert served_hub.tokens == {None}

    assert OPERATORS.remove_weights() == {"FINISHED"}
    assert "are removed; 0.0 GB are free again" in care.message
    assert "to download" in _said()
    assert _offered() == ["depthshot.download_weights", "depthshot.use_folder"]
    with pytest.raises(RuntimeError, match="has downloaded no weights"):
        OPERATORS.remove_weights()
    # The licence is remembered, the download is not begun without asking.
    log = (data / "logs/weights.log").read_text(encoding="utf-8")
    assert "models remove" in log


def test_cancelled_it_goes_on_where_it_was(served_hub):
    served_hub.fast.clear()
    stored = preferences(bpy.context)
    card = find_card(MODEL)
    care.begin(downloading(stored, card))
    wait_until(lambda: care.step() and "Downloading weights: " in care.chore.progress.text)
    assert "Downloading weights: 0.0 of 0.0 GB" in _said()
    assert _offered() == ["depthshot.backend_cancel"]
    assert not backend_missing.DEPTHSHOT_PT_backend_missing.poll(bpy.context)
    assert busy() == "Downloading the weights of “Wan VACE 1.3B”; wait for it or cancel it"
    assert care.why_no_take() is None, "a take of another model can be made meanwhile"
    assert not OPERATORS.download_weights.poll() and not OPERATORS.remove_weights.poll()
    assert OPERATORS.backend_cancel() == {"FINISHED"}
    wait_until(lambda: not care.step())
    assert (care.failed, care.message) == (
        False, "Cancelled; what has arrived is kept, and Download goes on with it.",
    )  # fmt: skip
    assert "a part has arrived" in _said()
    assert _offered() == [
        "depthshot.download_weights", "depthshot.use_folder", "depthshot.remove_weights"
    ]  # fmt: skip

    served_hub.fast.set()
    served_hub.asked.clear()
    assert OPERATORS.download_weights(accept=True) == {"FINISHED"}
    begins = {part for name, part in served_hub.of_files() if name in LARGE}
    assert begins and None not in begins, "large files were gone on with, not begun anew"
    assert shelf.look(card, stored.data).whose is Whose.OURS


def test_what_the_hub_refuses_is_one_sentence_in_the_panel(served_hub):
    served_hub.files["vae/model.safetensors"] = b"PK\x03\x04" * 500
    with pytest.raises(RuntimeError, match="is no safetensors file but something else"):
        OPERATORS.download_weights(accept=True)
    assert care.failed and care.message.count(". ") == 0
    assert "nothing of it was loaded." in _said()
    assert "depthshot.download_weights" in _offered()
    bpy.context.scene.depthshot.model = "wan-vace-14b"
    assert "nothing of it was loaded." not in _said(), "it is not about this model"


def test_the_users_token_goes_along(served_hub, monkeypatch):
    served_hub.gated = True
    with pytest.raises(RuntimeError, match="given only to accounts that asked"):
        OPERATORS.download_weights(accept=True)
    monkeypatch.setenv("HF_TOKEN", "hf_granted")
    assert OPERATORS.download_weights(accept=True) == {"FINISHED"}


def test_without_online_access_the_button_is_grey_and_says_why(served_hub):
    bpy.context.preferences.system.use_online_access = False
    assert not OPERATORS.download_weights.poll()
    with pytest.raises(RuntimeError, match="turn on Allow Online Access"):
        OPERATORS.download_weights(accept=True)
    assert "turn on Allow Online Access" in _said()
    assert served_hub.asked == []


def test_without_a_backend_there_is_nothing_to_download_with(served_hub, served):
    served.backend_python = ""
    with pytest.raises(RuntimeError, match="The backend is not installed"):
        OPERATORS.download_weights(accept=True)


def test_while_a_take_is_made_its_weights_stay(served_hub, monkeypatch):
    monkeypatch.setattr(runner, "_generation", object())
    assert not OPERATORS.remove_weights.poll()
    assert OPERATORS.download_weights.poll(), "weights of another model may come meanwhile"


def test_the_dialogs_say_from_where_how_much_and_under_which_licence(served_hub):
    card = find_card(MODEL)
    said = _dialog(Download, card)
    for words in (REPOSITORY, "to download", "GB are free", "Licence: Apache-2.0", str(_data())):
        assert words in said, words
    assert "HF_TOKEN" not in said
    assert "HF_TOKEN" in _dialog(Download, replace(card, hub=replace(card.hub, gated=True)))
    assert str(_data()) in _dialog(Remove, card)


def test_a_model_that_comes_with_depthshot_has_nothing_to_download(served_hub):
    for card in cards():
        if card.hub is None:
            with pytest.raises(RuntimeError, match="comes with Depthshot, without a download"):
                OPERATORS.download_weights(model=card.id, accept=True)


def test_how_far_and_how_fast_is_told_in_words():
    now = iter((0.0, 1.0, 10.0))
    progress = PullProgress(now=lambda: next(now))

    def tell(phase, done):
        event = {"kind": "progress", "phase": phase, "done": done, "total": 19_000_000_000}
        progress.line(json.dumps(event))
        return progress.text

    assert tell("downloading weights", 1_000_000_000) == "Downloading weights: 1.0 of 19.0 GB"
    assert tell("downloading weights", 1_050_000_000) == "Downloading weights: 1.1 of 19.0 GB"
    assert tell("downloading weights", 1_500_000_000) == (
        "Downloading weights: 1.5 of 19.0 GB, 50.0 MB/s, about 6 min left"
    )
    assert progress.share == pytest.approx(0.95 * 1.5 / 19)
    assert tell("checking weights", 9_500_000_000) == "Checking weights: 9.5 of 19.0 GB"
    assert progress.share == pytest.approx(0.975)
    progress.line("a warning of a library's")
    progress.line('{"kind": "failed", "message": "The hub is away."}')
    assert progress.failure == "The hub is away."


def _data():
    return preferences(bpy.context).data


def _said():
    return " ".join(names(draw(sidebar.DEPTHSHOT_PT_model), "label"))


def _offered():
    return names(draw(sidebar.DEPTHSHOT_PT_model), "operator")


def _dialog(kind, card):
    """Return what an operator's dialog says; what this Blender's layout would refuse fails."""
    drawn = []
    rna = getattr(bpy.ops.depthshot, kind.bl_idname.partition(".")[2]).get_rna_type()
    dialog = SimpleNamespace(
        layout=layouts.StrictLayout(drawn), card=lambda context: card, bl_rna=rna
    )
    kind.draw(dialog, layouts.in_a_sidebar())
    return " ".join(call[1].get("text", "") for call in drawn)
