"""The process that holds torch and a model: one a device, started and fed by the server.

It reads JSON lines from stdin and writes JSON lines to what was stdout:

    in   {"do": "generate", "job", "shot", "take", "model", "settings", "seed",
          "format"}
         {"do": "cancel", "job"}
    out  {"say": "ready", "device", "devices", "versions", "machine"}
         {"say": "alive"}                        every `BEAT_SECONDS`, whatever else happens
         {"say": "event", "job", "event"}        progress, frame, warning
         {"say": "end", "job", "event"}          done, failed, cancelled
         {"say": "broken", "message"}            it cannot work at all

When stdin closes, because the server asked for it or died, the process ends at once.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import queue
import sys
import threading
from pathlib import Path

from .errors import Cancelled, DepthshotError
from .events import Event
from .generate import choose_device, devices, generate, quiet_libraries, versions
from .locks import FileLock
from .models import load_model
from .models.card import Card
from .models.device_errors import is_device_lost, is_out_of_memory
from .models.interface import Model
from .models.machine import look

log = logging.getLogger(__name__)

BEAT_SECONDS = 2.0
_LOCK_SECONDS = 10.0
_DEVICE_LOST = 3  # exit status


class Worker:
    """One device, one warm model, one job at a time."""

    def __init__(self, device: str | None, output: int) -> None:
        """Prepare; `output` is the file descriptor that messages go to."""
        self._device = device
        self._output = output
        self._output_lock = threading.Lock()
        self._orders: queue.SimpleQueue[dict] = queue.SimpleQueue()
        self._cancelled: set[str] = set()
        self._model: Model | None = None
        self._model_key: tuple[str, str, Path | None, str] | None = None

    def run(self) -> int:
        """Work until stdin closes; return the exit status if the worker cannot even begin."""
        threading.Thread(target=self._listen, name="orders", daemon=True).start()
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()
        try:
            self._device = choose_device(self._device)
            self._say(
                "ready",
                device=self._device,
                devices=devices(),
                versions=versions(),
                machine=look(self._device).to_json(),
            )
        except (DepthshotError, ImportError, OSError) as reason:
            log.exception("the worker cannot begin")
            self._say("broken", message=str(reason))
            return 1
        while True:
            self._work(self._orders.get())

    def _work(self, order: dict) -> None:
        job = order["job"]
        try:
            # A worker of a killed server may still be ending: never two in one folder.
            with FileLock(Path(order["take"]).parent / "lock", timeout=_LOCK_SECONDS):
                generate(
                    Path(order["shot"]),
                    model=order["model"],
                    settings=order["settings"],
                    out=Path(order["take"]),
                    device=self._device,
                    seed=order["seed"],
                    format=order["format"],
                    on_event=lambda event: self._say("event", job=job, event=event.to_json()),
                    should_stop=lambda: job in self._cancelled,
                    load=self._load,
                )
            last = Event("done")
        except Cancelled:
            last = Event("cancelled")
        except DepthshotError as reason:
            last = Event("failed", message=str(reason))
        except (MemoryError, RuntimeError) as reason:
            if is_device_lost(reason):
                log.exception("the device is lost")
                self._say("end", job=job, event=_lost(self._device, reason).to_json())
                os._exit(_DEVICE_LOST)  # nothing works on it here any more; the server starts anew
            if not is_out_of_memory(reason):
                raise  # a defect: the process ends and the server tells; again would be the same
            log.exception("out of memory")
            last = Event("failed", message=_no_memory(self._device))
            self._forget_model()
        self._say("end", job=job, event=last.to_json())
        self._cancelled.discard(job)

    def _load(self, card: Card, *, device: str) -> Model:
        key = (card.id, card.revision, card.folder, card.fast, device)
        if self._model is None or self._model_key != key:
            self._forget_model()  # before the next is loaded: two may not fit
            self._model, self._model_key = load_model(card, device=device), key
        return self._model

    def _forget_model(self) -> None:
        self._model = self._model_key = None
        gc.collect()

    def _listen(self) -> None:
        """Read orders. os.read: a buffered reader aborts at exit while a thread waits in it."""
        rest = b""
        while data := os.read(0, 65_536):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                order = json.loads(line)
                if order["do"] == "cancel":
                    self._cancelled.add(order["job"])
                else:
                    self._orders.put(order)
        os._exit(0)

    def _beat(self) -> None:
        pause = threading.Event()
        while not pause.wait(BEAT_SECONDS):
            self._say("alive")

    def _say(self, what: str, **values: object) -> None:
        line = json.dumps({"say": what, **values}).encode() + b"\n"
        with self._output_lock:
            view = memoryview(line)
            while view:
                view = view[os.write(self._output, view) :]


def main(device: str | None = None) -> int:
    """Run a worker on this process's stdin and stdout; `device` None takes the best one."""
    # Native libraries print to descriptor 1: messages get their own, the rest goes to the log.
    output = os.dup(1)
    os.dup2(2, 1)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    quiet_libraries()
    return Worker(device, output).run()


def _lost(device: str | None, reason: Exception) -> Event:
    said = next((line for line in str(reason).splitlines() if line.strip()), "it said nothing")
    return Event(
        "failed",
        message=f"The GPU '{device}' does not answer any more ({said}); generate again, which goes"
        " on from the finished frames, and if it happens again update its driver or restart the"
        " computer.",
    )


def _no_memory(device: str | None) -> str:
    return (
        f"There is not enough memory on '{device}' for this shot; close other programs, lower"
        " the resolution, or take a smaller model."
    )
