"""What the chosen model would cost on this machine, below its name."""

from __future__ import annotations

from bpy.types import Context, Panel

from ..backend.models import find_card
from ..operators.model_cost import costs
from ..operators.runner import runner
from ..preferences import preferences
from ..properties import setting_values
from ..scene.camera import picture_size
from .tab import Tab, shot_scene
from .text import paragraph


class DEPTHSHOT_PT_cost(Tab, Panel):
    """Whether a large model fits, and about how long it takes."""

    bl_label = "What It Needs"
    bl_space_type = "VIEW_3D"
    bl_parent_id = "DEPTHSHOT_PT_model"
    bl_options = {"HIDE_HEADER"}

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Shown for a large model on this machine, once what it needs is known."""
        return not runner.running and bool(_sentence(context))

    def draw(self, context: Context) -> None:
        """Draw the panel."""
        sentence = _sentence(context)
        icon = "ERROR" if sentence.startswith("Does not fit") else "INFO"
        paragraph(self.column(), context, sentence, icon=icon)


def _sentence(context: Context) -> str:
    scene, stored = shot_scene(context), preferences(context)
    settings = scene.depthshot
    card = find_card(settings.model)
    frames = len(settings.frames)
    if card.hub is None or stored.elsewhere is not None or not frames:
        return ""
    return costs.told(
        stored,
        card,
        size=picture_size(scene.render),
        frames=frames,
        settings=setting_values(settings, card),
    )


CLASSES = (DEPTHSHOT_PT_cost,)
