"""From a shot to what a model can take, and back: which frames, at which size, in which windows.

Pure numbers, known before anything is loaded. Nothing is rounded silently: what a model makes
covers the shot's picture and frames, and what it makes beyond them is cut off again.

    fit       the shot's picture lies whole inside the model's, scaled alike in both directions, and
              its border is repeated outwards to the model's multiples
    frames    the model makes every k-th frame, the last one, and those of the stills
    windows   equal parts of a long shot that satisfy the model's rule; each begins with frames that
              the one before has made, and the last is filled up by repeating its last frame
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..errors import SettingError
from ..geometry import scale_camera
from ..wire import Camera, Shot
from .card import Card, FrameRule, Value

SMALLEST_SIDE = 16  # of the shot's picture inside the model's
WORKING_SIZES = {"480p": (832, 480), "720p": (1280, 720)}


@dataclass(frozen=True, slots=True)
class Fit:
    """A shot's picture inside a model's; sizes are (width, height) in whole pixels.

    Attributes:
        shot: Size of the shot.
        model: Size that the model works at.
        inner: Size of the shot's picture in the model's.
        left: Columns of the model's picture before the shot's.
        top: Rows of the model's picture above the shot's.
    """

    shot: tuple[int, int]
    model: tuple[int, int]
    inner: tuple[int, int]
    left: int
    top: int

    @property
    def padding(self) -> tuple[int, int, int, int]:
        """Columns and rows beyond the shot's picture: left, right, top, bottom."""
        right = self.model[0] - self.inner[0] - self.left
        return self.left, right, self.top, self.model[1] - self.inner[1] - self.top

    def camera(self, camera: Camera) -> Camera:
        """Return a camera of the shot in pixels of the model's picture."""
        scaled = scale_camera(camera, self.shot, self.inner)
        return replace(scaled, cx=scaled.cx + self.left, cy=scaled.cy + self.top)

    def to_json(self) -> dict[str, object]:
        """Return the JSON object of these sizes."""
        sides = ("left", "right", "top", "bottom")
        return {
            "shot": list(self.shot),
            "inner": list(self.inner),
            "model": list(self.model),
            "padding": dict(zip(sides, self.padding, strict=True)),
        }


@dataclass(frozen=True, slots=True)
class Window:
    """Frames that a model makes at once.

    Attributes:
        frames: Indices of the shot's frames, in order; the last one is repeated to fill up.
        kept: How many of the first were made by the window before.
        padded: How many of the last are there to fill up.
    """

    frames: tuple[int, ...]
    kept: int
    padded: int

    @property
    def new(self) -> tuple[int, ...]:
        """Indices of the shot's frames that are made here."""
        return self.frames[self.kept : len(self.frames) - self.padded]

    def to_json(self, shot: Shot) -> dict[str, object]:
        """Return the JSON object of this window; `frames` are Blender's numbers."""
        return {
            "frames": [shot.frame(index) for index in self.frames],
            "kept": self.kept,
            "padded": self.padded,
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """How a model makes a shot.

    Attributes:
        fit: The sizes.
        windows: In the order in which they are made.
        projected: Indices of frames that are not made but filled from their neighbours.
    """

    fit: Fit
    windows: tuple[Window, ...]
    projected: tuple[int, ...]

    @property
    def model_frames(self) -> int:
        """How many frames the model makes, those that are kept or fill up among them."""
        return sum(len(window.frames) for window in self.windows)

    def between(self, window: Window) -> tuple[int, ...]:
        """Return the indices of the frames to be projected between those of a window."""
        first = window.frames[window.kept - 1] if window.kept else -1
        return tuple(index for index in self.projected if first < index < window.new[-1])

    def to_json(self, shot: Shot) -> dict[str, object]:
        """Return the JSON object shown by `plan --json`; frames are Blender's numbers."""
        return {
            "size": self.fit.to_json(),
            "windows": [window.to_json(shot) for window in self.windows],
            "projected": [shot.frame(index) for index in self.projected],
            "model_frames": self.model_frames,
        }


def fit_size(size: tuple[int, int], *, multiple: int, area: int | None) -> Fit:
    """Return how a shot's picture lies in the largest picture that a model takes.

    Args:
        size: (width, height) of the shot.
        multiple: The model's sides are multiples of this.
        area: The most pixels that the model's picture may have; None keeps the shot's own size.

    Raises:
        SettingError: a side of the shot's picture would be too small to show anything.
    """
    width, height = size
    scale = 1.0 if area is None else _largest_scale(size, multiple, area)
    inner = round(width * scale), round(height * scale)
    if min(inner) < min(SMALLEST_SIDE, *size):
        raise SettingError(
            f"A shot of {width} x {height} would be worked on at {inner[0]} x {inner[1]}, too small"
            " to show anything; crop it to another shape, or choose a larger working size."
        )
    model = tuple(math.ceil(side / multiple) * multiple for side in inner)
    left, top = ((model[i] - inner[i]) // 2 for i in (0, 1))
    return Fit(size, model, inner, left, top)


def make_windows(
    indices: tuple[int, ...], *, rule: FrameRule, overlap: int, most: int | None = None
) -> tuple[Window, ...]:
    """Return the fewest windows that make frames `indices`, as equal as the rule allows, in order.

    Args:
        indices: Indices of the shot's frames that the model makes, at least one.
        rule: Numbers of frames that the model takes.
        overlap: Frames that a window takes over from the one before.
        most: The longest window; None for the rule's, or one window where there is none.

    Raises:
        SettingError: the longest window is shorter than the model's shortest video, or not longer
            than the overlap.
    """
    longest = _longest(rule, most)
    if longest is None or len(indices) <= longest:
        shares = [len(indices)]
    elif overlap >= longest:
        raise SettingError(
            f"Windows of {longest} frames of which {overlap} are kept make nothing new; set"
            " 'window' higher or 'overlap' lower."
        )
    else:
        shares = _shares(len(indices), rule=rule, overlap=overlap, longest=longest)
    windows, first, kept = [], 0, 0
    for share in shares:
        frames = indices[first - kept : first + share]
        padded = _at_least(len(frames), rule) - len(frames)
        windows.append(Window(frames + frames[-1:] * padded, kept, padded))
        first, kept = first + share, overlap
    return tuple(windows)


def choose_frames(
    count: int, *, every: int, stills: Iterable[int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the indices that a model makes, and those that lie between and are projected."""
    made = {*range(0, count, every), count - 1, *stills}
    return tuple(sorted(made)), tuple(i for i in range(count) if i not in made)


def make_plan(card: Card, shot: Shot, settings: dict[str, Value]) -> Plan:
    """Return how the model of a card makes a shot.

    Settings of a card that are read here, where it has them: `size` ("shot" or "480p", "720p"),
    `window` and `overlap` (frames), `every`.

    Raises:
        SettingError: these settings and this shot do not go together.
    """
    # A still with a camera of its own is no frame of the shot.
    stills = tuple(still.index for still in shot.stills if still.camera is None)
    return plan_frames(card, settings, size=shot.size, count=shot.frames, stills=stills)


def plan_frames(
    card: Card,
    settings: dict[str, Value],
    *,
    size: tuple[int, int],
    count: int,
    stills: tuple[int, ...],
) -> Plan:
    """Return how the model of a card makes `count` frames; see `make_plan`.

    Raises:
        SettingError: these settings, this size and this number do not go together.
    """
    made, projected = choose_frames(count, every=int(settings.get("every", 1)), stills=stills)
    windows = make_windows(
        made,
        rule=card.frame_rule,
        overlap=int(settings.get("overlap", card.overlap)),
        most=int(settings["window"]) if "window" in settings else None,
    )
    area = _area(card, settings)
    return Plan(fit_size(size, multiple=card.size_multiple, area=area), windows, projected)


def _area(card: Card, settings: dict[str, Value]) -> int | None:
    chosen = str(settings.get("size", "native"))
    native = WORKING_SIZES.get(chosen, card.native_size)
    return None if chosen == "shot" or native is None else math.prod(native)


def _largest_scale(size: tuple[int, int], multiple: int, area: int) -> float:
    """Return the greatest scale at which the padded picture has no more than `area` pixels.

    At the greatest, one side is a multiple exactly, or the next step would be over the area.
    """
    best = 0.0
    for side, other in (size, size[::-1]):
        for steps in range(1, area // multiple**2 + 1):
            length = steps * multiple
            scale = length / side
            across = max(1, math.ceil(round(other * scale) / multiple)) * multiple
            if length * across > area:
                break
            best = max(best, scale)
    if best == 0.0:
        raise SettingError(
            f"A shot of {size[0]} x {size[1]} does not fit into {area} pixels; crop it to another"
            " shape."
        )
    return best


def _shares(count: int, *, rule: FrameRule, overlap: int, longest: int) -> list[int]:
    """Return how many frames each of several windows makes; longer ones first.

    The last may make fewer: it is filled up. Every window but the first takes over `overlap`
    frames, so as if the first did as well, there are `overlap` frames fewer to share.
    """
    count -= overlap
    number = math.ceil(count / (longest - overlap))
    least = (rule.offset - overlap) % rule.multiple
    steps = math.ceil((count - number * least) / rule.multiple)
    each, more = divmod(steps, number)
    shares = [least + (each + (window < more)) * rule.multiple for window in range(number)]
    shares[0] += overlap
    return shares


def _longest(rule: FrameRule, most: int | None) -> int | None:
    """Return the longest window that the rule allows, None for any."""
    wanted = most or rule.most
    if wanted is None:
        return None
    longest = (wanted - rule.offset) // rule.multiple * rule.multiple + rule.offset
    if longest < _shortest(rule):
        raise SettingError(
            f"Windows of {wanted} frames are too short, because the model makes at least"
            f" {_shortest(rule)} at once; set 'window' higher."
        )
    return longest


def _shortest(rule: FrameRule) -> int:
    """Return the fewest frames that are a video: one alone is a picture, and another task."""
    return rule.offset + rule.multiple


def _at_least(count: int, rule: FrameRule) -> int:
    """Return the least number of frames that the rule allows and that is `count` or more."""
    steps = math.ceil((max(count, _shortest(rule)) - rule.offset) / rule.multiple)
    return steps * rule.multiple + rule.offset
