"""The second Blender: opens a copy of the file and renders stills and guides from it.

Run as a script, ``blender --background --python capture_child.py -- job.json`` or, with the bpy
wheel, ``python capture_child.py -- job.json``. It needs bpy and the standard library alone and is
no part of the extension's package, which need not be enabled where it runs.

`job.json` is written by `capture`; what happens is appended to the job's events file, one JSON
object a line. The exit code is 0 when everything was rendered, REFUSED when an event says in one
sentence why it was not, FAILED when the log has to be read, and ORPHANED when the parent is gone.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
import threading
import traceback
from pathlib import Path

import bpy

OK, REFUSED, FAILED, ORPHANED = 0, 2, 3, 9

# A surface that is at least this opaque counts as hit: leaves cut out by an alpha texture keep
# their holes, and no edge is dithered as it is with Blender's default of 0.5.
ALPHA_THRESHOLD = 0.1
VIEW_LAYER = "Depthshot"


class RefusedError(Exception):
    """The scene cannot be captured; the message is for the artist."""


def load_sibling(name: str) -> object:
    """Load a module that lies beside this script."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


compat = load_sibling("compat")


class Job:
    """The job's settings as attributes, and the file that events go to."""

    def __init__(self, path: Path) -> None:
        self.__dict__.update(json.loads(path.read_text(encoding="utf-8")))
        self.work = path.parent

    def say(self, kind: str, **values: object) -> None:
        """Append one event; opened anew each time so that it is on disk when this returns."""
        with (self.work / "events.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"kind": kind, **values}) + "\n")

    def frames(self) -> range:
        """Return the frames of the shot."""
        return range(self.frame_start, self.frame_end + 1)


def follow_parent(work: Path) -> None:
    """End this process when the parent closes our stdin, which its death does as well."""

    def wait() -> None:
        # os.read, because a thread blocked in sys.stdin's own buffer aborts a normal exit.
        while os.read(0, 1):
            pass
        shutil.rmtree(work, ignore_errors=True)
        os._exit(ORPHANED)

    threading.Thread(target=wait, daemon=True).start()


def open_copy(job: Job) -> bpy.types.Scene:
    """Open the copy with the session's own permission for scripts and return the scene."""
    bpy.ops.wm.open_mainfile(filepath=job.copy, load_ui=False, use_scripts=job.use_scripts)
    scene = bpy.data.scenes[job.scene]
    if not hasattr(scene, "cycles"):
        import addon_utils

        addon_utils.enable("cycles")
    return scene


def confine(scene: bpy.types.Scene) -> None:
    """Turn off what would write elsewhere, cut the picture or replace it."""
    render = scene.render
    for name in (
        "use_sequencer",
        "use_stamp",
        "use_border",
        "use_crop_to_border",
        "use_multiview",
        "use_placeholder",
        "use_persistent_data",
        "use_single_layer",
    ):
        setattr(render, name, False)
    render.use_overwrite = True
    render.use_file_extension = True
    trees = [compat.compositor_tree(other) for other in bpy.data.scenes]
    for tree in [*trees, *bpy.data.node_groups]:
        for node in tree.nodes if tree else ():
            if node.bl_idname == compat.FILE_OUTPUT:
                node.mute = True


def camera_facts(scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph) -> dict[str, object]:
    """Return the facts of the active camera as `camera.CameraFacts` reads them."""
    if scene.camera is None or scene.camera.type != "CAMERA":
        raise RefusedError(
            f"Scene '{scene.name}' has no active camera at frame {scene.frame_current};"
            " choose one in Scene properties > Camera."
        )
    seen = scene.camera.evaluated_get(depsgraph)
    lens = seen.data
    return {
        "frame": scene.frame_current,
        "name": scene.camera.name,
        "type": lens.type,
        "lens": lens.lens,
        "sensor_fit": lens.sensor_fit,
        "sensor_width": lens.sensor_width,
        "sensor_height": lens.sensor_height,
        "shift_x": lens.shift_x,
        "shift_y": lens.shift_y,
        "matrix_world": [list(row) for row in seen.matrix_world],
    }


def render_picture(scene: bpy.types.Scene, path: str) -> None:
    """Render the current frame into `path`; the extension is added by Blender."""
    scene.render.filepath = path
    bpy.ops.render.render(write_still=True, scene=scene.name)


def render_still(scene: bpy.types.Scene, job: Job) -> None:
    """Render the artist's picture with the artist's engine and settings."""
    render = scene.render
    compat.use_png16(render.image_settings)
    before = (render.resolution_x, render.resolution_y, render.resolution_percentage)
    if job.supersample != 1:
        # From the size really rendered: doubling the percentage could round to an odd pixel.
        render.resolution_x, render.resolution_y = (side * job.supersample for side in job.size)
        render.resolution_percentage = 100
    scene.frame_set(job.still_frame)
    render_picture(scene, job.still)
    render.resolution_x, render.resolution_y, render.resolution_percentage = before


def convert_still(job: Job) -> None:
    """Write an image file as PNG, its values untouched."""
    image = bpy.data.images.load(job.still_image)
    image.file_format = "PNG"
    image.filepath_raw = job.still
    image.save()


def use_guide_layer(scene: bpy.types.Scene, passes: list[str]) -> None:
    """Render one view layer that shows what any of the artist's layers shows, and `passes` of it.

    Depth is thereby the nearest surface over all layers that the still is made of.
    """
    layers = [layer for layer in scene.view_layers if layer.use]
    if not layers:
        raise RefusedError(
            f"Scene '{scene.name}' has no view layer that is used for rendering; turn on"
            " View Layer properties > Use for Rendering."
        )
    union = scene.view_layers.new(VIEW_LAYER)
    for layer in layers:
        layer.use = False
    show_union(union.layer_collection, [layer.layer_collection for layer in layers])
    overrides = {layer.material_override for layer in layers}
    if len(overrides) == 1:
        union.material_override = overrides.pop()
    union.use = True
    for name in dir(union):
        if name.startswith("use_pass_"):
            setattr(union, name, name in passes)
    union.pass_alpha_threshold = ALPHA_THRESHOLD


def show_union(
    target: bpy.types.LayerCollection, sources: list[bpy.types.LayerCollection]
) -> None:
    """Exclude, hold out and hide from the camera only what every source does."""
    for children in zip(target.children, *(source.children for source in sources), strict=True):
        child, others = children[0], children[1:]
        shown = [other for other in others if not other.exclude]
        child.exclude = not shown
        if shown:
            child.holdout = all(other.holdout for other in shown)
            child.indirect_only = all(other.indirect_only for other in shown)
        show_union(child, list(others))


def clear_volumes() -> None:
    """Take fog and smoke away: where a ray scatters in them, Cycles writes no depth."""
    materials = [material.node_tree for material in bpy.data.materials]
    worlds = [world.node_tree for world in bpy.data.worlds]
    for tree in [*materials, *worlds, *bpy.data.node_groups]:
        for node in tree.nodes if tree else ():
            if node.bl_idname not in ("ShaderNodeOutputMaterial", "ShaderNodeOutputWorld"):
                continue
            volume, surface = node.inputs["Volume"], node.inputs["Surface"]
            if not volume.is_linked:
                continue
            for link in list(volume.links):
                tree.links.remove(link)
            if node.bl_idname == "ShaderNodeOutputMaterial" and not surface.is_linked:
                # Without a surface shader what held only a volume would turn solid.
                clear = tree.nodes.new("ShaderNodeBsdfTransparent")
                tree.links.new(clear.outputs[0], surface)
    for thing in bpy.data.objects:
        if thing.type == "VOLUME":
            thing.hide_render = True


def use_guide_settings(scene: bpy.types.Scene) -> None:
    """Set Cycles to one exact ray through every pixel's centre."""
    render, cycles = scene.render, scene.cycles
    render.engine = "CYCLES"
    render.film_transparent = True
    for name in ("use_motion_blur", "use_compositing", "use_freestyle"):
        setattr(render, name, False)
    for name in (
        "use_adaptive_sampling",
        "use_denoising",
        "caustics_reflective",
        "caustics_refractive",
        "use_fast_gi",
        "use_light_tree",
        "use_auto_tile",
    ):
        setattr(cycles, name, False)
    for name in ("max", "diffuse", "glossy", "transmission", "volume"):
        setattr(cycles, f"{name}_bounces", 0)
    cycles.samples = 1
    cycles.time_limit = 0
    cycles.pixel_filter_type = "BLACKMAN_HARRIS"
    cycles.filter_width = 0.01
    cycles.film_exposure = 0  # black colours make small files
    for camera in bpy.data.cameras:
        camera.dof.use_dof = False
    compat.use_multilayer_exr(render.image_settings)


def render_guides(scene: bpy.types.Scene, job: Job) -> None:
    """Render the guides of every frame, and tell with which camera each was really rendered."""
    use_guide_layer(scene, job.passes)
    use_guide_settings(scene)
    clear_volumes()
    rendered: dict[int, dict[str, object]] = {}

    def note_camera(scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph) -> None:
        if depsgraph.mode == "RENDER":
            rendered[scene.frame_current] = camera_facts(scene, depsgraph)

    bpy.app.handlers.frame_change_post.append(note_camera)
    frames = job.frames()
    for index, frame in enumerate(frames):
        scene.frame_set(frame)
        render_picture(scene, job.guides + f"{frame:04d}")
        job.say("phase", phase="guides", done=index + 1, total=len(frames))
    # A Python handler left at exit makes Blender 4.5 hang.
    bpy.app.handlers.frame_change_post.remove(note_camera)
    job.say("cameras", cameras=[rendered[frame] for frame in frames])


def check_cameras(scene: bpy.types.Scene, job: Job) -> None:
    """Tell the camera of every frame before anything is rendered, so that it can be refused."""
    cameras = []
    for index, frame in enumerate(job.frames()):
        scene.frame_set(frame)
        cameras.append(camera_facts(scene, bpy.context.evaluated_depsgraph_get()))
        job.say("phase", phase="cameras", done=index + 1, total=len(job.frames()))
    job.say("cameras", cameras=cameras)


def run(job: Job) -> int:
    """Do the job; say in one event why not if the scene or the disk refuses."""
    try:
        scene = open_copy(job)
        confine(scene)
        check_cameras(scene, job)
        job.say("phase", phase="still", done=0, total=1)
        if job.still_image:
            convert_still(job)
        else:
            render_still(scene, job)
        job.say("phase", phase="still", done=1, total=1)
        render_guides(scene, job)
    except RefusedError as reason:
        job.say("refused", message=str(reason))
        return REFUSED
    job.say("finished")
    return OK


def main() -> None:
    """Run the job named on the command line and end the process with its code."""
    code = FAILED
    try:
        job = Job(Path(sys.argv[sys.argv.index("--") + 1]))
        follow_parent(job.work)
        code = run(job)
    finally:
        # Blender's own exit can crash, hang or replace the code, so the process ends here.
        if code == FAILED:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
