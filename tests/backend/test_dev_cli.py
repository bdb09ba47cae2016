import subprocess
import sys
from pathlib import Path

import pytest

from tools import cli, lint

ROOT = Path(__file__).resolve().parents[2]


def dev(*arguments: str, cwd: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, str(ROOT / "dev.py"), *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_help_names_every_command(capsys):
    assert cli.main(["--help"]) == 0
    text = capsys.readouterr().out
    assert [name for name in cli.COMMANDS if f"\n  {name} " not in text] == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["sing"], "There is no command sing: it is one of demo, test"),
        (["lint", "x"], "dev.py lint takes no arguments, and was given x."),
        (["blender"], "Name the script to run"),
        (["blender", "no/such/script.py"], "Name the script to run"),
        (["test", "--blender", "1.0"], "There is no Blender 1.0 here: choose one of"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_code_2(arguments, expected, capsys):
    assert cli.main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert expected in captured.err


def test_the_backend_gets_the_callers_folder_and_its_exit_code_comes_back(tmp_path):
    (tmp_path / "backend.py").write_text("raise SystemExit('not the one')")
    asked = dev("backend", "--help", cwd=tmp_path)
    assert asked.returncode == 0, asked.stderr
    assert "generate" in asked.stdout
    refused = dev(
        *("backend", "generate", "no-such-shot", "--model", "projection", "--out", "take"),
        cwd=tmp_path,
    )
    assert refused.returncode != 0
    assert "no-such-shot" in refused.stderr


def test_a_module_that_is_too_long_is_named(tmp_path):
    short, long = tmp_path / "short.py", tmp_path / "long.py"
    short.write_text("\n" * lint.MAX_LINES)
    long.write_text("\n" * (lint.MAX_LINES + 1))
    (sentence,) = lint.too_long([short, long])
    assert sentence.startswith(f"{long} has 401 lines, at most 400")


def test_generated_folders_and_environments_are_not_our_sources(tmp_path):
    for name in ("dev.py", "scene/a.py", ".env/b.py", "demo/c.py", "dist/d.py", "scene/e.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert lint.sources(tmp_path) == [tmp_path / "dev.py", tmp_path / "scene" / "a.py"]
