"""Generate a take, cancel it, or fetch one that an earlier session asked for."""

from __future__ import annotations

import bpy
from bpy.types import Context, Operator

from ..backend.errors import DepthshotError, TargetError
from ..preferences import preferences
from .backend_care import care
from .backend_place import check_elsewhere
from .generation import Generation
from .interface import open_file
from .pending import claim_next, has_pending
from .request import check_paths, read_request, why_not
from .runner import runner

RUNNING = "A take is being generated; wait for it or cancel it"
NOTHING = "No take of this file is waiting to be fetched"


class _Starts(Operator):
    """What the operators that start a generation share."""

    bl_options = {"REGISTER"}

    def begin(self, context: Context) -> Generation:
        """Return the generation to run.

        Raises:
            DepthshotError: it cannot be started.
        """
        raise NotImplementedError

    def execute(self, context: Context) -> set[str]:
        """Start it; without a window, wait until it has ended."""
        try:
            generation = self.begin(context)
        except DepthshotError as reason:
            self.report({"ERROR"}, str(reason))
            return {"CANCELLED"}
        if not bpy.app.background:
            runner.start(generation)
            return {"FINISHED"}
        runner.run(generation)
        status = context.window_manager.depthshot
        for sentence in generation.warnings:
            self.report({"WARNING"}, sentence)
        if status.failed:
            self.report({"ERROR"}, status.message)
            return {"CANCELLED"}
        self.report({"INFO"}, status.message)
        return {"FINISHED"}


class DEPTHSHOT_OT_generate(_Starts):
    """Generate a take of this scene's shot."""

    bl_idname = "depthshot.generate"
    bl_label = "Generate"
    bl_description = (
        "Capture this scene's shot, generate its frames and place the take on the timeline"
    )

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Grey while one runs or while the scene has no shot; the tooltip says which."""
        reason = _why_not_now() or why_not(context)
        if reason is not None:
            cls.poll_message_set(reason)
        return reason is None

    def begin(self, context: Context) -> Generation:
        """Return a generation of the scene as it is now."""
        return Generation.start(context, read_request(context))


class DEPTHSHOT_OT_fetch(_Starts):
    """Fetch the oldest take of this file that was not placed yet."""

    bl_idname = "depthshot.fetch"
    bl_label = "Fetch Take"
    bl_description = (
        "Fetch the oldest take of this file that was not placed yet, as when Blender was closed"
    )

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Grey while one runs or while no take is waiting; the tooltip says which."""
        reason = _why_not_now() or _why_nothing(context)
        if reason is not None:
            cls.poll_message_set(reason)
        return reason is None

    def begin(self, context: Context) -> Generation:
        """Return a generation that goes on with the job."""
        stored = preferences(context)
        check_paths(stored)
        check_elsewhere(stored)
        claim = claim_next(stored.data, open_file())
        if claim is None:  # another Blender was faster
            raise TargetError(f"{NOTHING}.")
        return Generation.resume(claim, stored)


class DEPTHSHOT_OT_cancel(Operator):
    """Stop the generation that runs."""

    bl_idname = "depthshot.cancel"
    bl_label = "Cancel"
    bl_description = "Stop generating; what was captured is kept, so the next try is faster"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Grey while nothing runs."""
        if not runner.running:
            cls.poll_message_set("Nothing is being generated")
        return runner.running

    def execute(self, context: Context) -> set[str]:
        """Ask the generation to end."""
        runner.cancel()
        return {"FINISHED"}


def _why_not_now() -> str | None:
    return RUNNING if runner.running else care.why_no_take()


def _why_nothing(context: Context) -> str | None:
    try:
        stored = preferences(context)
        check_paths(stored)
        return None if has_pending(stored.data, open_file()) else NOTHING
    except DepthshotError as reason:
        return str(reason)
    except OSError as reason:  # of a data folder that may not be looked into
        return f"The data folder cannot be read ({reason.strerror or reason}); choose another one"


CLASSES = (DEPTHSHOT_OT_generate, DEPTHSHOT_OT_fetch, DEPTHSHOT_OT_cancel)
