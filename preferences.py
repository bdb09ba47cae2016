"""Add-on preferences, and one typed way to read them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty
from bpy.types import AddonPreferences, Context

from .backend.paths import default_data_dir, full_path
from .backend.setup.place import AUTO, environment_python
from .backend.setup.torch_build import AMD, CPU, LABELS, NVIDIA
from .scene.compat import RELATIVE_PATH

# This file lies in the extension's root, so this is the extension's id ("bl_ext.….depthshot").
EXTENSION = __package__
PYTHON_VARIABLE = "DEPTHSHOT_BACKEND_PYTHON"
_PATHS = ("takes_folder", "backend_python", "data_folder")


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A backend on another machine, as the artist has typed it (`backend.remote` reads it)."""

    address: str
    token: str = field(repr=False)
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Preferences:
    """The preferences as the operators use them.

    Attributes:
        takes: Folder that takes are put into.
        backend_python: The Python that runs the backend; it need not exist yet.
        data: Folder of the captures, the job store, the weights and the backend's environment.
        device: What the backend is installed for, AUTO to find out.
        starts_itself: Whether the backend starts with Blender.
        elsewhere: The backend on another machine that is used instead, None for this one's.
        refused: Why a path cannot be used as it is set, by the name of its field; the usual place
            stands for it, so that what is shown can be shown.
    """

    takes: Path
    backend_python: Path
    data: Path
    device: str = AUTO
    starts_itself: bool = False
    elsewhere: Elsewhere | None = None
    refused: Mapping[str, str] = field(default_factory=dict)

    @property
    def own_environment(self) -> bool:
        """Whether the backend runs in the environment that Install makes."""
        return self.backend_python == environment_python(self.data)


def preferences(context: Context) -> Preferences:
    """Return the preferences for the file that is open now."""
    stored = context.preferences.addons[EXTENSION].preferences
    refused = {name: why for name in _PATHS if (why := _why_relative(stored, name))}
    data = _path(stored, "data_folder") or default_data_dir()
    given = os.environ.get(PYTHON_VARIABLE, "")
    return Preferences(
        takes=_path(stored, "takes_folder") or _default_takes(data),
        backend_python=_path(stored, "backend_python")
        or (full_path(given) if given else environment_python(data)),
        data=data,
        device=stored.device,
        starts_itself=stored.starts_itself,
        elsewhere=_elsewhere(stored),
        refused=refused,
    )


def _elsewhere(stored: AddonPreferences) -> Elsewhere | None:
    if not stored.use_elsewhere:
        return None
    return Elsewhere(stored.elsewhere_address, stored.elsewhere_token, stored.elsewhere_fingerprint)


def _path(stored: AddonPreferences, name: str) -> Path | None:
    """Return what is set in a field of `_PATHS`; None where that is nothing, or refused."""
    text = getattr(stored, name)
    if not text or _why_relative(stored, name) is not None:
        return None
    return full_path(bpy.path.abspath(text))


def _why_relative(stored: AddonPreferences, name: str) -> str | None:
    """Return why a path cannot be used: Blender and the server would each look for it elsewhere."""
    text = getattr(stored, name)
    if not text or Path(os.path.expanduser(bpy.path.abspath(text))).is_absolute():  # noqa: PTH111
        return None
    label = stored.bl_rna.properties[name].name
    if text.startswith("//"):
        return (
            f"{label} '{text}' is beside the .blend file, which was never saved; save it, or choose"
            " a full path in Edit > Preferences > Add-ons > Depthshot."
        )
    return (
        f"{label} '{text}' is no full path; choose the folder or file again in Edit > Preferences >"
        " Add-ons > Depthshot."
    )


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

    use_elsewhere: BoolProperty(
        name="Use a Backend on Another Machine",
        description="Send shots to a backend that runs elsewhere, over TLS or through a tunnel",
        default=False,
    )
    elsewhere_address: StringProperty(
        name="Address",
        description="Where the other machine's backend is: https://NAME:8765 with its name and"
        " port, or http://127.0.0.1:8765 for a tunnel to it",
    )
    elsewhere_token: StringProperty(
        name="Token",
        description="What 'python -m backend token' prints on the other machine. Blender keeps it"
        " unencrypted with the other preferences",
        subtype="PASSWORD",
    )
    elsewhere_fingerprint: StringProperty(
        name="Fingerprint",
        description="SHA-256 of the certificate, as the backend prints it when it starts. Empty:"
        " the certificate has to be one that this system trusts",
    )

    def draw(self, context: Context) -> None:
        """Draw the page."""
        from .panels import (  # panels read the preferences
            backend_page,
            elsewhere_page,
            folders_page,
        )

        try:
            elsewhere_page.draw(self, context)
            if not self.use_elsewhere:
                backend_page.draw(self, context)
        finally:  # what these cannot draw may be mended there
            folders_page.draw(self, context)


def register() -> None:
    """Register the preferences."""
    bpy.utils.register_class(DepthshotPreferences)


def unregister() -> None:
    """Unregister the preferences."""
    bpy.utils.unregister_class(DepthshotPreferences)
