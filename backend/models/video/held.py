"""A pipeline in memory: held by the best plan that fits, and by the next one when that was wrong.

What a plan needs is reckoned and not measured, and other programs use the same GPU. So running out
of memory is not the end of a job: everything is freed, the next plan is taken, the same window is
made again, and the artist is told.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

import psutil
import torch
from diffusers import DiffusionPipeline

from ..card import LOADING, Card
from ..device_errors import is_out_of_memory
from ..memory import (
    AUTO,
    CUDA,
    EIGHT,
    EXACT,
    FOUR,
    MemoryPlan,
    as_needy,
    check_memory,
    choose_plan,
    find_plan,
    nearest_plan,
    next_plan,
    plans_for,
)
from .place import free_memory, place, release
from .quick import Quick
from .window import Report, WindowTask

_log = logging.getLogger(__name__)

T = TypeVar("T")

_FULL = {"vram": "The memory of the GPU", "ram": "The computer's memory"}


@dataclass(frozen=True, slots=True)
class Change:
    """Something that is done to the weights of a pipeline, and can't be taken back.

    Attributes:
        name: Tells it from others.
        apply: Does it to a pipeline on the CPU; told of how many bits its weights are.
    """

    name: str
    apply: Callable[[DiffusionPipeline, int], None]


class Held:
    """One pipeline on one device."""

    def __init__(
        self,
        card: Card,
        load: Callable[[], DiffusionPipeline],
        *,
        device: torch.device,
        load_four_bits: Callable[[Report], DiffusionPipeline] | None = None,
    ) -> None:
        """Load nothing yet: how depends on the plan of the first window.

        Args:
            card: The model.
            load: Returns the pipeline on the CPU; asked again where weights were rounded and a
                later job wants them exact.
            device: Where it works.
            load_four_bits: Returns it with weights of 4 bits, which may first have to be made; for
                cards that have them.
        """
        self._card, self._load, self._device = card, load, device
        self._load_four_bits = load_four_bits
        self._pipeline: DiffusionPipeline | None = None
        self._placed: MemoryPlan | None = None
        self._bits = EXACT  # of its weights, wherever they are
        self._changed: Change | None = None
        self._quick = Quick(self._device)
        # What ran out before is not tried again for the same, where the choice is ours.
        self._ran_out: dict[tuple[tuple[int, int], int], frozenset[MemoryPlan]] = {}
        # In this job:
        self._used: list[MemoryPlan] = []  # in order
        self._out: frozenset[MemoryPlan] = frozenset()  # need as much as what ran out, or more

    def run(
        self,
        task: WindowTask,
        report: Report,
        work: Callable[[DiffusionPipeline], T],
        *,
        change: Change | None = None,
    ) -> T:
        """Return what `work` makes with the pipeline; it may be called several times.

        Args:
            task: What is made; its size and length, and its setting `memory`, decide the plan.
            report: Told of a plan that was not enough.
            work: Makes it.
            change: What has to have been done to the weights; None for those that were loaded.

        Raises:
            ModelError: what has to be loaded is missing or damaged.
            SettingError: the plan that was asked for is not for this device.
            StorageError: there is no room on the disk for weights of 4 bits.
            MemoryError, torch.OutOfMemoryError: the last plan ran out of memory as well.
        """
        size, frames = task.size, len(task.frames)
        plan = self._choose(task)
        while True:
            full: Literal["vram", "ram"] = "ram"
            try:
                self._hold(plan, change, report)
                full = "vram"
                self._place(plan)
                self._quick.prepare(self._pipeline, plan, task, report)
                made = work(self._pipeline)
                self._note(plan, report)
                return made
            except (MemoryError, RuntimeError) as reason:
                if self._quick.forgive(self._pipeline, reason, report):
                    continue
                if not is_out_of_memory(reason):
                    raise
                out = as_needy(
                    self._card, plan, self._device.type, size=size, frames=frames, of=full
                )
                self._out |= out
                later = next_plan(self._card, plan, self._device.type, out=self._out)
                if later is None:
                    self.put_away()
                    raise
                _log.warning("out of memory with the plan %s: %s", plan.id, reason)
            # Not in the `except`: its traceback holds what the memory was full of.
            report.warn(
                f"{_FULL[full]} was full with “{plan.label}”, so it went on with “{later.label}”."
            )
            self._ran_out[size, frames] = self._ran_out.get((size, frames), frozenset()) | out
            plan = later

    def rest(self) -> None:
        """Give back what a job needed; the model stays where it is, for the next one."""
        self._used, self._out = [], frozenset()
        free_memory(self._device)

    def put_away(self) -> None:
        """Make room on the device; weights of 4 bits are let go of, for the disk has them."""
        if self._bits == FOUR:
            self._let_go()
        else:
            self._release()

    def _note(self, plan: MemoryPlan, report: Report) -> None:
        if plan not in self._used:
            self._used.append(plan)
        report.record("memory_plans", [each.id for each in self._used])

    def _choose(self, task: WindowTask) -> MemoryPlan:
        """Return the plan to begin with: within a job never a better one than before.

        Raises:
            SettingError: the one that was asked for is not for this device.
        """
        check_memory(self._card, task.settings, self._device.type)
        wanted = str(task.settings["memory"])
        plans = plans_for(self._device.type, self._card)
        size, frames = task.size, len(task.frames)
        used = [plan for plan in self._used if plan not in self._out]
        if wanted == AUTO:
            out = self._out | self._ran_out.get((size, frames), frozenset())
            if out.issuperset(plans):  # each at another time, and some memory may be free again
                out = self._out
            vram, ram = self._free()
            work = {"size": size, "frames": frames, "vram": vram, "ram": ram, "out": out}
            used.append(
                choose_plan(self._card, self._device.type, **work)
                or nearest_plan(self._card, self._device.type, **work)
            )
        elif (asked := find_plan(wanted)) not in self._out:
            used.append(asked)
        return max(used, key=plans.index)

    def _free(self) -> tuple[int, int]:
        """Return the bytes of the GPU and of the computer that are free or held by this model."""
        ram = psutil.virtual_memory().available + psutil.Process().memory_info().rss
        if self._device.type != CUDA:
            return ram, ram
        free, _ = torch.cuda.mem_get_info(self._device)
        return free + torch.cuda.memory_reserved(self._device), ram

    def _hold(self, plan: MemoryPlan, change: Change | None, report: Report) -> None:
        """See that the weights can be placed by a plan, and that what is wanted was done to them.

        Nothing that was done is taken back, and rounded weights are not changed: loaded again.
        """
        done = self._changed is not None and (change is None or change.name != self._changed.name)
        rounded = plan.bits != self._bits and (plan.bits, self._bits) != (EIGHT, EXACT)
        late = self._bits == EIGHT and change is not None and self._changed is None
        if self._pipeline is None or done or rounded or late:
            self._let_go()  # before the next is loaded: two may not fit
            report.progress(LOADING, 0, 1)
            four = plan.bits == FOUR
            self._pipeline = self._load_four_bits(report) if four else self._load()
            self._bits = FOUR if four else EXACT
        if change is None or self._changed is not None:
            return
        self._release()
        pipeline, self._pipeline = self._pipeline, None  # what is done in part is of no use
        change.apply(pipeline, self._bits)
        self._pipeline, self._changed = pipeline, change

    def _let_go(self) -> None:
        self._release()
        self._pipeline, self._changed, self._bits = None, None, EXACT
        self._quick = Quick(self._device)
        free_memory(self._device)

    def _release(self) -> None:
        """Take the pipeline off the device."""
        if self._pipeline is not None:  # placed, or in part where placing failed
            release(self._pipeline, self._device)
        self._placed = None

    def _place(self, plan: MemoryPlan) -> None:
        if plan is self._placed:
            return
        self._placed = None
        self._bits = plan.bits
        place(self._pipeline, plan, self._device)
        self._placed = plan
