"""Where a take can land in Blender: one module a target.

A target module has `ID`, `LABEL` and `HELP` for menus, and

    why_not(context) -> str | None                   why nothing can land there now, None if it can
    land(scene, folder, take, *, place) -> Landed    puts the take there

`land` changes Blender's data and pushes no undo step: who calls it pushes one for all of it. Its
`scene` is the shot's; `place` is what the artist chose beside the target, read by few of them.
"""

from __future__ import annotations

from types import ModuleType

from bpy.types import Context

from ...backend.errors import TargetError
from . import background, compositor, plane, projected, strip, texture

TARGETS = (strip, texture, plane, projected, background, compositor)


def find_target(identifier: str) -> ModuleType:
    """Return the target with the id `identifier`.

    Raises:
        TargetError: there is none, as when another version of Depthshot has noted it.
    """
    for target in TARGETS:
        if identifier == target.ID:
            return target
    raise TargetError(
        f"This version of Depthshot cannot place a take as “{identifier}”; choose another way under"
        " Take > As, or place the take that is there with a button of Last Take."
    )


def chosen_place(identifier: str, context: Context) -> str:
    """Return what decides beside the target where a take lands, as `land` is told it."""
    if identifier == strip.ID:
        return context.scene.depthshot.landing
    if identifier == projected.ID:
        return projected.selected(context)
    return ""
