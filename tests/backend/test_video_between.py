"""Frames between two that were made: what moves by itself is followed by flow."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from backend.models.video.moving import follow_moving
from backend.projection.source import make_source
from backend.projection.surface import describe_surface, inverse_depth
from backend.projection.walk import Walk
from benchmarks.between import MovingReader, Scene, errors

CPU = torch.device("cpu")
SIZE = (104, 60)
PIXELS = 0.9 * SIZE[0] / 3.0  # of a metre, at the card


def walk_of(reader: MovingReader) -> Walk:
    return Walk(reader, CPU, tick=lambda: None)


def test_what_moves_by_itself_is_not_doubled():
    scene = Scene(4.0 / PIXELS, size=SIZE)
    without, away = errors(scene, every=4, with_flow=False)
    followed, still = errors(scene, every=4, with_flow=True)
    assert without > 15, "two cards, each in half its colour"
    assert followed < 4
    assert still == pytest.approx(away, abs=0.1)


def test_where_nothing_moves_flow_changes_nothing():
    scene = Scene(0.0, size=SIZE)
    without, away = errors(scene, every=4, with_flow=False)
    followed, still = errors(scene, every=4, with_flow=True)
    assert (followed, still) == pytest.approx((without, away), abs=0.05)


class Frames:
    """Frame 2 of a shot between 0 and 4, whose pictures are of one colour each."""

    def __init__(self, scene: Scene, reader: MovingReader) -> None:
        self.walk = walk_of(reader)
        self.surface = self._surface(reader, 2)
        cameras = reader.shot.cameras
        grey = [torch.full((3, SIZE[1], SIZE[0]), level) for level in (0.25, 0.75)]
        self.neighbours = [
            (index, make_source(colour, self._surface(reader, index), cameras[index]))
            for index, colour in zip((0, 4), grey, strict=True)
        ]
        self.carried = [torch.zeros_like(grey[0]), torch.ones_like(grey[0])]
        self.card = scene.cast(2)[2]

    def _surface(self, reader: MovingReader, index: int) -> torch.Tensor:
        return describe_surface(inverse_depth(reader.depth(index), device=CPU))

    def made(self) -> np.ndarray:
        made = follow_moving(self.walk, 2, self.surface, self.carried, self.neighbours)
        return made[0].numpy()


def test_it_is_the_mean_of_both_and_what_stands_still_is_carried():
    scene = Scene(4.0 / PIXELS, size=SIZE)
    frames = Frames(scene, scene.reader(with_flow=True))
    made = frames.made()
    assert np.median(made[frames.card]) == pytest.approx(0.5)
    assert (made[~frames.card] == 0.5).all(), "the mean of 0 and 1"
    frames.carried = [torch.full_like(each, 0.9) for each in frames.carried]
    made = frames.made()
    assert np.median(made[frames.card]) == pytest.approx(0.5)
    assert made[~frames.card] == pytest.approx(0.9)


def test_flow_that_is_known_to_one_side_alone_gives_its_picture():
    scene = Scene(4.0 / PIXELS, size=SIZE)
    reader = scene.reader(with_flow=True)
    reader.flows = [*reader.flows[:3], None, *reader.flows[4:]]  # on the way from 2 to 4
    frames = Frames(scene, reader)
    assert np.median(frames.made()[frames.card]) == pytest.approx(0.25)


def test_what_neither_shows_is_carried_from_the_nearer_one_alone():
    """Something comes before the card where the two pictures are taken."""
    scene = Scene(4.0 / PIXELS, size=SIZE)
    reader = scene.reader(with_flow=True)
    frames = Frames(scene, reader)
    for index in (0, 4):
        reader.depths[index] = np.full_like(reader.depths[index], 1.0)
    made = frames.made()[frames.card]
    assert set(np.unique(made)) <= {0.0, 0.5}, "of two as near the earlier, or what stands still"
    assert np.mean(made == 0) > 0.9


def test_without_any_flow_it_is_the_mean_of_what_is_carried():
    scene = Scene(4.0 / PIXELS, size=SIZE)
    frames = Frames(scene, scene.reader(with_flow=False))
    assert (frames.made() == 0.5).all()
