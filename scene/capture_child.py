"""The second Blender: opens a copy of the file and renders stills and guides from it.

Run as a script, ``blender --background --python capture_child.py -- job.json`` or, with the bpy
wheel, ``python capture_child.py -- job.json``. It needs bpy and the standard library alone and is
no part of the extension's package, which need not be enabled where it runs.

`job.json` is written by `capture`; what happens is appended to the job's events file, one JSON
object a line. The exit code is 0 when everything was rendered, REFUSED when an event says in one
sentence why it was not, FAILED when the log has to be read, and ORPHANED when the parent is gone.
"""

from __future__ import annotations

import errno
import importlib
import json
import os
import re
import shutil
import sys
import threading
import time
import traceback
import types
from collections.abc import Callable
from pathlib import Path

import bpy

OK, REFUSED, FAILED, ORPHANED = 0, 2, 3, 9
REMOVALS, PAUSE = 10, 0.05  # seconds between removals of the folder when the parent is gone
LINEAR_FORMATS = {"OPEN_EXR", "OPEN_EXR_MULTILAYER", "HDR", "CINEON", "DPX"}


class RefusedError(Exception):
    """The scene cannot be captured; the message is for the artist."""


def siblings() -> str:
    """Make the modules beside this script importable as a package and return its name.

    They are the extension's own; but the extension need not be enabled here, and a script that is
    given by its path belongs to no package.
    """
    package = types.ModuleType("depthshot_child")
    package.__path__ = [str(Path(__file__).parent)]
    sys.modules[package.__name__] = package
    return package.__name__


_PACKAGE = siblings()
compat = importlib.import_module(f"{_PACKAGE}.compat")
depends = importlib.import_module(f"{_PACKAGE}.depends")
drivers = importlib.import_module(f"{_PACKAGE}.drivers")
guides = importlib.import_module(f"{_PACKAGE}.child_guides")
leave_out = importlib.import_module(f"{_PACKAGE}.leave_out")
child_free = importlib.import_module(f"{_PACKAGE}.child_free")
child_stills = importlib.import_module(f"{_PACKAGE}.child_stills")
simulations = importlib.import_module(f"{_PACKAGE}.simulations")


# Held for good by what ends this process: nothing is begun, told or ended beside it.
_leaving = threading.Lock()


class Job:
    """The job's settings as attributes, and the file that events go to."""

    def __init__(self, path: Path) -> None:
        self.__dict__.update(json.loads(path.read_text(encoding="utf-8")))
        self.work = path.parent

    def say(self, kind: str, **values: object) -> None:
        """Append one event; opened anew each time so that it is on disk when this returns."""
        with _leaving, (self.work / "events.jsonl").open("a", encoding="utf-8") as stream:
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
        _leaving.acquire()
        # A frame that is being rendered just now makes its folder again; the next one waits.
        for _ in range(REMOVALS):
            shutil.rmtree(work, ignore_errors=True)
            time.sleep(PAUSE)
        shutil.rmtree(work, ignore_errors=True)
        os._exit(ORPHANED)

    threading.Thread(target=wait, daemon=True).start()


def open_copy(job: Job) -> bpy.types.Scene:
    """Open the copy with the session's own permission for scripts and return the scene."""
    bpy.ops.wm.open_mainfile(filepath=job.copy, load_ui=False, use_scripts=job.use_scripts)
    scene = bpy.data.scenes[job.scene]
    # Blender renders the scene it is told to, but at the frame of the window's own scene.
    bpy.context.window_manager.windows[0].scene = scene
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
    scene.render.filepath = compat.literal_path(path)
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


def have_still(scene: bpy.types.Scene, job: Job, scene_hash: str | None) -> Path | None:
    """Bring the still about; return where it is kept until the capture is whole, None nowhere."""
    if scene_hash is None:
        render_still(scene, job)
        return None
    name = child_stills.still_name(
        scene_hash, scene=job.scene, frame=job.still_frame, supersample=job.supersample
    )
    folder = job.work.parent / name
    if not child_stills.fetch_still(folder, Path(job.still)):
        render_still(scene, job)
        child_stills.keep_still(Path(job.still), folder, work=job.work)
    return folder


def take_image(job: Job) -> None:
    """Take an image file as the still, its values untouched: a PNG as it is, others as PNG."""
    image = bpy.data.images.load(job.still_image)
    if 0 in image.size[:]:
        raise RefusedError(
            f"The image '{job.still_image}' cannot be read; choose a PNG, JPEG, TIFF or WebP."
        )
    if image.file_format in LINEAR_FORMATS:
        raise RefusedError(
            f"The image '{job.still_image}' is linear and has no view transform in it; save it"
            " as a PNG with the view transform first."
        )
    job.say("image", size=image.size[:])
    if image.file_format == "PNG":
        shutil.copyfile(job.still_image, job.still)
    else:
        image.file_format = "PNG"
        image.filepath_raw = job.still
        image.save()
    bpy.data.images.remove(image)


def render_guides(scene: bpy.types.Scene, job: Job) -> None:
    """Render the guides of every frame, and tell with which camera each was really rendered."""
    guides.use_guide_layer(scene, job.passes)
    guides.use_guide_settings(scene)
    guides.clear_volumes()
    marks = None
    if job.free is not None:
        bpy.context.window_manager.windows[0].view_layer = scene.view_layers[guides.VIEW_LAYER]
        marks = child_free.Marks(job.free)
    metres = job.work / "metres"
    if job.metres:
        metres.mkdir()
        scale = scene.unit_settings.scale_length
        guides.write_metres(scene, unit_scale=scale, folder=metres)
    rendered: dict[int, dict[str, object]] = {}
    frames = job.frames()
    frame = frames.start

    def note_camera(scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph) -> None:
        # Cycles also visits the frames before and after, for the Vector pass.
        if depsgraph.mode == "RENDER" and scene.frame_current == frame:
            rendered.setdefault(frame, camera_facts(scene, depsgraph))

    bpy.app.handlers.frame_change_post.append(note_camera)
    for index, frame in enumerate(frames):
        scene.frame_set(frame)
        if marks is not None:
            marks.mark_instances(bpy.context.evaluated_depsgraph_get())
        render_picture(scene, f"{job.rendered}{frame:04d}")
        if job.metres:
            (written,) = metres.iterdir()
            written.replace(Path(job.metres, f"{frame:04d}.exr"))
        job.say("phase", phase="guides", done=index + 1, total=len(frames))
    # A Python handler left at exit makes Blender 4.5 hang.
    bpy.app.handlers.frame_change_post.remove(note_camera)
    job.say("cameras", cameras=[rendered[frame] for frame in frames])
    if marks is not None:
        marks.warn(job.say)


def check_cameras(scene: bpy.types.Scene, job: Job) -> None:
    """Tell the camera of every frame before anything is rendered, so that it can be refused."""
    cameras = []
    for index, frame in enumerate(job.frames()):
        scene.frame_set(frame)
        cameras.append(camera_facts(scene, bpy.context.evaluated_depsgraph_get()))
        job.say("phase", phase="cameras", done=index + 1, total=len(job.frames()))
    job.say("cameras", cameras=cameras)
    for driven, expression in drivers.broken_drivers().items():
        if driven not in job.broken_drivers:
            raise RefusedError(
                f"The scripted driver of {driven} ({expression}) works in your Blender but not in"
                " a second one; put its function into a text with Register on, or into an add-on."
            )


def tell_hash(scene: bpy.types.Scene, job: Job) -> str | None:
    """Tell what the capture depends on, so that one that is there already can be used."""
    try:
        value = depends.scene_hash(scene, frame=job.frame_start, scratch=job.work / "neutral.blend")
        if job.still_image:
            value += depends.file_hash(Path(job.still_image))
    except depends.UnknowableError as reason:
        job.say("hash", value=None, reason=str(reason))
        return None
    job.say("hash", value=value)
    return value


def warn_of(scene: bpy.types.Scene, job: Job) -> None:
    """Name what will look different from what the artist may expect."""
    if scene.render.film_transparent and not job.still_image:
        job.say(
            "warning",
            message="Film > Transparent is on, so the still's background is black; turn it off to"
            " have the world in it.",
        )
    moved = simulations.simulated(simulations.shown_objects(scene), [scene])
    if moved:
        job.say(
            "warning",
            message=f"Simulated: {', '.join(moved)}; a second Blender may see another state of it"
            " unless it is baked to an absolute path or into the file.",
        )
    strokes = sorted(
        thing.name
        for thing in scene.objects
        if thing.type in ("GPENCIL", "GREASEPENCIL") and not thing.hide_render
    )
    if strokes:
        job.say(
            "warning",
            message=f"Grease Pencil has no depth: {', '.join(strokes)} will stick to what is"
            " behind.",
        )


def run(job: Job) -> int:
    """Do the job; say in one event why not if the scene or the disk refuses."""
    try:
        scene = open_copy(job)
        if leave_out.leave_out_nodes(scene, compat.compositor_tree(scene)):
            job.say(
                "warning",
                message=f"The compositor of “{scene.name}” shows an earlier take, so the shot was"
                " rendered without it.",
            )
        leave_out.leave_out_takes()
        confine(scene)
        warn_of(scene, job)
        scene_hash, kept_still = tell_hash(scene, job), None
        check_cameras(scene, job)
        job.say("phase", phase="still", done=0, total=1)
        if job.still_image:
            take_image(job)
        else:
            kept_still = have_still(scene, job, scene_hash)
        job.say("phase", phase="still", done=1, total=1)
        render_guides(scene, job)
        if kept_still is not None:
            child_stills.drop_still(kept_still)
    except RefusedError as reason:
        job.say("refused", message=str(reason))
        return REFUSED
    job.say("finished")
    return OK


def system_reason(details: str) -> str:
    """Return what the system says in `details` of a failure, "" when it says nothing.

    Blender's own errors are no OSError, but quote it.
    """
    words = map(os.strerror, (errno.ENOSPC, errno.EACCES, errno.EROFS, errno.ENOTDIR, errno.EIO))
    return next((each for each in words if each in details), "")


def blender_reason(details: str) -> str:
    """Return the last error of Blender's own that `details` of a failure quote, "" without one."""
    # Not behind a name: what Python says of its own errors is not for the artist.
    said = re.findall(r"(?:^|: )Error: (.+?)\.?$", details, re.MULTILINE)
    return said[-1].strip() if said else ""


def main(work: Callable[[Job], int]) -> None:
    """Do the job named on the command line and end the process with its code."""
    code, job = FAILED, None
    try:
        job = Job(Path(sys.argv[sys.argv.index("--") + 1]))
        follow_parent(job.work)
        code = work(job)
    finally:
        # Blender's own exit can crash, hang or replace the code, so the process ends here.
        try:
            if code == FAILED:
                traceback.print_exc()
                if job is not None:
                    details = traceback.format_exc()
                    job.say("failed", reason=system_reason(details) or blender_reason(details))
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            _leaving.acquire()
            os._exit(code)


if __name__ == "__main__":
    main(run)
