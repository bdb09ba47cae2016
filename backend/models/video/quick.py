"""How a transformer computes: which attention, and whether its blocks are compiled.

Both are chosen by what is installed, and what does not work is told and left out: a take that is
made more slowly is better than none. Back ends that fetch their code from the hub when they are
first used ("*_hub") are never chosen.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import torch
from diffusers import DiffusionPipeline

from ..memory import CUDA, EXACT, MemoryPlan
from .window import Report, WindowTask

_log = logging.getLogger(__name__)

# What each choice is to diffusers, best first; `native` is torch's own and always there.
ATTENTION = {
    "auto": ("_flash_3", "flash", "native"),
    "flash": ("_flash_3", "flash", "native"),
    "sage": ("sage", "native"),
    "native": ("native",),
}
_NATIVE = "native"
_TRANSFORMERS = ("transformer", "transformer_2")


class Quick:
    """What was chosen for one pipeline, and whether that held."""

    def __init__(self, device: torch.device) -> None:
        """Keep the device; nothing is chosen yet: torch's own attention, nothing compiled."""
        self._on_gpu = device.type == CUDA
        self._asked = self._attention = _NATIVE
        self._compiled = False
        self._cannot_compile = ""

    def prepare(
        self, pipeline: DiffusionPipeline, plan: MemoryPlan, task: WindowTask, report: Report
    ) -> None:
        """Bring a placed pipeline to what a job's settings `attention` and `compile` ask for."""
        self._choose_attention(pipeline, task, report)
        wanted = bool(task.settings.get("compile"))
        if wanted and (not self._on_gpu or plan.offload or plan.bits < EXACT):
            report.warn(
                "Compiling is for a model that stays on a GPU as it is, so this take is made"
                " without."
            )
            wanted = False
        elif wanted and self._cannot_compile:
            report.warn(self._cannot_compile)
            wanted = False
        if wanted != self._compiled:
            self._compile(pipeline, wanted=wanted)

    def forgive(self, pipeline: DiffusionPipeline, reason: Exception, report: Report) -> bool:
        """Return whether an error was one of compiling; the next attempt then goes without."""
        if not self._compiled or not isinstance(reason, torch._dynamo.exc.TorchDynamoException):
            return False
        first = next(iter(str(reason).splitlines()), type(reason).__name__)
        self._cannot_compile = f"The model could not be compiled ({first}), so it goes on without."
        self._compile(pipeline, wanted=False)
        _log.warning("compiling failed: %s", reason)
        report.warn(self._cannot_compile)
        return True

    def _choose_attention(
        self, pipeline: DiffusionPipeline, task: WindowTask, report: Report
    ) -> None:
        wanted = str(task.settings.get("attention", _NATIVE))
        if wanted != self._asked:
            self._asked = wanted
            self._set_attention(pipeline, wanted)
        if wanted not in ("auto", _NATIVE) and self._attention == _NATIVE:
            why = "is not installed in the backend's environment" if self._on_gpu else "needs a GPU"
            report.warn(f"The attention '{wanted}' {why}, so torch's own is used.")

    def _set_attention(self, pipeline: DiffusionPipeline, wanted: str) -> None:
        before, self._attention = self._attention, _NATIVE
        for name in ATTENTION[wanted] if self._on_gpu else (_NATIVE,):
            if name == before:
                self._attention = name
                break
            try:
                for network in _transformers(pipeline):
                    network.set_attention_backend(name)
            except (RuntimeError, ValueError, ImportError) as reason:
                _log.info("attention %s cannot be used: %s", name, reason)
                continue
            self._attention = name
            break

    def _compile(self, pipeline: DiffusionPipeline, *, wanted: bool) -> None:
        for network in _transformers(pipeline):
            if wanted:
                network.compile_repeated_blocks(fullgraph=True)
            else:
                for module in network.modules():
                    module._compiled_call_impl = None
        self._compiled = wanted


def _transformers(pipeline: DiffusionPipeline) -> Iterator[torch.nn.Module]:
    for name in _TRANSFORMERS:
        network = getattr(pipeline, name, None)
        if network is not None:
            yield network
