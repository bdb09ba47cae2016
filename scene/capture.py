"""Captures a shot from the open scene with a second Blender, without changing the session.

    capture = Capture.start(context, settings, cache=folder)
    while not capture.step().finished:
        ...                     # a timer in a window, a loop in a test
    capture.folder, capture.shot    # files that are never changed, and this request for them

The scene is copied to a temporary file; everything else happens in another process
(`capture_child`), so between two steps nothing here refers to Blender's data.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import bpy

from ..backend.errors import CaptureError, ShotError, StorageError
from ..backend.geometry import NEVER_MOVES, never_moves
from ..backend.marks import Mark, add_mark, read_mark, strongest
from ..backend.wire import Camera, Shot, Still
from . import kept
from .camera import CameraFacts, Picture, wire_camera
from .child_process import ChildProcess
from .drivers import broken_drivers
from .guides import Guide, wanted
from .session import check_scene, find_scene, lost_images, read_picture, save_copy, scripts_allowed
from .settings import CaptureSettings
from .worn_takes import worn_marks, worn_notes, worn_takes

__all__ = ["Capture", "CaptureProgress", "CaptureSettings"]

FAILED_LOG = "failed-capture.log"
_STILL = "still.png"
_RENDERED = "guides"  # Blender's multilayer EXR, which serves every guide
_METRES = "depth"  # what had to be scaled to metres
_STILL_PIXELS = 1.0  # how far an image's height may lie from the shot's aspect, in its own pixels


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
    """One capture under way; `start` makes one.

    Attributes:
        settings: what was asked for.
        warnings: sentences for the artist, complete once finished.
        save_seconds: how long copying the scene took, all that blocks the session.
        key: what the capture depends on, as one hash; None until it is known, and where it cannot
            be known, so that the capture is never used again.
        reused: whether nothing was rendered, because the same had been captured before.
    """

    def __init__(
        self,
        settings: CaptureSettings,
        *,
        picture: Picture,
        fps: float,
        cache: Path,
        work: tuple[Path, kept.Use],
    ) -> None:
        self.settings = settings
        self.warnings: list[str] = []
        self.save_seconds = 0.0
        self.reused = False
        self._guides = wanted(flow=settings.with_flow, lock=settings.free is not None)
        self._picture = picture
        self._fps = fps
        self._cache = cache
        self._work, self._use = work
        self.key: str | None = None
        self._child: ChildProcess | None = None
        self._cameras: tuple[Camera, ...] = ()
        self._camera_names: list[str] = []
        self._held: kept.Held | None = None
        self._shot: Shot | None = None
        self._reason: str | None = None
        self._still_mark: Mark | None = None
        self._progress = _progress("starting", 0, 1)

    @classmethod
    def start(
        cls, context: bpy.types.Context, settings: CaptureSettings, *, cache: Path
    ) -> Capture:
        """Copy the scene and start the second Blender.

        Args:
            context: any with a preferences member; the scene is the one that the settings name.
            settings: what to capture.
            cache: folder that captures are kept in; made if it is missing.

        Raises:
            CaptureError: the scene cannot be captured, or the copy could not be written.
        """
        scene = find_scene(settings)
        check_scene(scene, settings)
        capture = cls(
            settings,
            picture=read_picture(scene),
            fps=scene.render.fps / scene.render.fps_base,
            cache=cache.absolute(),
            work=_make_work_folder(cache.absolute()),
        )
        try:
            capture._warn_of_lost_images()
            capture._look_at_still(scene)
            began = time.perf_counter()
            save_copy(context.preferences, capture._work / "copy.blend")
            capture.save_seconds = time.perf_counter() - began
            held = capture._use.inheritable
            capture._child = ChildProcess(capture._work, capture._job(), held=held)
        except OSError as reason:
            capture._remove()
            raise _unwritable(cache, reason) from reason
        except ShotError as reason:
            capture._remove()
            raise CaptureError(str(reason)) from reason
        except CaptureError:
            capture._remove()
            raise
        return capture

    @property
    def child_pid(self) -> int | None:
        """The process id of the second Blender, None when it is not running."""
        return None if self._child is None else self._child.pid

    @property
    def folder(self) -> Path:
        """The folder of the finished shot's files, which other requests may share: read only.

        Raises:
            CaptureError: it is not finished.
        """
        if self._held is None:
            raise CaptureError("The capture is not finished; wait for it.")
        return self._held.folder

    @property
    def shot(self) -> Shot:
        """The finished shot with the words, seed and name of these settings.

        The folder's own `shot.json` has none of them: send this one (`bundle.pack`).

        Raises:
            CaptureError: it is not finished.
        """
        if self._shot is None:
            raise CaptureError("The capture is not finished; wait for it.")
        return self._shot

    def step(self) -> CaptureProgress:
        """Look at what the second Blender has done; never waits for it.

        Raises:
            CaptureError: the scene was refused or the second Blender failed. Nothing is left
                behind but the log that the message names.
        """
        try:
            if self._child is not None:
                events, code = self._child.poll()
                for event in events:
                    self._take(event)
                if code is not None and self._held is None:
                    self._close(code)
        except CaptureError:
            self.cancel()
            raise
        if self._held is not None:
            self.cancel()
            self._progress = _progress("finished", 1, 1)
        return self._progress

    def cancel(self) -> None:
        """End the second Blender and remove its files; a finished capture stays.

        Does not wait for either: `child_process.wait_for_ends` does.
        """
        if self._child is not None:
            self._child.end(then=self._use.release)
            self._child = None

    def release(self) -> None:
        """Give the finished files up, once they were sent or will not be; in any thread.

        Until then, or until this Blender ends, nobody removes them. Files that cannot be used by
        another capture are removed now.
        """
        if self._held is not None:
            self._held.release()

    def _remove(self) -> None:
        """Remove the files of a capture that did not start."""
        shutil.rmtree(self._work, ignore_errors=True)  # what is still locked is of no harm
        self._use.release()

    def _warn_of_lost_images(self) -> None:
        lost = lost_images()
        if lost:
            self.warnings.append(
                f"Never saved, so missing in the capture: {', '.join(map(repr, lost))}; save or"
                " pack what was painted and capture again."
            )

    def _look_at_still(self, scene: bpy.types.Scene) -> None:
        """Find out what of the still is generated already."""
        if self.settings.still_source == "IMAGE":
            mark = read_mark(self.settings.still_image)
            self._still_mark = strongest([] if mark is None else [mark])
            return
        worn = worn_takes(scene)
        self.warnings += worn_notes(worn)
        self._still_mark = strongest(worn_marks(worn))

    def _folder_of(self, guide: Guide) -> str:
        """Return where a guide's files lie in the shot; one file can serve several guides."""
        return _METRES if guide.in_metres and self._picture.unit_scale != 1 else _RENDERED

    def _job(self) -> dict[str, object]:
        shot, settings = self._work / "shot", self.settings
        folders = {self._folder_of(guide) for guide in self._guides}
        for folder in folders:
            (shot / folder).mkdir(parents=True)
        image = settings.still_image if settings.still_source == "IMAGE" else None
        return {
            "copy": str(self._work / "copy.blend"),
            "scene": settings.scene,
            "use_scripts": scripts_allowed(),
            "broken_drivers": list(broken_drivers()),
            "frame_start": settings.frame_start,
            "frame_end": settings.frame_end,
            "size": [self._picture.width, self._picture.height],
            "still": str(shot / _STILL),
            "still_image": None if image is None else str(image),
            "still_frame": settings.still_frame,
            "supersample": settings.supersample,
            "free": settings.free,
            "passes": [name for guide in self._guides for name in guide.passes],
            # Rendered in any case; it goes along where a guide needs it.
            "rendered": f"{(shot if _RENDERED in folders else self._work) / _RENDERED}{os.sep}",
            "metres": str(shot / _METRES) if _METRES in folders else None,
        }

    def _take(self, event: dict[str, object]) -> None:
        match event["kind"]:
            case "phase":
                self._progress = _progress(event["phase"], event["done"], event["total"])
            case "cameras":
                facts = [CameraFacts.from_json(value) for value in event["cameras"]]
                self._cameras = tuple(wire_camera(fact, self._picture) for fact in facts)
                self._camera_names = [fact.name for fact in facts]
            case "hash":
                self._look_for(event["value"])
            case "image":
                self._check_aspect(*event["size"])
            case "warning":
                self.warnings.append(event["message"])
            case "failed":
                self._reason = f" ({event['reason']})" if event["reason"] else ""
            case "refused":
                raise CaptureError(event["message"])

    def _look_for(self, scene_hash: str | None) -> None:
        """Use a kept capture of the same; without a hash there can be none."""
        if scene_hash is None:
            return
        self.key = kept.key(scene_hash, self.settings)
        self._held = kept.find(self._cache, self.key)
        if self._held is None:
            return
        self._cameras = self._held.shot.cameras
        self._shot = dataclasses.replace(self._held.shot, **self._words())
        self.reused = True
        self._warn_of_still_camera()

    def _check_aspect(self, width: int, height: int) -> None:
        wanted = (self._picture.width, self._picture.height)
        if abs(height - width * wanted[1] / wanted[0]) > _STILL_PIXELS:
            raise CaptureError(
                f"The image '{self.settings.still_image}' is {width} x {height}, another aspect"
                f" than the scene's {wanted[0]} x {wanted[1]}; crop it, or set the scene's"
                " resolution to match."
            )

    def _close(self, code: int) -> None:
        if code != 0:
            raise self._failure()
        shot = self._new_shot()
        made, name = self._work / "shot", self.key or kept.once()
        try:
            still = made / _STILL
            if self._still_mark is not None and read_mark(still) is None:
                add_mark(still, self._still_mark)
            self._held = kept.keep(shot, made, cache=self._cache, name=name)
        except ShotError as reason:
            raise CaptureError(f"The capture is not whole: {reason}") from reason
        except StorageError as reason:
            raise CaptureError(str(reason)) from reason
        except OSError as reason:
            raise _unwritable(self._cache, reason) from reason
        # That of the folder: another Blender may have kept the same first.
        self._shot = dataclasses.replace(self._held.shot, **self._words())
        # It may have gigabytes to remove.
        threading.Thread(target=kept.prune, args=(self._cache,), daemon=True).start()
        self._warn_of_still_camera()

    def _warn_of_still_camera(self) -> None:
        if never_moves(self._cameras):
            self.warnings.append(NEVER_MOVES)

    def _new_shot(self) -> Shot:
        settings = self.settings
        return Shot(
            size=(self._picture.width, self._picture.height),
            fps=self._fps,
            frame_start=settings.frame_start,
            stills=(Still(image=_STILL, index=settings.still_frame - settings.frame_start),),
            cameras=self._cameras,
            guides={
                guide.name: tuple(self._path(guide, index) for index in range(len(settings.frames)))
                for guide in self._guides
            },
            **self._words(),
        )

    def _path(self, guide: Guide, index: int) -> str | None:
        names = self._camera_names[max(index - 1, 0) : index + 2]
        if guide.joins_frames and len(set(names)) > 1:
            return None
        return f"{self._folder_of(guide)}/{self.settings.frames[index]:04d}.exr"

    def _words(self) -> dict[str, object]:
        """Return what of the shot nothing has to be rendered for."""
        return {
            "name": self.settings.name,
            "prompt": self.settings.prompt,
            "negative_prompt": self.settings.negative_prompt,
            "seed": self.settings.seed,
        }

    def _failure(self) -> CaptureError:
        # One that fails tells so itself; one that is killed or crashes cannot.
        how = "crashed or was ended" if self._reason is None else f"failed{self._reason}"
        log = self._cache / FAILED_LOG
        self._child.log.replace(log)  # needs no space, unlike a copy
        return CaptureError(
            f"The second Blender {how} while {self._progress.message}; its log '{log}' has the"
            " details."
        )


def _progress(phase: str, done: int, total: int) -> CaptureProgress:
    messages = {
        "starting": "opening the copy",
        "cameras": f"reading cameras {done}/{total}",
        "still": "making the still",
        "guides": f"rendering guides {done}/{total}",
        "finished": "captured",
    }
    return CaptureProgress(phase, done, total, phase == "finished", messages[phase])


def _make_work_folder(cache: Path) -> tuple[Path, kept.Use]:
    try:
        return kept.work_folder(cache)
    except OSError as reason:
        raise _unwritable(cache, reason) from reason
    except StorageError as reason:
        raise CaptureError(str(reason)) from reason


def _unwritable(cache: Path, reason: OSError) -> CaptureError:
    return CaptureError(
        f"The folder for captures '{cache}' cannot be written ({reason.strerror}); free some"
        " space there or choose another one in the preferences."
    )
