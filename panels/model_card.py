"""What the panel "Model" shows of the chosen model: its weights, the words, its settings."""

from __future__ import annotations

import os
from collections.abc import Iterable

from bpy.types import Context, Panel, UILayout

from ..backend.models import find_card, hub, removal
from ..backend.models.card import Card, Setting
from ..backend.models.weights import needed, variable
from ..operators.backend_care import care
from ..operators.backend_state import why_offline
from ..operators.model_download import ELSEWHERE, gigabytes
from ..operators.model_weights import Whose, shelf
from ..operators.runner import runner
from ..preferences import preferences
from ..properties import DepthshotSettings, card_attribute, setting_values
from ..scene.guides import LOCK
from .chore import draw_chore
from .tab import Tab, shot_scene
from .text import letters, paragraph

_LINES = 6  # of words below their field
_HERE = {
    Whose.OURS: "Installed, {size}",
    Whose.USERS: "Installed, {size}, in your own cache of the hub",
    Whose.NAMED: "Installed where {variable} says",
}


def draw_card(layout: UILayout, context: Context, card: Card) -> None:
    """Draw what the card's model needs and can be told, but for its advanced settings."""
    settings = shot_scene(context).depthshot
    for each in needed(card, setting_values(settings, card)):
        _draw_weights(layout, context, each, name="" if each is card else f"{each.label}: ")
    if card.takes_prompt:
        _draw_words(layout, context, settings)
    _draw_settings(layout, settings, card, (each for each in card.settings if not each.advanced))
    if LOCK.name in card.guides:
        layout.prop(settings, "free")
    layout.separator()
    if card.takes_seed:
        layout.prop(settings, "seed")


class DEPTHSHOT_PT_advanced(Tab, Panel):
    """The settings of the model that are seldom set."""

    bl_label = "Advanced"
    bl_space_type = "VIEW_3D"
    bl_parent_id = "DEPTHSHOT_PT_model"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Shown for a model that has such settings."""
        card = find_card(shot_scene(context).depthshot.model)
        return any(setting.advanced for setting in card.settings)

    def draw(self, context: Context) -> None:
        """Draw the panel."""
        settings = shot_scene(context).depthshot
        card = find_card(settings.model)
        column = self.column()
        column.active = not runner.running
        _draw_settings(column, settings, card, (each for each in card.settings if each.advanced))


def _draw_settings(
    layout: UILayout, settings: DepthshotSettings, card: Card, shown: Iterable[Setting]
) -> None:
    """Draw settings of the card; what has no effect now is grey."""
    group = getattr(settings.models, card_attribute(card))
    for setting in shown:
        row = layout.column()
        row.active = not (setting.unless and getattr(group, setting.unless))
        row.prop(group, setting.name)


def _draw_words(layout: UILayout, context: Context, settings: DepthshotSettings) -> None:
    """Draw the words over the whole width; below a field all of what it has no room to show."""
    for name in ("prompt", "negative_prompt"):
        column = layout.column(align=True)
        column.use_property_split = False
        column.label(text=settings.bl_rna.properties[name].name)
        column.prop(settings, name, text="")
        words = getattr(settings, name)
        if len(words) > letters(context):
            paragraph(column, context, words, most=_LINES)
    layout.separator()


def _draw_weights(layout: UILayout, context: Context, card: Card, *, name: str) -> None:
    """Draw whether the weights are here, behind a name, and what can be done about that."""
    stored = preferences(context)
    if stored.elsewhere is not None:
        paragraph(layout, context, f"{ELSEWHERE}: `models pull {card.id}`", icon="INFO")
        return
    chore = care.chore
    if chore is not None and chore.model == card.id:
        draw_chore(layout, context, chore)
        if chore.progress is not None:
            layout.operator("depthshot.backend_cancel", icon="X")
        return
    weights = shelf.look(card, stored.data)
    here = weights.whose
    named = bool(os.environ.get(variable(card.id)))  # a folder of theirs is not ours to complete
    if here is Whose.NOBODY and (named or not card.revision):
        icon = "ERROR" if named else "INFO"
        paragraph(layout, context, f"{name}{weights.trouble}", icon=icon)
        if not named:
            layout.operator("depthshot.copy_command", icon="COPYDOWN").model = card.id
        return
    kept = removal.is_kept(hub.home(stored.data), card)
    if here is Whose.NOBODY:
        text = f"{name}{gigabytes(card)} to download, {card.licence}"
        paragraph(layout, context, f"{text}; a part has arrived" if kept else text, icon="INFO")
    else:
        text = _HERE[here].format(size=gigabytes(card), variable=variable(card.id))
        paragraph(layout, context, f"{name}{text}", icon="CHECKMARK")
    if care.model == card.id and care.message and not (care.failed and here is not Whose.NOBODY):
        paragraph(layout, context, care.message, icon="ERROR" if care.failed else "INFO")
    row = layout.row(align=True)
    if here is Whose.NOBODY:
        offline = why_offline()
        if offline is not None:
            paragraph(layout, context, f"{offline}.", icon="INTERNET_OFFLINE")
        row.operator("depthshot.download_weights", text="Download…", icon="IMPORT").model = card.id
    if kept:
        row.operator("depthshot.remove_weights", icon="TRASH").model = card.id
    layout.separator()


CLASSES = (DEPTHSHOT_PT_advanced,)
