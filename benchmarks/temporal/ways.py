"""The ways to make a clip's frames, with networks that were trained equally long from one start.

They are not equally large: temporal layers add to the network that makes single frames (at the
widths of `settings.WIDTHS` 956,812 parameters instead of 697,100).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from diffusers.schedulers.scheduling_flow_match_euler_discrete import (
    FlowMatchEulerDiscreteScheduler,
)

from backend.models.card import Value
from backend.models.draft import CARDS as DRAFT
from backend.models.draft.condition import apply_residual
from backend.models.draft.frames import OFFERED
from backend.models.draft.model import DraftModel
from backend.models.draft.network import DraftNetwork
from backend.models.draft.pipeline import DraftPipeline
from backend.models.interface import Model, Request
from backend.models.projection import CARDS as PROJECTION
from backend.models.projection.pipeline import ProjectionModel
from backend.projection.composite import Composite, compose
from backend.projection.frame import see_frame
from backend.projection.output import to_image
from backend.projection.source import Source, make_source, prepare_source
from backend.projection.surface import describe_surface, grow
from backend.training.texture import sample_last
from backend.wire import Shot, Still

from ..posts import FPS, MemoryReader, MemorySink
from .clips import Clip
from .training import frames_of, noise_at

STEPS = 4
OWN, SAME, WORLD = "own", "same", "world"  # noise of each frame; of all; of each point
_WHOLE = (slice(None),) * 3


@torch.inference_mode()
def draw_frames(
    network: DraftNetwork, clip: Clip, seed: int, *, noise: str = OWN, mean: bool = False
) -> np.ndarray:
    """Return all frames (N, H, W, 3) uint8, in `STEPS` evaluations or as the expectation, in one.

    A network without temporal layers makes each frame by itself, one with them a clip at once.

    Args:
        network: Without gradients.
        clip: What to make.
        seed: Of the noise.
        noise: `OWN`, `SAME` or `WORLD`.
        mean: Return the expectation.
    """
    condition, _, editable = frames_of(clip, _WHOLE)
    places = _places(clip, noise)
    values = noise_at(places, torch.Generator().manual_seed(seed)) * editable[:, None]
    if mean:
        residual = network(values, condition, torch.ones(len(values)))
    else:
        residual = sample_last(network, values, condition, editable, steps=STEPS)
    filled = torch.from_numpy(clip.filled).float() / 255
    frames = apply_residual(residual, filled, editable[:, None])
    return np.stack([to_image(frame) for frame in frames])


def lock_frames(network: DraftNetwork, clip: Clip, seed: int, *, mean: bool = False) -> np.ndarray:
    """Return all frames (N, H, W, 3) uint8 as a take with the draft has them: by keyframes."""
    (card,) = DRAFT
    pipeline = DraftPipeline(network, FlowMatchEulerDiscreteScheduler())
    model = DraftModel(card, pipeline=pipeline, device="cpu")
    return _take(model, clip, seed, card.check_settings({"mean": mean, "steps": STEPS}))


def project_frames(clip: Clip) -> np.ndarray:
    """Return all frames (N, H, W, 3) uint8 as a take with `projection` has them."""
    (card,) = PROJECTION
    return _take(ProjectionModel(card, device="cpu"), clip, 0, card.check_settings({}))


@torch.inference_mode()
def lock_again(made: np.ndarray, clip: Clip) -> np.ndarray:
    """Return frames (N, H, W, 3) uint8 whose points keep the colour of the first that shows them.

    As with keyframes, but that these are frames that were made together.
    """
    device = torch.device("cpu")
    still = prepare_source(
        clip.still.astype(np.float32) / 255, clip.depths[0], clip.cameras[0], device=device
    )
    fallback = still.picture.mean(dim=(1, 2))
    keyframes: list[Source] = []

    def put_together(number: int) -> Composite:
        surface = describe_surface(torch.from_numpy(clip.depths[number + 1]).reciprocal())
        sight = see_frame([still], surface, clip.cameras[number + 1], nearness=[1.0])
        return compose(sight, keyframes, moving=None, fallback=fallback)

    for number, frame in enumerate(made):
        so_far = put_together(number)
        own = torch.from_numpy(frame).permute(2, 0, 1).float() / 255
        picture = torch.where(so_far.left, own, so_far.colour)  # as a keyframe goes on from others
        offered = grow(so_far.left, OFFERED)
        camera = clip.cameras[number + 1]
        keyframes.append(make_source(picture, so_far.surface, camera, offered=offered))
    return np.stack([to_image(put_together(number).colour) for number in range(len(made))])


class Meter:
    """Counts the pixels that a network is asked about, from any thread."""

    def __init__(self, network: DraftNetwork) -> None:
        self.pixels = 0
        network.register_forward_pre_hook(self._count)

    def _count(self, network: DraftNetwork, arguments: tuple[torch.Tensor, ...]) -> None:
        batch, _, height, width = arguments[0].shape
        self.pixels += batch * height * width


def _places(clip: Clip, noise: str) -> np.ndarray:
    if noise == WORLD:
        return clip.places
    every = np.arange(clip.places.size).reshape(clip.places.shape)
    return every if noise == OWN else np.broadcast_to(every[:1], every.shape)


def _take(model: Model, clip: Clip, seed: int, settings: Mapping[str, Value]) -> np.ndarray:
    """Return what a model of the product makes of a shot: the still's frame, then the clip's."""
    height, width = clip.still.shape[:2]
    shot = Shot(
        name="clip",
        size=(width, height),
        fps=FPS,
        frame_start=1,
        stills=(Still("still", 0),),
        cameras=clip.cameras,
        guides={"depth": tuple(f"depth/{number}" for number in range(len(clip.depths)))},
    )
    sink = MemorySink()
    reader = MemoryReader(shot, clip.still.astype(np.float32) / 255, clip.depths)
    model.generate(Request(reader, settings, seed), sink)
    return np.stack([sink.frames[number + 1][0] for number in range(len(clip.filled))])
