"""Cameras: where a still is taken from, and how a shot goes on from there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .layouts import Place
from .render import Scene
from .views import View

CLEAR = 0.12  # metres between a camera and anything solid


def first_view(rng: np.random.Generator, place: Place, scene: Scene, size: int) -> View:
    """Return the still's camera: often a detail, as a crop of a large picture is."""
    focal = size * np.exp(rng.uniform(np.log(0.72), np.log(3.5)))  # 70 to 16 degrees
    shift = rng.normal(0, 0.15, 2) * size * (rng.random() < 0.5)
    aim = place.aim
    things = [shape for shape in scene.shapes if shape.half.max() < place.reach]
    if things and rng.random() < 0.6:  # at a corner of something, where it hides what is behind
        shape = things[int(rng.integers(len(things)))]
        aim = shape.corners()[int(rng.integers(8))]
    forward = aim - place.eye
    forward[2] = np.clip(forward[2], *(np.array([-0.7, 0.5]) * np.hypot(*forward[:2])))
    roll = np.radians(rng.normal(0, 2.0)) * (rng.random() < 0.4)
    return View(
        position=place.eye,
        rotation=look(forward, roll),
        focal=float(focal),
        centre=(size / 2 + float(shift[0]), size / 2 + float(shift[1])),
        size=(size, size),
    )


def look(forward: np.ndarray, roll: float = 0.0) -> np.ndarray:
    """Return the rotation (3, 3) of a camera that looks along `forward`, upright but for a roll."""
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    cos, sin = np.cos(roll), np.sin(roll)
    return np.stack([cos * right + sin * down, cos * down - sin * right, forward], axis=1)


def moved(rng: np.random.Generator, view: View, inverse: np.ndarray) -> View:
    """Return a camera of the same shot.

    Args:
        rng: Chooses the move.
        view: The still's camera.
        inverse: (H, W) inverse depth of the still: the move is as large as makes near and far part
            by a random number of pixels.
    """
    size = view.size[0]
    near, far = np.quantile(inverse, 0.97), np.quantile(inverse, 0.1)
    middle = 1 / max(np.median(inverse), 0.03)
    parts = np.exp(rng.uniform(np.log(0.025), np.log(0.45))) * size
    way = parts / (view.focal * max(near - far, 0.15 * near, 1e-3))
    angle = np.exp(rng.uniform(np.log(0.01), np.log(0.35))) * size / view.focal
    right, down, forward = view.rotation.T
    side = rng.choice([-1.0, 1.0])
    kind = rng.choice(6, p=[0.25, 0.15, 0.15, 0.2, 0.1, 0.15])
    position, turn = view.position, view.rotation
    if kind == 0:  # truck, with something of the others
        step = side * right + rng.normal(0, 0.15) * forward + rng.normal(0, 0.15) * down
        position = position + way * step
    elif kind == 1:  # crane
        position = position + way * (side * down + rng.normal(0, 0.3) * right)
        turn = turned(turn, pitch=-side * way / middle * rng.uniform(0, 1))
    elif kind == 2:  # dolly: what opens does so away from the middle, so it goes farther
        position = position + 2.0 * way * (side * forward + rng.normal(0, 0.15) * right)
    elif kind == 3:  # orbit
        around = rng.uniform(0.4, 1.0) * middle
        yaw = side * min(way / middle, 0.6)
        turn = turned(turn, yaw=yaw)
        position = position + forward * around - turn[:, 2] * around
    elif kind == 4:  # pan
        turn = turned(turn, yaw=side * angle, pitch=rng.normal(0, 0.3) * angle)
    else:  # hand-held: all of it
        position = position + 0.7 * way * (
            right * rng.normal() + down * rng.normal() * 0.5 + forward * rng.normal()
        )
        turn = turned(turn, yaw=0.4 * rng.normal() * angle, pitch=0.3 * rng.normal() * angle)
    return replace(view, position=position, rotation=turn)


def turned(rotation: np.ndarray, *, yaw: float = 0.0, pitch: float = 0.0) -> np.ndarray:
    """Return a camera's rotation turned to its right (yaw) and down (pitch)."""
    cos, sin = np.cos(yaw), np.sin(yaw)
    first = np.array([[cos, 0.0, sin], [0.0, 1.0, 0.0], [-sin, 0.0, cos]])
    cos, sin = np.cos(pitch), np.sin(pitch)
    second = np.array([[1.0, 0.0, 0.0], [0.0, cos, sin], [0.0, -sin, cos]])
    return rotation @ first @ second


def is_clear(view: View, scene: Scene) -> bool:
    """Return whether a camera is inside nothing, and in the room if there is one."""
    return view.position[2] > CLEAR and not any(
        shape.holds(view.position, CLEAR) for shape in scene.shapes
    )
