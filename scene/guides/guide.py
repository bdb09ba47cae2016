"""What a guide is: values that the second Blender renders, and where they lie in the shot."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Guide:
    """One kind of guide.

    Attributes:
        name: its name in `Shot.guides`.
        passes: view layer properties that the second Blender turns on to render it.
        in_metres: whether it holds lengths, which have to be scaled by the scene's unit.
        joins_frames: whether it tells where things are in the neighbouring frames. Blender takes
            them all as seen by one camera, so beside a cut to another camera it is not known.
    """

    name: str
    passes: tuple[str, ...]
    in_metres: bool = False
    joins_frames: bool = False
