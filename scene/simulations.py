"""Which things are simulated: their state is not in the scene but in caches.

Runs in the second Blender: bpy and the standard library alone.
"""

from __future__ import annotations

from collections.abc import Iterable

import bpy

_SIMULATED = {"CLOTH", "SOFT_BODY", "DYNAMIC_PAINT", "FLUID"}


def simulated(objects: Iterable[bpy.types.Object], scenes: Iterable[bpy.types.Scene]) -> list[str]:
    """Return the names of those objects that a simulation moves or shapes, sorted.

    Args:
        objects: looked at for modifiers and particles.
        scenes: looked at for rigid bodies.
    """
    names = {thing.name for thing in objects if _is_simulated(thing)}
    for scene in scenes:
        world = scene.rigidbody_world
        if world is not None and world.collection is not None:
            names |= {thing.name for thing in world.collection.objects}
    return sorted(names)


def shown_objects(scene: bpy.types.Scene) -> set[bpy.types.Object]:
    """Return all objects that the scene uses in any way, as those of collection instances."""
    uses: dict[bpy.types.ID, list[bpy.types.ID]] = {}
    there = {each: set(each.objects) for each in bpy.data.scenes}
    for used, users in bpy.data.user_map().items():
        for user in users:
            # Since Blender 5.2 a scene's layers use what was unlinked for a while.
            direct = user in there and isinstance(used, bpy.types.Object)
            if not direct or used in there[user]:
                uses.setdefault(user, []).append(used)
    met, waiting = {scene}, [scene]
    while waiting:
        for used in uses.get(waiting.pop(), ()):
            if used not in met:
                met.add(used)
                waiting.append(used)
    return {block for block in met if isinstance(block, bpy.types.Object)}


def _is_simulated(thing: bpy.types.Object) -> bool:
    particles = any(
        system.settings.type == "EMITTER" or system.use_hair_dynamics
        for system in thing.particle_systems
    )
    return particles or any(
        modifier.type in _SIMULATED or (modifier.type == "NODES" and len(modifier.bakes) > 0)
        for modifier in thing.modifiers
    )
