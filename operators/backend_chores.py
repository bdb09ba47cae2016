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
from ..backend.setup import install, place
from ..backend.setup.process import clean_environment
from ..backend.setup.progress import Progress
from ..preferences import Preferences
from .attachment import attachment
from .backend_care import Chore, care

_DOCTOR_SECONDS = 120


def installing(stored: Preferences) -> Chore:
    """Install, or make anew what is there."""
    progress = Progress()
    return Chore(
        "Installing", partial(_install, stored, sys.executable, progress), stored.data, progress
    )


def removing(stored: Preferences) -> Chore:
    """Remove all but takes."""
    return Chore("Removing", partial(_remove, stored), stored.data)


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
    left = install.remove(stored.data, before=partial(_end_server, stored))
    if not left:
        return f"Everything is removed; '{stored.data}' is gone."
    names = ", ".join(f"'{path.name}'" for path in left)
    return f"Removed, but for what is yours in '{stored.data}': {names}."


def _start(stored: Preferences) -> str:
    attachment.take(stored)
    care.keeps_server = True
    return "The backend runs, and does so until you stop it or close Blender."


def _stop(stored: Preferences) -> str:
    return "The backend is stopped." if _end_server(stored) else "No backend was running."


def _end_server(stored: Preferences) -> bool:
    if care.keeps_server:
        care.keeps_server = False
        attachment.give_back()
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
    logs = sorted((data / "logs").glob("*.log"), key=lambda path: path.stat().st_mtime)
    return logs[-1] if logs else None
