"""Training: batches, loss, the average, schedules, and small real trainings that are stopped."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.errors import SettingError, StorageError
from backend.models.draft.condition import CHANNELS, RESIDUAL_SCALE
from backend.training import checkpoint as store
from backend.training.batches import LEAST_GENERATED, Batch, Feeder, cut, make_batch
from backend.training.checkpoint import CheckpointError
from backend.training.loss import (
    ENERGY_LEAST,
    PURE_SHARE,
    T_FIRST,
    draw_times,
    flow_loss,
    mix_noise,
)
from backend.training.scenes import Example, make_examples
from backend.training.train import (
    LOG,
    Settings,
    Trainer,
    TrainingError,
    decay_at,
    move_average,
    schedule,
)
from backend.training.workers import WorkerLost

TINY = {"channels": (8, 16), "blocks": (1, 1)}
SETTINGS = Settings(minutes=1, crop=32, batch=4, rate=3e-3, log_steps=10, config=TINY)


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    return make_examples(5, size=64)


@pytest.fixture
def draw(examples):
    return lambda random: examples[int(random.integers(len(examples)))]


class Steps:
    """A clock that goes on by a second at each look: a fit's first, then one after each step."""

    def __init__(self) -> None:
        self.looks = 0
        self.then: dict[int, Callable[[], None]] = {}

    def at(self, look: int, call: Callable[[], None]) -> None:
        """Have something called at a look, from 1."""
        self.then[look] = call

    def __call__(self) -> float:
        self.looks += 1
        self.then.get(self.looks, lambda: None)()
        return float(self.looks)


def trainer(run: Path, *, settings: Settings = SETTINGS, **more) -> Trainer:
    """Return one to which every step takes a second."""
    return Trainer(run, settings, clock=Steps(), **more)


def log_of(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / LOG).read_text().splitlines()]


# --- batches


def test_crops_are_cut_and_flipped_alike_from_all_planes(examples):
    y, x = np.indices((64, 64), dtype=np.uint8)
    coded = Example(
        filled=np.stack([y, x, y]),
        truth=np.stack([x, y, x]),
        generated=np.full((64, 64), 255, np.uint8),
        inverse=(y * 64.0 + x).astype(np.float32),
    )
    flips = set()
    for seed in range(8):
        crop = cut(coded, 24, np.random.default_rng(seed))
        assert crop.filled.shape == (3, 24, 24)
        assert (crop.truth[0] == crop.filled[1]).all()
        assert (crop.inverse == crop.filled[0] * 64.0 + crop.filled[1]).all()
        flips.add(int(crop.filled[1, 0, 1]) - int(crop.filled[1, 0, 0]))
    assert flips == {1, -1}


def test_crops_are_cut_where_something_is_to_be_done(examples):
    generated = np.zeros((64, 64), np.uint8)
    generated[:20, :20] = 255
    half_empty = replace(examples[0], generated=generated)
    shares = [
        (cut(half_empty, 16, np.random.default_rng(seed)).generated > 0).mean()
        for seed in range(60)
    ]
    # A sixth of all places overlaps with it.
    assert np.mean(np.array(shares) >= LEAST_GENERATED) > 0.6


def test_what_is_generated_may_be_changed_and_at_times_more(examples):
    crops = [cut(examples[0], 32, np.random.default_rng(seed)) for seed in range(120)]
    more = [crop for crop in crops if (crop.editable & (crop.generated == 0)).any()]
    assert all(crop.editable[crop.generated > 0].all() for crop in crops)
    assert 4 <= len(more) <= 25
    assert any(crop.editable.all() for crop in more)
    assert not all(crop.editable.all() for crop in more)


def test_a_crop_larger_than_its_example_is_refused(examples):
    with pytest.raises(ValueError, match=r"crop of 65 pixels does not fit into .* 64 x 64"):
        cut(examples[0], 65, np.random.default_rng(0))


def test_batches_hold_what_a_step_needs_and_follow_from_their_number(draw):
    make = {"crop": 32, "batch": 3, "seed": 7}
    first, again, other = (make_batch(draw, number=number, **make) for number in (4, 4, 5))
    assert first.condition.shape == (3, CHANNELS, 32, 32)
    assert first.residual.shape == (3, 3, 32, 32)
    assert first.editable.dtype == torch.bool
    assert torch.equal(first.condition, again.condition)
    assert torch.equal(first.residual, again.residual)
    assert not torch.equal(first.condition, other.condition)
    assert not first.residual[~first.editable[:, None].expand_as(first.residual)].any()
    truth = (first.condition[:, :3] + 1) / 2 + first.residual * RESIDUAL_SCALE
    assert truth.min() > -1e-5
    assert truth.max() < 1 + 1e-5


def test_batches_come_in_order_from_several_threads(draw):
    names = set()

    def make(number: int) -> Batch:
        names.add(threading.current_thread().name)
        return Batch(*(torch.tensor(number) for _ in range(3)))

    with Feeder(make, first=5, threads=3) as feeder:
        assert [int(feeder.take().residual) for _ in range(20)] == list(range(5, 25))
    assert threading.current_thread().name not in names


def test_an_error_in_a_batch_reaches_who_takes_it():
    def make(number: int) -> Batch:
        raise ValueError(f"batch {number}")

    with Feeder(make, first=2) as feeder, pytest.raises(ValueError, match="batch 2"):
        feeder.take()


# --- loss


def test_a_perfect_estimate_has_no_loss_and_elsewhere_nothing_counts():
    random = torch.Generator().manual_seed(0)
    residual = torch.randn(2, 3, 8, 8, generator=random)
    editable = torch.rand(2, 8, 8, generator=random) > 0.5
    time = torch.tensor([1.0, 0.1])
    off = residual + 5 * ~editable[:, None]
    loss, pure = flow_loss(off, residual, editable, time)
    assert float(loss) == 0
    assert float(pure) == 0


def test_the_loss_is_that_of_the_velocity_but_bounded():
    residual = torch.zeros(3, 3, 4, 4)
    editable = torch.zeros(3, 4, 4, dtype=torch.bool)
    editable[0], editable[1, 0], editable[2, 0] = True, True, True
    errors = torch.tensor([1.0, 2.0, 3.0])[:, None, None, None].expand_as(residual)
    loss, pure = flow_loss(errors, residual, editable, torch.tensor([1.0, 0.5, 0.01]))
    # 16, 4 and 4 pixels, errors squared 1, 4 and 9, weights 1, 4 and 16
    assert float(loss) == pytest.approx((16 * 1 + 4 * 4 * 4 + 4 * 9 * 16) / 24 / ENERGY_LEAST)
    assert float(pure) == pytest.approx(1.0)
    assert math.isnan(flow_loss(errors, residual, editable, torch.full((3,), 0.5))[1])


def test_a_crop_counts_by_the_share_of_its_residual_that_is_not_found():
    residual = torch.stack([torch.full((3, 4, 4), 1.0), torch.full((3, 4, 4), 0.1)])
    editable = torch.ones(2, 4, 4, dtype=torch.bool)
    loss, pure = flow_loss(residual / 2, residual, editable, torch.ones(2))
    shares = [0.25 / (1 + ENERGY_LEAST), 0.0025 / (0.01 + ENERGY_LEAST)]
    assert float(loss) == pytest.approx(sum(shares) / 2)
    assert float(pure) == pytest.approx((0.25 + 0.0025) / 2)


def test_times_are_often_pure_noise_and_else_spread_evenly():
    times = draw_times(4000, generator=torch.Generator().manual_seed(0))
    pure = times == 1
    assert float(pure.float().mean()) == pytest.approx(PURE_SHARE, abs=0.03)
    others = times[~pure].sort().values
    assert T_FIRST <= float(others[0]) < T_FIRST + 0.01
    assert float(others[-1]) < 1
    even = torch.linspace(T_FIRST, 1, len(others))
    assert float((others - even).abs().max()) < 0.03


def test_noise_is_mixed_along_a_straight_line_inside_what_may_be_changed():
    residual, noise = torch.full((1, 3, 2, 2), 2.0), torch.full((1, 3, 2, 2), 10.0)
    editable = torch.tensor([[[True, False], [True, False]]])
    mixed = mix_noise(residual, noise, editable, torch.tensor([0.25]))
    assert (mixed[..., 0] == 4.0).all()
    assert not mixed[..., 1].any()


# --- the average and the rate


def test_the_average_moves_by_its_decay():
    mean, weight = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 2.0])
    move_average([mean], [weight], decay=0.75)
    assert mean.tolist() == [1.5, 2.0]


def test_a_young_average_forgets_faster():
    decays = [decay_at(step) for step in (0, 10, 100, 10_000, 10**6)]
    assert decays == sorted(decays)
    assert decays[0] == pytest.approx(0.1)
    assert decays[-1] == 0.999


def test_the_rate_rises_then_falls_with_the_time_that_is_over():
    rising = [schedule(step, 0.0, highest=1.0) for step in range(0, 201, 50)]
    assert rising == sorted(rising)
    assert rising[-1] == 1
    falling = [schedule(1000, share, highest=1.0) for share in (0.0, 0.25, 0.5, 0.75, 1.0, 1.2)]
    assert falling == sorted(falling, reverse=True)
    assert falling[2] == pytest.approx(0.5)
    assert falling[-1] == pytest.approx(0.01)


# --- trainings


def test_a_small_training_lowers_the_loss(tmp_path, draw):
    seen = []

    def evaluate(network):
        seen.append(network)
        return {"loss": 5.0 - len(seen)}

    training = trainer(tmp_path, settings=replace(SETTINGS, minutes=4, evaluate_minutes=1))
    done = training.fit(draw, evaluate)
    entries = log_of(tmp_path)
    losses = [entry["loss"] for entry in entries if "loss" in entry]
    assert (done.step, done.samples) == (240, 960)
    assert len(losses) == 24
    assert np.mean(losses[-4:]) < 0.8 * np.mean(losses[:4])
    assert all(network is training.average for network in seen)
    assert done.best == 5.0 - len(seen)
    assert [entry["evaluation"]["loss"] for entry in entries if "evaluation" in entry] == [
        5.0 - number - 1 for number in range(len(seen))
    ]
    assert (tmp_path / store.BEST).exists()


def test_a_stopped_training_goes_on_as_if_it_had_not_been_stopped(tmp_path, draw):
    settings = replace(SETTINGS, minutes=0.5)
    whole = trainer(tmp_path / "whole", settings=settings)
    assert whole.fit(draw).step == 30

    steps = Steps()
    first = Trainer(tmp_path / "parts", settings, clock=steps)
    steps.at(12, first.stop)
    stopped = first.fit(draw)
    assert stopped.step == 11
    second = trainer(tmp_path / "parts", settings=settings)
    assert second.progress == stopped
    second.fit(draw)

    assert second.progress == whole.progress
    for name, value in whole.network.state_dict().items():
        assert torch.equal(second.network.state_dict()[name], value), name
    for name, value in whole.average.state_dict().items():
        assert torch.equal(second.average.state_dict()[name], value), name
    states = store.flatten_state(second.optimizer)
    for name, value in store.flatten_state(whole.optimizer).items():
        assert torch.equal(states[name], value), name


def test_more_minutes_stretch_a_training(tmp_path, draw):
    short = trainer(tmp_path, settings=replace(SETTINGS, minutes=0.1)).fit(draw)
    again = trainer(tmp_path, settings=replace(SETTINGS, minutes=0.1)).fit(draw)
    assert again.step == short.step
    longer = trainer(tmp_path, settings=replace(SETTINGS, minutes=0.2)).fit(draw)
    assert (short.step, longer.step) == (6, 12)


def fit_until_killed(run: Path, settings: Settings, *, look: int, draw, evaluate=None) -> None:
    """Train until the clock is looked at for the `look`th time, then end as a killed one does."""

    class Killed(Exception):
        pass

    def kill() -> None:
        raise Killed

    steps = Steps()
    steps.at(look, kill)
    with pytest.raises(Killed):
        Trainer(run, settings, clock=steps).fit(draw, evaluate)


def test_a_killed_training_goes_on_from_its_last_checkpoint(tmp_path, draw):
    settings = replace(SETTINGS, save_seconds=5)
    fit_until_killed(tmp_path, settings, look=20, draw=draw)
    assert Trainer(tmp_path, settings).progress.step == 15


@pytest.mark.parametrize("save_seconds", [6, 8, 100])  # before the evaluation, after it, never
def test_no_kill_lets_worse_weights_replace_the_best(tmp_path, draw, save_seconds):
    settings = replace(SETTINGS, save_seconds=save_seconds, evaluate_minutes=8 / 60)
    fit_until_killed(tmp_path, settings, look=10, draw=draw, evaluate=lambda _: {"loss": 1.0})
    best = (tmp_path / store.BEST).read_bytes()
    for loss, minutes, kept in ((2.0, 0.2, True), (0.5, 0.3, False)):
        training = trainer(tmp_path, settings=replace(settings, minutes=minutes))
        training.fit(draw, lambda _, loss=loss: {"loss": loss})
        assert ((tmp_path / store.BEST).read_bytes() == best) == kept
        assert training.progress.best == min(1.0, loss)


def test_best_weights_that_are_gone_are_written_at_the_next_evaluation(tmp_path, draw):
    trainer(tmp_path, settings=replace(SETTINGS, minutes=0.1)).fit(draw, lambda _: {"loss": 1.0})
    (tmp_path / store.BEST).unlink()
    trainer(tmp_path, settings=replace(SETTINGS, minutes=0.2)).fit(draw, lambda _: {"loss": 2.0})
    assert store.load(tmp_path / store.BEST).progress.best == 2.0


def test_a_training_that_can_draw_nothing_any_more_keeps_what_it_learned(tmp_path, draw):
    drawn = count()

    def end(random: np.random.Generator) -> Example:
        if next(drawn) >= 7 * SETTINGS.batch:
            raise WorkerLost("The process has ended.")
        return draw(random)

    with pytest.raises(WorkerLost):
        trainer(tmp_path).fit(end)
    assert store.load_progress(tmp_path / store.LATEST).step == 7


def test_a_training_starts_from_other_weights(tmp_path, draw):
    first = trainer(tmp_path / "first", settings=replace(SETTINGS, minutes=0.1))
    first.fit(draw)
    other = trainer(tmp_path / "other", start=tmp_path / "first")
    assert other.progress.step == 0
    weights, average = other.network.state_dict(), first.average.state_dict()
    assert all(torch.equal(weights[name], average[name]) for name in average)
    with pytest.raises(CheckpointError, match=r"There is no checkpoint .*nowhere"):
        trainer(tmp_path / "third", start=tmp_path / "nowhere")


def test_a_loss_that_is_not_finite_ends_the_training_and_says_what_to_go_on_from(tmp_path, draw):
    training = trainer(tmp_path)
    with torch.no_grad():
        next(training.network.parameters()).fill_(float("nan"))
    with pytest.raises(
        TrainingError, match="step 0; nothing was saved before, so start again with"
    ):
        training.fit(draw)
    assert not (tmp_path / store.LATEST).exists()

    trainer(tmp_path, settings=replace(SETTINGS, minutes=0.1)).fit(draw)
    before = (tmp_path / store.LATEST).read_bytes()
    again = trainer(tmp_path)
    with torch.no_grad():
        next(again.network.parameters()).fill_(float("nan"))
    with pytest.raises(TrainingError, match=rf"step 6; .* goes on from {tmp_path / store.LATEST}"):
        again.fit(draw)
    assert (tmp_path / store.LATEST).read_bytes() == before


def test_what_is_set_otherwise_than_before_is_said_and_used(tmp_path, draw, caplog):
    caplog.set_level("INFO")
    trainer(tmp_path, settings=replace(SETTINGS, minutes=0.1)).fit(draw)
    changed = replace(SETTINGS, minutes=0.2, batch=2, rate=1e-3, seed=4)
    done = trainer(tmp_path, settings=changed).fit(draw)
    assert (done.step, done.samples) == (12, 6 * 4 + 6 * 2)
    trainer(tmp_path, settings=changed)
    said = [
        record.getMessage() for record in caplog.records if str(tmp_path) in record.getMessage()
    ]
    assert said == [
        f"A new training in {tmp_path}, of 0.1 minutes, from random weights",
        f"Going on in {tmp_path} at step 6, after 0.1 of 0.2 minutes, with minutes 0.2 (was 0.1),"
        " batch 2 (was 4), rate 0.001 (was 0.003), seed 4 (was 0)",
        f"Going on in {tmp_path} at step 12, after 0.2 of 0.2 minutes",
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"minutes": -1.0}, "--minutes must be above 0, not -1.0."),
        ({"minutes": math.nan}, "--minutes must be above 0, not nan."),
        ({"crop": 0}, "--crop must be 1 or more, not 0."),
        ({"batch": 0}, "--batch must be 1 or more, not 0."),
        ({"rate": 0.0}, "--rate must be above 0 and at most 1, not 0.0."),
        ({"seed": -1}, "--seed must be from 0 to 8388607, not -1."),
        ({"seed": 2**23}, "--seed must be from 0 to 8388607, not 8388608."),
        ({"threads": 0}, "--threads must be from 1 to 256, not 0."),
        ({"texture": -0.5}, "--texture must be 0 or more, not -0.5."),
        ({"texture_share": 1.5}, "--texture-share must be from 0 to 1, not 1.5."),
        ({"evaluate_minutes": 0.0}, "--evaluate-minutes must be above 0, not 0.0."),
    ],
)
def test_settings_that_cannot_be_are_refused(changes, said):
    with pytest.raises(SettingError) as refused:
        replace(SETTINGS, **changes)
    assert str(refused.value) == said


def test_the_largest_seed_has_noise_for_every_step(tmp_path, draw):
    training = trainer(tmp_path, settings=replace(SETTINGS, minutes=0.05, seed=2**23 - 1))
    training.progress = replace(training.progress, step=10**9)
    assert training.fit(draw).step == 10**9 + 3


def test_a_crop_or_a_device_that_cannot_be_is_refused(tmp_path):
    with pytest.raises(SettingError, match="--crop must be a multiple of 4, not 34"):
        trainer(tmp_path, settings=replace(SETTINGS, crop=34))
    with pytest.raises(SettingError, match=r"--device abacus cannot be used \(.*\); give cpu or"):
        trainer(tmp_path, device="abacus")


def test_a_run_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"file/run cannot be written \(.*\); make room"):
        trainer(tmp_path / "file" / "run")


def test_the_last_stage_looks_at_textures_too(tmp_path, draw):
    settings = replace(SETTINGS, minutes=1, batch=4, texture=1.0, texture_share=0.5)
    batch = make_batch(draw, crop=32, batch=4, seed=0, number=0)
    batch = replace(batch, editable=torch.ones_like(batch.editable))
    weights = []
    for elapsed, texture in ((0.0, 1.0), (50.0, 1.0), (50.0, 0.0)):
        training = trainer(tmp_path, settings=replace(settings, texture=texture))
        # The output starts at zero; so that samples are something, let it be anything else.
        torch.nn.init.normal_(
            training.network.leave.weight, generator=torch.Generator().manual_seed(0)
        )
        training.progress = replace(training.progress, elapsed=elapsed)
        training.step(batch, 1e-3)
        weights.append(training.network.leave.weight.detach())
    early, late, without = weights
    assert torch.equal(early, without)
    assert not torch.equal(late, without)
