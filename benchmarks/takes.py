"""Takes made for measuring: only the frames that have a truth, in folders as `generate` writes."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from backend import media
from backend.models.card import Card, Value
from backend.models.interface import Model, Request
from backend.reader import ShotReader
from backend.take import FRAMES, MASKS, frame_name

log = logging.getLogger(__name__)


class FolderSink:
    """Writes the frames asked for into a take's folder, and nothing else of a take."""

    def __init__(self, folder: Path, shot: ShotReader, *, wanted: frozenset[int]) -> None:
        """Make the folder; `wanted` are the indices to write."""
        self._folder, self._shot, self._wanted = folder, shot.shot, wanted

    def progress(self, phase: str, done: int, total: int) -> None:
        """See `models.interface.Sink`; nobody watches."""

    def frame(
        self, index: int, *, image: np.ndarray, mask: np.ndarray, depth: np.ndarray | None = None
    ) -> None:
        """See `models.interface.Sink`."""
        if index in self._wanted:
            write_frame(self._folder, self._shot.frame(index), image=image, mask=mask)

    def warn(self, message: str) -> None:
        """See `models.interface.Sink`."""
        log.info("%s: %s", self._folder.name, message)


def make_take(
    model: Model,
    card: Card,
    shot: Path,
    out: Path,
    *,
    indices: Iterable[int],
    settings: Mapping[str, Value] | None = None,
    seed: int = 0,
) -> Path:
    """Let a model make some frames of a shot, as `generate` would; return the take's folder.

    Args:
        model: A loaded model.
        card: Its card, which checks the settings.
        shot: Folder of the shot.
        out: Folder of the take.
        indices: The frames wanted; the model is told that all others exist already.
        settings: Values by name; the card's defaults stand for the rest.
        seed: Seed of every random number.
    """
    reader, wanted = ShotReader(shot), frozenset(indices)
    others = frozenset(range(reader.shot.frames)) - wanted
    request = Request(reader, card.check_settings(settings or {}), seed, finished=others)
    model.generate(request, FolderSink(out, reader, wanted=wanted))
    return out


def write_frame(take: Path, frame: int, *, image: np.ndarray, mask: np.ndarray) -> None:
    """Write image (H, W, 3) and mask (H, W), both uint8, of a Blender frame into a take."""
    for kind, content in ((FRAMES, media.encode_png(image)), (MASKS, media.encode_mask(mask))):
        (take / kind).mkdir(parents=True, exist_ok=True)
        (take / kind / frame_name(frame)).write_bytes(content)


def read_frame(take: Path, frame: int) -> np.ndarray:
    """Return the image (H, W, 3) uint8 of a Blender frame of a take or of the truth."""
    return media.to_8bit(media.read_still(take / FRAMES / frame_name(frame)).pixels)


def read_mask(take: Path, frame: int) -> np.ndarray:
    """Return the mask (H, W) uint8 of a Blender frame of a take."""
    return media.to_8bit(media.read_still(take / MASKS / frame_name(frame)).pixels)[..., 0]
