"""Frames of one shot: keyframes are generated one by one, then every frame is put together."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ...projection.composite import Composite, compose
from ...projection.frame import Sight
from ...projection.output import to_image, to_mask
from ...projection.source import Source, make_source
from ...projection.surface import describe_surface, grow
from ...projection.threads import one_thread
from ...projection.walk import Step, Walk
from ...wire import Camera
from ..card import Value
from .extend import extend_planes
from .pipeline import DraftPipeline
from .repeat import repeat_patterns
from .spread import spread_surfaces
from .survey import Survey

THREAD = 1  # pixels: half the width up to which a strip in a keyframe is filled, not generated
ALONE = 0.01  # share of a frame, shown by no keyframe, from which it is generated nevertheless
SLIVER = 2  # pixels: half the width up to which a strip that is left is only filled
OFFERED = 1  # pixels beyond its own that a keyframe lends, so that no seam opens
OWN = 0.5  # share of what a frame by itself is expected to show, where expectations are averaged
MENDED = 2  # pixels on either side of outlines that may change where seen pixels are not locked

OnStep = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Made:
    """A finished frame.

    Attributes:
        index: Of the frame.
        image: (H, W, 3) uint8 or uint16.
        mask: (H, W) uint8, 255 where generated.
        depth: (H, W) float32 metres; None where the shot knows it.
        blind: Whether no still shows anything of it.
    """

    index: int
    image: np.ndarray
    mask: np.ndarray
    depth: np.ndarray | None = None
    blind: bool = False


class FrameMaker:
    """Makes the frames of a shot; `make` may be called from several threads.

    Attributes:
        keyframes: What was generated so far, in the order in which frames ask for it.
    """

    def __init__(
        self,
        walk: Walk,
        survey: Survey,
        pipeline: DraftPipeline,
        *,
        settings: Mapping[str, Value],
        seed: int,
        bits: int = 8,
    ) -> None:
        """Begin without keyframes.

        Args:
            walk: The stills.
            survey: The frames.
            pipeline: Generates.
            settings: Those of the card.
            seed: Of every random number.
            bits: A value of the frames' pictures.
        """
        self._walk, self._survey, self._pipeline = walk, survey, pipeline
        self._settings, self._seed, self._bits = settings, seed, bits
        self.keyframes: list[Source] = []
        self._fallback = walk.sources[0].picture.mean(dim=(1, 2))

    def add_keyframe(self, index: int, *, on_step: OnStep) -> None:
        """Generate what a frame alone shows so far, and lend it to all frames from now on.

        Args:
            index: Of the frame.
            on_step: Called with the numbers of evaluations done and to do, before each.
        """
        step = self._survey.step(index)
        moving = _moving(step)
        with one_thread(self._fallback.device):
            made = self._compose(self._walk.see(step), self.keyframes, moving)
        surface = made.surface
        if step.depth is None:
            surface = describe_surface(extend_planes(surface[0], ~made.left))
        own = made.left if moving is None else made.left & ~moving
        editable = _thick(own, THREAD) & (made.left_share > 0)  # `_thick` grows into what moves
        colour = self._draw(
            made,
            editable if moving is None else editable & ~moving,
            surface,
            camera=self._walk.shot.cameras[index],
            generator=_generator(self._seed, index),
            steps=self._settings["steps"],
            mean=self._settings["mean"],
            detail=self._settings["detail"],
            on_step=on_step,
        )
        offered = grow(own, OFFERED)
        source = make_source(
            colour,
            surface,
            self._walk.shot.cameras[index],
            offered=offered if moving is None else offered & ~moving,
        )
        self.keyframes.append(source)

    def make(self, index: int, *, on_step: OnStep) -> Made:
        """Put a frame together.

        Args:
            index: Of the frame.
            on_step: Called before every evaluation of the network.
        """
        if index in self._walk.own:
            width, height = self._walk.shot.size
            still = self._walk.still_of(index, bits=self._bits)
            return Made(index, still, np.zeros((height, width), np.uint8))
        step = self._survey.step(index)
        moving = _moving(step)
        sight = self._walk.see(step)
        made = self._compose(sight, self.keyframes, moving)
        # This frame alone shows it, and the next must not flicker.
        colour = self._expect(made, moving, least=ALONE, on_step=on_step)
        if self._settings["mean"]:
            alone = self._compose(sight, [], moving)
            colour = colour.lerp(self._expect(alone, moving, least=0, on_step=on_step), OWN)
        depth = None if step.depth is not None else made.surface[0].reciprocal().cpu().numpy()
        image = to_image(colour, bits=self._bits)
        return Made(index, image, to_mask(made.generated), depth, blind=not sight.seen.any())

    def _compose(
        self, sight: Sight, keyframes: list[Source], moving: torch.Tensor | None
    ) -> Composite:
        return compose(sight, keyframes, moving=moving, fallback=self._fallback)

    def _expect(
        self, made: Composite, moving: torch.Tensor | None, *, least: float, on_step: OnStep
    ) -> torch.Tensor:
        """Return a frame's colour (3, H, W), the expectation where no keyframe shows it.

        Args:
            made: The frame so far.
            moving: (H, W) bool: what moves by itself; None for nothing.
            least: Share of the frame, at rest, below which it is only filled.
            on_step: Called before every evaluation of the network.
        """
        editable = self._editable(made, moving, least=least)
        if not bool(editable.any()):
            return made.colour
        return self._draw(made, editable, made.surface, mean=True, on_step=on_step)

    def _draw(
        self,
        made: Composite,
        editable: torch.Tensor,
        surface: torch.Tensor,
        *,
        camera: Camera | None = None,
        **how: Any,
    ) -> torch.Tensor:
        """Return a frame's colour (3, H, W), generated where editable (H, W).

        Args:
            made: The frame so far.
            editable: Pixels that may change.
            surface: (4, H, W) that is taken to be in its holes.
            camera: Of the frame, for patterns to go on; None for none.
            **how: Of `DraftPipeline`.
        """
        planes, inverse = surface[0] / self._survey.largest, made.surface[0] / self._survey.largest
        start = spread_surfaces(made.colour, made.left_share, planes)
        sure = None
        if camera is not None:
            start, sure = repeat_patterns(
                start, made.colour, made.left_share, editable, surface[0], camera
            )
        drawn = self._pipeline(
            start, made.left_share, inverse, planes=planes, editable=editable, sure=sure, **how
        )
        return torch.where(editable, drawn.colour, made.colour)

    def _editable(
        self, made: Composite, moving: torch.Tensor | None, *, least: float
    ) -> torch.Tensor:
        """Return what (H, W) of a frame is generated for this frame alone.

        Slivers are not: filled from beside they are steadier.
        """
        large = _thick(made.left, SLIVER)
        static = large if moving is None else large & ~moving
        if float(static.float().mean()) < least:
            large = large & ~static
        editable = large & (made.left_share > 0)
        if self._settings["lock"]:
            return editable
        return editable | grow(made.silhouette, MENDED)


def _moving(step: Step) -> torch.Tensor | None:
    """Return what (H, W) bool has moved by itself since any of the stills; None for nothing."""
    return None if step.moved is None else torch.stack(step.moved).any(0)


def _thick(mask: torch.Tensor, by: int) -> torch.Tensor:
    """Return the parts of a mask (H, W) that are wider than twice `by` pixels, one pixel larger."""
    return grow(~grow(~mask, by), by + 1)


def _generator(seed: int, index: int) -> torch.Generator:
    """Return noise of its own for each seed and frame, the same for every device."""
    digest = hashlib.sha256(f"{seed} {index}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big", signed=True))
