"""What of earlier takes a capture leaves out: the next take is of the scene and not of them.

Also imported in the second Blender, on whose copy of the file it works: bpy and the standard
library alone.
"""

from __future__ import annotations

import bpy

PLANE = "depthshot_plane"
"""The custom property of a plane that shows a take in front of a camera."""


def leave_out_takes() -> None:
    """Remove takes' planes, and what no render shows: backgrounds, unused materials and images.

    What is unused changes no picture, but each image names files. Without them the scene is the one
    it was before takes landed in it, and a capture of it is used again.
    """
    for item in list(bpy.data.objects):
        if PLANE in item:
            mesh = item.data
            bpy.data.objects.remove(item)
            if mesh.users == 0:
                bpy.data.meshes.remove(mesh)
    for lens in bpy.data.cameras:
        if lens.library is None:
            lens.background_images.clear()
            lens.show_background_images = False
    # Materials first: they are what uses images.
    for blocks in (bpy.data.materials, bpy.data.images):
        for block in list(blocks):
            if block.library is None and block.users == int(block.use_fake_user):
                blocks.remove(block)
