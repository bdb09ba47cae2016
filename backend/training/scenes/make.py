"""One scene, several examples: a still, its projection into other cameras, and the truth there."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from ...models.draft.condition import nearest_inverse
from ...models.draft.spread import spread_surfaces
from ...projection.frame import Projection, carry_frame, project_frame
from ...projection.output import to_image, to_mask
from ...projection.source import Source, prepare_source
from ...projection.surface import describe_surface
from .build import Builder, turn_z
from .example import Example
from .layouts import Place, lay_out
from .moves import CLEAR, first_view, is_clear, moved
from .render import Film, Renderer, Scene, develop, meter
from .views import View

TARGETS = 4  # cameras a scene
TRIES = 12  # cameras tried for them
LEAST_UNSEEN = 0.01
MOST_UNSEEN = 0.6
CARRIED = 0.15  # share of scenes whose frames' depth is taken as not known
STILLS = 20  # scenes tried for one that can be looked at


@torch.inference_mode()
def make_examples(
    seed: int, *, size: int = 256, device: torch.device | str = "cpu"
) -> list[Example]:
    """Return the examples of one scene, up to TARGETS; the same bytes for the same seed.

    Args:
        seed: Any whole number from 0.
        size: Pixels a side.
        device: Where to compute.
    """
    return next(_shots(seed, size, torch.device(device)))


def make_scene(seed: int, rng: np.random.Generator) -> tuple[Place, Scene]:
    """Return a scene and where in it cameras may stand; `rng` goes on from there.

    Args:
        seed: Of the textures.
        rng: Of everything else.
    """
    builder = Builder(seed, rng)
    place = lay_out(builder)
    scene = Scene(
        shapes=tuple(builder.shapes),
        materials=tuple(builder.materials),
        textures=tuple(builder.textures),
        light=builder.light(middle=place.middle, reach=place.reach),
        middle=place.middle,
        reach=place.reach,
    )
    return place, scene


def _shots(seed: int, size: int, device: torch.device) -> Iterator[list[Example]]:
    for attempt in range(STILLS):
        rng = np.random.default_rng((seed, attempt))
        examples = _shot(seed, rng, size, device)
        if examples:
            yield examples
    raise RuntimeError(f"no scene of seed {seed} has a camera that shows anything unseen")


def _shot(seed: int, rng: np.random.Generator, size: int, device: torch.device) -> list[Example]:
    """Return what one attempt at a scene gives, nothing if its cameras stand badly."""
    place, scene = make_scene(seed, rng)
    view = first_view(rng, place, scene, size)
    if not is_clear(view, scene):
        return []
    renderer = Renderer(scene, device=device)
    width = float(rng.uniform(1.0, 1.4))
    light, depth = renderer.render(view, width=width)
    known = torch.isfinite(depth)
    if float(known.float().mean()) < 0.3 or float(depth.min()) < CLEAR:
        return []
    film = Film(
        exposure=float(rng.uniform(0.6, 1.4)) * meter(light),
        curve=float(rng.uniform(0, 1)),
        saturation=float(rng.uniform(0.8, 1.25)),
        width=width,
    )
    turn = turn_z(rng.uniform(0, 2 * np.pi))
    still = to_image(develop(light, film))
    source = prepare_source(
        still.astype(np.float32) / 255, depth.cpu().numpy(), view.camera(turn), device=device
    )
    carried = rng.random() < CARRIED
    inverse = source.surface[0].cpu().numpy()
    made = []
    for _ in range(TRIES):
        if len(made) == TARGETS:
            break
        target = moved(rng, view, inverse)
        if not is_clear(target, scene):
            continue
        light, depth = renderer.render(target, width=film.width)
        if float(depth.min()) < CLEAR:
            continue
        projection = _project(source, depth, target, turn=turn, carried=carried)
        share = float(projection.generated.mean())
        if LEAST_UNSEEN <= share <= MOST_UNSEEN:
            made.append((projection, to_image(develop(light, film))))
    most = max(
        map(nearest_inverse, [source.surface[0], *(projection.inverse for projection, _ in made)])
    )
    return [_example(projection, truth, most) for projection, truth in made]


def _project(
    source: Source, depth: torch.Tensor, view: View, *, turn: np.ndarray, carried: bool
) -> Projection:
    camera = view.camera(turn)
    if carried:
        return carry_frame([source], camera, fill=True)
    surface = describe_surface(depth.reciprocal())
    return project_frame([source], surface, camera, nearness=[1.0], fill=True)


def _example(projection: Projection, truth: np.ndarray, most: float) -> Example:
    inverse = projection.inverse / most
    filled = to_image(spread_surfaces(projection.colour, projection.generated, inverse))
    return Example(
        filled=np.ascontiguousarray(filled.transpose(2, 0, 1)),
        truth=np.ascontiguousarray(truth.transpose(2, 0, 1)),
        generated=to_mask(projection.generated),
        inverse=inverse.cpu().numpy(),
    )
