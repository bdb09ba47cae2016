"""`dev.py blender SCRIPT`: the real name, the script's own exit code, and an end."""

import subprocess
import sys

import pytest

from tools.with_extension import MODULE, ROOT


def run(tmp_path, source: str, *arguments: str) -> subprocess.CompletedProcess:
    script = tmp_path / "script.py"
    script.write_text(source)
    return subprocess.run(
        [sys.executable, "-P", str(ROOT / "tools" / "with_extension.py"), script, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_script_finds_the_extension_its_arguments_and_its_neighbours(tmp_path):
    (tmp_path / "neighbour.py").write_text("NAME = 'beside'")
    done = run(
        tmp_path,
        "import importlib, sys, addon_utils, neighbour\n"
        f"print(addon_utils.check({MODULE!r}), sys.argv[1:], neighbour.NAME, __name__)\n"
        f"print(importlib.import_module({MODULE + '.backend.wire'!r}).__name__)\n",
        *("a", "--b"),
    )
    assert done.returncode == 0, done.stderr
    assert "(True, True) ['a', '--b'] beside __main__" in done.stdout
    assert f"{MODULE}.backend.wire" in done.stdout


@pytest.mark.parametrize(
    ("last_line", "code", "said"),
    [
        ("pass", 0, ""),
        ("sys.exit(7)", 7, ""),
        ("sys.exit()", 0, ""),
        ("sys.exit('in words')", 1, "in words"),
        ("raise ValueError('broken')", 1, "ValueError: broken"),
    ],
)
def test_the_exit_code_is_the_scripts(tmp_path, last_line, code, said):
    done = run(tmp_path, f"import sys\n{last_line}\n")
    assert done.returncode == code
    assert said in done.stderr


def test_a_timer_left_behind_cannot_hang_the_end(tmp_path):
    # Blender 4.5 waits for ever at exit for this one, 4.2 crashes.
    done = run(
        tmp_path,
        "import bpy\nbpy.app.timers.register(lambda: 1.0, persistent=True)\nraise SystemExit(5)\n",
    )
    assert done.returncode == 5, done.stderr


def test_the_users_own_settings_are_not_used(tmp_path):
    done = run(tmp_path, "import bpy\nprint(bpy.utils.user_resource('CONFIG'))")
    folder = done.stdout.splitlines()[-1]
    assert "depthshot-blender-" in folder
