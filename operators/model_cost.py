"""What models would cost on this machine, for panels: known a moment after somebody looks.

    costs.told(stored, card, ...)     # at each redraw; "" while it is not known

Blender has no torch, so what the machine has is found out in a thread: the server that runs knows
it, else a process of the backend's looks. The rest is reckoned here, for every size and setting.
"""

from __future__ import annotations

import json
import logging
import subprocess
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import bpy

from ..backend.connection import Connection
from ..backend.errors import BackendError, SettingError
from ..backend.models.card import Card, Value
from ..backend.models.machine import Machine
from ..backend.models.preflight import preflight_here
from ..backend.models.weights import needed
from ..backend.paths import ROOT
from ..backend.rendezvous import read_server
from ..backend.setup.process import clean_environment
from ..preferences import Preferences
from .answers import Answers
from .interface import redraw_sidebars
from .model_weights import Whose, shelf
from .runner import runner
from .task import Task
from .this_machine import this_machine

log = logging.getLogger(__name__)

_ANY = "projection"  # a model of which nothing is asked but where it would run
_STEP_SECONDS = 0.2
_AGAIN_SECONDS = 300.0  # after which other programs may have taken memory, or given it back
_LOOK_SECONDS = 120


class Costs:
    """Remembers what was found of the machine, and what was said of each model and shot."""

    def __init__(self) -> None:
        self._told: Answers[tuple, str] = Answers(again=float("inf"), at_once=1)
        self._shown: dict[tuple[str, Path], str] = {}  # by model and data folder
        self._stored: Preferences | None = None
        self._task: Task[Machine | None] | None = None
        self._looked = float("-inf")
        # Blender knows a timer by its object, and `self._tick` is a new one each time.
        self._timer = self._tick

    def told(
        self,
        stored: Preferences,
        card: Card,
        *,
        size: tuple[int, int],
        frames: int,
        settings: Mapping[str, Value],
    ) -> str:
        """Return what `preflight` says, "" while the machine was not looked at.

        While another setting is reckoned with it is what was said before: a value that is dragged
        does not make the panel jump.

        Of what is to be downloaded the card's own line tells.
        """
        self._stored = stored
        if not bpy.app.background and not bpy.app.timers.is_registered(self._timer):
            bpy.app.timers.register(self._timer, first_interval=0.0, persistent=True)
        if this_machine.found is None:
            return ""
        found = {each.id: shelf.look(each, stored.data).whose for each in needed(card, settings)}
        shown = card.id, stored.data
        if Whose.UNKNOWN in found.values():
            return self._shown.get(shown, "")
        missing = tuple(name for name, whose in found.items() if whose is Whose.NOBODY)
        key = (card.id, stored.data, missing, size, frames, *sorted(settings.items()))
        # In a thread: it looks at how large the weights are, wherever they lie.
        asked = {"size": size, "frames": frames, "settings": dict(settings)}
        reckon = partial(_reckon, card, this_machine.found, stored, asked)
        if (sentence := self._told.last(key, reckon)) is not None:
            self._shown[shown] = sentence
        return self._shown.get(shown, "")

    def step(self) -> bool:
        """Look at the machine if it is time to; return whether that is going on."""
        if self._task is None:
            # A model that works has taken the memory that is asked about.
            late = time.monotonic() - self._looked >= _AGAIN_SECONDS
            if late and self._stored is not None and not runner.running:
                self._task = Task(partial(_look, self._stored))
        elif self._task.done:
            task, self._task = self._task, None
            self._looked = time.monotonic()
            this_machine.found = task.result()
            self._told.forget()
        return self._task is not None

    def abandon(self) -> None:
        """Leave no timer behind."""
        if bpy.app.timers.is_registered(self._timer):
            bpy.app.timers.unregister(self._timer)
        self._told.abandon()

    def _tick(self) -> float | None:
        was = this_machine.found
        going_on = self.step()
        if this_machine.found is not was:
            redraw_sidebars("VIEW_3D")
        return _STEP_SECONDS if going_on else None


def _reckon(
    card: Card, machine: Machine, stored: Preferences, asked: Mapping[str, object], _: str | None
) -> str:
    try:
        return preflight_here(card, machine, stored.data, **asked).cost
    except SettingError as reason:
        return str(reason)


def _look(stored: Preferences) -> Machine | None:
    """Return what this machine has, None where it cannot be found out; blocks."""
    server = read_server(stored.data)
    if server is not None:
        try:
            answer = Connection(server).json("GET", f"/v1/preflight?model={_ANY}")
            return Machine.from_json(answer["machine"])
        except BackendError as reason:
            log.info("the backend that runs does not say what it has (%s)", reason)
    if not stored.backend_python.is_file():
        return None
    command = [str(stored.backend_python), "-m", "backend", "preflight", "--model", _ANY, "--json"]
    try:
        said = subprocess.run(
            command,
            cwd=ROOT,
            env=clean_environment() | {"PYTHONUTF8": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            encoding="utf-8",
            timeout=_LOOK_SECONDS,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        ).stdout
    except (OSError, subprocess.SubprocessError) as reason:
        log.warning("what this machine has cannot be found out (%s)", reason)
        return None
    return Machine.from_json(json.loads(said)["machine"])


costs = Costs()
