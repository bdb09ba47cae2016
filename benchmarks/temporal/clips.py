"""Clips from the made scenes: the last frames of a camera move away from one still.

The scenes, the still's camera and the moves are those of the draft's training
(`backend.training.scenes`), frames are projected and filled by the code that is used in a take.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from scipy.spatial.transform import Rotation, Slerp

from backend.models.draft.condition import nearest_inverse
from backend.projection.backward import cells_of, transfer_pixels, visible
from backend.projection.frame import project_frame
from backend.projection.output import to_image, to_mask
from backend.projection.source import prepare_source
from backend.projection.surface import describe_surface
from backend.training.scenes.make import make_scene
from backend.training.scenes.moves import CLEAR, first_view, is_clear, moved
from backend.training.scenes.render import Film, Renderer, develop, meter
from backend.training.scenes.views import View
from backend.wire import Camera

FRAMES = 8  # of a clip, successive ones
MOVE = 20  # frames of the whole move, of which a clip is the end
LEAST_UNSEEN, MOST_UNSEEN = 0.03, 0.5  # mean share of a clip's pixels
_SCENES, _MOVES = 40, 6  # tried for a clip
_CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Clip:
    """N successive frames of a shot with one still.

    Attributes:
        still: (H, W, 3) uint8.
        cameras: N + 1, the still's first.
        depths: (N + 1, H, W) float32 metres, inf for the sky; the still's first.
        filled: (N, 3, H, W) uint8, the projection's frames, holes filled by it.
        truth: (N, 3, H, W) uint8.
        generated: (N, H, W) uint8, 255 is unseen, between is a share.
        inverse: (N, H, W) float32, inverse depth divided by the shot's largest
            `nearest_inverse`.
        places: (N, H, W) int32: for each pixel the place among all N H W of the pixel of the first
            frame that shows the same point of the world; its own where no earlier one does.
    """

    still: np.ndarray
    cameras: tuple[Camera, ...]
    depths: np.ndarray
    filled: np.ndarray
    truth: np.ndarray
    generated: np.ndarray
    inverse: np.ndarray
    places: np.ndarray

    def save(self, file: Path) -> None:
        """Write it as .npz."""
        rows = [
            [camera.fl_x, camera.fl_y, camera.cx, camera.cy, *np.ravel(camera.transform_matrix)]
            for camera in self.cameras
        ]
        planes = {name: getattr(self, name) for name in self.__slots__ if name != "cameras"}
        np.savez(file, cameras=np.array(rows), **planes)

    @classmethod
    def load(cls, file: Path) -> Clip:
        """Read what `save` wrote."""
        with np.load(file) as arrays:
            parts = dict(arrays)
        parts["cameras"] = tuple(
            Camera(*row[:4].tolist(), tuple(map(tuple, row[4:].reshape(4, 4).tolist())))
            for row in parts["cameras"]
        )
        return cls(**parts)


@torch.inference_mode()
def make_clip(seed: int, *, size: int = 128, frames: int = FRAMES) -> Clip:
    """Return the clip of a seed, `size` pixels a side; the same bytes for the same seed.

    Raises:
        RuntimeError: no scene of this seed shows anything unseen along its moves.
    """
    clips = (clip for number in range(_SCENES) for clip in _clips((seed, number), size, frames))
    clip = next(clips, None)
    if clip is None:
        raise RuntimeError(f"no scene of seed {seed} shows anything unseen along its moves")
    return clip


def _clips(seed: tuple[int, int], size: int, frames: int) -> Iterator[Clip]:
    """Yield the usable clips of one scene."""
    rng = np.random.default_rng(seed)
    place, scene = make_scene(seed[0], rng)
    view = first_view(rng, place, scene, size)
    if not is_clear(view, scene):
        return
    renderer = Renderer(scene, device=_CPU)
    width = float(rng.uniform(1.0, 1.4))
    light, depth = renderer.render(view, width=width)
    if float(depth.isfinite().float().mean()) < 0.3 or float(depth.min()) < CLEAR:
        return
    film = Film(meter(light), curve=float(rng.uniform()), saturation=1.0, width=width)
    for _ in range(_MOVES):
        views = _glide(view, moved(rng, view, depth.reciprocal().numpy()), frames)
        if not all(is_clear(each, scene) for each in views):
            continue
        rendered = [(light, depth), *(renderer.render(each, width=width) for each in views)]
        depths = torch.stack([depth for _, depth in rendered])
        if float(depths.min()) < CLEAR:
            continue
        pictures = [to_image(develop(light, film)) for light, _ in rendered]
        clip = _project(pictures, depths, [view, *views])
        if LEAST_UNSEEN <= float((clip.generated > 0).mean()) <= MOST_UNSEEN:
            yield clip


def _glide(start: View, end: View, frames: int) -> list[View]:
    """Return the last views of an even move from one to another, which takes `MOVE` frames."""
    turns = Slerp([0, 1], Rotation.from_matrix([start.rotation, end.rotation]))
    shares = [(MOVE - frames + 1 + number) / MOVE for number in range(frames)]
    return [
        replace(
            start,
            position=start.position + share * (end.position - start.position),
            rotation=turns(share).as_matrix(),
        )
        for share in shares
    ]


def _project(pictures: list[np.ndarray], depths: torch.Tensor, views: list[View]) -> Clip:
    cameras = tuple(view.camera(np.eye(3)) for view in views)
    source = prepare_source(
        pictures[0].astype(np.float32) / 255, depths[0].numpy(), cameras[0], device=_CPU
    )
    surfaces = [describe_surface(depth.reciprocal()) for depth in depths[1:]]
    made = [
        project_frame([source], surface, camera, nearness=[1.0])
        for surface, camera in zip(surfaces, cameras[1:], strict=True)
    ]
    return Clip(
        still=pictures[0],
        cameras=cameras,
        depths=depths.numpy(),
        filled=np.stack([to_image(one.colour) for one in made]).transpose(0, 3, 1, 2),
        truth=np.stack(pictures[1:]).transpose(0, 3, 1, 2),
        generated=np.stack([to_mask(one.generated) for one in made]),
        inverse=(depths[1:].reciprocal() / max(map(nearest_inverse, depths.reciprocal()))).numpy(),
        places=_places(surfaces, cameras[1:]),
    )


def _places(surfaces: list[torch.Tensor], cameras: tuple[Camera, ...]) -> np.ndarray:
    height, width = surfaces[0].shape[1:]
    places: list[torch.Tensor] = []
    for number, (surface, camera) in enumerate(zip(surfaces, cameras, strict=True)):
        own = torch.arange(height * width).view(height, width) + number * height * width
        found = torch.zeros_like(own, dtype=torch.bool)
        for earlier in range(number):
            there = transfer_pixels(surface, camera, cameras[earlier])
            shown = visible(surfaces[earlier], there) & ~found
            first = places[earlier].flatten()[cells_of(there, (width, height))]
            own = torch.where(shown, first, own)
            found |= shown
        places.append(own)
    return torch.stack(places).to(torch.int32).numpy()
