import sys
from pathlib import Path

import pytest

from tools import cli, console, environments, versions, window
from tools.console import DevError


def test_versions_are_named_once_in_order_with_commas_or_blanks():
    assert versions.chosen("5.0.1,4.2.23, 4.2.23") == ["5.0.1", "4.2.23"]
    assert versions.chosen("") == []


def test_the_default_is_the_newest_of_this_python_and_counts_once():
    default = environments.blender()
    version = default.name.removeprefix("blender-")
    assert versions.usable(["default", version], leave_out=False) == [default]
    named = [each.name for each in versions.usable(["4.2.23", "default"], leave_out=False)]
    assert named == ["blender-4.2.23", default.name]


def test_a_blender_without_its_python_is_left_out_and_said(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("DEPTHSHOT_ENV_DIR", str(tmp_path))
    there = {(3, 11): Path("/python3.11")}
    found = versions.usable(["4.2.23", "5.2.3"], leave_out=True, find_python=there.get)
    assert [each.name for each in found] == ["blender-4.2.23"]
    said = capsys.readouterr().err
    assert "blender-5.2.3 is left out: it needs Python 3.13" in said
    assert "4.2.23" not in said
    # Asked for without --leave-out it stays, and making it says what is missing.
    found = versions.usable(["4.2.23", "5.2.3"], leave_out=False, find_python=there.get)
    assert [each.name for each in found] == ["blender-4.2.23", "blender-5.2.3"]
    with pytest.raises(DevError, match=r"There is no Blender 1\.0"):
        versions.usable(["1.0"], leave_out=True)


def test_what_was_left_out_is_repeated_at_the_end(monkeypatch, tmp_path, capsys):
    """As `.ci/run` does: one `dev.py test` after the other, each with its own last lines."""
    monkeypatch.delenv(window.VARIABLE, raising=False)
    monkeypatch.setenv("DEPTHSHOT_ENV_DIR", str(tmp_path))
    monkeypatch.setenv(console.LEFT_OUT, str(tmp_path / "left-out"))
    monkeypatch.setattr(sys, "platform", "darwin")  # has no Blender with a window to bring
    versions.usable(["5.2.3"], leave_out=True, find_python=lambda version: None)
    assert cli.main(["test", "--ui"]) == 0
    last = capsys.readouterr().err.splitlines()[-2:]
    assert last[0].startswith("!!! NOT RUN: blender-5.2.3 is left out: it needs Python 3.13")
    assert last[1].startswith("!!! NOT RUN: tests/ui are skipped: ")


def test_every_lock_of_a_blender_is_one_that_can_be_chosen():
    locks = sorted(environments.LOCKS.glob("blender-*.txt"))
    named = [lock.stem.removeprefix("blender-") for lock in locks]
    assert {"4.2.23", "4.5.15", "5.0.1", "5.2.3"} <= set(named)
    found = versions.usable(named, leave_out=False)
    assert [each.locks for each in found] == [(lock,) for lock in locks]
