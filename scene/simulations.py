"""Which things are simulated: their state is not in the scene but in caches.

Runs in the second Blender: bpy and the standard library alone.
"""

from __future__ import annotations

import bpy

_SIMULATED = {"CLOTH", "SOFT_BODY", "DYNAMIC_PAINT", "FLUID"}


def simulated(scene: bpy.types.Scene) -> list[str]:
    """Return the names of the scene's objects that a simulation moves or shapes, sorted."""
    names = {thing.name for thing in scene.objects if _is_simulated(thing)}
    world = scene.rigidbody_world
    if world is not None and world.collection is not None:
        names |= {thing.name for thing in world.collection.objects}
    return sorted(names)


def _is_simulated(thing: bpy.types.Object) -> bool:
    particles = any(system.settings.type == "EMITTER" for system in thing.particle_systems)
    return particles or any(
        modifier.type in _SIMULATED or (modifier.type == "NODES" and len(modifier.bakes) > 0)
        for modifier in thing.modifiers
    )
