"""Rendered things in front of and behind generated pixels, put together by depth.

    python3 dev.py blender examples/compositing.py OUT

Generates a take of the demo's courtyard as the Generate button does, with the compositor as its
target. Then a hoop and two balls that were in no shot are rendered alone, in the light of the
courtyard, and the compositor keeps whichever is nearer: the take, at the depth that the scene
itself knows, or what was added. OUT gets `compositing.blend` with all of it, the last frame as
`compositing.png`, and `pictures.jpg`, which also marks what is generated.

The take can also be the demo's: `python3 dev.py demo --out demo`, then `--take demo/take`.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import bpy
import numpy as np
from bl_ext.devrepo.depthshot.backend.errors import DepthshotError
from bl_ext.devrepo.depthshot.backend.take import FRAMES, MASKS, Take, frame_name, read_take
from bl_ext.devrepo.depthshot.preferences import EXTENSION, PYTHON_VARIABLE
from bl_ext.devrepo.depthshot.scene.compat import RENDER_LAYERS, compositor_tree, weigh_by_alpha
from bl_ext.devrepo.depthshot.scene.targets import compositor

from examples.command import add_scene_options
from examples.places import courtyard
from tools import environments
from tools.console import say

SHOT, ADDED = "Shot", "Added"
MARK = np.array([1.0, 0.0, 1.0, 1.0], np.float32)
WIDEST = 1200  # pixels of pictures.jpg


def build_shot(*, size: tuple[int, int], frames: int, samples: int) -> bpy.types.Scene:
    """Make the courtyard the only scene of the open file, with a Depth pass."""
    empty = bpy.context.scene
    scene = courtyard.build(size=size, frames=frames, samples=samples)
    bpy.context.window.scene = scene
    bpy.data.scenes.remove(empty)
    layer = scene.view_layers[0]
    layer.name = SHOT
    layer.use_pass_z = True
    return scene


def generate(scene: bpy.types.Scene, *, model: str | None) -> Path:
    """Generate a take into the compositor as the panel's button does; returns its folder.

    Raises:
        RuntimeError: it failed; the message says why.
    """
    stored = bpy.context.preferences.addons[EXTENSION].preferences
    stored.data_folder = os.environ.get(
        "DEPTHSHOT_DATA_DIR", str(environments.root() / "demo-data")
    )
    if PYTHON_VARIABLE not in os.environ:
        stored.backend_python = str(environments.backend().python)
    settings = scene.depthshot
    settings.target = compositor.ID
    if model is not None:
        settings.model = model
    bpy.ops.depthshot.generate()
    return Path(bpy.path.abspath(bpy.context.window_manager.depthshot.take))


def add_things(scene: bpy.types.Scene) -> None:
    """Add a hoop, a ball in the door and one behind a plant, in a view layer of their own."""
    shot, added = (bpy.data.collections.new(name) for name in (SHOT, ADDED))
    for thing in list(scene.collection.objects):
        scene.collection.objects.unlink(thing)
        shot.objects.link(thing)
    for collection in (shot, added):
        scene.collection.children.link(collection)
    shot_layer = scene.view_layers[SHOT]
    shot_layer.layer_collection.children[ADDED].exclude = True
    # Nothing but its depth is used.
    shot_layer.samples = 1
    shot_layer.cycles.use_denoising = False
    added_layer = scene.view_layers.new(ADDED)
    # The courtyard lights and shades what was added, but is not in its picture.
    added_layer.layer_collection.children[SHOT].indirect_only = True
    added_layer.use_pass_z = True
    scene.render.film_transparent = True
    bpy.ops.mesh.primitive_torus_add(
        location=(1.15, 1.85, 0.80),
        rotation=(0.34, -0.12, 0.0),
        major_radius=1.05,
        minor_radius=0.055,
        major_segments=128,
        minor_segments=24,
    )
    _put(added, color=(0.80, 0.05, 0.03))
    for place, radius in (((-1.40, 3.62, 0.62), 0.38), ((2.08, 2.92, 1.02), 0.36)):
        bpy.ops.mesh.primitive_uv_sphere_add(
            location=place, radius=radius, segments=96, ring_count=48
        )
        _put(added, color=(0.90, 0.55, 0.05))


def _put(collection: bpy.types.Collection, *, color: tuple[float, float, float]) -> None:
    """Move the new object into a collection; smooth and glossy, in one colour."""
    thing = bpy.context.object
    for other in thing.users_collection:
        other.objects.unlink(thing)
    collection.objects.link(thing)
    thing.data.polygons.foreach_set("use_smooth", [True] * len(thing.data.polygons))
    material = bpy.data.materials.new(thing.name)
    if bpy.app.version < (5, 0):
        material.use_nodes = True
    shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    shader.inputs["Base Color"].default_value = (*color, 1.0)
    shader.inputs["Roughness"].default_value = 0.25
    thing.data.materials.append(material)


def composite(scene: bpy.types.Scene) -> None:
    """Let the nearer of take and added things be the scene's picture."""
    tree = compositor_tree(scene)
    shot = next(node for node in tree.nodes if node.bl_idname == RENDER_LAYERS)
    take = next(node for node in tree.nodes if node.type == "GROUP")
    (passed,) = [link for link in tree.links if link.from_socket == shot.outputs["Image"]]
    output = passed.to_socket
    added = tree.nodes.new(RENDER_LAYERS)
    added.scene, added.layer = scene, ADDED
    added.location = (shot.location.x, shot.location.y - 400)
    nearer = tree.nodes.new("CompositorNodeZcombine")
    weigh_by_alpha(nearer)
    nearer.location = (shot.location.x + shot.width + 80, shot.location.y - 200)
    sources = (added, added, take, take)
    for index, (node, name) in enumerate(zip(sources, ("Image", "Depth") * 2, strict=True)):
        tree.links.new(node.outputs[name], nearer.inputs[index])
    tree.links.new(nearer.outputs[0], output)


def render(scene: bpy.types.Scene, frame: int, path: Path) -> None:
    """Render one frame as an 8-bit PNG."""
    image = scene.render.image_settings
    if hasattr(image, "media_type"):
        image.media_type = "IMAGE"
    image.file_format, image.color_mode, image.color_depth = "PNG", "RGB", "8"
    scene.render.filepath = str(path)
    scene.frame_set(frame)
    bpy.ops.render.render(write_still=True)


def save_pictures(take: Take, folder: Path, rendered: Path, path: Path) -> None:
    """Save the take's last frame with its generated pixels marked, and the composite beside it."""
    last = frame_name(take.frame_start + take.frames - 1)
    frame, mask = (_values(folder / kind / last) for kind in (FRAMES, MASKS))
    marked = frame + 0.6 * mask[..., :1] * (MARK - frame)
    both = np.concatenate([marked, _values(rendered)], axis=1)
    height, width, _ = both.shape
    picture = bpy.data.images.new("pictures", width, height)
    picture.colorspace_settings.name = "Non-Color"
    picture.pixels.foreach_set(both.ravel())
    if width > WIDEST:
        picture.scale(WIDEST, round(height * WIDEST / width))
    picture.file_format = "JPEG"
    picture.filepath_raw = str(path)
    picture.save(quality=85)
    bpy.data.images.remove(picture)


def _values(path: Path) -> np.ndarray:
    """The code values of a picture over 255, (H, W, 4), first row at the bottom."""
    image = bpy.data.images.load(str(path))
    image.colorspace_settings.name = "Non-Color"
    width, height = image.size
    values = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(values)
    bpy.data.images.remove(image)
    return values.reshape(height, width, 4)


def main() -> int:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="compositing.py", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("out", type=Path, help="the folder to write into")
    parser.add_argument("--take", type=Path, help="a take of the demo's courtyard, made before")
    parser.add_argument("--model", help="the model that generates; the default one")
    add_scene_options(parser, frames=8)
    options = parser.parse_args()
    out = options.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    try:
        folder = options.take and options.take.absolute()
        given = None if folder is None else read_take(folder)
        size, frames = (given or options).size, (given or options).frames
        scene = build_shot(size=size, frames=frames, samples=options.samples or courtyard.SAMPLES)
        bpy.ops.wm.save_as_mainfile(filepath=str(out / "compositing.blend"))
        if given is None:
            say("Generating the take …")
            folder = generate(scene, model=options.model)
        else:
            compositor.land(scene, folder, given)
    except (DepthshotError, RuntimeError) as reason:
        say(str(reason))
        return 1
    add_things(scene)
    composite(scene)
    take = read_take(folder)
    say("Rendering what was added, and the composite …")
    render(scene, take.frame_start + take.frames - 1, out / "compositing.png")
    save_pictures(take, folder, out / "compositing.png", out / "pictures.jpg")
    bpy.ops.wm.save_mainfile()
    (out / "compositing.blend1").unlink(missing_ok=True)
    say(f"Look at {out / 'pictures.jpg'}, or open {out / 'compositing.blend'}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
