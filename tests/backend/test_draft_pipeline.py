"""The draft pipeline with thin networks of random weights: what it promises whatever is learnt."""

import math
from dataclasses import replace

import pytest
import torch

from backend.errors import Cancelled
from backend.models.draft.load import random_pipeline
from backend.models.draft.pipeline import flow_times
from backend.models.draft.tiles import MARGIN
from tests.drafts import Frame, make, ramp, small_pipeline, whole

SIZES = [(1, 1), (1, 40), (37, 53), (161, 241), (64, 64)]
ROUNDING = 1 / 255
FAR_APART = ((slice(0, 192), slice(0, 40)), (slice(120, 170), slice(300, 330)))


@pytest.fixture(scope="module")
def pipeline():
    return small_pipeline()


@pytest.fixture
def given_to_network(pipeline):
    """Return a list that gets the shape (B, 3, H, W) of everything the network is given."""
    shapes = []
    hook = pipeline.network.register_forward_pre_hook(
        lambda _, inputs: shapes.append(tuple(inputs[0].shape))
    )
    yield shapes
    hook.remove()


def pixels(shapes):
    return sum(count * height * width for count, _, height, width in shapes)


@pytest.mark.parametrize("size", SIZES)
def test_any_size_keeps_every_other_pixel_and_is_a_picture(pipeline, size):
    frame = ramp(*size)
    made = make(pipeline, frame)
    kept = frame.generated == 0
    assert made[:, kept].numpy().tobytes() == frame.filled[:, kept].numpy().tobytes()
    assert made.shape == frame.filled.shape
    assert made.min() >= 0
    assert made.max() <= 1
    assert not torch.equal(made, frame.filled)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(pipeline):
    # Rough, or there is hardly any grain to tell them apart by.
    frame = replace(ramp(60, 90), filled=torch.rand(3, 60, 90, generator=torch.Generator()))
    first, again, other = (make(pipeline, frame, seed=seed) for seed in (7, 7, 8))
    assert first.numpy().tobytes() == again.numpy().tobytes()
    hole = frame.generated > 0
    assert (first - other)[:, hole].abs().mean() > ROUNDING


def test_planes_say_whose_grain_it_is_and_the_network_knows_nothing_of_them(pipeline):
    frame = replace(ramp(60, 90), filled=torch.rand(3, 60, 90, generator=torch.Generator()))
    nowhere = torch.where(frame.generated > 0, 9.0, frame.inverse)
    own, others = make(pipeline, frame), make(pipeline, frame, planes=nowhere)
    assert (own - others).abs().max() > ROUNDING
    assert torch.equal(own, make(pipeline, frame, planes=frame.inverse))
    own, others = make(pipeline, frame, mean=True), make(pipeline, frame, mean=True, planes=nowhere)
    assert torch.equal(own, others)


def test_the_expectation_is_the_same_for_every_seed(pipeline):
    frame = ramp(60, 90)
    first, other = (make(pipeline, frame, seed=seed, mean=True) for seed in (7, 8))
    assert first.numpy().tobytes() == other.numpy().tobytes()
    assert not torch.equal(first, frame.filled)


def test_detail_leads_from_the_expectation_to_the_sample(pipeline):
    frame = ramp(60, 90)
    expected, sample = make(pipeline, frame, mean=True), make(pipeline, frame)
    none, some, full = (make(pipeline, frame, detail=detail) for detail in (0.0, 0.25, 1.0))
    assert none.numpy().tobytes() == expected.numpy().tobytes()
    assert full.numpy().tobytes() == sample.numpy().tobytes()
    inside = ((expected > 0) & (expected < 1) & (sample > 0) & (sample < 1)).all(0)
    between = expected + 0.25 * (sample - expected)
    assert torch.allclose(some[:, inside], between[:, inside], atol=1e-5)
    assert not torch.allclose(some, expected, atol=ROUNDING)


@pytest.mark.parametrize(
    ("options", "evaluations"),
    [({}, 4), ({"steps": 1}, 1), ({"steps": 7}, 7), ({"mean": True, "steps": 7}, 1),
     ({"detail": 0.0}, 1), ({"detail": 0.5, "steps": 3}, 3)],
)  # fmt: skip
def test_the_network_is_asked_as_often_as_said(pipeline, given_to_network, options, evaluations):
    told = []
    make(pipeline, ramp(40, 40), on_step=lambda *numbers: told.append(numbers), **options)
    assert len(given_to_network) == evaluations
    assert told == [(done, evaluations) for done in range(evaluations)]


@pytest.mark.parametrize("steps", [1, 4])
def test_tiles_make_what_the_whole_frame_makes(steps):
    # So shallow that it sees no farther than the margin; how far trained weights see is asked of
    # those that ship.
    shallow = random_pipeline(1, channels=(8, 8), blocks=(1, 1))
    widths = []
    shallow.network.register_forward_pre_hook(lambda _, inputs: widths.append(inputs[0].shape[3]))
    frame = ramp(192, 384, holes=FAR_APART)
    made = make(shallow, frame, steps=steps)
    assert len(widths) == 2 * steps
    assert sum(widths) < 384 * steps
    assert torch.allclose(made, whole(shallow, frame, steps=steps), atol=1e-4)


def test_nothing_to_change_asks_the_network_nothing(pipeline, given_to_network):
    frame = ramp(40, 60, holes=())
    made = make(pipeline, frame)
    assert made.numpy().tobytes() == frame.filled.numpy().tobytes()
    assert not given_to_network


def test_everything_may_be_changed(pipeline):
    frame = ramp(50, 70, holes=((slice(None), slice(None)),))
    made = make(pipeline, frame)
    assert (made != frame.filled).any(0).float().mean() > 0.99


def test_editable_pixels_are_chosen_apart_from_generated_ones(pipeline):
    frame = ramp(64, 96)
    editable = torch.zeros(64, 96, dtype=torch.bool)
    editable[:20, :30] = True
    made = make(pipeline, frame, editable=editable)
    assert torch.equal(made[:, ~editable], frame.filled[:, ~editable])
    assert (made != frame.filled).any(0)[editable].float().mean() > 0.99


def test_work_is_in_proportion_to_what_may_be_changed(pipeline, given_to_network):
    def work(height, width, *corners):
        given_to_network.clear()
        holes = tuple((slice(y, y + 64), slice(x, x + 64)) for y, x in corners)
        make(pipeline, ramp(height, width, holes=holes), mean=True)
        return pixels(given_to_network)

    one = work(256, 256, (96, 96))
    assert one <= (64 + 2 * MARGIN) ** 2
    assert work(768, 1024, (96, 96)) == one
    assert work(768, 1024, (96, 96), (96, 704), (512, 96), (512, 704)) == 4 * one


def test_raising_between_steps_stops_and_the_pipeline_stays_usable(pipeline, given_to_network):
    frame = ramp(60, 90)
    before = make(pipeline, frame)
    given_to_network.clear()

    def stop(done, total):
        if done == 2:
            raise Cancelled("enough")

    with pytest.raises(Cancelled, match="enough"):
        make(pipeline, frame, on_step=stop)
    assert len(given_to_network) == 2
    assert torch.equal(make(pipeline, frame), before)


def test_without_a_generator_torchs_own_noise_is_taken(pipeline):
    frame = ramp(40, 40)
    inputs = (frame.filled, frame.generated, frame.inverse)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        made = pipeline(*inputs).colour
    assert torch.equal(made, make(pipeline, frame))


def test_a_sample_adds_the_less_the_surer_the_structure_is(pipeline):
    frame = ramp(40, 56)
    expected, sample = (make(pipeline, frame, detail=detail) for detail in (0.0, 1.0))
    half = make(pipeline, frame, sure=torch.full((40, 56), 0.6))
    inner = ((sample > 0) & (sample < 1) & (expected > 0) & (expected < 1)).all(0)
    # Structures that are independent add up in the square: 0.6 and 0.8.
    torch.testing.assert_close(half[:, inner], expected.lerp(sample, 0.8)[:, inner])


def changed(**planes):
    frame = ramp(20, 30)
    parts = {name: getattr(frame, name) for name in ("filled", "generated", "inverse")}
    return Frame(**(parts | planes))


BROKEN = torch.full((20, 30), math.nan)


@pytest.mark.parametrize(
    ("frame", "options", "says"),
    [
        (changed(filled=torch.zeros(20, 30)), {}, r"filled is \(3, H, W\)"),
        (changed(filled=torch.zeros(3, 0, 30)), {}, "H and W from 1"),
        (changed(generated=torch.ones(20, 31)), {}, r"generated is \(20, 31\)"),
        (changed(filled=BROKEN.expand(3, 20, 30)), {}, "filled has values that are not finite"),
        (changed(inverse=BROKEN), {}, "inverse has values that are not finite"),
        (changed(generated=BROKEN), {}, "generated has values that are not finite"),
        (changed(inverse=torch.ones(20, 30, dtype=torch.float64)), {}, "inverse is torch.float64"),
        (ramp(20, 30), {"editable": torch.ones(20, 30)}, "editable is torch.float32"),
        (ramp(20, 30), {"sure": torch.full((20, 30), 1.1)}, "sure has values outside of 0 to 1"),
        (ramp(20, 30), {"steps": 0}, "steps is 0"),
        (ramp(20, 30), {"detail": 1.5}, "detail is 1.5"),
        (ramp(20, 30), {"detail": math.nan}, "detail is nan"),
    ],
)
def test_what_a_caller_must_not_pass_is_named(pipeline, frame, options, says):
    with pytest.raises(ValueError, match=says):
        make(pipeline, frame, **options)


def test_times_lead_from_noise_downwards_and_the_shift_bends_them():
    pipeline = small_pipeline()
    pipeline.scheduler.set_timesteps(sigmas=flow_times(4))
    assert pipeline.scheduler.sigmas.tolist() == [1.0, 0.75, 0.5, 0.25, 0.0]
    pipeline.scheduler.set_shift(3.0)
    pipeline.scheduler.set_timesteps(sigmas=flow_times(2))
    assert pipeline.scheduler.sigmas.tolist() == [1.0, 0.75, 0.0]
    frame = ramp(40, 40)
    assert not torch.equal(make(pipeline, frame), make(small_pipeline(), frame))
