"""What strips and images of a file remember of the take that they show, to know it again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import bpy
from bpy.types import Image

from ..backend.take import FRAMES, MASKS, Take

SHOT = "depthshot_shot"
"""Property of strips and images that show a take: the hash of its shot."""
CAPTURE = "depthshot_capture"
"""Property of the same: the hash of what was captured, "" where the take does not note it."""
TAKE = "depthshot_take"
"""Property of the same: the hash of the take (`take_hash`)."""
MADE = "depthshot_made"
"""Property of the same: what made the take, in words."""

_PICTURES = (f"{FRAMES}/", f"{MASKS}/")


def take_hash(take: Take) -> str:
    """Return a hash that tells a take from all others, those of its own shot too.

    It is of the hashes of its frames and masks and of what made them. Scene-linear files have no
    part in it: they can be made anew.
    """
    pictures = {path: sha for path, sha in take.files.items() if path.startswith(_PICTURES)}
    parts = [take.shot_sha256, take.model, take.revision, str(take.seed), pictures]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def made_by(take: Take) -> str:
    """Return what made a take, in words that tell it from others of its shot where they differ."""
    return f"{take.model} {take.revision} with the seed {take.seed}"


def traits(take: Take) -> dict[str, str]:
    """Return what is remembered of a take, by the names of the properties."""
    return {
        SHOT: take.shot_sha256,
        CAPTURE: take.capture_sha256,
        TAKE: take_hash(take),
        MADE: made_by(take),
    }


def remember(shows: bpy.types.Strip | Image, take: Take) -> None:
    """Let a strip or an image know which take it shows."""
    for name, value in traits(take).items():
        shows[name] = value


def knows_take(shows: bpy.types.Strip | Image) -> bool:
    """Return whether it knows which take it shows: what an earlier version made knows the shot."""
    return TAKE in shows


def why_other(shows: bpy.types.Strip | Image | Mapping[str, str], take: Take) -> str | None:
    """Return why a take is not the one that was shown, None where nothing speaks against it.

    Args:
        shows: What showed it, or the `traits` of the take that it showed.
        take: The take.
    """
    captured = shows.get(CAPTURE, "")
    if captured and take.capture_sha256:
        same = captured == take.capture_sha256
    else:  # the shot's hash has the seed and the prompt in it, but it was always noted
        same = shows.get(SHOT, take.shot_sha256) == take.shot_sha256
    if not same:
        return "it is of another shot"
    if shows.get(TAKE, take_hash(take)) == take_hash(take):
        return None
    before, now = shows.get(MADE, ""), made_by(take)
    if before == now:
        return f"it is another one of the same shot, made by {now} as well but with other pictures"
    return f"it is another one of the same shot, made by {now}, the lost one by {before}"
