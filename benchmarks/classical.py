"""What needs no learning: the still repeated, classical fills and the cheat."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np

from backend import media
from backend.models import find_card, load_model
from backend.score import score

from .cheat import detail, sharpen_with_noise, world_noise, world_points
from .rivals import push_pull, telea, to_bytes
from .scenes import EvalScene, keep
from .takes import make_take, read_frame, read_mask, write_frame

STILL, TELEA, PUSH_PULL, PROJECTION = "still repeated", "Telea", "push-pull", "projection"
CHEAT, CHEAT_ON_PROJECTION = "the cheat", "the cheat, on projection"
CLASSICAL_FILLS = (TELEA, PUSH_PULL, PROJECTION)  # what "the best classical fill" is chosen from
CLASSICAL = (STILL, *CLASSICAL_FILLS, CHEAT, CHEAT_ON_PROJECTION)
BARE = "projection without fill"

Score = Mapping[str, object]
"""The JSON of a report of `backend.score`."""


def classical_take(scene: EvalScene, way: str) -> Path:
    """Return the take of one way to fill, from the cache where it is there."""
    take = scene.cache / way.replace(",", "").replace(" ", "-")
    if not take.is_dir():
        building = take.with_suffix(".part")
        shutil.rmtree(building, ignore_errors=True)
        _WAYS[way](scene, building)
        building.rename(take)
    return take


def classical_score(scene: EvalScene, way: str) -> Score:
    """Return the score of one way to fill, from the cache where it is there."""
    kept = classical_take(scene, way) / "score.json"
    if not kept.is_file():
        keep(kept, json.dumps(score_take(scene, kept.parent)).encode())
    return json.loads(kept.read_text(encoding="utf-8"))


def score_take(scene: EvalScene, take: Path) -> Score:
    """Score a take of a scene; an imported still's is measured with the depth it was not given."""
    return score(scene.known, take, truth=scene.truth).to_json()


def _projected(scene: EvalScene, take: Path, *, fill: bool) -> None:
    card = find_card(PROJECTION)
    model = load_model(card, device="cpu")
    make_take(model, card, scene.shot, take, indices=scene.indices, settings={"fill": fill})


def _still(scene: EvalScene, take: Path) -> None:
    size = scene.reader.shot.size
    still = media.to_8bit(scene.reader.still(0).pixels)
    if still.shape[1::-1] != size:
        still = cv2.resize(still, size, interpolation=cv2.INTER_AREA)
    seen = np.zeros(still.shape[:2], np.uint8)
    for index in scene.indices:
        write_frame(take, scene.frame(index), image=still, mask=seen)


def _filled(scene: EvalScene, take: Path, fill: Callable[..., np.ndarray]) -> None:
    """Fill what the projection leaves black with `fill(image (H, W, 3) uint8, seen)`."""
    bare = classical_take(scene, BARE)
    for index in scene.indices:
        frame = scene.frame(index)
        mask = read_mask(bare, frame)
        filled = fill(read_frame(bare, frame), mask == 0)
        write_frame(take, frame, image=filled, mask=mask)


def _cheat(scene: EvalScene, take: Path, *, on: str) -> None:
    """Add noise to the take of another way until it is as sharp as the truth in unseen pixels."""
    smooth = classical_take(scene, on)
    still = scene.reader.still_camera(0)
    filled, masks, noise, truths = [], [], [], []
    for index in scene.indices:
        frame = scene.frame(index)
        filled.append(read_frame(smooth, frame))
        masks.append(read_mask(smooth, frame))
        hole = masks[-1] > 0
        points = world_points(scene.reader.depth(index), scene.reader.shot.cameras[index], still)
        values = np.zeros(hole.shape, np.float32)
        values[hole] = world_noise(points[hole], still)
        noise.append(values)
        truths.append(detail(read_frame(scene.truth, frame))[scene.unseen[index]])
    regions = [scene.unseen[index] for index in scene.indices]
    wanted = float(np.concatenate(truths).mean())
    made, _ = sharpen_with_noise(filled, noise, regions=regions, wanted=wanted)
    for index, image, mask in zip(scene.indices, made, masks, strict=True):
        write_frame(take, scene.frame(index), image=image, mask=mask)


_WAYS: Mapping[str, Callable[[EvalScene, Path], None]] = {
    BARE: lambda scene, take: _projected(scene, take, fill=False),
    STILL: _still,
    TELEA: lambda scene, take: _filled(scene, take, telea),
    PUSH_PULL: lambda scene, take: _filled(
        scene, take, lambda image, seen: to_bytes(push_pull(image / 255.0, seen))
    ),
    PROJECTION: lambda scene, take: _projected(scene, take, fill=True),
    CHEAT: lambda scene, take: _cheat(scene, take, on=PUSH_PULL),
    CHEAT_ON_PROJECTION: lambda scene, take: _cheat(scene, take, on=PROJECTION),
}
