"""Add-on preferences, and one typed way to read them."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import bpy
from bpy.props import StringProperty
from bpy.types import AddonPreferences, Context

from .backend.paths import default_data_dir
from .scene.compat import RELATIVE_PATH

# This file lies in the extension's root, so this is the extension's id ("bl_ext.….depthshot").
EXTENSION = __package__
PYTHON_VARIABLE = "DEPTHSHOT_BACKEND_PYTHON"


@dataclass(frozen=True, slots=True)
class Preferences:
    """The preferences as the operators use them.

    Attributes:
        takes: Folder that takes are put into.
        backend_python: The Python that runs the backend; it need not exist yet.
        data: Folder of the captures, the job store, the weights and the backend's environment.
    """

    takes: Path
    backend_python: Path
    data: Path


def preferences(context: Context) -> Preferences:
    """Return the preferences for the file that is open now."""
    stored = context.preferences.addons[EXTENSION].preferences
    data = _path(stored.data_folder) or default_data_dir()
    return Preferences(
        takes=_path(stored.takes_folder) or _default_takes(data),
        backend_python=_path(stored.backend_python)
        or _path(os.environ.get(PYTHON_VARIABLE, ""))
        or _environment_python(data),
        data=data,
    )


def _path(text: str) -> Path | None:
    return Path(bpy.path.abspath(text)) if text else None


def _default_takes(data: Path) -> Path:
    if bpy.data.filepath:
        return Path(bpy.data.filepath).parent / "depthshot"
    return data / "takes"


def _environment_python(data: Path) -> Path:
    if sys.platform == "win32":
        return data / "env" / "Scripts" / "python.exe"
    return data / "env" / "bin" / "python"


class DepthshotPreferences(AddonPreferences):
    """Depthshot's page in Blender's preferences."""

    bl_idname = EXTENSION

    takes_folder: StringProperty(
        name="Takes",
        description="Folder that takes are put into. Empty: 'depthshot' beside the .blend file, or"
        " the data folder while the file is unsaved",
        subtype="DIR_PATH",
        options=RELATIVE_PATH,
    )
    backend_python: StringProperty(
        name="Backend Python",
        description="The Python program that runs the backend. Empty: the one in the data folder",
        subtype="FILE_PATH",
    )
    data_folder: StringProperty(
        name="Data Folder",
        description="Folder of captures, jobs and weights, on a local disk. Empty: the usual place"
        " for such data on this system",
        subtype="DIR_PATH",
    )

    def draw(self, context: Context) -> None:
        """Draw the page, and below each empty field what is used instead."""
        current = preferences(context)
        column = self.layout.column()
        for name, value in (
            ("takes_folder", current.takes),
            ("backend_python", current.backend_python),
            ("data_folder", current.data),
        ):
            column.prop(self, name)
            if not getattr(self, name):
                column.label(text=str(value), icon="BLANK1")


def register() -> None:
    """Register the preferences."""
    bpy.utils.register_class(DepthshotPreferences)


def unregister() -> None:
    """Unregister the preferences."""
    bpy.utils.unregister_class(DepthshotPreferences)
