"""Blender's Python with the extension enabled under its real name, `bl_ext.devrepo.depthshot`.

    python tools/with_extension.py SCRIPT [ARGUMENTS …]

runs a script that way; tests/blender/conftest.py uses `enable` alone. The user's own Blender
settings are neither read nor written.
"""

import os
import runpy
import shutil
import sys
import tempfile
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REPOSITORY = "devrepo"
MODULE = f"bl_ext.{REPOSITORY}.depthshot"
# Has pytest leave out what is the same in each Blender (the mark `once`).
FURTHER_BLENDER = "--further-blender"


def enable(resources: Path) -> None:
    """Starts Blender with empty settings and enables the checkout as an installed extension.

    Has to run before anything else imports bpy.

    Args:
        resources: an empty folder for Blender's user files and for the extension repository.

    Raises:
        RuntimeError: bpy was imported before.
        Exception: whatever the extension's own import or register() raised.
    """
    install(resources)
    switch_on()


def install(resources: Path) -> None:
    """Starts Blender with empty settings, knowing the checkout as an extension not enabled yet.

    Args:
        resources: an empty folder for Blender's user files and for the extension repository.

    Raises:
        RuntimeError: bpy was imported before.
    """
    if "bpy" in sys.modules:
        raise RuntimeError("enable() has to run before bpy is imported")
    # Read by Blender when it starts, that is when bpy is imported.
    os.environ["BLENDER_USER_RESOURCES"] = str(resources / "user")
    repository = resources / "repository"
    repository.mkdir()
    link(repository / "depthshot", ROOT)

    import bpy

    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.preferences.extensions.repos.new(
        name=REPOSITORY,
        module=REPOSITORY,
        custom_directory=str(repository),
        remote_url="",
        source="USER",
    )


def switch_on() -> None:
    """Enables the extension that `install` made known, as its check box in the preferences does.

    Raises:
        Exception: whatever the extension's own import or register() raised.
    """
    # Found only once bpy has put Blender's own scripts on the path.
    import addon_utils

    def fail(error: Exception) -> None:
        raise error

    addon_utils.enable(MODULE, default_set=True, handle_error=fail)


def link(path: Path, target: Path) -> None:
    """Makes a folder appear at a second place (a junction on Windows, where links need rights)."""
    if os.name == "nt":
        import _winapi

        _winapi.CreateJunction(str(target), str(path))
    else:
        path.symlink_to(target, target_is_directory=True)


def remove(resources: Path) -> None:
    """Removes a folder that `enable` used, and not the checkout it links to."""
    made = resources / "repository" / "depthshot"
    if os.name == "nt":
        made.rmdir()
    else:
        made.unlink()
    shutil.rmtree(resources)
    if "bpy" in sys.modules:
        # Blender's own temporary folder goes in the clean-up at exit that leave() skips.
        shutil.rmtree(sys.modules["bpy"].app.tempdir, ignore_errors=True)


def run(script: str) -> int:
    """Runs a script as Python would and returns the exit code that Python would give."""
    # Python puts a script's own folder first.
    sys.path.insert(0, str(Path(script).resolve().parent))
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        sys.stderr.write(f"{end.code}\n")
        return 1
    return 0


def main() -> int:
    """Enables the extension, runs the script named on the command line, cleans up."""
    resources = Path(tempfile.mkdtemp(prefix="depthshot-blender-"))
    code = 1
    try:
        enable(resources)
        del sys.argv[0]
        code = run(sys.argv[0])
    except BaseException:  # noqa: BLE001 - the last place that can show it: leave() ends the process
        traceback.print_exc()
    remove(resources)
    return code


def leave(code: int) -> None:
    """Ends the process at once.

    Blender's own clean-up at exit crashes (4.2) or hangs for ever (4.5) while a timer is
    registered, and would replace the exit code.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    leave(main())
