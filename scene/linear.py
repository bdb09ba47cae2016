"""Scene-linear frames of a finished take: a second Blender makes them, so that nobody waits.

    conversion = LinearFrames.start(folder, view="AgX")
    while conversion.take is None:
        conversion.step()       # a timer in a window, a loop in a test

The take's 16-bit PNG frames stay. `linear/` gets its name when all of its files are whole, and the
record names them last, so a take that was interrupted is one of 16-bit PNG as before.
"""

from __future__ import annotations

import dataclasses
import json
import os
import secrets
import shutil
from pathlib import Path

from ..backend.errors import CaptureError, StorageError, TakeError
from ..backend.formats import EXR, PNG16
from ..backend.marks import linear_marks
from ..backend.take import FRAMES, LINEAR, TAKE_FILE, Take, frame_name, read_take
from .child_process import ChildProcess
from .color import INVERSES
from .color import LINEAR as COLOR_SPACE

SCRIPT = Path(__file__).with_name("linear_child.py")
_WORK = ".linear"  # in the take's folder: what is made is only renamed in the end


def _remove_left(folder: Path) -> None:
    """Remove what conversions have left that ended with their Blender."""
    for work in folder.glob(f"{_WORK}*"):
        shutil.rmtree(work, ignore_errors=True)


class LinearFrames:
    """One conversion under way; `start` makes one.

    Attributes:
        take: The take's new record, None while frames are missing.
        share: How much is done, 0 to 1.
    """

    def __init__(self, folder: Path, take: Take, *, view: str) -> None:
        self.take: Take | None = None
        self.share = 0.0
        self._folder = folder
        self._before = take
        self._view = view
        # Another name each time: the files of one that was cancelled may go only now.
        self._work = folder / f"{_WORK}-{secrets.token_hex(4)}"
        self._files: dict[str, str] = {}
        self._refused = ""
        self._reason = ""
        self._child: ChildProcess | None = None

    @classmethod
    def start(cls, folder: Path, *, view: str) -> LinearFrames:
        """Start the second Blender on the take in `folder`.

        Args:
            folder: The take's folder.
            view: The view transform that the take's stills were made with, a key of `INVERSES`.

        Raises:
            TakeError: the take has no 16-bit frames, or the view no inverse.
            StorageError: the folder cannot be written.
            CaptureError: the second Blender could not be started.
        """
        take = read_take(folder)
        if take.format not in (PNG16, EXR):
            raise TakeError(
                f"The take '{folder.name}' has 8 bits a value, too few for EXR frames; generate it"
                " again with the format OpenEXR Half."
            )
        if view not in INVERSES:
            raise TakeError(
                f"The view transform “{view}” has no inverse, so the take '{folder.name}' cannot be"
                " made scene-linear; its 16-bit PNG frames can be placed with Place a Take…."
            )
        conversion = cls(folder, take, view=view)
        try:
            _remove_left(folder)
            (conversion._work / LINEAR).mkdir(parents=True)
            conversion._child = ChildProcess(conversion._work, conversion._job(), script=SCRIPT)
        except OSError as reason:
            shutil.rmtree(conversion._work, ignore_errors=True)
            raise conversion._unwritable(reason) from reason
        except CaptureError:
            shutil.rmtree(conversion._work, ignore_errors=True)
            raise
        return conversion

    def step(self) -> None:
        """Look at what the second Blender has done; never waits for it.

        Raises:
            TakeError: it could not make the frames.
            StorageError: the take's folder cannot be written.
        """
        if self._child is None:
            return
        events, code = self._child.poll()
        for event in events:
            if event["kind"] == "frame":
                self._files[event["path"]] = event["sha256"]
                self.share = len(self._files) / self._before.frames
            elif event["kind"] == "refused":
                self._refused = event["message"]
            elif event["kind"] == "failed":
                self._reason = event["reason"]
        if code is None:
            return
        try:
            if code != 0:
                raise self._failed(code)
            self.take = self._finish()
        finally:
            self.cancel()

    def cancel(self) -> None:
        """End the second Blender and remove its files; a finished conversion stays.

        Does not wait for either: `child_process.wait_for_ends` does.
        """
        if self._child is not None:
            self._child.end()
            self._child = None

    def _job(self) -> dict[str, object]:
        take, made = self._before, self._work / LINEAR
        numbers = range(take.frame_start, take.frame_start + take.frames)
        return {
            "pictures": [
                {
                    "png": str(self._folder / FRAMES / frame_name(number)),
                    "name": f"{LINEAR}/{frame_name(number, '.exr')}",
                    "linear": str(made / frame_name(number, ".exr")),
                }
                for number in numbers
            ],
            "size": list(take.size),
            "view": self._view,
            "color_space": INVERSES[self._view],
            "linear": COLOR_SPACE,
            "text": dict(linear_marks(take, view=self._view)),
        }

    def _finish(self) -> Take:
        """Give the files their place and name them in the record, in this order."""
        files = {
            path: digest
            for path, digest in self._before.files.items()
            if not path.startswith(f"{LINEAR}/")
        }
        take = dataclasses.replace(
            self._before, format=EXR, view=self._view, files=files | self._files
        )
        place, part = self._folder / LINEAR, self._work / TAKE_FILE
        content = json.dumps(take.to_json(), indent=1, allow_nan=False).encode() + b"\n"
        try:
            with part.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            if place.exists():
                place.replace(self._work / "before")
            (self._work / LINEAR).replace(place)
            part.replace(self._folder / TAKE_FILE)
        except OSError as reason:
            raise self._unwritable(reason) from reason
        return take

    def _failed(self, code: int) -> TakeError:
        reason = self._refused or self._reason or f"the second Blender ended with code {code}"
        return TakeError(
            f"The take's EXR frames could not be made: {reason}. Its 16-bit PNG frames are whole in"
            f" '{self._folder}'; choose Fetch Take to try again, or place that folder."
        )

    def _unwritable(self, reason: OSError) -> StorageError:
        return StorageError(
            f"The take's EXR frames cannot be written to '{self._folder}'"
            f" ({reason.strerror or reason}); its 16-bit PNG frames are whole: free some space and"
            " choose Fetch Take."
        )
