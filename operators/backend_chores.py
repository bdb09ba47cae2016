"""What can be done about the backend, as chores for `backend_care`. Nothing here touches bpy."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

from ..backend import running
from ..backend.errors import BackendNotStarted
from ..backend.paths import ROOT
from ..backend.setup import install, place, removal
from ..backend.setup.process import clean_environment
from ..backend.setup.progress import Progress
from ..preferences import Preferences
from .attachment import attachment
from .backend_care import Chore, care

_DOCTOR_SECONDS = 120


def installing(stored: Preferences) -> Chore:
    """Install, or make anew what is there."""
    progress = Progress()
    function = partial(_install, stored, sys.executable, progress)
    return Chore("Installing", function, stored.data, progress, alone=True)


def removing(stored: Preferences) -> Chore:
    """Remove all but takes."""
    return Chore("Removing", partial(_remove, stored), stored.data, alone=True)


def starting(stored: Preferences) -> Chore:
    """Start the server and keep it."""
    return Chore("Starting", partial(_start, stored), stored.data)


def stopping(stored: Preferences) -> Chore:
    """End the server."""
    return Chore("Stopping", partial(_stop, stored), stored.data)


def examining(stored: Preferences) -> Chore:
    """Let the doctor look."""
    return Chore("Examining", partial(_examine, stored), stored.data)


def _install(stored: Preferences, blender_python: str, progress: Progress) -> str:
    state = install.install(
        stored.data,
        device=place.resolve_device(stored.device),
        blender_python=blender_python,
        progress=progress,
        before=partial(_end_server, stored),
    )
    return state.words


def _remove(stored: Preferences) -> str:
    left = removal.remove(stored.data, before=partial(_end_server, stored))
    if not left:
        end = "empty" if stored.data.exists() else "gone"
        return f"Everything is removed; '{stored.data}' is {end}."
    # What a removed link has shown is named as a whole.
    names = ", ".join(f"'{path.name if path.parent == stored.data else path}'" for path in left)
    return f"Removed, but for what is yours in '{stored.data}': {names}."


def _start(stored: Preferences) -> str:
    attachment.keep(stored)
    seen = running.look(stored.data)
    if seen is not None and seen.by_hand:
        return "The backend that was served by hand is used; it runs until it is ended there."
    return "The backend runs, and does so until you stop it or close Blender."


def _stop(stored: Preferences) -> str:
    return "The backend is stopped." if _end_server(stored) else "No backend was running."


def _end_server(stored: Preferences) -> bool:
    attachment.close()
    return running.stop(stored.data)


def _examine(stored: Preferences) -> str:
    command = [str(stored.backend_python), "-m", "backend", "doctor", "--json"]
    try:
        done = subprocess.run(
            [*command, "--data", str(stored.data)],
            cwd=ROOT,
            env={**clean_environment(), "PYTHONUTF8": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_DOCTOR_SECONDS,
            check=False,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        checks = json.loads(done.stdout)["checks"]
    except (OSError, subprocess.TimeoutExpired) as reason:
        raise BackendNotStarted(
            f"The backend's Python '{stored.backend_python}' cannot be asked ({reason}); press"
            " Repair."
        ) from reason
    except (ValueError, KeyError) as reason:
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        raise BackendNotStarted(
            f"The backend's Python does not run the doctor ({said[-1]}); press Repair."
        ) from reason
    care.checks = [(each["name"], each["ok"], each["found"]) for each in checks]
    wrong = [name for name, ok, _ in care.checks if ok is False]
    return f"Something is wrong: {', '.join(wrong)}." if wrong else "Everything is as it should be."


def newest_log(data: Path) -> Path | None:
    """Return the log of what was done last, None before anything was."""
    try:
        return max((data / "logs").glob("*.log"), key=_modified, default=None)
    except OSError:  # a folder that cannot be looked into shows no logs
        return None


def _modified(path: Path) -> float:
    """Return when a file was changed; 0 for one that has just been renamed or removed."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
