"""Which frames are generated, what they lend, and to whom."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from backend.geometry import pixel_transfer
from backend.models import find_card
from backend.models.draft.frames import FrameMaker
from backend.models.draft.keyframes import MOST, Overview, Reduction, broad, choose_keyframes
from backend.models.draft.survey import Survey
from backend.projection.composite import compose
from backend.projection.output import to_image
from backend.projection.surface import describe_surface, inverse_depth
from backend.projection.walk import Walk
from backend.reader import ShotReader
from backend.wire import read_shot
from tests.analytic import analytic_shot, camera_at, render, slide_near_box, write_exr
from tests.drafts import small_pipeline

CPU = torch.device("cpu")
SIZE = (96, 56)
WHITE = torch.ones(3)


def overview(index, position, *, unseen, yaw=0.0, moving=None):
    """Return a frame of the analytic room, of which `unseen` (H, W) no still shows."""
    camera = camera_at(position, size=SIZE, yaw=yaw)
    surface = describe_surface(inverse_depth(render(camera, SIZE)[1], device=CPU))
    moving = torch.zeros_like(unseen) if moving is None else moving
    return Overview(index, camera, surface, unseen, moving, known=True)


def right_of(column):
    mask = torch.zeros(SIZE[1], SIZE[0], dtype=torch.bool)
    mask[:, column:] = True
    return mask


def look_at(folder):
    walk = Walk(ShotReader(folder), CPU, tick=lambda: None)
    survey = Survey(walk, tick=lambda done: None)
    settings = find_card("draft").check_settings({})
    return walk, survey, FrameMaker(walk, survey, small_pipeline(), settings=settings, seed=3)


@pytest.fixture
def shot(tmp_path):
    return analytic_shot(tmp_path / "shot", frames=6, size=SIZE, step=0.2)


def test_without_anything_unseen_there_is_no_keyframe():
    nothing = right_of(SIZE[0])
    assert choose_keyframes([]) == []
    assert choose_keyframes([overview(n, (0.1 * n, 0, 0), unseen=nothing) for n in range(4)]) == []


def test_one_frame_that_shows_all_of_it_is_enough():
    """The camera turns right: what comes in at the border of one is inside of those after it."""
    turn = 0.05
    columns = [SIZE[0] - 4 * n for n in range(6)]
    frames = [
        overview(n, (0, 0, 0), yaw=-turn * n, unseen=right_of(column))
        for n, column in enumerate(columns)
    ]
    assert choose_keyframes(frames) == [5]


def test_frames_that_look_away_from_each_other_each_get_a_keyframe():
    frames = [
        overview(n, (0, 0, 0), yaw=yaw, unseen=right_of(start))
        for n, (yaw, start) in enumerate(((0.0, 96), (1.2, 0), (-1.2, 48)))
    ]
    assert choose_keyframes(frames) == [1, 2]


def test_what_moves_in_a_frame_is_not_shown_by_it():
    frames = [overview(n, (0, 0, 0), unseen=right_of(48)) for n in range(2)]
    assert choose_keyframes(frames) == [0]
    assert choose_keyframes([replace(frames[0], moving=right_of(0)), frames[1]]) == [1]


def test_there_are_never_more_than_a_few_however_much_is_unseen():
    frames = [overview(n, (0, 0, 0), yaw=1.0 * n, unseen=right_of(0)) for n in range(20)]
    assert len(choose_keyframes(frames)) <= MOST


def test_keyframes_of_a_shot_cover_it_and_are_the_same_each_time(shot):
    walk, survey, maker = look_at(shot)
    chosen = choose_keyframes(survey.overviews)
    assert chosen == choose_keyframes(look_at(shot)[1].overviews)
    assert chosen[0] == 5
    assert 0 not in chosen
    with torch.inference_mode():
        for index in chosen:
            maker.add_keyframe(index, on_step=lambda done, total: None)
        for index in range(1, 6):
            sight = walk.see(survey.step(index))
            made = compose(sight, maker.keyframes, moving=None, fallback=WHITE)
            unseen = float((~sight.seen).float().mean())
            assert unseen > 0.02
            assert float(made.left.float().mean()) < 0.1 * unseen  # no seams beside what is lent


def test_a_keyframe_lends_its_own_pixels_alone(shot):
    walk, survey, maker = look_at(shot)
    with torch.inference_mode():
        for index in (5, 3):
            maker.add_keyframe(index, on_step=lambda done, total: None)
        first, second = maker.keyframes
        unseen = ~walk.see(survey.step(5)).seen
        assert bool(first.offered[unseen].all())
        assert float(first.offered.float().mean()) < 1.5 * float(unseen.float().mean())
        assert int(second.offered.sum()) < 0.5 * int((~walk.see(survey.step(3)).seen).sum())


def test_what_moves_takes_nothing_from_a_keyframe_and_gives_it_nothing(tmp_path):
    folder = analytic_shot(tmp_path / "shot", frames=5, size=SIZE, step=0.2, with_flow=True)
    slide_near_box(folder, 2.0)
    walk, survey, maker = look_at(folder)
    moving = {index: survey.step(index).moved[0] for index in (3, 4)}
    assert all(float(moved.float().mean()) > 0.05 for moved in moving.values())
    with torch.inference_mode():
        maker.add_keyframe(4, on_step=lambda done, total: None)
        assert not bool((maker.keyframes[0].offered & moving[4]).any())
        sight = walk.see(survey.step(3))
        assert not bool((sight.seen & moving[3]).any())
        made = compose(sight, maker.keyframes, moving=moving[3], fallback=WHITE)
        assert bool(made.left[moving[3]].all())
        assert float(made.left[~moving[3]].float().mean()) < 0.05
        alone = compose(sight, [], moving=moving[3], fallback=WHITE)
        inner = moving[3] & ~sight.silhouette
        assert torch.equal(made.colour[:, inner], alone.colour[:, inner])
        blind = replace(sight, seen=torch.zeros_like(sight.seen))
        made = compose(blind, maker.keyframes, moving=moving[3], fallback=WHITE)
        assert float(made.left[~moving[3]].float().mean()) < 0.7
        assert bool((made.colour[:, inner] == 1).all())


def test_of_a_frame_of_which_nothing_is_known_all_has_the_fallback_colour(shot):
    walk, survey, _ = look_at(shot)
    sight = walk.see(survey.step(4))
    blind = replace(sight, seen=torch.zeros_like(sight.seen))
    made = compose(blind, [], moving=None, fallback=torch.tensor([0.2, 0.4, 0.6]))
    assert torch.allclose(made.colour.mean(dim=(1, 2)), torch.tensor([0.2, 0.4, 0.6]))
    assert bool((made.generated == 1).all())


def test_of_two_frames_the_one_that_shows_it_larger_is_generated_first():
    """The wide one shows more of it in all, but at half the size."""
    wide = overview(0, (0, 0, 0), unseen=torch.zeros(SIZE[1], SIZE[0], dtype=torch.bool))
    wide.unseen[8:-8, 14:-14] = True
    lens = replace(wide.camera, fl_x=2 * wide.camera.fl_x, fl_y=2 * wide.camera.fl_y)
    surface = describe_surface(inverse_depth(render(lens, SIZE)[1], device=CPU))
    close = replace(wide, index=1, camera=lens, surface=surface, unseen=right_of(0))
    assert choose_keyframes([wide, close])[0] == 1


def card_gone(tmp_path, height, width):
    """Write a shot whose still has a card (in pixels) before a wall, and the frames none."""
    folder = analytic_shot(tmp_path / "shot", frames=3, size=SIZE, step=0.0)
    depth = np.full((3, SIZE[1], SIZE[0], 1), 5, np.float32)
    depth[0, 8 : 8 + height, 30 : 30 + width] = 2
    for name, map_ in zip(read_shot(folder).guides["depth"], depth, strict=True):
        write_exr(folder / name, map_, ("Z",))
    return folder


@pytest.mark.parametrize(
    ("height", "width", "drawn"), [(40, 4, False), (40, 5, True), (5, 5, False), (5, 6, True)]
)
def test_slivers_and_small_holes_that_no_keyframe_shows_are_only_filled(
    tmp_path, height, width, drawn
):
    """They would come and go; a hole of a hundredth of the frame is generated for it alone."""
    walk, survey, maker = look_at(card_gone(tmp_path, height, width))
    with torch.inference_mode():
        made = maker.make(1, on_step=lambda done, total: None)
        filled = compose(walk.see(survey.step(1)), [], moving=None, fallback=WHITE)
    assert (made.mask == 255).sum() >= height * width - 4
    assert (not np.array_equal(made.image, to_image(filled.colour))) == drawn


@pytest.mark.parametrize(("width", "drawn"), [(2, False), (3, True)])
def test_threads_of_a_keyframe_are_filled_and_not_grainy(tmp_path, width, drawn):
    walk, survey, maker = look_at(card_gone(tmp_path, 40, width))
    with torch.inference_mode():
        maker.add_keyframe(1, on_step=lambda done, total: None)
        filled = compose(walk.see(survey.step(1)), [], moving=None, fallback=WHITE)
    same = torch.equal(maker.keyframes[0].picture, filled.colour)
    assert same == (not drawn)


def test_every_keyframe_has_grain_of_its_own(tmp_path):
    """Frames 1 and 2 are one picture; the same noise in both would stay on the screen."""
    folder = card_gone(tmp_path, 40, 30)
    pictures = []
    for index in (1, 1, 2):
        maker = look_at(folder)[2]
        with torch.inference_mode():
            maker.add_keyframe(index, on_step=lambda done, total: None)
        pictures.append(maker.keyframes[0].picture)
    assert torch.equal(pictures[0], pictures[1])
    apart = (pictures[0] - pictures[2]).abs()[:, 10:46, 32:58]
    assert float((apart > 1 / 255).float().mean()) > 0.5


@pytest.mark.parametrize("size", [(832, 480), (97, 55), (1, 1), (5000, 3), (640, 2000)], ids=str)
def test_a_reduced_camera_sees_the_centres_of_the_pixels_that_are_kept(size):
    reduction = Reduction.of(size)
    small = reduction.map(torch.arange(size[0] * size[1]).view(size[1], size[0]))
    assert small.numel() <= 208 * 120 * 3
    camera = camera_at((0.3, 0.2, 0.1), size=size, yaw=0.2)
    a, b = pixel_transfer(reduction.camera(camera), camera)
    for row, column in ((0, 0), (small.shape[0] - 1, small.shape[1] - 1)):
        place = a @ (column + 0.5, row + 0.5, 1.0)
        number = int(small[row, column])
        expected = (number % size[0] + 0.5, number // size[0] + 0.5)
        assert place[:2] / place[2] == pytest.approx(expected, abs=1e-6)
    assert b == pytest.approx(np.zeros(3), abs=1e-9)


def test_slivers_are_not_broad():
    mask = torch.zeros(8, 12, dtype=torch.bool)
    mask[2] = True
    mask[:, 9] = True
    mask[4:7, 3:5] = True
    expected = torch.zeros_like(mask)
    expected[4:7, 3:5] = True
    assert torch.equal(broad(mask), expected)
    assert torch.equal(broad(mask[:1]), mask[:1])
