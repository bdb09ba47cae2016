"""The take: one result of a shot on disk, its layout and its record.

    frames/0001.png   RGB, sRGB, no alpha, 8 or 16 bits; named by the Blender frame number
    linear/0001.exr   half-float RGB, scene-linear; only in takes of the format `exr`
    mask/0001.png     8-bit grey: 255 = generated, 0 = from a still, between = share
    depth/0001.exr    where the model makes it
    take.json         what made it, and a SHA-256 for every file; written last

A folder without `take.json` is an unfinished take: its frames are whole (each is written under
another name and renamed) and a later attempt goes on from them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import ShotError, TakeError
from .fields import Fields, read_json
from .formats import EXR, FORMATS, PNG8
from .names import check_path
from .wire import (
    MAX_FRAME_NUMBER,
    MAX_FRAMES,
    MAX_JSON_BYTES,
    MAX_SIDE,
    MAX_TEXT,
    PROTOCOL,
    Camera,
)

TAKE_FILE = "take.json"
PREVIEW_FILE = ".preview.png"  # there while a take is being made
FRAMES, MASKS, DEPTHS, LINEAR = "frames", "mask", "depth", "linear"
SHOWN, SHOWN_MASKS = "control", "control-mask"  # what the model was shown, at its own size


def frame_name(frame: int, suffix: str = ".png") -> str:
    """Return the file name of a Blender frame: 4 digits, more when needed, '-' for negatives."""
    return f"{frame:04d}{suffix}"


def display_picture(linear: Path) -> Path | None:
    """Return the PNG of the same frame as a take's scene-linear file; None if there is none."""
    beside = linear.parent.parent / FRAMES / linear.with_suffix(".png").name
    return beside if linear.parent.name == LINEAR and beside.is_file() else None


@dataclass(frozen=True, slots=True)
class Take:
    """The record of a finished take.

    Attributes:
        shot_sha256: Hash of the shot (see `bundle.shot_hash`).
        name: Name of the shot.
        model: Card id, and `revision` of its weights or code.
        settings: Every setting it was made with.
        frame_start: Blender frame of the first file.
        frames: Number of frames.
        size: Width and height in pixels.
        fps: Frames a second.
        generated: Share of generated pixels of each frame, 0 to 1.
        files: SHA-256 of every file, by its path in the take.
        warnings: Sentences the artist was told.
        details: Device, versions, seconds of each phase, frames of the stills: for people, not
            for programs.
        format: One of `formats.FORMATS`; takes made before there was a choice are png8.
        view: The view transform whose inverse made the scene-linear files, "" without them.
        capture_sha256: Hash of the shot without its words (see `bundle.shot_hashes`): the same for
            every take of one capture; "" in takes made before it was noted.
        cameras: The camera of each frame, in pixels of `size`; none in takes made before.
    """

    shot_sha256: str
    name: str
    model: str
    revision: str
    settings: Mapping[str, object]
    seed: int
    frame_start: int
    frames: int
    size: tuple[int, int]
    fps: float
    digital_source_type: str
    generated: tuple[float, ...]
    files: Mapping[str, str]
    warnings: tuple[str, ...]
    details: Mapping[str, object]
    format: str = PNG8
    view: str = ""
    capture_sha256: str = ""
    cameras: tuple[Camera, ...] = ()

    @property
    def is_linear(self) -> bool:
        """Whether it has scene-linear pictures."""
        return self.format == EXR

    def picture(self, frame: int) -> str:
        """Return the path, in the take, of the picture of a Blender frame that is best to grade."""
        if self.is_linear:
            return f"{LINEAR}/{frame_name(frame, '.exr')}"
        return f"{FRAMES}/{frame_name(frame)}"

    def to_json(self) -> dict[str, object]:
        """Return the content of `take.json`."""
        return {
            "protocol": PROTOCOL,
            "name": self.name,
            "shot_sha256": self.shot_sha256,
            "model": self.model,
            "revision": self.revision,
            "settings": dict(self.settings),
            "seed": self.seed,
            "frame_start": self.frame_start,
            "frames": self.frames,
            "size": list(self.size),
            "fps": self.fps,
            "digital_source_type": self.digital_source_type,
            "generated": list(self.generated),
            "warnings": list(self.warnings),
            "details": dict(self.details),
            "format": self.format,
            "view": self.view,
            "capture_sha256": self.capture_sha256,
            "cameras": [camera.to_json() for camera in self.cameras],
            "files": dict(self.files),
        }

    @classmethod
    def from_json(cls, value: object, *, error: type[TakeError] = TakeError) -> Take:
        """Read the content of `take.json`.

        Raises:
            TakeError: another version wrote it; `error`: a field is missing or wrong.
        """
        fields = Fields.of(value, place=TAKE_FILE, error=error)
        protocol = fields.get("protocol")
        if protocol != PROTOCOL or isinstance(protocol, bool):
            raise TakeError(
                f"{TAKE_FILE} was written by another version of Depthshot; generate it again."
            )
        frames = fields.integer("frames", least=1, most=MAX_FRAMES)
        return cls(
            shot_sha256=fields.text("shot_sha256", most=64),
            name=fields.text("name", most=MAX_TEXT),
            model=fields.text("model", most=200),
            revision=fields.text("revision", most=200),
            settings=fields.child("settings").values,
            seed=fields.integer("seed", least=0, most=2**63 - 1),
            frame_start=fields.integer(
                "frame_start", least=-MAX_FRAME_NUMBER, most=MAX_FRAME_NUMBER
            ),
            frames=frames,
            size=_size(fields),
            fps=fields.number("fps", above=0),
            digital_source_type=fields.text("digital_source_type", most=200),
            generated=_generated(fields, frames),
            files=_files(fields),
            warnings=_warnings(fields),
            details=fields.child("details").values,
            format=_format(fields),
            view=fields.text("view", most=MAX_TEXT, default=""),
            capture_sha256=fields.text("capture_sha256", most=64, default=""),
            cameras=_cameras(fields, frames),
        )


def _each(fields: Fields, name: str, *, least: int, most: int) -> tuple[Fields, list[str]]:
    """Return a list field as an object with its positions as names, for typed reading."""
    entries = fields.items(name, least=least, most=most)
    named = {f"{name}[{position}]": entry for position, entry in enumerate(entries)}
    return Fields(named, fields.place, fields.error), list(named)


def _size(fields: Fields) -> tuple[int, int]:
    sides, names = _each(fields, "size", least=2, most=2)
    width, height = (sides.integer(name, least=1, most=MAX_SIDE) for name in names)
    return width, height


def _format(fields: Fields) -> str:
    value = fields.text("format", most=200, default=PNG8)
    if value not in FORMATS:
        raise fields.wrong("format", f"one of {', '.join(FORMATS)}", value)
    return value


def _generated(fields: Fields, frames: int) -> tuple[float, ...]:
    shares, names = _each(fields, "generated", least=frames, most=frames)
    return tuple(shares.number(name, least=0, most=1) for name in names)


def _cameras(fields: Fields, frames: int) -> tuple[Camera, ...]:
    if fields.get("cameras", []) == []:
        return ()
    entries = fields.items("cameras", least=frames, most=frames)
    try:
        return tuple(
            Camera.from_json(entry, place=f"{TAKE_FILE}: cameras[{position}]")
            for position, entry in enumerate(entries)
        )
    except ShotError as reason:
        raise TakeError(str(reason)) from reason


def _warnings(fields: Fields) -> tuple[str, ...]:
    sentences, names = _each(fields, "warnings", least=0, most=10_000)
    return tuple(sentences.text(name, most=MAX_TEXT) for name in names)


def _files(fields: Fields) -> dict[str, str]:
    files = fields.child("files")
    for path in files.values:
        try:
            check_path(path, place=f"{TAKE_FILE}: a name in 'files'")
        except ShotError as reason:
            raise fields.error(str(reason)) from reason
    return {path: files.text(path, most=64) for path in files.values}


class _DamagedError(TakeError):
    """The content of a record is not as it was written."""


def read_take(folder: Path) -> Take:
    """Read the record of a finished take.

    Raises:
        TakeError: there is no folder, no take in it, none that is finished, or its record is
            damaged; each is said with its own way out.
    """
    if not (folder / TAKE_FILE).is_file():
        raise TakeError(_why_no_take(folder))
    try:
        value = read_json(folder / TAKE_FILE, error=_DamagedError, largest=MAX_JSON_BYTES)
        return Take.from_json(value, error=_DamagedError)
    except _DamagedError as reason:
        flaw = str(reason).partition("; ")[0].rstrip(".")
        raise TakeError(
            f"The record of the take '{folder.name}' is damaged ({flaw}); bring {TAKE_FILE} back"
            " from a backup, or generate the take again."
        ) from reason


def _why_no_take(folder: Path) -> str:
    if not folder.is_dir():
        return (
            f"The take's folder '{folder}' is not there; bring it back, or choose the folder where"
            " it is now."
        )
    if (folder.parent / TAKE_FILE).is_file():
        return f"'{folder.name}' is a part of the take '{folder.parent.name}'; choose that folder."
    if (folder / FRAMES).is_dir():
        return (
            f"'{folder.name}' is no finished take: it has no {TAKE_FILE}: it was lost, or its"
            " generation was interrupted; bring it back from a backup, choose Fetch Take if it is"
            " offered, or generate it again."
        )
    return f"'{folder.name}' is no take; choose the folder that has {TAKE_FILE} in it."


def verify_take(folder: Path) -> Take:
    """Read a take and compare every file with the hash in its record.

    Raises:
        TakeError: a file is missing or was changed; the message names the first one.
    """
    take = read_take(folder)
    for path, expected in take.files.items():
        file = folder / path
        if not file.is_file():
            raise TakeError(f"The take has lost '{path}'; generate it again.")
        if hash_file(file) != expected:
            raise TakeError(
                f"The take's '{path}' was changed after it was made; bring it back from a backup,"
                " or generate the take again."
            )
    return take


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
