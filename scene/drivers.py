"""Scripted drivers: which there are, and which of them Blender could not evaluate.

Runs in the artist's Blender and in the second one, so it needs bpy and the standard library alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import bpy

from . import compat


def broken_drivers() -> dict[str, str]:
    """Return what each scripted driver that failed drives, and its expression.

    A driver that Blender was not allowed to run has failed as well.
    """
    return {
        _target(owner, curve): curve.driver.expression
        for owner in _animated()
        for curve in owner.animation_data.drivers
        if curve.driver.type == "SCRIPTED" and not curve.driver.is_valid
    }


def scripted_drivers() -> list[tuple[str, str]]:
    """Return what each driver drives that needs the full Python, and its expression."""
    return [
        (_target(owner, curve), curve.driver.expression)
        for owner in _animated()
        for curve in owner.animation_data.drivers
        if curve.driver.type == "SCRIPTED" and not curve.driver.is_simple_expression
    ]


def _animated() -> Iterator[bpy.types.ID]:
    for kind in bpy.data.bl_rna.properties:
        if kind.type != "COLLECTION":
            continue
        for block in getattr(bpy.data, kind.identifier):
            for owner in (block, compat.embedded_tree(block)):
                if getattr(owner, "animation_data", None) is not None:
                    yield owner


def _target(owner: bpy.types.ID, curve: bpy.types.FCurve) -> str:
    kind = owner.bl_rna.name
    return f"{kind} '{owner.name}' {curve.data_path}[{curve.array_index}]"
