"""What the panel "Model" shows of the chosen model: its weights, the words, its settings."""

from __future__ import annotations

from collections.abc import Iterable

from bpy.types import Context, Panel, UILayout

from ..backend.models import find_card, folders, hub, removal
from ..backend.models.card import Card, Setting
from ..backend.models.weights import needed, variable
from ..operators.backend_care import care
from ..operators.backend_state import why_offline
from ..operators.model_download import ELSEWHERE, gigabytes
from ..operators.model_weights import Weights, Whose, shelf
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
    Whose.CHOSEN: "Installed, in the folder that you chose: {folder}",
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
        there = f"`models pull {card.id}`, or choose a folder there: `models use {card.id} FOLDER`"
        paragraph(layout, context, f"{ELSEWHERE}: {there}", icon="INFO")
        _offer_folder(layout, card)  # grey, and it says why
        return
    chore = care.chore
    if chore is not None and chore.model == card.id:
        draw_chore(layout, context, chore)
        if chore.progress is not None:
            layout.operator("depthshot.backend_cancel", icon="X")
        return
    weights = shelf.look(card, stored.data)
    unknown, missing = weights.whose is Whose.UNKNOWN, weights.whose is Whose.NOBODY
    named = bool(folders.named(card))  # a folder of theirs is not ours to complete
    kept = removal.is_kept(hub.home(stored.data), card)
    if unknown:
        paragraph(layout, context, f"{name}{weights.trouble}", icon="TIME")
    elif not missing:
        text = _HERE[weights.whose].format(
            size=gigabytes(card), variable=variable(card.id), folder=weights.chosen
        )
        paragraph(layout, context, f"{name}{text}", icon="CHECKMARK")
    elif weights.own or not card.revision:
        icon = "ERROR" if weights.own else "INFO"
        paragraph(layout, context, f"{name}{weights.trouble}", icon=icon)
    else:
        text = f"{name}{gigabytes(card)} to download, {card.licence}"
        paragraph(layout, context, f"{text}; a part has arrived" if kept else text, icon="INFO")
    if care.model == card.id and care.message and not (care.failed and not missing):
        paragraph(layout, context, care.message, icon="ERROR" if care.failed else "INFO")
    if not named:
        _offer(layout, context, card, weights, kept=kept)
    else:
        _offer_besides(layout, context, card, weights, kept=kept and not missing)
    layout.separator()


def _offer(layout: UILayout, context: Context, card: Card, weights: Weights, *, kept: bool) -> None:
    """Draw the buttons that get weights or do away with them; of theirs none is removed."""
    missing = weights.whose is Whose.NOBODY
    downloads = missing and bool(card.revision) and not weights.own
    offline = why_offline()
    if downloads and offline is not None:
        paragraph(layout, context, f"{offline}.", icon="INTERNET_OFFLINE")
    row = layout.row(align=True)
    if downloads:
        row.operator("depthshot.download_weights", text="Download…", icon="IMPORT").model = card.id
    elif missing and not weights.own:
        row.operator("depthshot.copy_command", icon="COPYDOWN").model = card.id
    if missing or weights.whose is Whose.UNKNOWN:  # the way out of a disk that does not answer
        _offer_folder(row, card)
    if weights.own:  # a list that is damaged is got out of in the same way
        _offer_to_let_go(row, card)
    if kept:
        _offer_removal(row, card)


def _offer_besides(
    layout: UILayout, context: Context, card: Card, weights: Weights, *, kept: bool
) -> None:
    """Draw what can be done where a variable names the weights."""
    if weights.chosen is not None:
        text = f"Also chosen, not used while {variable(card.id)} is set: {weights.chosen}"
        paragraph(layout, context, text, icon="INFO")
    row = layout.row(align=True)
    if weights.chosen is not None:
        _offer_to_let_go(row, card)
    if kept:
        _offer_removal(row, card)


def _offer_folder(layout: UILayout, card: Card) -> None:
    chooser = layout.operator("depthshot.use_folder", text="Use a Folder…", icon="FILE_FOLDER")
    chooser.model = card.id


def _offer_to_let_go(layout: UILayout, card: Card) -> None:
    layout.operator("depthshot.let_go_of_folder", icon="X").model = card.id


def _offer_removal(layout: UILayout, card: Card) -> None:
    layout.operator("depthshot.remove_weights", icon="TRASH").model = card.id


CLASSES = (DEPTHSHOT_PT_advanced,)
