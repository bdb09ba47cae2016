"""What the panels of every tab "Depthshot" share, whichever editor's sidebar it is in."""

from __future__ import annotations

from bpy.types import Context, Scene, UILayout

from ..scene.targets.edit_scene import edited_shot


class Tab:
    """Base of a panel in the sidebar; the editor is the panel's own `bl_space_type`."""

    bl_region_type = "UI"
    bl_category = "Depthshot"

    def column(self) -> UILayout:
        """Return the panel's layout as Blender's own property pages have it."""
        self.layout.use_property_split = True
        self.layout.use_property_decorate = False
        return self.layout.column()


def shot_scene(context: Context) -> Scene:
    """Return the scene that the tab is about: of an edit scene of Depthshot's its shot's."""
    return edited_shot(context.scene) or context.scene
