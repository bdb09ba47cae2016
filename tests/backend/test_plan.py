"""What a plan promises, for any shot and any model: no frame lost, no pixel lost, nothing bent."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from backend.errors import SettingError
from backend.geometry import project
from backend.models import cards, find_card
from backend.models.card import FrameRule
from backend.models.plan import (
    SMALLEST_SIDE,
    WORKING_SIZES,
    Window,
    choose_frames,
    fit_size,
    make_plan,
    make_windows,
)
from backend.wire import MAX_FRAMES, MAX_PIXELS, MAX_SIDE, Shot, Still
from tests.analytic import camera_at

RULES = st.sampled_from(
    [
        FrameRule(),
        FrameRule(most=49),
        FrameRule(multiple=4, offset=1),
        FrameRule(multiple=4, offset=1, most=81),
        FrameRule(multiple=8, offset=1),
        FrameRule(multiple=8, offset=1, most=161),
        FrameRule(multiple=25, most=25),
        FrameRule(offset=1, most=25),
    ]
)
LENGTHS = st.one_of(st.integers(1, 300), st.integers(1, MAX_FRAMES))
SIDES = st.one_of(st.integers(1, 200), st.integers(1, MAX_SIDE))
SIZES = st.tuples(SIDES, SIDES).filter(lambda size: math.prod(size) <= MAX_PIXELS)
MULTIPLES = st.sampled_from([1, 2, 8, 16, 32, 64])
AREAS = st.one_of(st.sampled_from([832 * 480, 1280 * 704]), st.integers(64 * 64, 2_000_000))


def on_rule(length: int, rule: FrameRule) -> bool:
    return length > 0 and (length - rule.offset) % rule.multiple == 0


@st.composite
def windows_asked_for(draw: st.DrawFn) -> dict[str, object]:
    """Return what `make_windows` takes: an overlap of the rule, or none, or any."""
    rule = draw(RULES)
    steps = draw(st.integers(0, 5)) * rule.multiple + rule.offset
    return {
        "rule": rule,
        "overlap": draw(st.sampled_from([0, steps]) | st.integers(0, 40)),
        "most": draw(st.none() | st.integers(1, 300)),
    }


def windows_of(indices: tuple[int, ...], asked: dict[str, object]) -> tuple[Window, ...]:
    try:
        return make_windows(indices, **asked)
    except SettingError as reason:
        assert "set 'window' higher" in str(reason)
        assume(False)
        raise


@given(count=LENGTHS, every=st.integers(1, 60), data=st.data(), asked=windows_asked_for())
def test_windows_make_every_frame_once(count, every, data, asked):
    stills = data.draw(st.lists(st.integers(0, count - 1), max_size=5))
    made, projected = choose_frames(count, every=every, stills=stills)
    windows = windows_of(made, asked)

    new = [index for window in windows for index in window.new]
    assert new == list(made)
    assert sorted([*new, *projected]) == list(range(count))
    assert {0, count - 1, *stills} <= set(made)

    rule = asked["rule"]
    longest = asked["most"] or rule.most or math.inf
    lengths = [len(window.frames) for window in windows]
    assert all(on_rule(length, rule) and length <= longest for length in lengths)
    assert max(lengths) - min(lengths) <= rule.multiple
    assert lengths == sorted(lengths, reverse=True)

    assert windows[0].kept == 0
    for before, window in itertools.pairwise(windows):
        assert before.padded == 0
        assert window.kept == asked["overlap"]
        assert window.frames[: window.kept] == before.frames[len(before.frames) - window.kept :]
        assert window.new
    last = windows[-1]
    assert last.frames[len(last.frames) - last.padded :] == (made[-1],) * last.padded
    assert last.padded < rule.multiple or len(made) <= rule.multiple + rule.offset


@given(count=LENGTHS, asked=windows_asked_for())
def test_there_are_no_more_windows_than_needed(count, asked):
    windows = windows_of(tuple(range(count)), asked)
    rule, overlap = asked["rule"], asked["overlap"]
    wanted = asked["most"] or rule.most
    if wanted is None:
        assert len(windows) == 1
        return
    longest = max(length for length in range(1, wanted + 1) if on_rule(length, rule))
    fewer = len(windows) - 1
    assert fewer == 0 or fewer * (longest - overlap) + overlap < count


@pytest.mark.parametrize(
    ("count", "most", "overlap", "lengths", "padded"),
    [
        (1, 81, 9, [5], 4),
        (5, 81, 9, [5], 0),
        (81, 81, 9, [81], 0),
        (82, 81, 9, [49, 45], 3),
        (120, 81, 9, [65, 65], 1),
        (250, 81, 9, [73, 69, 69, 69], 3),
        (79, 80, 9, [45, 45], 2),  # 80 is no length of the model: 77 is the longest
    ],
)
def test_windows_of_wan(count, most, overlap, lengths, padded):
    rule = FrameRule(multiple=4, offset=1, most=81)
    windows = make_windows(tuple(range(count)), rule=rule, overlap=overlap, most=most)
    assert [len(window.frames) for window in windows] == lengths
    assert windows[-1].padded == padded


@pytest.mark.parametrize(
    ("most", "overlap", "words"),
    [
        (9, 9, "Windows of 9 frames of which 9 are kept make nothing new"),
        (12, 9, "Windows of 9 frames of which 9 are kept make nothing new"),
        (4, 0, "Windows of 4 frames are too short, because the model makes at least 5 at once"),
    ],
)
def test_windows_that_make_nothing_are_refused(most, overlap, words):
    with pytest.raises(SettingError, match=words):
        make_windows(
            tuple(range(50)), rule=FrameRule(multiple=4, offset=1), overlap=overlap, most=most
        )


def test_the_frames_that_are_made():
    assert choose_frames(10, every=4, stills=[5]) == ((0, 4, 5, 8, 9), (1, 2, 3, 6, 7))
    assert choose_frames(3, every=1, stills=[1]) == ((0, 1, 2), ())
    assert choose_frames(1, every=7, stills=[0]) == ((0,), ())
    assert choose_frames(6, every=100, stills=[]) == ((0, 5), (1, 2, 3, 4))


@given(size=SIZES, multiple=MULTIPLES, area=st.none() | AREAS)
def test_a_fit_covers_the_shot_and_keeps_its_shape(size, multiple, area):
    try:
        fit = fit_size(size, multiple=multiple, area=area)
    except SettingError as reason:
        assert area is not None
        assert max(size) / min(size) > 4 or area < (2 * SMALLEST_SIDE + 2 * multiple) ** 2
        assert "crop it to another shape" in str(reason)
        return
    assert fit.shot == size
    assert all(side % multiple == 0 for side in fit.model)
    if area is None:
        assert fit.inner == size
    else:
        assert math.prod(fit.model) <= area
    left, right, top, bottom = fit.padding
    assert (left + fit.inner[0] + right, top + fit.inner[1] + bottom) == fit.model
    assert all(0 <= after - before <= 1 for before, after in ((left, right), (top, bottom)))
    assert max(left + right, top + bottom) < multiple
    # One scale for both directions gives both sides to within half a pixel.
    low = max((inner - 0.5) / side for inner, side in zip(fit.inner, size, strict=True))
    high = min((inner + 0.5) / side for inner, side in zip(fit.inner, size, strict=True))
    assert low <= high + 1e-9


@given(size=SIZES, multiple=MULTIPLES, area=AREAS)
def test_no_larger_fit_would_do(size, multiple, area):
    try:
        fit = fit_size(size, multiple=multiple, area=area)
    except SettingError:
        assume(False)
    scale = (min(fit.inner) + 1) / min(size)
    larger = [math.ceil(round(side * scale) / multiple) * multiple for side in size]
    assert math.prod(larger) > area


@given(
    size=st.tuples(st.integers(16, 4000), st.integers(16, 4000)),
    multiple=MULTIPLES,
    point=st.tuples(st.floats(-2, 2), st.floats(-2, 2), st.floats(-9, -1)),
)
def test_a_point_lands_where_the_shot_has_it(size, multiple, point):
    assume(max(size) / min(size) < 10)
    fit = fit_size(size, multiple=multiple, area=832 * 480)
    camera = camera_at((0.1, -0.2, 0.3), size=size, yaw=0.2)
    (x, y), depth = project(np.array(point), camera)
    (u, v), same = project(np.array(point), fit.camera(camera))
    assert same == depth
    scales = [inner / side for inner, side in zip(fit.inner, size, strict=True)]
    assert u == pytest.approx(x * scales[0] + fit.left, abs=1e-6)
    assert v == pytest.approx(y * scales[1] + fit.top, abs=1e-6)


def test_a_film_picture_at_480p():
    fit = fit_size((1920, 1080), multiple=16, area=832 * 480)
    assert (fit.model, fit.inner, fit.padding) == ((832, 480), (832, 468), (0, 0, 6, 6))
    fit = fit_size((1080, 1920), multiple=16, area=832 * 480)
    assert (fit.model, fit.inner, fit.padding) == ((480, 832), (468, 832), (6, 6, 0, 0))


def shot_of(frames: int, *, size: tuple[int, int], stills: tuple[Still, ...]) -> Shot:
    cameras = (camera_at((0, 0, 0), size=size),) * frames
    return Shot(
        name="", size=size, fps=24, frame_start=1, stills=stills, cameras=cameras, guides={}
    )


@given(
    frames=LENGTHS,
    size=st.tuples(st.integers(16, 2000), st.integers(16, 2000)),
    model=st.sampled_from([card.id for card in cards()]),
    data=st.data(),
)
def test_every_card_has_a_plan_of_every_shot(frames, size, model, data):
    assume(max(size) / min(size) < 10)
    card = find_card(model)
    chosen = {
        setting.name: data.draw(st.sampled_from(setting.choices))
        for setting in card.settings
        if setting.name in ("size", "overlap") and setting.choices
    }
    index = data.draw(st.integers(0, frames - 1))
    shot = shot_of(frames, size=size, stills=(Still("a.png", index),))
    plan = make_plan(card, shot, card.check_settings(chosen))
    new = [index for window in plan.windows for index in window.new]
    assert sorted([*new, *plan.projected]) == list(range(frames))
    assert index in new
    assert plan.model_frames == sum(len(window.frames) for window in plan.windows)
    assert all(side % card.size_multiple == 0 for side in plan.fit.model)
    assert all(on_rule(len(window.frames), card.frame_rule) for window in plan.windows)
    size_chosen = chosen.get("size")
    if size_chosen in WORKING_SIZES:
        assert math.prod(plan.fit.model) <= math.prod(WORKING_SIZES[size_chosen])
    elif size_chosen == "shot" or card.native_size is None:
        assert plan.fit.inner == size


def test_a_still_beside_the_way_is_no_frame_that_has_to_be_made():
    size = (64, 40)
    stills = (Still("a.png", 0), Still("b.png", 3, camera=camera_at((1, 0, 0), size=size)))
    plan = make_plan(find_card("projection"), shot_of(9, size=size, stills=stills), {"every": 4})
    assert plan.windows[0].new == (0, 4, 8)
