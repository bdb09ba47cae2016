"""The page of the preferences when something is wrong: looks, paths, folders, chores at once."""

import threading
import warnings
from pathlib import Path

import bpy
import pytest
from bl_ext.devrepo.depthshot.backend import running
from bl_ext.devrepo.depthshot.operators import backend_chores, pending
from bl_ext.devrepo.depthshot.operators.backend_care import Chore, care
from bl_ext.devrepo.depthshot.operators.request import why_not
from bl_ext.devrepo.depthshot.preferences import preferences

from tests.blender.preferences_page import OPERATORS, can, labels, look_again
from tests.waiting import wait_until


def test_a_look_that_fails_is_said_and_the_next_one_works(page):
    good = page.data_folder
    page.data_folder = f"/tmp/{'a' * 300}"
    care.look(preferences(bpy.context).data)
    wait_until(lambda: look_again() or care.trouble or care.seen)
    assert labels(page)
    page.data_folder = good
    care.look(preferences(bpy.context).data)
    wait_until(lambda: look_again() or care.seen is not None)
    assert care.trouble == ""


def test_a_mistake_while_looking_is_shown_once_and_the_next_look_works(page, monkeypatch):
    def mistake(_):
        raise ValueError("nobody thought of this")

    shown = []
    monkeypatch.setattr(threading, "excepthook", shown.append)
    with monkeypatch.context() as patch:
        patch.setattr(running, "look", mistake)
        care.look(preferences(bpy.context).data)
        with pytest.raises(RuntimeError, match="its traceback is on the console"):
            wait_until(lambda: look_again() or care.seen is not None)
    assert [each.exc_type for each in shown] == [ValueError]
    wait_until(lambda: look_again() or care.seen is not None)


def test_a_log_that_is_put_aside_while_they_are_compared_is_left_out(page, monkeypatch):
    logs = preferences(bpy.context).data / "logs"
    logs.mkdir(parents=True)
    (logs / "server-1.log").write_text("there")
    (logs / "gone.log").symlink_to(logs / "nothing")  # listed, and not there when it is asked for
    assert backend_chores.newest_log(logs.parent) == logs / "server-1.log"


@pytest.mark.parametrize("field", ["data_folder", "backend_python", "takes_folder"])
@pytest.mark.parametrize(
    ("set_to", "why"),
    [("//mine", "beside the .blend file, which was never saved"), ("mine", "is no full path")],
)
def test_a_relative_path_is_refused_with_the_way_out(served, unsaved, field, set_to, why):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # by Blender 5.0, of "//" in some fields; it is set anyway
        setattr(served, field, set_to)
    stored = preferences(bpy.context)
    assert why in stored.refused[field]
    assert stored.data.is_absolute() and stored.backend_python.is_absolute()
    assert not Path("mine").exists()
    with pytest.raises(RuntimeError, match=why):
        OPERATORS.generate()
    assert can("install") is (field == "takes_folder")


def test_paths_are_the_same_for_every_process(served, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    served.data_folder = "~/mine"
    assert preferences(bpy.context).data == tmp_path / "mine"
    served.data_folder = f"{tmp_path}/sub/../mine"
    assert preferences(bpy.context).data == tmp_path / "mine"
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "x.blend"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        served.data_folder = "//mine"
    assert preferences(bpy.context).data == tmp_path / "mine"
    assert not preferences(bpy.context).refused


@pytest.mark.parametrize("label", ["Removing", "Installing"])
def test_no_take_is_begun_while_what_makes_it_is_taken_away(served, unsaved, label):
    data = preferences(bpy.context).data
    assert OPERATORS.generate.poll()
    pending.note(data, waiting()).release()
    assert OPERATORS.fetch.poll()
    go_on = threading.Event()
    care.begin(Chore(label, lambda: str(go_on.wait(60)), data, alone=True))
    try:
        assert care.why_no_take() == f"{label} the backend; wait until that has ended"
        assert not OPERATORS.generate.poll() and not OPERATORS.fetch.poll()
    finally:
        go_on.set()
    wait_until(lambda: not care.step())
    assert OPERATORS.generate.poll() and OPERATORS.fetch.poll()


def test_both_chores_that_take_the_environment_away_are_alone(page):
    stored = preferences(bpy.context)
    chores = [backend_chores.installing(stored), backend_chores.removing(stored)]
    assert all(chore.alone for chore in chores)
    assert not backend_chores.starting(stored).alone


def waiting() -> pending.Pending:
    """A job of this session's scene."""
    uid = str(bpy.context.scene.session_uid)
    return pending.Pending("a-job", "", "Scene", uid, "Scene-draft", "STRIP", "")


def test_a_data_folder_that_cannot_be_used_leaves_the_page_to_mend_it(page, tmp_path, unsaved):
    for folder in (tmp_path / ("x" * 300), tmp_path / "file" / "data"):
        (tmp_path / "file").touch()
        page.data_folder = str(folder)
        said = labels(page)
        assert "cannot be used" in said and "choose another Data Folder" in said
        assert [can(name) for name in ("install", "repair", "remove", "start")] == [False] * 4
        assert "choose another" in why_not(bpy.context)
        with pytest.raises(RuntimeError, match="cannot be used"):  # a tooltip has an end
            OPERATORS.generate()
        care._asked = float("-inf")
        care.ask()
        wait_until(lambda: care.ask() or care.seen is not None)
        assert care.seen.size == 0


def test_somebody_elses_env_is_neither_repaired_nor_removed(page):
    data = preferences(bpy.context).data
    (data / "env").mkdir(parents=True)
    (data / "env" / "studio.hdr").write_text("mine")
    assert "was not made by Depthshot" in labels(page)
    assert not can("install") and not can("repair")
    assert OPERATORS.backend_remove() == {"FINISHED"}
    assert care.message == f"Removed, but for what is yours in '{data}': 'env'."
    assert (data / "env" / "studio.hdr").read_text() == "mine"
