"""What an artist sets (on the Scene, saved in the .blend) and what is happening (WindowManager).

The settings of each model are drawn from its card: `ModelSettings` has one group for each card,
made when the extension registers. Annotations are evaluated as they stand (no
`from __future__ import annotations`): Blender reads a group's properties from them.
"""

import re
import zlib
from collections.abc import Mapping

import bpy
from bpy.props import (
    BoolProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)
from bpy.types import PropertyGroup

from .backend.formats import EXR, PNG8, PNG16
from .backend.models import cards
from .backend.models.card import Card, Setting, Value
from .scene.compat import RELATIVE_PATH
from .scene.targets import TARGETS

LARGEST_SEED = 2**31 - 1
LARGEST_FRAME = 1_048_574


def card_attribute(card: Card) -> str:
    """Return the name of the card's group in `ModelSettings`."""
    return re.sub(r"\W", "_", card.id)


def setting_values(settings: "DepthshotSettings", card: Card) -> dict[str, Value]:
    """Return the artist's value for every setting of `card`."""
    group = getattr(settings.models, card_attribute(card))
    return {setting.name: getattr(group, setting.name) for setting in card.settings}


def number(identifier: str) -> int:
    """Return the number that stands for a menu's choice in .blend files.

    It depends on the name alone, so it keeps its meaning in old files when choices are added.
    """
    return zlib.crc32(identifier.encode()) & 0x7FFFFFFF


def target_items() -> list[tuple[str, str, str, int]]:
    """Return the targets as the choices of a menu."""
    return [(target.ID, target.LABEL, target.HELP, number(target.ID)) for target in TARGETS]


def _property(setting: Setting) -> object:
    common = {"name": setting.label, "description": setting.help.rstrip("."), "options": set()}
    if isinstance(setting.default, bool):
        return BoolProperty(default=setting.default, **common)
    if isinstance(setting.default, str):
        items = [(choice, choice, "", number(choice)) for choice in setting.choices]
        return EnumProperty(items=items, default=setting.default, **common)
    kind = IntProperty if isinstance(setting.default, int) else FloatProperty
    limit = float(2**31 - 1) if kind is IntProperty else 3e38
    low, high = max(setting.least, -limit), min(setting.most, limit)
    if kind is IntProperty:
        low, high = int(low), int(high)
    return kind(default=setting.default, min=low, max=high, **common)


def _card_group(card: Card) -> type[PropertyGroup]:
    return type(
        f"DepthshotModel_{card_attribute(card)}",
        (PropertyGroup,),
        {
            "__doc__": f"Settings of the model {card.label}",
            "__annotations__": {setting.name: _property(setting) for setting in card.settings},
        },
    )


def _models_group(groups: Mapping[str, type[PropertyGroup]]) -> type[PropertyGroup]:
    return type(
        "DepthshotModels",
        (PropertyGroup,),
        {
            "__doc__": "The settings of every model, each under its own name",
            "__annotations__": {
                name: PointerProperty(type=group, name=name, description=group.__doc__)
                for name, group in groups.items()
            },
        },
    )


class DepthshotSettings(PropertyGroup):
    """What an artist sets for a shot; saved with the scene."""

    still_source: EnumProperty(
        name="Still",
        description="Where the picture comes from that the video starts with",
        items=[
            ("RENDER", "Render", "Render it with this scene's own engine and settings"),
            ("IMAGE", "Image", "Take an image file that shows the same view of the scene"),
        ],
        default="RENDER",
        options=set(),
    )
    still_image: StringProperty(
        name="Image",
        description="PNG, JPEG, TIFF or WebP file of what the camera sees at the still's frame",
        subtype="FILE_PATH",
        options=RELATIVE_PATH,
    )
    still_choice: EnumProperty(
        name="At",
        description="The frame of the shot that the still shows",
        items=[
            ("FIRST", "First Frame", "The first frame of the shot"),
            ("CURRENT", "Current Frame", "The frame that the playhead is on"),
            ("CHOSEN", "Chosen Frame", "A frame given by its number"),
        ],
        default="FIRST",
        options=set(),
    )
    still_frame: IntProperty(
        name="Frame",
        description="Number of the frame that the still shows",
        default=1,
        min=-LARGEST_FRAME,
        max=LARGEST_FRAME,
        options=set(),
    )
    supersample: BoolProperty(
        name="Sharper Still",
        description="Render the still at twice the resolution: a sharper take, four times the"
        " time for this one frame",
        default=False,
        options=set(),
    )
    range_source: EnumProperty(
        name="Frames",
        description="Which frames the take has",
        items=[
            ("SCENE", "Scene Range", "From the scene's first frame to its last"),
            ("OWN", "Own Range", "From and to the frames given here"),
        ],
        default="SCENE",
        options=set(),
    )
    frame_start: IntProperty(
        name="First",
        description="First frame of the take",
        default=1,
        min=-LARGEST_FRAME,
        max=LARGEST_FRAME,
        options=set(),
    )
    frame_end: IntProperty(
        name="Last",
        description="Last frame of the take",
        default=48,
        min=-LARGEST_FRAME,
        max=LARGEST_FRAME,
        options=set(),
    )
    prompt: StringProperty(
        name="Prompt",
        description="What the video shows, in words: the place, materials, light, weather, mood. A"
        " few plain sentences say more to the model than a list",
        options=set(),
    )
    negative_prompt: StringProperty(
        name="Avoid",
        description="What the video should not show, in words, such as: blurred, text, people",
        options=set(),
    )
    free: PointerProperty(
        name="Free to Move",
        description="What is in this collection may move, such as water, leaves or people: the"
        " model makes it anew also where the still shows it. All else is kept as far as Lock to the"
        " still says",
        type=bpy.types.Collection,
        options=set(),
    )
    seed: IntProperty(
        name="Seed",
        description="Another number gives another take, the same number the same one",
        default=0,
        min=0,
        max=LARGEST_SEED,
        options=set(),
    )
    target: EnumProperty(
        name="As",
        description="What the take becomes in this file",
        items=target_items(),
        default=TARGETS[0].ID,
        options=set(),
    )
    format: EnumProperty(
        name="Format",
        description="What the take's frames are written as",
        items=[
            (PNG8, "PNG 8 Bit", "Small files, exact where a still of 8 bits shows the scene"),
            (
                PNG16,
                "PNG 16 Bit",
                "The same colors less coarsely: no bands when they are graded. About four times"
                " the size",
            ),
            (
                EXR,
                "OpenEXR Half",
                "PNG 16 Bit and beside it scene-linear OpenEXR, by the inverse of this scene's view"
                " transform (Standard, Filmic, AgX, ACES), for grading like a render",
            ),
        ],
        default=PNG8,
        options=set(),
    )
    landing: EnumProperty(
        name="Lands In",
        description="The scene whose sequencer gets the take",
        items=[
            (
                "AUTO",
                "Where It Is Safe",
                "This scene if its sequencer already makes its picture, else a separate edit"
                " scene, so that rendering this scene stays as it is",
            ),
            ("EDIT", "Edit Scene", "A separate scene with this scene's name and “edit”"),
            (
                "SCENE",
                "This Scene",
                "This scene's own sequencer. Rendering this scene then gives the take in place of"
                " the 3D picture",
            ),
        ],
        default="AUTO",
        options=set(),
    )

    last_landing: StringProperty(
        name="Last Landing",
        description="The name of the last landing of a take in this scene; undo takes it back",
        options={"HIDDEN"},
    )
    strips_shot: PointerProperty(
        name="Shot",
        description="The scene whose shot this scene's strips are for. Empty: the scene of the"
        " strip's take, this scene if it has a camera, or the only one that has",
        type=bpy.types.Scene,
    )

    @property
    def frames(self) -> range:
        """The frames of the take; empty when the last one lies before the first."""
        source = self if self.range_source == "OWN" else self.id_data
        return range(source.frame_start, source.frame_end + 1)


class DepthshotStatus(PropertyGroup):
    """What is happening, for panels to draw; decides nothing.

    Blender saves it with a file, so it can be of another session: whether a generation runs is
    the runner's to say.
    """

    phase: StringProperty(name="Phase", description="What is being done right now")
    progress: FloatProperty(
        name="Progress",
        description="How much of the whole work is done",
        min=0.0,
        max=1.0,
        subtype="FACTOR",
    )
    chore: FloatProperty(
        name="Done",
        description="How much of what is done about the backend is done",
        min=0.0,
        max=100.0,
        precision=0,
        subtype="PERCENTAGE",
        options={"SKIP_SAVE"},
    )
    held_up: FloatProperty(
        name="Held Up",
        description="Seconds that Blender waited while a copy of the file was saved",
        min=0.0,
    )
    time_left: StringProperty(name="Time Left", description="How long the rest will probably take")
    message: StringProperty(
        name="Message", description="How the last generation ended, or what it is waiting for"
    )
    failed: BoolProperty(name="Failed", description="The last generation ended in an error")
    warnings: StringProperty(
        name="Warnings", description="What to know about the last take, one sentence a line"
    )
    generated: FloatProperty(
        name="Generated",
        description="Share of the last take's pixels that no still shows",
        min=0.0,
        max=1.0,
        subtype="FACTOR",
    )
    scene: StringProperty(name="Scene", description="The scene that the last take lies in")
    landing: StringProperty(
        name="Landing",
        description="The name of the last take's landing, to know whether it was undone",
    )
    earlier_landing: StringProperty(
        name="Earlier Landing",
        description="The last landing there was when the last generation began, whose message is"
        " therefore not about it",
    )
    job: StringProperty(name="Job", description="The backend's name for the job")
    take: StringProperty(
        name="Last Take", description="Folder of the last take", subtype="DIR_PATH"
    )
    known: StringProperty(
        name="Known",
        description="What tells the last take from others, to know it again when it was moved",
    )


_classes: list[type[PropertyGroup]] = []


def register() -> None:
    """Register the groups, those of the models' cards among them, and put them in place."""
    known = cards()
    groups = {card_attribute(card): _card_group(card) for card in known}
    models = _models_group(groups)
    # A group's annotations are read when it is registered, so what depends on the cards is
    # added just before.
    DepthshotSettings.__annotations__["model"] = EnumProperty(
        name="Model",
        description="What makes the frames",
        items=[(card.id, card.label, card.summary.rstrip("."), number(card.id)) for card in known],
        default=known[0].id,
        options=set(),
    )
    DepthshotSettings.__annotations__["models"] = PointerProperty(
        type=models, name="Models", description=models.__doc__
    )
    _classes[:] = [*groups.values(), models, DepthshotSettings, DepthshotStatus]
    for cls in _classes:
        bpy.utils.register_class(cls)
    bpy.types.Scene.depthshot = PointerProperty(
        type=DepthshotSettings, name="Depthshot", description="Settings of Depthshot for this scene"
    )
    bpy.types.WindowManager.depthshot = PointerProperty(
        type=DepthshotStatus, name="Depthshot", description="What Depthshot is doing"
    )


def unregister() -> None:
    """Remove what `register` added."""
    del bpy.types.WindowManager.depthshot
    del bpy.types.Scene.depthshot
    for cls in reversed(_classes):
        bpy.utils.unregister_class(cls)
    _classes.clear()
