"""Where a take can land in Blender: one module a target.

A target module has `ID`, `LABEL` and `HELP` for menus, and
`land(scene, folder, take, *, place) -> Landed`, which changes Blender's data and pushes no undo
step: who calls it pushes one for all of it.
"""

from __future__ import annotations

from types import ModuleType

from . import strip

TARGETS = (strip,)


def find_target(identifier: str) -> ModuleType:
    """Return the target with the id `identifier`."""
    return {target.ID: target for target in TARGETS}[identifier]
