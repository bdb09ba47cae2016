"""Export the last take: as a movie, or as a dataset for nerfstudio.

Blender reads an operator's properties from its annotations as they stand, so they are evaluated
(no `from __future__ import annotations`).
"""

import itertools
from collections.abc import Sequence
from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty
from bpy.types import Context, Event, Operator

from ..backend.errors import DepthshotError, StorageError, TakeError
from ..backend.setup.ours import EXPORTING
from ..backend.take import read_take
from ..preferences import preferences
from ..scene import kept
from ..scene.compat import RELATIVE_PATH
from .backend_care import care
from .exporter import exporter
from .folders import private_folder
from .generate import RUNNING
from .runner import runner

NO_TAKE = "There is no last take; generate one, or place one that is there"
_SUFFIXES = {"h264": ".mp4", "prores": ".mov", "prores4444": ".mov"}
_MOVIES = (".mp4", ".mov")


class _Exports(Operator):
    """What the exports share: the last take, a file browser, and a process of its own."""

    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Grey while one runs, while a take is made or without one; the tooltip says which."""
        reason = None
        if exporter.running:
            reason = exporter.why_not()
        elif care.why_no_take() is not None:
            reason = care.why_no_take()
        elif runner.running:  # which take is the last one may change before a file is named
            reason = RUNNING
        elif not context.window_manager.depthshot.take:
            reason = NO_TAKE
        if reason is not None:
            cls.poll_message_set(reason)
        return reason is None

    def invoke(self, context: Context, event: Event) -> set[str]:
        """Let the artist choose where, a name that is free being there already."""
        take = _last_take(context)
        try:
            read_take(take)
        except DepthshotError as reason:  # said before the artist has chosen anything
            self.report({"ERROR"}, str(reason))
            return {"CANCELLED"}
        if not self.filepath:
            self.filepath = str(_free(_beside(take), f"{take.name}{self.ending}", self.suffix))
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: Context) -> set[str]:
        """Start the export; without a window, wait until it has ended."""
        try:
            take = _last_take(context)
            read_take(take)
            target = self.target()
            arguments = [*self.arguments(context, take), "--out", str(target)]
            stored = preferences(context)
            python, use = stored.backend_python, _use(stored.data)
            if not bpy.app.background:
                exporter.start(python, arguments, target=target, use=use)
                return {"FINISHED"}
            exporter.run(python, arguments, target=target, use=use)
        except DepthshotError as reason:
            self.report({"ERROR"}, str(reason))
            return {"CANCELLED"}
        for sentence in exporter.warnings:
            self.report({"WARNING"}, sentence)
        self.report({"ERROR" if exporter.failed else "INFO"}, exporter.message)
        return {"CANCELLED" if exporter.failed else "FINISHED"}

    def target(self) -> Path:
        """Return what is to be written.

        Raises:
            TakeError: the artist gave no name.
        """
        path = Path(bpy.path.abspath(self.filepath))
        if not self.filepath or not path.name:
            raise TakeError("The export has no name; type one in the file browser.")
        return path

    def arguments(self, context: Context, take: Path) -> Sequence[str]:
        """Return what the command line's `export` is told, without the target."""
        raise NotImplementedError


class DEPTHSHOT_OT_export_movie(_Exports):
    """Write the last take as a movie."""

    bl_idname = "depthshot.export_movie"
    bl_label = "Export Movie"
    bl_description = (
        "Write the last take as a movie file without sound, every frame once, at its exact rate"
    )
    ending = ""

    filepath: StringProperty(
        name="File",
        description="The movie to write",
        subtype="FILE_PATH",
        options={"SKIP_SAVE"} | RELATIVE_PATH,
    )
    check_existing: BoolProperty(
        name="Check Existing",
        description="Ask before a file is replaced",
        default=True,
        options={"HIDDEN"},
    )
    filter_glob: StringProperty(default="*.mp4;*.mov", options={"HIDDEN"})
    codec: EnumProperty(
        name="Codec",
        description="How the pictures are stored",
        items=[
            ("h264", "H.264", "Small and shown everywhere: 8 bits, 4:2:0, in an .mp4 file"),
            ("prores", "ProRes 422 HQ", "For editing: 10 bits, 4:2:2, in a .mov file"),
            ("prores4444", "ProRes 4444", "Colours in full: 10 bits, 4:4:4, in a .mov file"),
        ],
    )
    quality: EnumProperty(
        name="Quality",
        description="How closely H.264 keeps to the frames; ProRes has one of its own",
        items=[
            ("high", "High", "Hardly any loss, large"),
            ("normal", "Normal", "Loss that is hard to see"),
            ("small", "Small", "Visible loss in grain, a small file"),
        ],
        default="normal",
    )

    @property
    def suffix(self) -> str:
        """The end of the file's name that goes with the codec."""
        return _SUFFIXES[self.codec]

    def draw(self, context: Context) -> None:
        """Draw the choices beside the file browser."""
        self.layout.use_property_split = True
        self.layout.prop(self, "codec")
        row = self.layout.column()
        row.active = self.codec == "h264"
        row.prop(self, "quality")

    def check(self, context: Context) -> bool:
        """Let the name end as the codec wants it, while the artist chooses."""
        fitting = _with_suffix(self.filepath, self.suffix)
        changed = fitting != self.filepath
        self.filepath = fitting
        return changed

    def target(self) -> Path:
        """Return the file, whose name ends as the codec wants it."""
        path = super().target()
        return path.with_name(_with_suffix(path.name, self.suffix))

    def arguments(self, context: Context, take: Path) -> Sequence[str]:
        """Return the movie's own arguments.

        A file is replaced if it is the one that was named: the file browser has asked then. Where
        the codec gives the name another end, nobody has.
        """
        quality = ("--quality", self.quality)
        named = self.target() == Path(bpy.path.abspath(self.filepath))
        replace = ["--overwrite"] if named else []
        return ["movie", str(take), "--codec", self.codec, *quality, *replace]


class DEPTHSHOT_OT_export_dataset(_Exports):
    """Write the last take, or the stills of its shot, as a dataset."""

    bl_idname = "depthshot.export_dataset"
    bl_label = "Export Dataset"
    bl_description = (
        "Write the last take's frames, or the stills of its shot, with cameras and depth as a"
        " folder that nerfstudio trains on"
    )
    ending = "-nerfstudio"
    suffix = ""

    filepath: StringProperty(
        name="Folder",
        description="The folder to make; it must not be there yet",
        subtype="FILE_PATH",
        options={"SKIP_SAVE"} | RELATIVE_PATH,
    )
    filter_folder: BoolProperty(default=True, options={"HIDDEN"})
    pictures: EnumProperty(
        name="Pictures",
        description="What the dataset shows",
        items=[
            ("FRAMES", "Frames of the Take", "Every frame, generated pixels among them"),
            ("STILLS", "Stills of the Shot", "The stills alone, in their own size"),
        ],
    )
    depth: EnumProperty(
        name="Depth",
        description="How depth is stored",
        items=[
            ("png", "PNG", "16-bit millimetres, up to 65 m; unknown beyond"),
            ("npy", "NumPy", "Exact, at any distance; larger files"),
            ("none", "None", "No depth"),
        ],
    )
    masks: BoolProperty(
        name="Seen Pixels Only",
        description="Write masks, so that only pixels that a still shows are trained on",
    )
    points: BoolProperty(
        name="Point Cloud",
        description="Write coloured points from the depth, for methods that begin with some",
        default=True,
    )

    def draw(self, context: Context) -> None:
        """Draw the choices beside the file browser."""
        self.layout.use_property_split = True
        for name in ("pictures", "depth", "points"):
            self.layout.prop(self, name)
        row = self.layout.column()
        row.active = self.pictures == "FRAMES"
        row.prop(self, "masks")

    def arguments(self, context: Context, take: Path) -> Sequence[str]:
        """Return the dataset's own arguments; the take's shot is one of the kept captures."""
        captures = preferences(context).data / "captures"
        return [
            *("dataset", str(take), "--captures", str(captures), "--depth", self.depth),
            *(["--stills"] if self.pictures == "STILLS" else []),
            *(["--masks", "seen"] if self.masks and self.pictures == "FRAMES" else []),
            *([] if self.points else ["--no-points"]),
        ]


class DEPTHSHOT_OT_cancel_export(Operator):
    """Stop the export that runs."""

    bl_idname = "depthshot.cancel_export"
    bl_label = "Cancel"
    bl_description = "Stop the export; nothing of it is left"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Grey while nothing is exported."""
        if not exporter.running:
            cls.poll_message_set("Nothing is being exported")
        return exporter.running

    def execute(self, context: Context) -> set[str]:
        """Ask it to stop."""
        exporter.cancel()
        return {"FINISHED"}


def _use(data: Path) -> kept.Use:
    """Keep what the export needs from being removed: the backend's Python and the captures."""
    cache = private_folder(data, "captures")
    try:
        return kept.use(cache, EXPORTING)
    except OSError as reason:
        raise StorageError(
            f"The data folder '{data}' cannot be written ({reason.strerror or reason}); free some"
            " space or choose another one in the preferences."
        ) from reason


def _last_take(context: Context) -> Path:
    return Path(bpy.path.abspath(context.window_manager.depthshot.take))


def _beside(take: Path) -> Path:
    return Path(bpy.data.filepath).parent if bpy.data.filepath else take.parent


def _free(folder: Path, name: str, suffix: str) -> Path:
    """Return a path in `folder` that nothing has yet, numbered where need be."""
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(path for each in names if not (path := folder / f"{each}{suffix}").exists())


def _with_suffix(path: str, suffix: str) -> str:
    """Return a path that ends in `suffix`, which takes the place of one that a movie can have."""
    if path.lower().endswith(suffix):
        return path
    other = next((each for each in _MOVIES if path.lower().endswith(each)), "")
    stem = path[: len(path) - len(other)]
    return stem if stem.lower().endswith(suffix) else f"{stem}{suffix}"


CLASSES = (DEPTHSHOT_OT_export_movie, DEPTHSHOT_OT_export_dataset, DEPTHSHOT_OT_cancel_export)
