"""Captures that are kept: one folder each, named by a hash of all that it depends on."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import shutil
from pathlib import Path

from ..backend.errors import CaptureError, ShotError
from ..backend.wire import SHOT_FILE, Shot, read_shot, write_shot
from .settings import CaptureSettings

log = logging.getLogger(__name__)

SIZES_FILE = "kept.json"
_NO_WORDS = {"name": "shot", "prompt": "", "negative_prompt": "", "seed": 0}
MOST_BYTES = 20_000_000_000  # of all kept captures; a minute of HD video takes about 5 GB


def key(scene_hash: str, settings: CaptureSettings) -> str:
    """Return the name of a capture: the same for what would be rendered the same."""
    parts = [
        scene_hash,
        settings.scene,
        settings.frame_start,
        settings.frame_end,
        settings.still_source,
        settings.still_frame,
        settings.supersample,
        settings.with_flow,
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def find(cache: Path, name: str) -> Shot | None:
    """Return the shot of a kept capture, or None; one that is damaged is removed."""
    folder = cache / name
    if not folder.is_dir():
        return None
    try:
        shot = read_shot(folder)
        sizes = json.loads((folder / SIZES_FILE).read_text(encoding="utf-8"))
        whole = sizes == _sizes(folder, shot)
    except (ShotError, OSError, ValueError) as reason:
        log.warning("The kept capture %s is damaged (%s)", folder, reason)
        whole = False
    if not whole:
        shutil.rmtree(folder)
        return None
    return shot


def keep(shot: Shot, made: Path, *, cache: Path, name: str) -> Path:
    """Move the rendered files in `made` to their kept place and return it.

    What is kept is never changed again, so its `shot.json` has no words of any one request.

    Raises:
        CaptureError: the disk refuses.
        ShotError: a file of the shot is missing.
    """
    folder = cache / name
    try:
        write_shot(dataclasses.replace(shot, **_NO_WORDS), made)
        read_shot(made)
        sizes = json.dumps(_sizes(made, shot))
        (made / SIZES_FILE).write_text(sizes, encoding="utf-8")
        if find(cache, name) is not None:  # another Blender captured the same in the meantime
            return folder
        made.replace(folder)
    except OSError as reason:
        raise CaptureError(
            f"The capture could not be kept in '{cache}' ({reason.strerror}); free some space"
            " there or choose another folder in the preferences."
        ) from reason
    return folder


def prune(cache: Path, *, newest: Path, most: int = MOST_BYTES) -> None:
    """Remove the captures that were not used for the longest time, down to `most` bytes in all.

    Args:
        cache: Folder of the kept captures; what else lies there is left alone.
        newest: The capture in use now, which always stays.
        most: Bytes that may stay.
    """
    # Using a kept capture writes its shot.json anew, so its date is that of the last use.
    used = {
        path.parent: (path.parent / SHOT_FILE).stat().st_mtime_ns
        for path in cache.glob(f"*/{SIZES_FILE}")
    }
    total = 0
    for folder in sorted(used, key=lambda folder: (folder == newest, used[folder]), reverse=True):
        total += sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        if total > most and folder != newest:
            log.info("removing the kept capture %s, unused for the longest time", folder)
            shutil.rmtree(folder)


def _sizes(folder: Path, shot: Shot) -> dict[str, int]:
    return {path: folder.joinpath(path).stat().st_size for path in shot.files()}
