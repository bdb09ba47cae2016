"""Captures a shot from the open scene with a second Blender, without changing the session.

    capture = Capture.start(context, settings, cache=folder)
    while not capture.step().finished:
        ...                     # a timer in a window, a loop in a test
    capture.folder              # the shot

The scene is copied to a temporary file; everything else happens in another process
(`capture_child`), so between two steps nothing here refers to Blender's data.
"""

from __future__ import annotations

import logging
import os
import shutil
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import bpy

from ..backend.errors import CaptureError
from ..backend.wire import Camera, Shot, Still, read_shot, write_shot
from .camera import CameraFacts, Picture, never_moves, wire_camera
from .child_process import ChildProcess
from .guides import GUIDES, Guide
from .session import (
    check_scene,
    find_scene,
    lost_images,
    read_picture,
    save_copy,
    scripts_allowed,
)
from .settings import CaptureSettings

__all__ = ["Capture", "CaptureProgress", "CaptureSettings"]

log = logging.getLogger(__name__)

STILL = "still.png"
FAILED_LOG = "failed-capture.log"


@dataclass(frozen=True, slots=True)
class CaptureProgress:
    """Where a capture stands.

    Attributes:
        phase: 'starting', 'cameras', 'still', 'guides' or 'finished'.
        done, total: steps of that phase.
        finished: whether `Capture.folder` is there.
        message: the same for people.
    """

    phase: str
    done: int
    total: int
    finished: bool
    message: str


class Capture:
    """One capture under way.

    Attributes:
        warnings: sentences for the artist, complete once finished.
        save_seconds: how long copying the scene took, all that blocks the session.
    """

    def __init__(
        self,
        settings: CaptureSettings,
        *,
        picture: Picture,
        fps: float,
        work: Path,
        cache: Path,
    ) -> None:
        """Prepare; use `start`."""
        self.settings = settings
        self.warnings: list[str] = []
        self.save_seconds = 0.0
        self._picture = picture
        self._fps = fps
        self._work = work
        self._cache = cache
        self._child: ChildProcess | None = None
        self._cameras: tuple[Camera, ...] = ()
        self._folder: Path | None = None
        self._refusal: str | None = None
        self._progress = _progress("starting", 0, 1)

    @classmethod
    def start(
        cls, context: bpy.types.Context, settings: CaptureSettings, *, cache: Path
    ) -> Capture:
        """Copy the scene and start the second Blender.

        Args:
            context: any; the scene is the one that the settings name.
            settings: what to capture.
            cache: folder that captures are kept in; made if it is missing.

        Raises:
            CaptureError: the scene cannot be captured, or the copy could not be written.
        """
        scene = find_scene(settings)
        check_scene(scene, settings)
        work = _make_work_folder(cache)
        capture = cls(
            settings,
            picture=read_picture(scene),
            fps=scene.render.fps / scene.render.fps_base,
            work=work,
            cache=cache,
        )
        try:
            capture._warn_of(scene)
            began = time.perf_counter()
            save_copy(work / "copy.blend")
            capture.save_seconds = time.perf_counter() - began
            capture._child = ChildProcess(work, capture._job())
        except CaptureError:
            capture.cancel()
            raise
        return capture

    @property
    def folder(self) -> Path:
        """The finished shot's folder.

        Raises:
            CaptureError: it is not finished.
        """
        if self._folder is None:
            raise CaptureError("The capture is not finished; wait for it.")
        return self._folder

    def step(self) -> CaptureProgress:
        """Look at what the second Blender has done; never waits.

        Raises:
            CaptureError: the scene was refused or the second Blender failed. Nothing is left
                behind but the log that the message names.
        """
        if self._child is None:
            return self._progress
        try:
            events, code = self._child.poll()
            for event in events:
                self._take(event)
            if code is not None:
                self._close(code)
        except CaptureError:
            self.cancel()
            raise
        return self._progress

    def cancel(self) -> None:
        """End the second Blender and remove what it made; a finished capture stays."""
        if self._child is not None:
            self._child.end()
            self._child = None
        shutil.rmtree(self._work, ignore_errors=True)

    def _warn_of(self, scene: bpy.types.Scene) -> None:
        lost = lost_images()
        if lost:
            self.warnings.append(
                f"Never saved, so not in the capture: image {', '.join(map(repr, lost))};"
                " save or pack it and capture again."
            )

    def _guides(self) -> list[Guide]:
        return [
            guide for guide in GUIDES if not guide.optional or self.settings.with_flow
        ]

    def _job(self) -> dict[str, object]:
        shot, settings = self._work / "shot", self.settings
        (shot / "guides").mkdir(parents=True)
        source = settings.still_image if settings.still_source == "IMAGE" else None
        return {
            "copy": str(self._work / "copy.blend"),
            "scene": settings.scene,
            "use_scripts": scripts_allowed(),
            "frame_start": settings.frame_start,
            "frame_end": settings.frame_end,
            "size": [self._picture.width, self._picture.height],
            "still": str(shot / STILL),
            "still_image": None if source is None else str(source),
            "still_frame": settings.still_frame,
            "supersample": settings.supersample,
            "guides": f"{shot / 'guides'}{os.sep}",
            "passes": [name for guide in self._guides() for name in guide.passes],
        }

    def _take(self, event: dict[str, object]) -> None:
        match event["kind"]:
            case "phase":
                self._progress = _progress(event["phase"], event["done"], event["total"])
            case "cameras":
                facts = [CameraFacts.from_json(value) for value in event["cameras"]]
                self._cameras = tuple(wire_camera(fact, self._picture) for fact in facts)
            case "refused":
                self._refusal = event["message"]

    def _close(self, code: int) -> None:
        if self._refusal is not None:
            raise CaptureError(self._refusal)
        if code != 0:
            raise self._failure(code)
        self._child.end()
        if never_moves(self._cameras):
            self.warnings.append(
                "The camera never moves in this range, so the shot has no parallax; animate it"
                " or choose other frames."
            )
        shot = self._work / "shot"
        write_shot(self._shot(), shot)
        read_shot(shot)
        folder = self._cache / uuid.uuid4().hex
        shot.replace(folder)
        self._folder = folder
        self.cancel()
        self._progress = _progress("finished", 1, 1)

    def _shot(self) -> Shot:
        settings = self.settings
        guides = {
            guide.name: tuple(f"guides/{frame:04d}.exr" for frame in settings.frames)
            for guide in self._guides()
        }
        return Shot(
            name=settings.name,
            size=(self._picture.width, self._picture.height),
            fps=self._fps,
            frame_start=settings.frame_start,
            stills=(Still(image=STILL, index=settings.still_frame - settings.frame_start),),
            cameras=self._cameras,
            guides=guides,
            prompt=settings.prompt,
            negative_prompt=settings.negative_prompt,
            seed=settings.seed,
        )

    def _failure(self, code: int) -> CaptureError:
        kept = self._cache / FAILED_LOG
        shutil.copyfile(self._child.log, kept)
        lines = kept.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        reason = lines[-1].strip() if lines else f"exit code {code}"
        return CaptureError(
            f"The second Blender failed while {self._progress.message} ({reason}); its log is"
            f" '{kept}'."
        )


def _progress(phase: str, done: int, total: int) -> CaptureProgress:
    messages = {
        "starting": "opening the copy",
        "cameras": f"reading cameras {done}/{total}",
        "still": "rendering the still",
        "guides": f"rendering guides {done}/{total}",
        "finished": "captured",
    }
    return CaptureProgress(phase, done, total, phase == "finished", messages[phase])


def _make_work_folder(cache: Path) -> Path:
    work = cache / f"{uuid.uuid4().hex}.partial"
    try:
        work.mkdir(parents=True)
    except OSError as reason:
        raise CaptureError(
            f"The folder for captures '{cache}' cannot be written ({reason.strerror}); choose"
            " another one in the preferences."
        ) from reason
    return work
