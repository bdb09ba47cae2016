"""Patterns of flat surfaces go on in their holes; what does not repeat is left alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from backend.models import find_card
from backend.models.draft import frames
from backend.models.draft.flats import FaceOn, find_flats, on_plane
from backend.models.draft.model import DraftModel
from backend.models.draft.repeat import repeat_patterns
from backend.wire import Camera, read_shot
from tests.analytic import analytic_shot
from tests.drafts import small_pipeline
from tests.sinks import run

SIZE = 240, 320
CAMERA = Camera(
    fl_x=300.0, fl_y=300.0, cx=160.0, cy=120.0, transform_matrix=tuple(map(tuple, np.eye(4)))
)
HOLE = slice(90, 170), slice(120, 210)
TILE = 0.25  # metres


def slanted_floor(colour_of):
    """Return a floor (picture, generated, inverse) whose colours are those of metres on it.

    Args:
        colour_of: Grey (H, W) of metres to the right and away.
    """
    height, width = SIZE
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    down, right = (y - CAMERA.cy) / CAMERA.fl_y, (x - CAMERA.cx) / CAMERA.fl_x
    inverse = (down + 0.9) / 1.5  # y = 1.5 - 0.9 z
    away = 1 / inverse
    # Along the slope a metre is longer than its z.
    grey = colour_of(right * away, away * float(np.hypot(1, 0.9)))
    generated = torch.zeros(SIZE)
    generated[HOLE] = 1
    return grey.expand(3, -1, -1).clone(), generated, inverse


def checks(right, away):
    """Return checks with soft edges, as an aliased edge tells of pixels alone."""
    return 0.5 + 0.3 * torch.tanh(
        6 * torch.sin(np.pi / TILE * right) * torch.sin(np.pi / TILE * away)
    )


def noise(right, away):
    return 0.5 + torch.from_numpy(np.random.default_rng(3).normal(0, 0.1, SIZE)).float()


def go_on(colour_of):
    """Return truth, start, what went on and how surely, for holes filled with grey."""
    truth, generated, inverse = slanted_floor(colour_of)
    start = torch.where(generated > 0, 0.5, truth)
    return truth, start, *repeat_patterns(start, start, generated, generated > 0, inverse, CAMERA)


def error(first, second):
    return float((first - second)[:, *HOLE].square().mean().sqrt())


def test_tiles_go_on_in_a_hole():
    truth, start, made, sure = go_on(checks)
    assert sure[HOLE].mean() > 0.8
    assert error(made, truth) < 0.35 * error(start, truth)


def test_what_is_seen_stays():
    _, start, made, sure = go_on(checks)
    outside = torch.ones(SIZE, dtype=torch.bool)
    outside[HOLE] = False
    assert torch.equal(made[:, outside], start[:, outside])
    assert not sure[outside].any()


@pytest.mark.parametrize("colour_of", [noise, lambda right, away: torch.full(SIZE, 0.4)])
def test_what_does_not_repeat_is_not_copied(colour_of):
    _, start, made, sure = go_on(colour_of)
    assert sure[HOLE].mean() < 0.05
    assert error(made, start) < 0.01


def test_the_light_of_a_hole_is_its_own():
    _, start, made, _ = go_on(checks)
    dark = start.clone()
    dark[:, *HOLE] = 0.3
    _, generated, inverse = slanted_floor(checks)
    other, _ = repeat_patterns(dark, start, generated, generated > 0, inverse, CAMERA)
    middle = (slice(None), slice(110, 150), slice(140, 190))
    assert float((made - other)[middle].mean()) == pytest.approx(0.2, abs=0.05)
    assert float(other.min()) >= 0


def test_the_same_bytes_every_time():
    assert all(torch.equal(*pair) for pair in zip(go_on(checks), go_on(checks), strict=True))


@pytest.mark.parametrize("what", ["sky", "all unseen", "nothing unseen", "small", "no plane"])
def test_what_has_no_pattern_to_go_on_stays(what):
    picture, generated, inverse = slanted_floor(checks)
    if what == "sky":
        inverse = torch.zeros_like(inverse)
    if what == "all unseen":
        generated = torch.ones_like(generated)
    if what == "nothing unseen":
        generated = torch.zeros_like(generated)
    if what == "small":
        picture, generated, inverse = (
            picture[:, 95:98, :9],
            generated[95:98, :9],
            inverse[95:98, :9],
        )
    if what == "no plane":
        random = torch.from_numpy(np.random.default_rng(5).random(SIZE)).float()
        inverse = inverse * (0.5 + random)
    made, sure = repeat_patterns(picture, picture, generated, generated > 0, inverse, CAMERA)
    assert torch.equal(made, picture)
    assert not sure.any()


def test_the_largest_planes_come_first_and_hold_their_pixels():
    _, _, floor = slanted_floor(checks)
    wall = torch.full(SIZE, 0.55)
    inverse = torch.maximum(floor, wall)
    holes = torch.zeros(SIZE, dtype=torch.bool)
    holes[:, 100:200] = True
    first, second = find_flats(inverse, holes)
    shares = [(on_plane(inverse, plane) & holes).float().sum() for plane in (first, second)]
    assert shares[0] > shares[1]
    truth = sorted((float((floor >= wall)[holes].sum()), float((floor < wall)[holes].sum())))
    assert sorted(map(float, shares)) == pytest.approx(truth, rel=0.02)


@pytest.mark.parametrize("border", [slice(0, 40), slice(-40, None)])
def test_a_hole_at_the_border_of_the_frame_gets_its_pattern_too(border):
    truth, generated, inverse = slanted_floor(checks)
    generated = torch.zeros_like(generated)
    generated[120:, border] = 1
    hole = generated > 0
    start = torch.where(hole, 0.5, truth)
    made, sure = repeat_patterns(start, start, generated, hole, inverse, CAMERA)
    assert sure[hole].mean() > 0.5
    left, right = ((picture - truth)[:, hole].square().mean() for picture in (made, start))
    assert left < 0.5 * right


def test_face_on_and_back_is_where_it_was():
    _, generated, inverse = slanted_floor(checks)
    (plane,) = find_flats(inverse, generated > 0)
    mine = on_plane(inverse, plane)
    camera = replace(CAMERA, fl_x=250.0, fl_y=350.0)
    view = FaceOn(plane, camera, mine & (generated > 0), mine & (generated == 0))
    y, x = torch.meshgrid(*(torch.arange(length) + 0.5 for length in SIZE), indexing="ij")
    places = torch.stack([x, y])
    off = (view.give_back(view.look(places)) - places)[:, *HOLE].mean((1, 2))
    assert off.abs().max() < 0.05


@pytest.mark.parametrize("size", [(5, 1), (121, 161), (135, 241)])
def test_a_hole_that_reaches_the_horizon_is_no_trouble(size):
    height, width = size
    camera = replace(CAMERA, fl_x=0.8 * width, fl_y=0.8 * width, cx=width / 2, cy=height / 2)
    rows = torch.arange(height) + 0.5
    inverse = ((height / 2 - rows) / (0.8 * width * 1.5)).clamp_min(0)  # a ceiling
    inverse = inverse[:, None].expand(size).contiguous()
    picture = torch.rand((3, *size), generator=torch.Generator().manual_seed(1))
    generated = torch.zeros(size)
    generated[1 : height // 2 + 1] = 1
    made, sure = repeat_patterns(picture, picture, generated, generated > 0, inverse, camera)
    assert made.isfinite().all()
    assert ((sure >= 0) & (sure <= 1)).all()


def test_a_sample_adds_nothing_where_a_pattern_is_certain(tmp_path, monkeypatch):
    cameras, indices = [], []
    add = frames.FrameMaker.add_keyframe

    def certain(start, colour, generated, editable, inverse, camera):
        cameras.append(camera)
        return start, torch.ones_like(generated)

    def note(maker, index, **options):
        indices.append(index)
        return add(maker, index, **options)

    folder = analytic_shot(tmp_path / "shot", frames=4, size=(96, 56), step=0.25)
    draft = DraftModel(find_card("draft"), pipeline=small_pipeline(), device="cpu")
    free = run(draft, folder).frames
    monkeypatch.setattr(frames, "repeat_patterns", certain)
    monkeypatch.setattr(frames.FrameMaker, "add_keyframe", note)
    bound, smooth = (run(draft, folder, detail=detail).frames for detail in (1.0, 0.0))
    assert cameras == [read_shot(folder).cameras[index] for index in indices] != []
    for index in range(4):
        assert np.array_equal(bound[index][0], smooth[index][0])
    assert not np.array_equal(free[3][0], bound[3][0])
