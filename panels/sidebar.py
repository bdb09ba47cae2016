"""The tab "Depthshot" in the sidebar of the 3D viewport."""

from __future__ import annotations

from bpy.types import Context, Panel

from ..backend.models import cards
from ..properties import card_attribute


class _Tab:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Depthshot"


class DEPTHSHOT_PT_shot(_Tab, Panel):
    """What to make: the still, the frames, the model, the words."""

    bl_label = "Shot"

    def draw(self, context: Context) -> None:
        """Draw the settings of the scene."""
        settings = context.scene.depthshot
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(settings, "model")
        for card in cards():
            if card.id == settings.model:
                group = getattr(settings.models, card_attribute(card))
                for setting in card.settings:
                    layout.prop(group, setting.name)


CLASSES = (DEPTHSHOT_PT_shot,)
