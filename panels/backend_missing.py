"""The panel of the tab that is there as long as there is no backend: it leads to Install."""

from __future__ import annotations

from bpy.types import Context, Panel

from ..operators.backend_care import Chore, care
from ..operators.backend_state import why_no_backend
from ..preferences import preferences
from .chore import draw_chore
from .tab import Tab
from .text import paragraph


class DEPTHSHOT_PT_backend_missing(Tab, Panel):
    """Why nothing can be generated yet, and how far an installation is."""

    bl_label = "Backend"
    bl_space_type = "VIEW_3D"

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Shown while there is no backend, or something is done about it."""
        if preferences(context).elsewhere is not None:
            return False
        return _chore() is not None or why_no_backend(context) is not None

    def draw(self, context: Context) -> None:
        """Draw the panel."""
        column = self.column()
        chore = _chore()
        if chore is None:
            paragraph(column, context, f"{why_no_backend(context)}.", icon="INFO")
        else:
            draw_chore(column, context, chore)
        if care.failed and not care.model:
            paragraph(column, context, care.message, icon="ERROR")
        column.operator("depthshot.backend_settings", icon="PREFERENCES")


def _chore() -> Chore | None:
    """Return what is being done; a model's weights are the model's panel's to show."""
    return None if care.model else care.chore


CLASSES = (DEPTHSHOT_PT_backend_missing,)
