"""Whose sequencer gets a take: the shot's own scene or a separate one for the edit.

One strip is enough to make Blender render a scene's sequencer in place of its 3D picture, F12 and
later stills included. A take therefore stays out of the shot's own scene, unless that scene is an
edit already or the artist asked for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import bpy
from bpy.types import Scene

from ...backend.take import Take
from ..color import in_words, show_plain, shown_through
from ..compat import strips

Place = Literal["AUTO", "EDIT", "SCENE"]

_SUFFIX = " edit"
# Property of an edit scene: the shot's scene, whatever that is called later; its name where an
# older version made it. A scene without it is the artist's own, whatever its name is.
_MARK = "depthshot_edit_of"
# Of one for scene-linear takes: the view transform that these are made for.
_VIEW = "depthshot_edit_view"


@dataclass(frozen=True, slots=True)
class Choice:
    """The scene that was chosen.

    Attributes:
        scene: It.
        notes: What the artist should know about it, a sentence each.
        aside: What is as it should be and said all the same, to end a sentence; "" for nothing.
    """

    scene: Scene
    notes: tuple[str, ...] = ()
    aside: str = ""


def choose_scene(shot_scene: Scene, take: Take, *, place: Place) -> Choice:
    """Return the scene whose sequencer gets the take; an edit scene is made if there is none."""
    if place == "SCENE" and shot_scene.library is None:
        if renders_strips(shot_scene):
            return Choice(shot_scene)
        note = f"Rendering “{shot_scene.name}” now gives its strips in place of the 3D picture."
        return Choice(shot_scene, (note,))
    others = shown_through(shot_scene, take)
    usable = place == "AUTO" and shot_scene.library is None and renders_strips(shot_scene)
    if usable and not others:
        return Choice(shot_scene)
    edit = _find_edit_scene(shot_scene, take)
    if edit is None:
        edit = _new_edit_scene(shot_scene, take)
    else:
        _extend(edit, take)
    if usable:
        reason = f"“{shot_scene.name}” shows pictures through {in_words(others)}"
        return Choice(edit, (f"The take lies in the scene “{edit.name}”: {reason}.",))
    return Choice(edit, aside=f"; rendering “{shot_scene.name}” stays as it is")


def edited_shot(scene: Scene) -> Scene | None:
    """Return the scene whose shot an edit scene is for; None for any other scene."""
    shot = scene.get(_MARK)
    return bpy.data.scenes.get(shot) if isinstance(shot, str) else shot


def edit_scene_name(scene: Scene) -> str:
    """Return the name of a new edit scene for `scene`; Blender adds a number to one in use."""
    # A name has a largest length in bytes, with the zero at its end.
    most = bpy.types.ID.bl_rna.properties["name"].length_max - 1 - len(_SUFFIX)
    return scene.name.encode()[:most].decode(errors="ignore") + _SUFFIX


def renders_strips(scene: Scene) -> bool:
    """Return whether Blender renders the scene's strips in place of its 3D picture."""
    editor = scene.sequence_editor
    if editor is None or not scene.render.use_sequencer:
        return False
    return any(
        strip.type != "SOUND" and not strip.mute and not editor.channels[strip.channel].mute
        for strip in strips(editor)
    )


def _find_edit_scene(shot_scene: Scene, take: Take) -> Scene | None:
    """Return the edit scene that shows the take as it was made, None if there is none."""
    for scene in bpy.data.scenes:
        # What is changed in a linked scene is lost when the file is opened again.
        ours = scene.library is None and edited_shot(scene) == shot_scene
        ours = ours and scene.get(_VIEW, "") == take.view
        if ours and (scene.render.resolution_x, scene.render.resolution_y) == take.size:
            return scene
    return None


def _extend(edit: Scene, take: Take) -> None:
    """Make an edit scene play all frames of the take too."""
    edit.frame_start = min(edit.frame_start, take.frame_start)
    edit.frame_end = max(edit.frame_end, take.frame_start + take.frames - 1)


def _new_edit_scene(shot_scene: Scene, take: Take) -> Scene:
    edit = bpy.data.scenes.new(edit_scene_name(shot_scene))
    edit[_MARK] = shot_scene
    render = edit.render
    render.resolution_x, render.resolution_y = take.size
    render.resolution_percentage = 100
    render.pixel_aspect_x = shot_scene.render.pixel_aspect_x
    render.pixel_aspect_y = shot_scene.render.pixel_aspect_y
    render.fps = max(1, round(take.fps))
    render.fps_base = render.fps / take.fps
    # Blender keeps first <= last at each assignment.
    edit.frame_end = take.frame_start + take.frames - 1
    edit.frame_start = take.frame_start
    edit.frame_set(take.frame_start)
    show_plain(edit)
    if take.is_linear:
        edit[_VIEW] = take.view
        show_plain(edit, view_transform=take.view)
    return edit
