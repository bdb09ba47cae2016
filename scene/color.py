"""View transforms: how a finished picture is shown again without being transformed twice.

A take's frames already carry the view transform of the scene they come from. Where they are shown
through a view transform again, their input colour space has to be that transform's inverse
(tests/blender/test_color.py holds how near that comes).
A look, exposure, gamma, curves, white balance or another display come on top of the transform and
have no inverse here.

Scene-linear frames (`scene.linear`) have been through that inverse already. They are read as what
they are, and look as they were made under the view whose inverse it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import bpy
from bpy.types import Scene

from ..backend.take import Take
from .compat import drop_white_balance, has_white_balance, output_display, overrides_color

PLAIN = "sRGB"
LINEAR = "Linear Rec.709"
# View transform -> the input colour space that undoes it on an sRGB display.
INVERSES = {
    "Standard": PLAIN,
    "Filmic": "Filmic sRGB",
    "AgX": "AgX Base sRGB",
    # From Blender 5.0 on. Khronos PBR Neutral has a colour space too, but it is no inverse:
    # 4 code values off on average.
    "ACES 1.3": "ACES 1.3 sRGB",
    "ACES 2.0": "ACES 2.0 sRGB",
}


@dataclass(frozen=True, slots=True)
class ViewInverse:
    """How a picture has to come in so that a scene shows it as it is.

    Attributes:
        color_space: Input colour space; the nearest there is when something has no inverse.
        obstacles: What the scene's view does that no colour space undoes, in words.
    """

    color_space: str
    obstacles: tuple[str, ...]

    @property
    def exact(self) -> bool:
        """Whether the scene will show the picture as it was made."""
        return not self.obstacles

    @property
    def in_words(self) -> str:
        """The obstacles as "a", "a and b" or "a, b and c"."""
        return in_words(self.obstacles)


def in_words(several: Sequence[str]) -> str:
    """Return "a", "a and b" or "a, b and c"."""
    *others, last = several
    return f"{', '.join(others)} and {last}" if others else last


def view_inverse(scene: Scene) -> ViewInverse:
    """Return what undoes the view of `scene`."""
    view = scene.view_settings
    obstacles = []
    color_space = INVERSES.get(view.view_transform)
    if color_space is None or color_space not in _input_spaces():
        color_space = PLAIN
        obstacles.append(f"the view transform “{view.view_transform}”")
    display = scene.display_settings.display_device
    if display != PLAIN:
        obstacles.append(f"the display “{display}”")
    if view.look != "None":
        obstacles.append(f"the look “{view.look}”")
    if view.exposure != 0:
        obstacles.append(f"an exposure of {view.exposure:g}")
    if view.gamma != 1:
        obstacles.append(f"a gamma of {view.gamma:g}")
    if view.use_curve_mapping:
        obstacles.append("curves")
    if has_white_balance(view):
        obstacles.append("a white balance")
    return ViewInverse(color_space, tuple(obstacles))


def picture_space(scene: Scene, take: Take) -> str:
    """Return the input colour space in which `scene` shows a take's best pictures."""
    return LINEAR if take.is_linear else view_inverse(scene).color_space


def shown_through(scene: Scene, take: Take) -> tuple[str, ...]:
    """Return, in words, what makes a take look in `scene` other than it was made."""
    inverse = view_inverse(scene)
    if not take.is_linear:
        return inverse.obstacles
    view = scene.view_settings.view_transform
    transform = f"the view transform “{view}”"
    others = tuple(each for each in inverse.obstacles if each != transform)
    return others if view == take.view else (transform, *others)


def linear_obstacle(scene: Scene) -> str | None:
    """Return why no scene-linear frames can be made of what `scene` shows, None if they can."""
    inverse = view_inverse(scene)
    if LINEAR not in _input_spaces():
        return (
            f"OpenEXR takes are made in the color space “{LINEAR}”, which this Blender's color"
            " configuration does not have; choose the format PNG 16 Bit"
        )
    if not inverse.exact:
        return (
            f"OpenEXR takes need the inverse of the view, and {inverse.in_words} of"
            f" “{scene.name}” cannot be undone; set it back in Render properties > Color"
            " Management and grade the take instead, or choose the format PNG 16 Bit"
        )
    if overrides_color(scene):
        return (
            f"OpenEXR takes need the inverse of the view, but “{scene.name}” renders with color"
            " management of its own; set Output properties > Output > Color Management to Follow"
            " Scene, or choose the format PNG 16 Bit"
        )
    return None


def display_note(scene: Scene) -> str | None:
    """Return what to know about a take of `scene` when its pictures are not made for sRGB."""
    display = output_display(scene)
    if display == PLAIN:
        return None
    return (
        f"“{scene.name}” renders for the display “{display}”, but takes are {PLAIN}, so their"
        f" colours differ from the render's; set Color Management > Display to {PLAIN} and"
        " generate again."
    )


def show_plain(scene: Scene, *, view_transform: str = "Standard") -> None:
    """Make `scene` show pictures through a view transform alone: Standard leaves sRGB as it is."""
    scene.display_settings.display_device = PLAIN
    view = scene.view_settings
    view.view_transform = view_transform
    view.look = "None"
    view.exposure = 0.0
    view.gamma = 1.0
    view.use_curve_mapping = False
    drop_white_balance(view)


def _input_spaces() -> set[str]:
    names = bpy.types.ColorManagedInputColorspaceSettings.bl_rna.properties["name"].enum_items
    return set(names.keys())
