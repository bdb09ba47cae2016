"""The shot: what is asked of a model, as both sides read and write it.

A shot is a folder (or the same tree zipped, see `bundle`) with `shot.json` and the files it names.
This module holds its description and checks it; pixels are never decoded here (`media` does).

Conventions (docs/conventions.md has the drawing):
    pixels     of `Shot.size`; pixel (0, 0) covers [0, 1) x [0, 1), its centre is (0.5, 0.5); y down
    camera     fl_x, fl_y, cx, cy in those pixels; `transform_matrix` is camera-to-world and rigid,
               +X right, +Y up, looking along -Z, metres
    index      0-based position in `cameras`; the Blender frame is `frame_start + index`
    depth      planar z in metres at pixel centres, +inf where nothing is hit
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from .errors import ShotError, StorageError
from .fields import Fields, quoted, read_json
from .names import check_distinct, check_path

PROTOCOL = 1
GIVEN_ID = "[0-9a-f]{32}"  # what a sender may name its job: `uuid4().hex`
SHOT_FILE = "shot.json"

MAX_FRAMES = 4096
MAX_SIDE = 8192
MAX_PIXELS = 40_000_000
MAX_STILLS = 64
MAX_JSON_BYTES = 32 * 1024 * 1024
MAX_FRAME_NUMBER = 1_048_574  # Blender's own limit for frame numbers
MAX_TEXT = 20_000
MAX_GUIDES = 32
MAX_LENGTH = 1e9  # metres or pixels: no shot needs more, and squares of it stay far from overflow
MIN_FOCAL = 1e-6  # pixels
MAX_FPS = 100_000.0
# The guides whose values are read here; a guide of another name comes along if it is in order.
KNOWN_GUIDES = ("depth", "flow", "lock")
RIGID_TOLERANCE = 1e-4  # largest entry of |R R^T - I|; float32 matrices stay well below

Matrix = tuple[tuple[float, float, float, float], ...]


@dataclass(frozen=True, slots=True)
class Camera:
    """One pinhole camera: intrinsics in pixels of the shot's size, and a rigid pose."""

    fl_x: float
    fl_y: float
    cx: float
    cy: float
    transform_matrix: Matrix

    @classmethod
    def from_json(cls, value: object, *, place: str) -> Camera:
        """Read a camera; `place` names it in messages."""
        fields = Fields.of(value, place=place, error=ShotError)
        matrix = _matrix(fields)
        _check_rigid(matrix, place=place)
        return cls(
            fl_x=fields.number("fl_x", least=MIN_FOCAL, most=MAX_LENGTH),
            fl_y=fields.number("fl_y", least=MIN_FOCAL, most=MAX_LENGTH),
            cx=fields.number("cx", least=-MAX_LENGTH, most=MAX_LENGTH),
            cy=fields.number("cy", least=-MAX_LENGTH, most=MAX_LENGTH),
            transform_matrix=matrix,
        )

    def to_json(self) -> dict[str, object]:
        """Return the JSON object of this camera."""
        return {
            "fl_x": self.fl_x,
            "fl_y": self.fl_y,
            "cx": self.cx,
            "cy": self.cy,
            "transform_matrix": [list(row) for row in self.transform_matrix],
        }


@dataclass(frozen=True, slots=True)
class Still:
    """A picture whose pixels are known: its file, its index, and its camera if it is no frame."""

    image: str
    index: int
    camera: Camera | None = None

    @classmethod
    def from_json(cls, value: object, *, place: str, frames: int) -> Still:
        """Read a still; `frames` is the number of cameras that `index` points into."""
        fields = Fields.of(value, place=place, error=ShotError)
        camera = fields.get("camera", None)
        return cls(
            image=check_path(fields.get("image"), place=f"{place}: 'image'"),
            index=fields.integer("index", least=0, most=frames - 1),
            camera=None if camera is None else Camera.from_json(camera, place=f"{place}: 'camera'"),
        )

    def to_json(self) -> dict[str, object]:
        """Return the JSON object of this still."""
        value: dict[str, object] = {"image": self.image, "index": self.index}
        if self.camera is not None:
            value["camera"] = self.camera.to_json()
        return value


@dataclass(frozen=True, slots=True)
class Shot:
    """A request: stills, a camera for every frame, guides, words, size, rate and range.

    `guides` maps a guide's name ("depth", "flow", ...) to one path per frame, None where the
    frame's values are not known. All paths are relative to the shot's folder.
    """

    name: str
    size: tuple[int, int]
    fps: float
    frame_start: int
    stills: tuple[Still, ...]
    cameras: tuple[Camera, ...]
    guides: Mapping[str, tuple[str | None, ...]] = field(default_factory=dict)
    prompt: str = ""
    negative_prompt: str = ""
    seed: int = 0

    @property
    def frames(self) -> int:
        """Number of output frames."""
        return len(self.cameras)

    def frame(self, index: int) -> int:
        """Return the Blender frame number of output `index`."""
        return self.frame_start + index

    def guide(self, name: str) -> tuple[str | None, ...]:
        """Return the paths of a guide, all None when the shot has no such guide."""
        return self.guides.get(name, (None,) * self.frames)

    def files(self) -> tuple[str, ...]:
        """Return every file that the shot names, each once, in order."""
        return self._files(self.guides)

    def required(self) -> tuple[str, ...]:
        """Return the files without which the shot is not usable: those of guides known here."""
        return self._files([name for name in self.guides if name in KNOWN_GUIDES])

    def named_at(self, path: str) -> str:
        """Return where the shot names a file, as messages say it: field, and frame of a guide."""
        for position, still in enumerate(self.stills):
            if still.image == path:
                return f"{SHOT_FILE}: stills[{position}]"
        name, index = next(
            (name, paths.index(path)) for name, paths in self.guides.items() if path in paths
        )
        return f"Frame {self.frame(index)}, guides.{name}[{index}]"

    def _files(self, guides: Iterable[str]) -> tuple[str, ...]:
        paths = [still.image for still in self.stills]
        paths += [path for name in guides for path in self.guides[name] if path is not None]
        return tuple(dict.fromkeys(paths))

    @classmethod
    def from_json(cls, value: object) -> Shot:
        """Read and check the content of `shot.json`.

        Raises:
            ShotError: any field is missing or wrong; the message names it.
        """
        fields = Fields.of(value, place=SHOT_FILE, error=ShotError)
        protocol = fields.get("protocol")
        if protocol != PROTOCOL or not isinstance(protocol, int) or isinstance(protocol, bool):
            raise ShotError(
                f"{SHOT_FILE}: 'protocol' is {quoted(protocol)}, but this version of Depthshot"
                f" reads {PROTOCOL}; make the shot again with the same version."
            )
        for unsupported in ("frame_step", "time_remap"):
            if fields.get(unsupported, None) not in (None, 1):
                raise ShotError(
                    f"{SHOT_FILE}: '{unsupported}' is not supported; render every frame once."
                )
        cameras = tuple(
            Camera.from_json(entry, place=f"{SHOT_FILE}: cameras[{index}]")
            for index, entry in enumerate(fields.items("cameras", least=1, most=MAX_FRAMES))
        )
        stills = tuple(
            Still.from_json(entry, place=f"{SHOT_FILE}: stills[{position}]", frames=len(cameras))
            for position, entry in enumerate(fields.items("stills", least=1, most=MAX_STILLS))
        )
        _check_places(stills)
        shot = cls(
            name=fields.text("name", most=MAX_TEXT),
            size=_size(fields),
            fps=fields.number("fps", above=0, most=MAX_FPS),
            frame_start=fields.integer(
                "frame_start", least=-MAX_FRAME_NUMBER, most=MAX_FRAME_NUMBER
            ),
            stills=stills,
            cameras=cameras,
            guides=_guides(fields, frames=len(cameras)),
            prompt=fields.text("prompt", most=MAX_TEXT, default=""),
            negative_prompt=fields.text("negative_prompt", most=MAX_TEXT, default=""),
            seed=fields.integer("seed", least=0, most=2**63 - 1, default=0),
        )
        check_distinct((SHOT_FILE, *shot.files()))
        return shot

    def to_json(self) -> dict[str, object]:
        """Return the content of `shot.json`; `from_json` of it gives an equal shot."""
        return {
            "protocol": PROTOCOL,
            "name": self.name,
            "size": list(self.size),
            "fps": self.fps,
            "frame_start": self.frame_start,
            "stills": [still.to_json() for still in self.stills],
            "cameras": [camera.to_json() for camera in self.cameras],
            "guides": {name: list(paths) for name, paths in self.guides.items()},
            "prompt": self.prompt,
            "negative_prompt": self.negative_prompt,
            "seed": self.seed,
        }


def read_shot(folder: Path) -> Shot:
    """Read `shot.json` in `folder` and check that every file it names is there.

    A guide this version does not know is left out when a file of it is missing.

    Raises:
        ShotError: `shot.json` is missing or wrong, or a named file is missing or a link.
    """
    try:
        content = read_json(folder / SHOT_FILE, error=ShotError, largest=MAX_JSON_BYTES)
    except ShotError as reason:
        if not isinstance(reason.__cause__, FileNotFoundError):
            raise
        inside = folder / "shot"
        hint = f"; did you mean '{inside}'?" if _is_file(inside / SHOT_FILE) else "."
        raise ShotError(f"'{folder}' is no shot: it has no {SHOT_FILE}{hint}") from reason
    shot = Shot.from_json(content)
    root = folder.resolve()
    guides = {
        name: paths
        for name, paths in shot.guides.items()
        if name in KNOWN_GUIDES or all(path is None or _is_file(root / path) for path in paths)
    }
    shot = replace(shot, guides=guides)
    check_files(shot, folder)
    return shot


def check_files(shot: Shot, folder: Path) -> None:
    """Check that every file that `shot` names is in `folder`.

    Raises:
        ShotError: a file is missing or a link.
    """
    root = folder.resolve()
    for path in shot.files():
        _check_file(root, shot, path)


def encode_shot(shot: Shot) -> bytes:
    """Return what `shot.json` holds, checked by reading it as a receiver would.

    Raises:
        ShotError: the shot is not usable.
    """
    value = shot.to_json()
    Shot.from_json(value)
    return (json.dumps(value, indent=1) + "\n").encode()


def write_shot(shot: Shot, folder: Path) -> None:
    """Write `shot.json` into `folder`, checked by reading it as a receiver would.

    Raises:
        ShotError: the shot is not usable.
        StorageError: the file cannot be written.
    """
    content = encode_shot(shot)
    try:
        (folder / SHOT_FILE).write_bytes(content)
    except OSError as reason:
        raise StorageError(
            f"{SHOT_FILE} cannot be written: {reason.strerror or reason}."
        ) from reason


def _check_file(root: Path, shot: Shot, path: str) -> None:
    file = root / path
    if not _is_file(file):
        raise ShotError(
            f"{shot.named_at(path)} names '{path}', but that file is missing; capture the shot"
            " again."
        )
    if file.resolve() != file:
        raise ShotError(
            f"{shot.named_at(path)} names '{path}', which is a link; put the file itself there."
        )


def _is_file(file: Path) -> bool:
    """Return whether there is such a file; there is none of a name this system cannot hold."""
    try:
        return file.is_file()
    except OSError:
        return False


def _check_places(stills: tuple[Still, ...]) -> None:
    """Refuse two stills that claim to be the same output frame."""
    taken: dict[int, int] = {}
    for position, still in enumerate(stills):
        if still.camera is None and taken.setdefault(still.index, position) != position:
            raise ShotError(
                f"{SHOT_FILE}: stills[{position}] is at index {still.index}, where"
                f" stills[{taken[still.index]}] is already; give each its own frame or camera."
            )


def _matrix(fields: Fields) -> Matrix:
    rows = fields.items("transform_matrix", least=4, most=4)
    matrix = []
    for number, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != 4:
            raise fields.wrong("transform_matrix", "a list of four rows of four numbers", rows)
        entries = Fields(
            {str(column): entry for column, entry in enumerate(row)},
            f"{fields.place}: transform_matrix[{number}]",
            fields.error,
        )
        matrix.append(
            tuple(
                entries.number(str(column), least=-MAX_LENGTH, most=MAX_LENGTH)
                for column in range(4)
            )
        )
    return tuple(matrix)


def _check_rigid(matrix: Matrix, *, place: str) -> None:
    (a, b, c, _), (d, e, f, _), (g, h, i, _), last = matrix
    rows = ((a, b, c), (d, e, f), (g, h, i))
    worst = max(
        abs(sum(p * q for p, q in zip(first, second, strict=True)) - (first is second))
        for first in rows
        for second in rows
    )
    determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    if not worst < RIGID_TOLERANCE or not determinant > 0 or last != (0.0, 0.0, 0.0, 1.0):
        raise ShotError(
            f"{place}: 'transform_matrix' is not a rigid camera-to-world matrix; remove scale,"
            " shear and mirroring from the camera and its parents."
        )


def _size(fields: Fields) -> tuple[int, int]:
    entries = fields.items("size", least=2, most=2)
    sides = Fields(dict(zip(("width", "height"), entries, strict=True)), fields.place, fields.error)
    width = sides.integer("width", least=1, most=MAX_SIDE)
    height = sides.integer("height", least=1, most=MAX_SIDE)
    if width * height > MAX_PIXELS:
        raise ShotError(
            f"{fields.place}: 'size' is {width} x {height}, more than"
            f" {MAX_PIXELS // 1_000_000} megapixels; lower the resolution."
        )
    return width, height


def _guides(fields: Fields, *, frames: int) -> dict[str, tuple[str | None, ...]]:
    """Read the guides known here strictly; others come along only if they are in order."""
    guides = fields.child("guides", {})
    if len(guides.values) > MAX_GUIDES:
        raise fields.wrong("guides", f"at most {MAX_GUIDES} guides", len(guides.values))
    result = {}
    for name in guides.values:
        if name in KNOWN_GUIDES:
            result[name] = _guide(guides, name, frames=frames)
        elif name.isidentifier():
            with contextlib.suppress(ShotError):
                result[name] = _guide(guides, name, frames=frames)
    return result


def _guide(guides: Fields, name: str, *, frames: int) -> tuple[str | None, ...]:
    place = f"{SHOT_FILE}: guides.{name}"
    entries = guides.items(name, least=0, most=MAX_FRAMES)
    if len(entries) != frames:
        raise ShotError(
            f"{place} has {len(entries)} entries, but the shot has {frames} frames;"
            " give one for each frame, null where it is not known."
        )
    return tuple(
        None if entry is None else check_path(entry, place=f"{place}[{index}]")
        for index, entry in enumerate(entries)
    )
