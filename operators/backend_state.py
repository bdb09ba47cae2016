"""In which state the backend is and what can be done about it, for its operators and panels."""

from __future__ import annotations

import bpy
from bpy.types import Context, Operator

from ..backend.setup import place, torch_build
from ..backend.setup.place import State
from ..preferences import preferences
from .backend_care import Chore, care
from .exporter import exporter
from .runner import runner


def busy() -> str | None:
    """Return why nothing can be done about the backend now, None if something can."""
    if care.chore is not None:
        return f"{care.chore.words}; wait for it or cancel it"
    refused = preferences(bpy.context).refused
    for name in ("data_folder", "backend_python"):
        if name in refused:
            return refused[name].removesuffix(".")
    if exporter.running:
        return exporter.why_not()
    return "A take is being generated; wait for it or cancel it" if runner.running else None


def state(context: Context) -> State:
    """Return in which state the backend's own environment is."""
    stored = preferences(context)
    return place.examine(stored.data, chosen=stored.device)


def why_no_backend(context: Context) -> str | None:
    """Return why there is no backend to start, None if there is one."""
    stored = preferences(context)
    if stored.own_environment:
        found = state(context)
        return None if found.usable else found.words.removesuffix(".")
    if not place.is_file(stored.backend_python):
        return f"There is no Python at '{stored.backend_python}', which Backend Python names"
    return None


def why_offline() -> str | None:
    """Return why the network must not be used, None if it may be."""
    if bpy.app.online_access:
        return None
    if bpy.app.online_access_override:
        return "This needs the network, and Blender was started with --offline-mode"
    return "This needs the network; turn on Allow Online Access in Preferences > System"


def needs(context: Context) -> list[str]:
    """Return what an installation needs, in lines."""
    stored = preferences(context)
    device = place.resolve_device(stored.device)
    size = place.SIZES[device]
    free = place.free_bytes(stored.data)
    return [
        f"For: {torch_build.LABELS[device]}",
        f"About {size.download / 1e9:.1f} GB to download, up to {size.disk / 1e9:.1f} GB on disk"
        f" ({free / 1e9:.0f} GB are free)",
        f"Into: {stored.data}",
    ]


class DoesChore(Operator):
    """What all operators share that do something about the backend."""

    bl_options = {"INTERNAL"}

    def do(self, chore: Chore) -> set[str]:
        """Do it; without a window, wait until it has ended."""
        if not bpy.app.background:
            care.start(chore)
            return {"FINISHED"}
        care.run(chore)
        for sentence in care.notes:
            self.report({"WARNING"}, sentence)
        self.report({"ERROR" if care.failed else "INFO"}, care.message)
        return {"CANCELLED" if care.failed else "FINISHED"}
