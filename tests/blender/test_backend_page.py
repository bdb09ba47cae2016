"""Looking after the backend: buttons, their reasons, the page; with a real server and doctor."""

import os
import threading
from pathlib import Path

import bpy
import pytest
from bl_ext.devrepo.depthshot.backend import running
from bl_ext.devrepo.depthshot.backend.errors import SetupError
from bl_ext.devrepo.depthshot.backend.rendezvous import read_server
from bl_ext.devrepo.depthshot.backend.setup import install, place
from bl_ext.devrepo.depthshot.backend.setup.progress import Progress
from bl_ext.devrepo.depthshot.operators import backend_chores, backend_state
from bl_ext.devrepo.depthshot.operators.attachment import attachment
from bl_ext.devrepo.depthshot.operators.backend_care import Chore, care
from bl_ext.devrepo.depthshot.operators.backend_install import what_is_lost
from bl_ext.devrepo.depthshot.operators.request import why_not
from bl_ext.devrepo.depthshot.operators.runner import runner
from bl_ext.devrepo.depthshot.panels import backend_missing
from bl_ext.devrepo.depthshot.preferences import preferences

from tests.blender import drawings
from tests.blender.drawings import names
from tests.blender.preferences_page import OPERATORS, can, draw, labels, look_again
from tests.remotes import served as by_hand
from tests.waiting import wait_until


def test_with_nothing_installed_it_says_so_and_what_it_needs(page):
    said = labels(page)
    assert "The backend is not installed." in said
    assert "Found: " in said
    assert "GB to download" in said and "GB are free" in said
    assert [can(name) for name in ("install", "repair", "remove", "cancel")] == [
        *(True, False, False, False),
    ]
    assert [can(name) for name in ("start", "stop", "doctor", "log")] == [False] * 4


def test_one_take_that_is_lost_is_not_called_takes():
    assert what_is_lost(1) == "1 take that was not fetched yet is lost"
    assert what_is_lost(2) == "2 takes that were not fetched yet are lost"


def test_an_empty_data_folder_has_nothing_to_remove(page, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    draw(page)
    wait_until(lambda: care.ask() or care.seen is not None)
    assert not can("remove")
    with pytest.raises(RuntimeError, match="There is nothing to remove"):
        OPERATORS.backend_remove()


def test_without_online_access_it_says_what_needs_it_and_shows_the_switch(page):
    bpy.context.preferences.system.use_online_access = False
    assert not can("install")
    assert backend_state.why_offline() == (
        "This needs the network; turn on Allow Online Access in Preferences > System"
    )
    drawn = draw(page).drawn
    assert ("prop", "use_online_access") in drawn
    assert "That needs the network, as nothing else here does" in "\n".join(names(drawn, "label"))
    bpy.context.preferences.system.use_online_access = True
    assert ("prop", "use_online_access") not in draw(page).drawn


def test_while_it_installs_the_page_shows_how_far_it_is_and_cancel(page, tmp_path):
    go_on = threading.Event()
    progress = Progress()

    def function() -> str:
        with progress.step("Packages", until=0.5, expected=4e6):
            progress.line("Collecting scipy==1.17.1")
            progress.line("Progress 1000000 of 4000000")
            go_on.wait(60)
        return "Installed."

    care.begin(Chore("Installing", function, preferences(bpy.context).data, progress))
    try:
        wait_until(lambda: "scipy" in progress.text)
        assert care.step()
        drawn = draw(page).drawn
        assert "Packages: scipy, 1 of 4 MB" in names(drawn, "label")
        assert names(drawn, "operator") == ["depthshot.backend_cancel"]
        assert ("prop", "chore") in drawn
        assert "progress" not in [found[0] for found in drawn]
        share = bpy.context.window_manager.depthshot.chore
        assert share == pytest.approx(100 * 0.5 * 0.7 / 4)
        progress.share = 1.5  # a bar is full at most
        assert care.step()
        assert bpy.context.window_manager.depthshot.chore == 100
        assert [can(name) for name in ("install", "remove", "cancel")] == [False, False, True]
        assert backend_state.busy() == "Installing the backend; wait for it or cancel it"
        assert OPERATORS.backend_cancel() == {"FINISHED"}
        assert progress.cancelled
    finally:
        go_on.set()
    wait_until(lambda: not care.step())
    assert (care.message, care.failed) == ("Installed.", False)
    assert "Installed." in labels(page)


def test_an_installation_that_fails_says_why(page, monkeypatch):
    def fail(*_, **__):
        raise SetupError("The package index cannot be reached: connect to the network.")

    monkeypatch.setattr(install, "install", fail)
    with pytest.raises(RuntimeError, match="cannot be reached"):
        OPERATORS.backend_install()
    assert care.failed
    assert "cannot be reached" in labels(page)


def test_what_is_installed_is_said_by_the_operator(page, monkeypatch):
    asked = {}

    def succeed(data: Path, **options):
        asked.update(options, data=data)
        options["progress"].note("One thing.")
        return place.State(place.Kind.READY, "Installed for: CPU.")

    monkeypatch.setattr(install, "install", succeed)
    page.device = "AMD"
    assert OPERATORS.backend_install() == {"FINISHED"}
    assert (asked["device"], asked["data"]) == ("AMD", Path(page.data_folder))
    assert care.notes == ("One thing.",)
    assert "One thing." in labels(page)


def test_an_interrupted_installation_asks_for_repair_and_generates_nothing(page, unsaved):
    data = preferences(bpy.context).data
    (data / "env").mkdir(parents=True)
    assert "An installation was interrupted" in labels(page)
    assert can("repair")
    with pytest.raises(RuntimeError, match="The backend cannot be used: An installation was"):
        OPERATORS.generate()


def test_generate_is_grey_and_says_where_to_install(page, unsaved):
    assert not OPERATORS.generate.poll()
    assert "not installed; press Install in Edit > Preferences" in why_not(bpy.context)
    with pytest.raises(RuntimeError, match="not installed; press Install in Edit > Preferences"):
        OPERATORS.generate()


def test_started_and_stopped_by_hand(served):
    data = preferences(bpy.context).data
    assert "Backend Python is used" in labels(served)
    assert OPERATORS.backend_start() == {"FINISHED"}
    assert attachment.keeps(preferences(bpy.context))
    assert read_server(data) is not None
    assert not can("start") and can("stop") and can("log")
    care.look(data)
    wait_until(lambda: care.ask() or (care.seen is not None and care.seen.server is not None))
    assert care.seen.size > 0
    wait_until(lambda: any(care.seen.server.devices) or look_again())
    assert "Running on cpu: no job" in labels(served)
    assert OPERATORS.backend_stop() == {"FINISHED"}
    assert not attachment.keeps(preferences(bpy.context))
    assert read_server(data) is None
    assert not can("stop") and can("start")


def test_the_doctor_is_drawn(served):
    assert OPERATORS.backend_doctor() == {"FINISHED"}
    assert {"torch", "devices", "data folder"} <= {name for name, _, _ in care.checks}
    assert "torch: 2." in labels(served)


def test_a_python_without_the_backend_is_no_patient(served, tmp_path):
    served.backend_python = str(tmp_path / "nothing")
    assert not can("doctor") and not can("start")
    assert "There is no Python at" in backend_state.why_no_backend(bpy.context)
    care.run(backend_chores.examining(preferences(bpy.context)))
    assert care.failed
    assert "press Repair" in care.message


def test_removing_stops_the_server_first(served):
    data = preferences(bpy.context).data
    assert OPERATORS.backend_start() == {"FINISHED"}
    (data / "takes" / "mine").mkdir(parents=True)
    assert OPERATORS.backend_remove() == {"FINISHED"}
    assert "Removed, but for what is yours" in care.message
    assert [path.name for path in data.iterdir()] == ["takes"]
    (data / "takes" / "mine").rmdir()
    assert OPERATORS.backend_remove() == {"FINISHED"}
    assert not data.exists()


def test_nothing_is_done_to_the_backend_while_a_take_is_made(page, monkeypatch):
    monkeypatch.setattr(runner, "_generation", object())
    assert backend_state.busy() == "A take is being generated; wait for it or cancel it"
    assert [can(name) for name in ("install", "remove", "start", "stop")] == [False] * 4


def test_the_tab_leads_to_the_page_as_long_as_there_is_no_backend(page):
    panel = backend_missing.DEPTHSHOT_PT_backend_missing
    assert panel.poll(bpy.context)
    drawn = drawings.draw(panel)
    assert "The backend is not installed." in names(drawn, "label")
    assert names(drawn, "operator") == ["depthshot.backend_settings"]
    assert not OPERATORS.backend_settings.poll(), "no window can be opened here"
    page.use_elsewhere = True
    assert not panel.poll(bpy.context)


def test_with_a_backend_the_tab_has_no_such_panel(served):
    assert not backend_missing.DEPTHSHOT_PT_backend_missing.poll(bpy.context)


def test_stopped_in_another_blender_it_can_be_started_again(served):
    data = preferences(bpy.context).data
    assert OPERATORS.backend_start() == {"FINISHED"}
    assert not can("start")
    assert running.stop(data)
    assert can("start") and not can("stop")
    assert OPERATORS.backend_start() == {"FINISHED"}
    assert can("stop") and not can("start")


def test_killed_it_can_be_started_again_once_that_was_seen(served):
    data = preferences(bpy.context).data
    assert OPERATORS.backend_start() == {"FINISHED"}
    os.kill(read_server(data).pid, 9)
    care.look(data)
    wait_until(lambda: look_again() or can("start"))
    assert OPERATORS.backend_start() == {"FINISHED"}
    assert can("stop") and not can("start")


def test_what_is_kept_is_kept_in_its_own_data_folder(served, tmp_path):
    first = preferences(bpy.context).data
    assert OPERATORS.backend_start() == {"FINISHED"}
    served.data_folder = str(tmp_path / "other")
    assert can("start") and not can("stop")
    served.data_folder = str(first)
    assert can("stop") and not can("start")


def test_a_take_from_elsewhere_does_not_end_what_is_kept_here(served):
    stored = preferences(bpy.context)
    assert OPERATORS.backend_start() == {"FINISHED"}
    server = read_server(stored.data)
    attachment.take(stored)
    attachment.give_back()
    attachment._idle()  # as a while after the last take
    served.use_elsewhere = True
    served.use_elsewhere = False
    assert read_server(stored.data) == server
    assert can("stop") and not can("start")


def test_one_that_was_served_by_hand_is_used_and_not_ended(page, checkout_python):
    page.backend_python = checkout_python
    data = preferences(bpy.context).data
    with by_hand(data, python=checkout_python) as box:
        assert OPERATORS.backend_start() == {"FINISHED"}
        assert "was served by hand is used" in care.message
        with pytest.raises(RuntimeError, match="was served by hand, maybe for other machines"):
            OPERATORS.backend_stop()
        assert box.process.poll() is None
        assert read_server(data).pid == box.process.pid
