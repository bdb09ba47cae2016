"""What a large model needs, in the panel: found out in a thread, reckoned for the shot."""

import dataclasses
import json
import time
from pathlib import Path

import bpy
import pytest
from bl_ext.devrepo.depthshot.backend.models import find_card, hub, preflight
from bl_ext.devrepo.depthshot.operators import model_cost
from bl_ext.devrepo.depthshot.operators.model_cost import Costs
from bl_ext.devrepo.depthshot.operators.this_machine import this_machine
from bl_ext.devrepo.depthshot.panels import model_cost as panel
from bl_ext.devrepo.depthshot.preferences import preferences

from tests.blender.drawings import draw, in_a_sidebar
from tests.hubs import safetensors
from tests.waiting import wait_until

LARGE = "wan-vace-1.3b"
ASKED = {"size": (1920, 1080), "frames": 200}


@pytest.fixture
def stored(checkout_python, tmp_path):
    return dataclasses.replace(
        preferences(bpy.context),
        backend_python=Path(checkout_python),
        data=tmp_path,
        elsewhere=None,
    )


@pytest.fixture
def costs(monkeypatch, stored):
    fresh = Costs()
    monkeypatch.setattr(this_machine, "found", None)
    monkeypatch.setattr(panel, "costs", fresh)
    monkeypatch.setattr(panel, "preferences", lambda _: stored)
    return fresh


def wait(costs: Costs) -> None:
    while costs.step():
        time.sleep(0.05)


def told(costs: Costs, stored, *, model: str = LARGE, **settings) -> str:
    card = find_card(model)
    return costs.told(stored, card, settings=card.check_settings(settings), **ASKED)


def test_it_is_told_once_the_machine_was_looked_at(costs, stored):
    assert not costs.step()  # nobody has asked
    assert told(costs, stored) == ""
    assert costs.step()
    wait(costs)
    sentence = told(costs, stored)
    assert sentence.endswith(".")
    assert told(costs, stored, size="shot") != sentence  # far more memory
    assert not costs.step()  # it is known for a while


def test_what_was_told_stays_until_it_is_told_of_another_setting(costs, stored, monkeypatch):
    told(costs, stored)
    wait(costs)
    before = told(costs, stored)
    monkeypatch.setattr(costs._told, "waits", False)  # as in a window
    assert told(costs, stored, size="shot") == before
    wait_until(costs._told.step)
    assert told(costs, stored, size="shot") != before
    assert told(costs, stored) == before
    assert told(costs, stored, model="wan-vace-14b") == ""


def test_the_panel_shows_it_below_a_large_model_alone(empty_scene, costs):
    context = in_a_sidebar()
    empty_scene.depthshot.model = LARGE
    assert not panel.DEPTHSHOT_PT_cost.poll(context)
    wait(costs)
    assert panel.DEPTHSHOT_PT_cost.poll(context)
    text = " ".join(part[1] for part in draw(panel.DEPTHSHOT_PT_cost))
    assert "memory" in text
    empty_scene.depthshot.model = "draft"
    assert not panel.DEPTHSHOT_PT_cost.poll(context)


def test_weights_that_have_come_change_what_is_told(costs, stored, monkeypatch):
    told(costs, stored)
    wait(costs)
    huge = dataclasses.replace(this_machine.found, ram=10**12, ram_free=10**12)
    monkeypatch.setattr(this_machine, "found", huge)
    monkeypatch.setattr(preflight, "free_bytes", lambda _: 10**9)
    assert told(costs, stored).startswith("Does not fit: 19.0 GB have to be downloaded")
    card = find_card(LARGE)
    folder = hub.snapshot_folder(hub.home(stored.data), card)
    for part in card.parts:
        (folder / part.name).mkdir(parents=True)
        (folder / part.name / "config.json").write_text("{}")
        (folder / part.name / "model.safetensors").write_bytes(safetensors(b"weights"))
    index: dict[str, object] = {part.name: ["diffusers", "Some"] for part in card.parts}
    index["_class_name"] = card.hub.pipeline
    (folder / "model_index.json").write_text(json.dumps(index))
    assert told(costs, stored).startswith("Fits")


def test_a_machine_that_cannot_be_asked_says_nothing(costs, stored, tmp_path):
    missing = dataclasses.replace(stored, backend_python=tmp_path / "none")
    assert told(costs, missing) == ""
    wait(costs)
    assert told(costs, missing) == ""
    assert not costs.step()  # nor is it asked again at every redraw


def test_nothing_is_asked_while_a_take_is_made(costs, stored, monkeypatch):
    told(costs, stored)
    monkeypatch.setattr(type(model_cost.runner), "running", True)
    assert not costs.step()
    monkeypatch.setattr(type(model_cost.runner), "running", False)
    assert costs.step()
    wait(costs)


def test_settings_that_do_not_go_together_are_told(costs, stored):
    told(costs, stored)
    wait(costs)
    assert "make nothing new" in told(costs, stored, window=5)


def test_a_backend_that_runs_is_asked_and_no_process_started(backend, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise AssertionError("a process was started")

    monkeypatch.setattr(model_cost.subprocess, "run", refuse)
    wait_until(lambda: backend.health()["state"] == "ready")
    machine = model_cost._look(preferences(bpy.context))
    assert machine.device == backend.health()["devices"][0]["device"]
