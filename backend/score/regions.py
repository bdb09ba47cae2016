"""Seen and unseen, from the true depth and the cameras alone: never from the take's own mask.

A pixel of a frame is one of four:

    SEEN      a still shows this pixel's surface point (`visibility`)
    UNSEEN    no still does: hidden behind something, or outside every still's picture
    EDGE      one pixel on each side of the border between seen and unseen, specks of either in
              which no 2x2 pixels fit, and what the test cannot decide. A silhouette's pixel mixes
              two surfaces, so it belongs to neither region; it counts in "all".
    MOVING    the surface moves by itself, here or at its place in a still: the flow guide differs
              from the flow that the camera alone causes by more than half a pixel and 2 %. Left
              out of everything. Without a flow guide nothing is known to move.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..geometry import rigid_flow
from ..wire import Camera
from .values import ALL, SEEN, UNSEEN, Masks
from .visibility import HIDDEN, VISIBLE, Surface, land, sample, visibility

EDGE_PIXEL, SEEN_PIXEL, UNSEEN_PIXEL, MOVING_PIXEL = 0, 1, 2, 3

MOVING_PIXELS = 0.5
MOVING_SHARE = 0.02

_SPECK = np.ones((2, 2), dtype=bool)


@dataclass(frozen=True, slots=True)
class StillView:
    """What a still shows: its camera, its surface, and where that moves by itself.

    Attributes:
        camera: Camera of the still, in pixels of the shot's size.
        surface: Surface made of the depth at the still.
        moving: (H, W) bool, or None where no flow is known.
    """

    camera: Camera
    surface: Surface
    moving: np.ndarray | None


def label(
    depth: np.ndarray,
    camera: Camera,
    stills: Sequence[StillView],
    *,
    moving: np.ndarray | None,
) -> np.ndarray:
    """Return the label (H, W) uint8 of every pixel of a frame.

    Args:
        depth: True planar depth (H, W) of the frame.
        camera: Its camera.
        stills: Every still of the shot, at least one.
        moving: Where the frame's surfaces move by themselves (H, W) bool, None if not known.
    """
    seen = np.zeros(depth.shape, dtype=bool)
    unseen = np.ones(depth.shape, dtype=bool)
    restless = np.zeros(depth.shape, dtype=bool) if moving is None else moving.copy()
    for still in stills:
        landing = land(depth, camera, still.camera)
        state = visibility(landing, still.surface)
        shown = state == VISIBLE
        seen |= shown
        unseen &= state == HIDDEN
        if still.moving is not None:
            restless |= shown & (sample(still.moving.astype(np.float32), landing) > 0)
    labels = np.full(depth.shape, EDGE_PIXEL, dtype=np.uint8)
    seen, unseen = ndimage.binary_opening(seen, _SPECK), ndimage.binary_opening(unseen, _SPECK)
    labels[seen & ~ndimage.binary_dilation(unseen)] = SEEN_PIXEL
    labels[unseen & ~ndimage.binary_dilation(seen)] = UNSEEN_PIXEL
    labels[restless] = MOVING_PIXEL
    return labels


def moving_pixels(
    flow: np.ndarray,
    depth: np.ndarray,
    cameras: Sequence[Camera],
    index: int,
) -> np.ndarray:
    """Return where surfaces move by themselves (H, W) bool.

    Args:
        flow: Flow guide (H, W, 4): prev_u, prev_v, next_u, next_v in pixels, y down.
        depth: Planar depth (H, W) of the frame; the sky (+inf) never moves by itself, because
            Blender before 5.2 writes no flow there.
        cameras: The cameras of the shot; a neighbour outside it is not compared.
        index: Index of the frame.
    """
    result = np.zeros(depth.shape, dtype=bool)
    for neighbour, channels in ((index - 1, slice(0, 2)), (index + 1, slice(2, 4))):
        if not 0 <= neighbour < len(cameras):
            continue
        still_world = rigid_flow(depth, cameras[index], cameras[neighbour])
        own = np.linalg.norm(flow[..., channels] - still_world, axis=-1)
        allowed = MOVING_PIXELS + MOVING_SHARE * np.linalg.norm(still_world, axis=-1)
        result |= own > allowed  # False where the point is behind the neighbour
    return result & np.isfinite(depth)


def masks_of(labels: np.ndarray | None, size: tuple[int, int]) -> Masks:
    """Return the regions of a frame; without labels every pixel counts in "all"."""
    if labels is None:
        return {ALL: np.ones((size[1], size[0]), dtype=bool)}
    return {
        ALL: labels != MOVING_PIXEL,
        SEEN: labels == SEEN_PIXEL,
        UNSEEN: labels == UNSEEN_PIXEL,
    }
