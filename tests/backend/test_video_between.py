"""Frames between two that were made: what moves by itself is followed by flow."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from backend.models.video.compositor import Compositor
from backend.models.video.moving import follow_moving
from backend.projection.source import Source, make_source
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
    """A frame of a shot between 0 and another one, whose pictures are of one colour each."""

    def __init__(
        self, scene: Scene, reader: MovingReader, *, index: int = 2, last: int = 4
    ) -> None:
        self.walk, self.index = walk_of(reader), index
        self.surface = self._surface(reader, index)
        cameras = reader.shot.cameras
        grey = [torch.full((3, SIZE[1], SIZE[0]), level) for level in (0.25, 0.75)]
        self.neighbours = [
            (index, make_source(colour, self._surface(reader, index), cameras[index]))
            for index, colour in zip((0, last), grey, strict=True)
        ]
        self.carried = [torch.zeros_like(grey[0]), torch.ones_like(grey[0])]
        self.card = scene.cast(index)[2]

    def _surface(self, reader: MovingReader, index: int) -> torch.Tensor:
        return describe_surface(inverse_depth(reader.depth(index), device=CPU))

    def made(self) -> np.ndarray:
        walk = self.walk
        made = follow_moving(
            walk, self.index, self.surface, self.carried, self.neighbours, guides=walk.guides
        )
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


@pytest.mark.parametrize(("index", "level"), [(1, 0.375), (3, 0.625)])
def test_the_nearer_one_counts_more(index, level):
    scene = Scene(4.0 / PIXELS, size=SIZE)
    made = Frames(scene, scene.reader(with_flow=True), index=index).made()
    assert np.median(made[scene.cast(index)[2]]) == pytest.approx(level)


def test_something_a_little_nearer_hides_it_however_far_the_frames_are_apart():
    """What stands a tenth nearer before the card where the later picture is taken."""
    scene = Scene(1.0 / PIXELS, size=SIZE)
    reader = scene.reader(with_flow=True)
    frames = Frames(scene, reader, index=1, last=8)
    assert np.median(frames.made()[frames.card]) == pytest.approx(0.25 + 0.5 / 8)
    reader.depths[8] = np.minimum(reader.depths[8], 0.9 * reader.depths[8].min())
    assert np.median(frames.made()[frames.card]) == pytest.approx(0.25), "the earlier one's alone"


@pytest.mark.parametrize("unknown", [None, 4])
def test_what_comes_nearer_on_its_way_is_followed(unknown):
    """By a little in each frame, and in all by more than what parts two surfaces."""
    scene = Scene(1.0 / PIXELS, size=SIZE)
    reader = scene.reader(with_flow=True)
    for index in range(9):
        card = scene.cast(index)[2]
        reader.depths[index] = reader.depths[index] * np.where(card, 0.98**index, 1.0)
        reader.depths[index] = reader.depths[index].astype(np.float32)
    frames = Frames(scene, reader, index=1, last=8)
    if unknown is not None:
        known = frames.walk.guides
        without = replace(known(unknown), depth=None)
        frames.walk.guides = lambda index: without if index == unknown else known(index)
    assert np.median(frames.made()[frames.card]) == pytest.approx(0.25 + 0.5 / 8)


def test_on_a_slant_the_pixel_beside_has_another_depth():
    """The pixel that contains a point answers: up to a whole one off, from frame to frame."""
    step = 1.9  # pixels a frame, to the left, less than what parts the pixels of a frame
    scene = Scene((step - 0.03 * PIXELS) / PIXELS, size=SIZE)
    reader = scene.reader(with_flow=True)
    for index in range(9):
        column = np.arange(SIZE[0]) + step * index - 60.0
        slanted = (3.0 / (1.0 + 0.035 * column.clip(-20, 20))).astype(np.float32)
        reader.depths[index] = np.where(scene.cast(index)[2], slanted, reader.depths[index])
    frames = Frames(scene, reader, index=1, last=8)
    both = np.isclose(frames.made()[frames.card], 0.25 + 0.5 / 8, atol=1e-4)
    assert both.mean() > 0.8, "all but its rim"


@pytest.mark.parametrize("every", [2, 8])
def test_guides_are_read_once_a_gap(monkeypatch, every):
    """And once to project; a frame that was made stands in two gaps."""
    read: Counter[int] = Counter()
    from_memory = MovingReader.depth_and_flow

    def count(self: MovingReader, index: int) -> tuple[np.ndarray, np.ndarray | None]:
        read[index] += 1
        return from_memory(self, index)

    monkeypatch.setattr(MovingReader, "depth_and_flow", count)
    errors(Scene(1.0 / PIXELS, size=SIZE), every=every, with_flow=True)
    assert max(read[index] for index in range(13) if index % every) == 2
    assert max(read.values()) <= 3


@pytest.mark.parametrize("every", [4, 8])
def test_frames_beside_a_gap_are_looked_at_once_a_gap(monkeypatch, every):
    """However many lie between: a large picture and its depth are read and described."""
    shown: Counter[int] = Counter()
    look = Compositor._source

    def count(self: Compositor, index: int) -> Source:
        shown[index] += 1
        return look(self, index)

    monkeypatch.setattr(Compositor, "_source", count)
    errors(Scene(1.0 / PIXELS, size=SIZE), every=every, with_flow=False)
    ends = {0, 12}
    assert shown == {index: 1 if index in ends else 2 for index in {*range(0, 13, every), *ends}}
