"""A take as a texture: an image sequence in a material of its own, for the artist to use."""

from __future__ import annotations

from pathlib import Path

from bpy.types import Context, Scene

from ...backend.take import Take
from .landed import Landed
from .material import new_material, picture_notes

ID = "TEXTURE"
LABEL = "Texture"
HELP = (
    "An image sequence at the shot's own frames in a new material, which is kept in the file but"
    " assigned to nothing"
)


def why_not(context: Context) -> str | None:
    """Return why there can be no texture now: there always can."""
    return None


def land(scene: Scene, folder: Path, take: Take, *, place: str = "") -> Landed:
    """Make an Emission material with the take in `folder`; nothing that is there is changed.

    Raises:
        TakeError: a frame of the take is missing; nothing was changed.
        TargetError: Blender cannot count the take's frames; nothing was changed.
    """
    made = new_material(scene, folder, take)
    # Nothing uses them yet, and what has no user is not saved.
    made.material.use_fake_user = True
    made.texture.image.use_fake_user = True
    return Landed(
        scene=scene.name,
        where=f"material “{made.material.name}”",
        notes=(
            f"Nothing wears the material “{made.material.name}” yet; give it to an object under"
            " Material properties.",
            *picture_notes(scene, take),
        ),
    )
