"""Training: batches in, weights out, for as many minutes as are given.

    python -m backend.training train --out RUN --pool FOLDER --minutes 60

Minutes, not steps, are what a training has: the learning rate falls to nothing when they are over,
on any machine. A run that was stopped or killed goes on from its last checkpoint, in its schedule;
more minutes than before stretch the schedule.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ..errors import DepthshotError, SettingError
from ..models.draft.condition import RESIDUAL_SCALE
from ..models.draft.network import DraftNetwork
from . import checkpoint as store
from .batches import Batch, Draw, Feeder, make_batch
from .checkpoint import Checkpoint, Progress
from .loss import draw_times, flow_loss, mix_noise
from .settings import Settings, find_device
from .texture import STEPS, sample_last, texture_loss

log = logging.getLogger(__name__)

LOG = "log.jsonl"
GRADIENT_NORM = 1.0  # of all gradients together, at most
_WARM_UP = 200  # steps in which the rate rises
_LEAST_RATE = 0.01  # of the highest, at the end
_WEIGHT_DECAY = 0.01
_BETAS = (0.9, 0.99)
_DECAY = 0.999  # of the moving average, once it is warm
_TEXTURE_PART = 2  # of a batch: what the last stage takes samples of
_NOISE = 0x6E6F6973  # apart from the seeds of batches

Evaluate = Callable[[DraftNetwork], dict[str, float | None]]
"""Metrics of a network; "loss" is the one that the best weights are chosen by."""


class TrainingError(DepthshotError):
    """A training cannot go on."""


class Trainer:
    """One training in one folder; it goes on by itself where there is a checkpoint.

    Attributes:
        progress: How far it is.
        network: The network that is trained.
        average: The moving average of its weights, which is what one ships.
    """

    def __init__(
        self,
        run: Path,
        settings: Settings,
        *,
        device: str = "cpu",
        start: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make or read the weights.

        Args:
            run: Folder of checkpoints and log.
            settings: How to train.
            device: A torch device.
            start: Where a new training takes its first weights from; None for random ones.
            clock: Seconds from anywhere.

        Raises:
            CheckpointError: a checkpoint is damaged, or there is none at `start`.
            SettingError: the device cannot be used, or the network cannot be given such crops.
            StorageError: the folder cannot be made or written.
        """
        self.run, self.settings, self.device = run, settings, find_device(device)
        self._clock, self._stopped = clock, False
        latest = run / store.LATEST
        saved = store.load(latest) if latest.exists() else None
        torch.manual_seed(settings.seed)
        if saved is not None:
            network = DraftNetwork(**saved.config)
            network.load_state_dict(saved.weights)
        elif start is not None:
            network = store.load_network(start)
        else:
            network = DraftNetwork(**settings.config)
        if settings.crop % network.multiple:
            raise SettingError(
                f"--crop must be a multiple of {network.multiple}, not {settings.crop}."
            )
        with store.writing(run):
            run.mkdir(parents=True, exist_ok=True)
        self.network = network.to(self.device, memory_format=torch.channels_last).train()
        self.network.requires_grad_(True)  # saved weights come for use alone
        self.average = DraftNetwork(**store.arguments_of(network)).to(self.device).eval()
        self.average.load_state_dict(saved.average if saved else network.state_dict())
        self.average.to(memory_format=torch.channels_last).requires_grad_(False)
        self.optimizer = make_optimizer(self.network, rate=settings.rate)
        self.progress = Progress()
        best = run / store.BEST
        if saved is not None:
            store.restore_state(self.optimizer, saved.optimizer)
            # The best weights say themselves how good they are: a kill may have come between.
            kept = store.load_progress(best).best if best.exists() else None
            self.progress = replace(saved.progress, best=kept)
        elif best.exists():
            aside = store.put_aside(best)
            log.info("%s is of an earlier training and is now %s", best, aside.name)
        log.info("%s", self._beginning(saved, start))
        self._forward = torch.compile(self.network) if settings.compile else self.network

    def _beginning(self, saved: Checkpoint | None, start: Path | None) -> str:
        """Return what the training begins with, in words."""
        settings = self.settings
        if saved is None:
            weights = "random weights" if start is None else f"the weights of {start}"
            return f"A new training in {self.run}, of {settings.minutes:g} minutes, from {weights}"
        minutes = f"{self.progress.elapsed / 60:.1f} of {settings.minutes:g} minutes"
        line = f"Going on in {self.run} at step {self.progress.step}, after {minutes}"
        changes = settings.changes(saved.settings)
        return f"{line}, with {changes}" if changes else line

    def stop(self) -> None:
        """Have `fit` save and return after the step that is being done; callable from a signal."""
        self._stopped = True

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stopped

    @property
    def over(self) -> bool:
        """Whether all minutes are over."""
        return self.progress.elapsed >= self.settings.minutes * 60

    @property
    def finished(self) -> bool:
        """Whether all minutes are over and what they made was evaluated."""
        return self.over and self.progress.evaluated >= self.progress.elapsed

    def fit(self, draw: Draw, evaluate: Evaluate | None = None) -> Progress:
        """Train until the minutes are over or `stop` is called, and return how far it is.

        Args:
            draw: Draws one example at random; called on other threads.
            evaluate: Called with the moving average now and then, and at the end.

        Raises:
            TrainingError: the loss is no longer finite.
            DepthshotError: nothing can be drawn any more; a checkpoint is written first.
        """
        settings, budget = self.settings, self.settings.minutes * 60
        begun = self._clock()
        before = saved = self.progress.elapsed
        window = _Window(begun)

        def make(number: int) -> Batch:
            made = make_batch(
                draw,
                crop=settings.crop,
                batch=settings.batch,
                seed=settings.seed,
                number=number,
            )
            return made.pinned() if self.device.type == "cuda" else made

        with Feeder(make, first=self.progress.step, threads=settings.threads) as feeder:
            while self.progress.elapsed < budget and not self._stopped:
                rate = schedule(
                    self.progress.step, self.progress.elapsed / budget, highest=settings.rate
                )
                window.add(*self.step(self._take(feeder).to(self.device), rate))
                now = self._clock()
                elapsed = before + now - begun
                self.progress = replace(self.progress, elapsed=elapsed)
                if self.progress.step % settings.log_steps == 0:
                    self._write(window.close(now, settings.batch) | {"rate": rate})
                if elapsed >= budget or self._stopped:
                    break
                if evaluate and elapsed - self.progress.evaluated >= settings.evaluate_minutes * 60:
                    self._evaluate(evaluate)
                if elapsed - saved >= settings.save_seconds:
                    self.save()
                    saved = elapsed
        self.save()  # an evaluation takes its time, and may be killed
        if evaluate and not self._stopped:
            self.finish(evaluate)
        return self.progress

    def finish(self, evaluate: Evaluate) -> None:
        """Evaluate the weights as they are, unless that was done, and keep the outcome."""
        if self.progress.evaluated < self.progress.elapsed:
            self._evaluate(evaluate)
            self.save()

    def _take(self, feeder: Feeder) -> Batch:
        """Return the next batch; where there is none any more, keep what was learned."""
        try:
            return feeder.take()
        except DepthshotError:
            self.save()
            raise

    def step(self, batch: Batch, rate: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Do one step with a batch at a learning rate; return `flow_loss`'s two numbers.

        Raises:
            TrainingError: the loss is no longer finite.
        """
        progress = self.progress
        random = torch.Generator().manual_seed(
            (self.settings.seed << 40) + (_NOISE ^ progress.step)
        )
        times = draw_times(len(batch.editable), generator=random).to(self.device)
        noise = torch.randn(batch.residual.shape, generator=random).to(self.device)
        noisy = mix_noise(batch.residual, noise, batch.editable, times)
        with half_precision(self.device):
            estimate = self._forward(noisy, batch.condition, times)
        loss, pure = flow_loss(estimate, batch.residual, batch.editable, times)
        total = loss
        if self._finishing:
            total = loss + self.settings.texture * self._texture(batch, noise, random)
        if not bool(total.isfinite()):
            raise TrainingError(
                f"The loss is no longer finite at step {progress.step}; {self._way_back()}."
            )
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), GRADIENT_NORM)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        move_average(
            self.average.parameters(), self.network.parameters(), decay=decay_at(progress.step)
        )
        self.progress = replace(
            progress, step=progress.step + 1, samples=progress.samples + len(times)
        )
        return loss.detach(), pure

    def _way_back(self) -> str:
        latest = self.run / store.LATEST
        if not latest.exists():
            return "nothing was saved before, so start again with a lower --rate"
        return f"give the same command with a lower --rate, and it goes on from {latest}"

    @property
    def _finishing(self) -> bool:
        """Whether the training is in its last stage."""
        left = 1 - self.progress.elapsed / (self.settings.minutes * 60)
        return self.settings.texture > 0 and left < self.settings.texture_share

    def _texture(self, batch: Batch, noise: torch.Tensor, random: torch.Generator) -> torch.Tensor:
        """Return `texture_loss` of samples of a part of the batch: each costs several passes."""
        count = max(1, len(noise) // _TEXTURE_PART)
        filled = (batch.condition[:count, :3] + 1) / 2
        editable = batch.editable[:count]
        steps = STEPS[int(torch.randint(len(STEPS), (), generator=random))]
        with half_precision(self.device):
            sample = sample_last(
                self._forward, noise[:count], batch.condition[:count], editable, steps=steps
            )
        return texture_loss(
            filled + sample * RESIDUAL_SCALE * editable[:, None],
            filled + batch.residual[:count] * RESIDUAL_SCALE,
            editable,
            generator=random,
        )

    def save(self, name: str = store.LATEST) -> None:
        """Write a checkpoint into the run's folder."""
        store.save(
            Checkpoint(
                config=store.arguments_of(self.network),
                settings=self.settings.to_json(),
                weights=self.network.state_dict(),
                average=self.average.state_dict(),
                optimizer=store.flatten_state(self.optimizer),
                progress=self.progress,
            ),
            self.run / name,
        )

    def _evaluate(self, evaluate: Evaluate) -> None:
        """Log the moving average's metrics and keep it where it is the best so far."""
        metrics = evaluate(self.average)
        best = self.progress.best is None or metrics["loss"] < self.progress.best
        self.progress = replace(
            self.progress,
            best=metrics["loss"] if best else self.progress.best,
            evaluated=self.progress.elapsed,
        )
        if best:
            self.save(store.BEST)
        self._write({"evaluation": metrics})

    def _write(self, entry: dict[str, Any]) -> None:
        """Add a line to the log and say it."""
        progress = self.progress
        where = {
            "step": progress.step,
            "samples": progress.samples,
            "seconds": round(progress.elapsed, 1),
        }
        line = json.dumps(where | _rounded(entry))
        path = self.run / LOG
        with store.writing(path), path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        log.info("%s", line)


class _Window:
    """Sums what happened since the last line of the log, without waiting for a GPU."""

    def __init__(self, now: float) -> None:
        self._since, self._steps = now, 0
        self._loss: list[torch.Tensor] = []
        self._pure: list[torch.Tensor] = []

    def add(self, loss: torch.Tensor, pure: torch.Tensor) -> None:
        self._loss.append(loss)
        self._pure.append(pure)

    def close(self, now: float, batch: int) -> dict[str, Any]:
        """Return the means, and begin anew."""
        speed = len(self._loss) * batch / max(now - self._since, 1e-9)
        pure = float(torch.stack(self._pure).nanmean())
        entry = {
            "loss": float(torch.stack(self._loss).mean()),
            "pure": None if math.isnan(pure) else pure,
            "speed": speed,
        }
        self.__init__(now)
        return entry


def make_optimizer(network: DraftNetwork, *, rate: float) -> torch.optim.AdamW:
    """Return what moves the weights of a network, at a learning rate to begin with."""
    return torch.optim.AdamW(
        network.parameters(), lr=rate, betas=_BETAS, weight_decay=_WEIGHT_DECAY, fused=True
    )


def schedule(step: int, share: float, *, highest: float) -> float:
    """Return the learning rate: up in `_WARM_UP` steps, then down along a half cosine.

    Args:
        step: Steps done.
        share: Of the time that is over, 0 to 1.
        highest: The highest rate.
    """
    falling = 0.5 + 0.5 * math.cos(math.pi * min(share, 1.0))
    return highest * min(1.0, (step + 1) / _WARM_UP) * max(falling, _LEAST_RATE)


def decay_at(step: int) -> float:
    """Return the share of the moving average that is kept at a step; less while it is young."""
    return min(_DECAY, (1 + step) / (10 + step))


def move_average(
    average: Iterable[torch.Tensor], weights: Iterable[torch.Tensor], *, decay: float
) -> None:
    """Move an exponential average in place: a = decay a + (1 - decay) w."""
    with torch.no_grad():
        for mean, weight in zip(average, weights, strict=True):
            mean.lerp_(weight, 1 - decay)


def half_precision(device: torch.device) -> AbstractContextManager[Any]:
    """Return autocast to bfloat16 where the device calculates in it, else nothing."""
    capable = device.type == "cuda" or torch.cpu.get_capabilities().get("avx512_bf16", False)
    return torch.autocast(device.type, torch.bfloat16) if capable else nullcontext()


def _rounded(entry: Any) -> Any:
    """Return the entry with five digits of each number."""
    if isinstance(entry, dict):
        return {name: _rounded(value) for name, value in entry.items()}
    return float(f"{entry:.5g}") if isinstance(entry, float) else entry
