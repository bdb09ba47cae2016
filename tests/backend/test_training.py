"""Training: the average, schedules, and small real trainings that are stopped."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.errors import SettingError, StorageError
from backend.training import checkpoint as store
from backend.training.batches import make_batch
from backend.training.checkpoint import CheckpointError
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


@pytest.mark.parametrize("save_seconds", [6, 8])  # before the evaluation, after it
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


def test_the_best_weights_of_an_earlier_training_are_put_aside(tmp_path, draw, caplog):
    caplog.set_level("INFO")
    settings, best = replace(SETTINGS, minutes=0.1), tmp_path / store.BEST
    kept = []
    for loss in (1.0, 2.0, 3.0):
        done = trainer(tmp_path, settings=settings).fit(draw, lambda _, loss=loss: {"loss": loss})
        assert done.best == store.load_progress(best).best == loss
        kept.append(best.read_bytes())
        (tmp_path / store.LATEST).unlink()
    assert [(tmp_path / f"best-{number}.safetensors").read_bytes() for number in (1, 2)] == kept[:2]
    said = [record.getMessage() for record in caplog.records]
    assert f"{best} is of an earlier training and is now best-2.safetensors" in said


def test_an_evaluation_that_was_not_made_at_the_end_can_be_made_later(tmp_path, draw):
    settings, steps = replace(SETTINGS, minutes=0.1), Steps()
    first = Trainer(tmp_path, settings, clock=steps)
    steps.at(7, first.stop)  # in the last step
    first.fit(draw, lambda _: {"loss": 1.0})
    again = trainer(tmp_path, settings=settings)
    assert (again.over, again.finished) == (True, False)
    again.finish(lambda _: {"loss": 1.0})
    assert store.load_progress(tmp_path / store.BEST).best == 1.0
    assert trainer(tmp_path, settings=settings).finished
    again.finish(lambda _: {"loss": 0.5})  # of the same weights: there is nothing to add
    assert store.load_progress(tmp_path / store.BEST).best == 1.0


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


def test_a_crop_that_cannot_be_is_refused(tmp_path):
    with pytest.raises(SettingError, match="--crop must be a multiple of 4, not 34"):
        trainer(tmp_path, settings=replace(SETTINGS, crop=34))


@pytest.mark.parametrize("device", ["abacus", "meta", "hpu", "privateuseone", "cuda:99"])
def test_a_device_that_cannot_be_is_refused(tmp_path, device):
    said = rf"--device {device} cannot be used \(.*\); give cpu, cuda or mps\."
    with pytest.raises(SettingError, match=said):
        trainer(tmp_path, device=device)


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
