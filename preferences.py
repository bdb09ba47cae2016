"""Add-on preferences, and one typed way to read them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty
from bpy.types import AddonPreferences, Context

from .backend.paths import default_data_dir
from .backend.setup.place import AUTO, environment_python
from .backend.setup.torch_build import AMD, CPU, LABELS, NVIDIA
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
        device: What the backend is installed for, AUTO to find out.
        starts_itself: Whether the backend starts with Blender.
    """

    takes: Path
    backend_python: Path
    data: Path
    device: str = AUTO
    starts_itself: bool = False

    @property
    def own_environment(self) -> bool:
        """Whether the backend runs in the environment that Install makes."""
        return self.backend_python == environment_python(self.data)


def preferences(context: Context) -> Preferences:
    """Return the preferences for the file that is open now."""
    stored = context.preferences.addons[EXTENSION].preferences
    data = _path(stored.data_folder) or default_data_dir()
    return Preferences(
        takes=_path(stored.takes_folder) or _default_takes(data),
        backend_python=_path(stored.backend_python)
        or _path(os.environ.get(PYTHON_VARIABLE, ""))
        or environment_python(data),
        data=data,
        device=stored.device,
        starts_itself=stored.starts_itself,
    )


def _path(text: str) -> Path | None:
    return Path(bpy.path.abspath(text)) if text else None


def _default_takes(data: Path) -> Path:
    if bpy.data.filepath:
        return Path(bpy.data.filepath).parent / "depthshot"
    return data / "takes"


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

    device: EnumProperty(
        name="Device",
        description="What the backend is installed for. Another one asks for Repair",
        items=[
            (AUTO, "Automatic", "What this computer has, as far as its drivers show it"),
            (NVIDIA, LABELS[NVIDIA], "A GPU by NVIDIA, on Linux or Windows"),
            (AMD, LABELS[AMD], "A GPU by AMD, on Linux with ROCm; elsewhere this is the CPU"),
            (CPU, LABELS[CPU], "No GPU: the smallest download"),
        ],
        default=AUTO,
    )
    starts_itself: BoolProperty(
        name="Start by Itself",
        description="Start the backend with Blender and keep it, so that the first take does not"
        " wait for it. Without this it starts when a take needs it, and ends a while after",
        default=False,
    )

    def draw(self, context: Context) -> None:
        """Draw the page."""
        from .panels import backend_page, folders_page  # panels read the preferences

        backend_page.draw(self, context)
        folders_page.draw(self, context)


def register() -> None:
    """Register the preferences."""
    bpy.utils.register_class(DepthshotPreferences)


def unregister() -> None:
    """Unregister the preferences."""
    bpy.utils.unregister_class(DepthshotPreferences)
