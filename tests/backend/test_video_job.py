"""Shots made window by window, with a model that knows the truth in place of one that learned.

It returns what a camera of the window's own would really see, so what is tested is everything round
a model: cameras and sizes, windows, frames between, colours, what is locked, and what is told.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from backend import media
from backend.errors import ModelError, ShotError
from backend.models import find_card
from backend.models.card import Control
from backend.models.interface import Request
from backend.models.plan import WORKING_SIZES
from backend.models.video.job import VideoModel
from backend.models.video.window import DENOISING, Report, WindowTask
from backend.reader import ShotReader
from benchmarks.posts import MemorySink
from tests.analytic import path, render, write_exr

SIZE = (64, 40)
CARD = find_card("wan-vace-1.3b")
FRAMES = 12


class Truth:
    """A generator that renders each frame of a window; `colour` is done to what it renders."""

    def __init__(self, colour: Callable[[torch.Tensor], torch.Tensor] = lambda made: made) -> None:
        self.tasks: list[WindowTask] = []
        self.words: list[tuple[str, str]] = []
        self._colour = colour

    def read_words(self, prompt: str, negative: str, report: Report) -> None:
        self.words.append((prompt, negative))

    def rest(self) -> None:
        self.rested = True

    def make(self, task: WindowTask, report: Report) -> torch.Tensor:
        self.tasks.append(task)
        report.progress(DENOISING, 1, 1)
        made = [render(frame.camera, task.size, samples=2)[0] for frame in task.frames]
        return self._colour(torch.from_numpy(np.stack(made)).permute(0, 3, 1, 2))


@pytest.fixture
def shot(make_shot: Callable[..., Path]) -> ShotReader:
    return ShotReader(make_shot(frames=FRAMES, size=SIZE))


def run(
    shot: ShotReader, generator: Truth | None = None, *, card=CARD, **settings: object
) -> MemorySink:
    """Make a shot in memory."""
    wanted = {"size": "shot", "window": 9, "overlap": "5", "feather": 0, **settings}
    sink = MemorySink()
    model = VideoModel(card, generator or Truth(), device="cpu")
    checked = card.check_settings(wanted)
    model.generate(Request(shot, checked, 0, read_frame=lambda i: sink.frames[i][0]), sink)
    assert sorted(sink.frames) == list(range(shot.shot.frames))
    return sink


def truth(index: int) -> np.ndarray:
    return render(path(FRAMES, size=SIZE)[index], SIZE, samples=2)[0] * 255


def error(made: np.ndarray, index: int) -> float:
    """Mean absolute difference from the true frame, in levels."""
    return float(np.abs(made.astype(np.float64) - truth(index)).mean())


@pytest.mark.parametrize("native", [(64, 48), (96, 64), (320, 48), (40, 30)])
def test_a_model_that_knows_the_truth_gives_the_true_shot(shot, native, monkeypatch):
    """Whatever the working size: cameras follow the padding, and it is cut off in its place."""
    monkeypatch.setitem(WORKING_SIZES, "480p", native)
    generator = Truth()
    made = run(shot, generator, lock=0.0, match=False, size="480p")
    width, height = generator.tasks[0].size
    assert width * height <= native[0] * native[1]
    worst = max(error(made.frames[i][0], i) for i in range(FRAMES))
    assert worst < (2.5 if native == (64, 48) else 12)  # a row too far would be 30


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_numbers_that_are_none_are_no_picture(shot, wrong):
    """Locked over them, a pixel that a still shows would be none either, and black."""

    def spoil(made: torch.Tensor) -> torch.Tensor:
        made[-1, 0, 3, 5] = wrong
        return made

    with pytest.raises(ModelError, match=r"'wan-vace-1.3b' made no picture of frame 9: some of"):
        run(shot, Truth(spoil))


def test_what_is_kept_is_what_was_written_and_the_next_window_goes_on(shot):
    generator = Truth(lambda made: made * 0.5)
    made = run(shot, generator, lock=0.0, match=False)
    first, second = generator.tasks
    kept = [frame for frame in second.frames if frame.kept]
    assert [frame.index for frame in kept] == [4, 5, 6, 7, 8]
    assert [frame.index for frame in second.frames if not frame.kept][:3] == [9, 10, 11]
    assert not any(frame.kept for frame in first.frames)
    for frame in kept:
        assert frame.seen.all()
        written = made.frames[frame.index][0].astype(np.float32) / 255
        shown = frame.colour[:, 4:44].permute(1, 2, 0).numpy()
        assert np.abs(written - shown).max() < 1e-6
        assert torch.equal(frame.inverse, first.frames[frame.index].inverse)


def test_colours_that_drift_are_brought_back(shot):
    drifted = Truth(lambda made: made * 0.8 + 0.1)
    matched = run(shot, drifted, lock=0.0)
    left = run(shot, Truth(lambda made: made * 0.8 + 0.1), lock=0.0, match=False)
    for index in range(FRAMES):
        assert error(matched.frames[index][0], index) < 0.35 * error(left.frames[index][0], index)


def test_frames_between_are_carried_from_those_beside_them(shot):
    generator = Truth()
    made = run(shot, generator, every=3, lock=0.0, match=False)
    indices = [list(dict.fromkeys(f.index for f in task.frames)) for task in generator.tasks]
    assert indices == [[0, 3, 6, 9, 11]]
    for index in (1, 2, 4, 5, 7, 8, 10):
        nearest = min((0, 3, 6, 9, 11), key=lambda other: abs(other - index))
        carried, repeated = made.frames[index][0], made.frames[nearest][0]
        assert error(carried, index) < 0.6 * error(repeated, index)


def test_frames_between_keep_what_the_still_shows(shot):
    sparse, every = run(shot, every=3), run(shot)
    for index in range(FRAMES):
        image, mask = sparse.frames[index][:2]
        other, other_mask = every.frames[index][:2]
        assert np.array_equal(mask, other_mask)
        assert np.array_equal(image[mask == 0], other[mask == 0])


def test_frames_between_windows_are_not_forgotten(make_shot):
    generator = Truth()
    run(ShotReader(make_shot(frames=24, size=SIZE)), generator, every=2)
    made = [list(dict.fromkeys(f.index for f in t.frames if not f.kept)) for t in generator.tasks]
    assert len(made) > 1
    assert sorted(i for window in made for i in window) == [*range(0, 24, 2), 23]


def test_frames_of_unknown_depth_are_made_too(make_shot):
    folder = make_shot("few", frames=FRAMES, size=SIZE)
    content = json.loads((folder / "shot.json").read_text())
    content["guides"]["depth"][1:] = [None] * (FRAMES - 1)
    (folder / "shot.json").write_text(json.dumps(content))
    generator = Truth()
    made = run(ShotReader(folder), generator, every=2, window=9, lock=0.0, match=False)
    assert all(float(f.inverse.max()) > 0 for task in generator.tasks for f in task.frames)
    assert error(made.frames[5][0], 5) < 0.8 * error(made.frames[4][0], 5)


def resumed(
    shot: ShotReader, before: MemorySink, lost: set[int], generator: Truth | None = None, **settings
) -> MemorySink:
    """Go on with a take of which some frames are lost."""
    sink = MemorySink(frames={i: frame for i, frame in before.frames.items() if i not in lost})
    finished = frozenset(sink.frames)
    wanted = {"size": "shot", "window": 9, "overlap": "5", "feather": 0, **settings}
    request = Request(
        shot,
        CARD.check_settings(wanted),
        0,
        finished=finished,
        read_frame=lambda i: before.frames[i][0] if i in finished else sink.frames[i][0],
    )
    VideoModel(CARD, generator or Truth(), device="cpu").generate(request, sink)
    return sink


@pytest.mark.parametrize("lost", [{5, 6, 17, 18}, {20}, {0, 10, 20}, set(range(9, 21))])
def test_frames_of_unknown_depth_go_on_from_any_window(make_shot, lost):
    folder = make_shot("few", frames=21, size=SIZE)
    content = json.loads((folder / "shot.json").read_text())
    content["guides"]["depth"][1:] = [None] * 20
    (folder / "shot.json").write_text(json.dumps(content))
    shot = ShotReader(folder)
    for every in (1, 2):
        whole = run(shot, every=every)
        again = resumed(shot, whole, lost, every=every)
        for index in range(21):
            assert np.array_equal(again.frames[index][0], whole.frames[index][0]), index


def test_what_is_finished_stands_where_another_device_makes_it_a_little_differently(shot):
    whole = run(shot, lock=0.0, match=False)
    other = Truth(lambda made: made * 0.5)
    again = resumed(shot, whole, {8, 9, 10, 11}, other, lock=0.0, match=False)
    kept = [frame for frame in other.tasks[1].frames if frame.kept]
    for frame in kept:
        shown = (frame.colour[:, 4:44].permute(1, 2, 0) * 255).round().numpy()
        assert np.array_equal(shown, again.frames[frame.index][0].astype(np.float32))
    assert all(again.frames[i][0] is whole.frames[i][0] for i in range(8))


def test_a_frame_between_two_takes_more_of_the_nearer(make_shot):
    """One neighbour is black and one is white, and the camera stands still."""
    shot = ShotReader(make_shot("still", frames=5, size=SIZE, step=0.0))

    def black_and_white(made: torch.Tensor) -> torch.Tensor:
        return torch.stack([torch.full_like(made[0], float(n % 2)) for n in range(len(made))])

    made = run(shot, Truth(black_and_white), every=4, lock=0.0, match=False)
    middle = [float(made.frames[i][0][20, 32].mean()) for i in range(5)]
    assert middle == pytest.approx([0, 63.75, 127.5, 191.25, 255], abs=1)


def test_frames_of_earlier_windows_are_let_go_of(make_shot, monkeypatch):
    from backend.models.video import compositor

    most, forget = [], compositor.Compositor.forget

    def count(self, kept):
        forget(self, kept)
        most.append(len(self._images))

    monkeypatch.setattr(compositor.Compositor, "forget", count)
    run(ShotReader(make_shot("long", frames=25, size=SIZE)))
    assert most == [5, 5, 5, 5, 0]


def test_joins_are_where_a_windows_first_frame_is_put_together(make_shot):
    recorded = {}

    class Sink(MemorySink):
        def record(self, name: str, value: object) -> None:
            recorded[name] = value

    shot = ShotReader(make_shot("joins", frames=40, size=SIZE))
    sink = Sink()
    settings = {"size": "shot", "window": 9, "overlap": "5", "every": 3}
    VideoModel(CARD, Truth(), device="cpu").generate(
        Request(shot, CARD.check_settings(settings), 0, read_frame=lambda i: sink.frames[i][0]),
        sink,
    )
    assert recorded["windows"] == [0, 25, 37]
    assert [first % 3 for first in recorded["windows"][1:]] == [1, 1], "just behind a made frame"


def test_the_feather_is_a_ramp_inside_what_is_seen(shot):
    hard, soft = run(shot), run(shot, feather=27)
    beside = 0
    for index in range(1, FRAMES):
        sharp, ramp = hard.frames[index][1], soft.frames[index][1]
        assert (ramp >= sharp).all(), "nothing that is made shows more of the still"
        beside += ((ramp > 0) & (ramp < 255) & (sharp == 0)).sum()
        assert (ramp[sharp == 255] == 255).all()
    assert beside > 10 * FRAMES


def test_a_mask_says_where_it_is_locked(make_shot):
    """The left half is kept as the projection has it, the right half is the model's."""
    folder = make_shot("masked", frames=3, size=SIZE)
    mask = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    mask[:, :32] = 255
    (folder / "lock.png").write_bytes(media.encode_mask(mask))
    content = json.loads((folder / "shot.json").read_text())
    content["guides"]["lock"] = [None, "lock.png", "lock.png"]
    (folder / "shot.json").write_text(json.dumps(content))
    shot = ShotReader(folder)
    black = run(shot, Truth(torch.zeros_like), match=False)
    whole = run(ShotReader(make_shot("plain", frames=3, size=SIZE)), match=False)
    image, made = black.frames[1]
    other, unseen = whole.frames[1]
    assert np.array_equal(made[:, :32], unseen[:, :32])
    assert np.array_equal(image[:, :32][unseen[:, :32] == 0], other[:, :32][unseen[:, :32] == 0])
    assert (made[:, 32:] == 255).all() and (image[:, 32:] == 0).all()
    assert black.frames[0][1].max() == 0, "null leaves a frame alone"
    (folder / "lock.png").write_bytes(media.encode_mask(mask[:-1]))
    with pytest.raises(ShotError, match=r"guides.lock\[1\] 'lock.png' is 64 x 39, not 64 x 40 as"):
        run(shot)


@pytest.mark.parametrize("name", ["IndexOB.X", "Object Index.X"])
def test_an_object_index_says_what_may_move(make_shot, name):
    """As Blender renders it, beside the depth or alone: 0 is kept, any other index is let go."""
    folder = make_shot("indexed", frames=2, size=SIZE)
    index = np.zeros((SIZE[1], SIZE[0], 1), np.float32)
    index[10:20, 5:25] = 2
    write_exr(folder / "index.exr", index, (f"View.{name}",))
    content = json.loads((folder / "shot.json").read_text())
    content["guides"]["lock"] = ["index.exr", "index.exr"]
    (folder / "shot.json").write_text(json.dumps(content))
    generator = Truth(torch.zeros_like)
    made = run(ShotReader(folder), generator, match=False, feather=0)
    first, mask = made.frames[0]
    assert (mask[10:20, 5:25] == 255).all() and mask.sum() == 255 * 200, "the still's own frame too"
    assert (first[10:20, 5:25] == 0).all()
    (task,) = generator.tasks
    assert task.frames[0].seen.all(), "the model knows what the still shows"
    assert task.frames[0].free.sum() == 200
    # The seam to what may move is soft as that to a hole is.
    _, soft = run(ShotReader(folder), Truth(torch.zeros_like), match=False, feather=64).frames[0]
    assert (soft[10:20, 5:25] == 255).all() and 0 < soft[15, 3] < 255 and soft[15, 30] == 0
    write_exr(folder / "index.exr", index, ("Z",))
    with pytest.raises(ShotError, match=r"guides.lock\[0\] 'index.exr' has no object index, which"):
        run(ShotReader(folder))


def test_half_a_lock_is_half_the_model(shot):
    made = run(shot, Truth(torch.zeros_like), lock=0.5, match=False)
    full = run(shot, Truth(torch.zeros_like), match=False)
    image, mask = made.frames[5][:2]
    whole, seen = full.frames[5][:2]
    assert set(np.unique(mask[seen == 0])) <= {127, 128}
    assert np.abs(image[seen == 0].astype(int) * 2 - whole[seen == 0]).max() <= 1


def test_a_model_without_control_is_shown_no_depth(shot):
    generator = Truth()
    run(shot, generator, card=replace(CARD, control=None))
    assert all(task.depth is None for task in generator.tasks)
    seen = Truth()
    run(shot, seen, card=replace(CARD, control=Control()))
    assert len({task.depth for task in seen.tasks}) == 1


def test_windows_share_no_noise(shot):
    generator = Truth()
    run(shot, generator)
    assert len({task.seed for task in generator.tasks}) == 2
