"""A scene with a bit of everything, and captures of it in one folder where they are kept."""

import bpy
import numpy as np

from tests.blender import shots


def furnish(scene, folder):
    """Adds a textured plane, a lamp, a modifier and an animated camera; saves it as artists do."""
    shots.small(scene, (32, 18))
    plane = shots.add_plane(scene, half=3)
    plane.modifiers.new("Wave", "WAVE")
    tree, output = shots.add_material(plane)
    glow = tree.nodes.new("ShaderNodeEmission")
    texture = tree.nodes.new("ShaderNodeTexImage")
    write_texture(folder, 0.25)
    texture.image = bpy.data.images.load(str(folder / "texture.png"))
    tree.links.new(texture.outputs[0], glow.inputs[0])
    tree.links.new(glow.outputs[0], output.inputs["Surface"])
    shots.add(scene, "Lamp", bpy.data.lights.new("Lamp", "POINT"))
    shots.move(shots.add_camera(scene), "location", {1: (0, 0, 8), 5: (2, 0, 8)})
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "artist.blend"))
    return scene


def write_texture(folder, value):
    """Writes the texture anew: a grey of `value`, 0 to 1."""
    image = bpy.data.images.new("made", 4, 4)
    image.pixels.foreach_set(np.full(64, value, np.float32))
    image.filepath_raw, image.file_format = str(folder / "texture.png"), "PNG"
    image.save()
    bpy.data.images.remove(image)


def again(scene, folder, **changes):
    """Captures frames 1 and 2 and returns the finished capture."""
    return shots.capture(scene, folder / "cache", **{"end": 2, **changes})
