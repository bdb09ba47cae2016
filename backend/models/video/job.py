"""A shot made by a video model, window by window.

    reading the words   once, for a model that takes them
    projecting          what the stills show of the window's frames
    encoding, denoising, decoding     the family's work
    compositing         colours matched, known pixels locked, frames given to the sink

What a window takes over from the one before are frames as they were written, so a job that goes on
after a kill makes the same bytes as one that was never interrupted. A window whose frames are all
finished is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing

import torch

from ...errors import ModelError
from ...geometry import inverse_depth
from ...projection.output import to_image, to_mask
from ...projection.threads import in_order
from ...projection.walk import Walk
from ..card import Card
from ..explain import is_guided, unused
from ..interface import Request, Sink
from ..machine import look
from ..plan import Window, make_plan
from .compositor import Compositor, display
from .control import DepthRange, shot_range
from .match import match_colours
from .projected import Projected, Projector, inside
from .window import COMPOSITING, PROJECTING, READING, Generator, WindowFrame, WindowTask

_SEED_STEP = 0x9E3779B97F4A7C15  # an odd number far from simple ratios: windows share no noise
_SEEDS = 2**63


class VideoModel:
    """A model of the large families: its generator makes windows, this makes shots of them."""

    def __init__(self, card: Card, generator: Generator, *, device: str) -> None:
        """Keep the card, what makes windows, and the torch device."""
        self.card, self.generator = card, generator
        self.device = torch.device(device)

    def generate(self, request: Request, sink: Sink) -> None:
        """Make every frame that `request.finished` does not name, window by window.

        Raises:
            SettingError: the settings and the shot do not go together.
            ShotError: a still has no depth, or nothing is hit in any of them.
        """
        if len(request.finished) < request.shot.shot.frames:
            with torch.inference_mode():
                try:
                    _Job(self, request, sink).run()
                finally:
                    self.generator.rest()


class _Job:
    """One job: its plan, the way along the shot, and the frames that the next window takes over."""

    def __init__(self, model: VideoModel, request: Request, sink: Sink) -> None:
        self.card, self.generator, self.device = model.card, model.generator, model.device
        self.request, self.sink = request, sink
        self.shot = request.shot.shot
        self.plan = make_plan(model.card, self.shot, dict(request.settings))
        self.todo = [
            (number, window)
            for number, window in enumerate(self.plan.windows)
            if not request.finished.issuperset(self._frames_of(window))
        ]
        self.share = _Shares(model.card, len(self.todo))

    def run(self) -> None:
        """Make the windows that are not finished."""
        sink, shot = self.sink, self.shot
        sink.record("windows", [self._frames_of(window)[0] for window in self.plan.windows])
        sink.record("working_size", list(self.plan.fit.model))
        if self.device.type == "cpu" and (trouble := look().trouble):
            sink.warn(trouble)
        for sentence in unused(self.card, shot, settings=self.request.settings):
            sink.warn(sentence)
        report = _Report(self)
        if self.card.takes_prompt:
            self.progress(READING, 0, 1)
            negative = shot.negative_prompt or self.card.negative_prompt
            sink.record("prompt", shot.prompt)
            sink.record("negative_prompt", negative if is_guided(self.request.settings) else "")
            self.generator.read_words(shot.prompt, negative, report)
            self.progress(READING, 1, 1)
        walk = Walk(self.request.shot, self.device, tick=self._tick)
        for warning in walk.path_warnings():
            sink.warn(warning)
        depth = None
        if self.card.control is not None:
            depth = shot_range(self.request.shot, self.request.settings, tick=self._tick)
        compositor = Compositor(walk, self.plan, self.request)
        projector = Projector(walk, self.plan.fit, wanted=self._wanted(), bits=self.request.bits)
        for position, (number, window) in enumerate(self.todo):
            self.share.begin(position)
            projected = self._project(projector, window)
            for frame in projected.values():
                compositor.know(frame)
            task = self._task(number, window, projected, walk, compositor, depth)
            made = self.generator.make(task, report)
            self._check(made, task)
            self._composite(task, window, made, projected, compositor)
        for warning in walk.motion_warnings():
            sink.warn(warning)

    def progress(self, phase: str, done: int, total: int) -> None:
        """Say how far the job is; here it is cancelled."""
        share = self.share.done(phase, done, total)
        self.sink.progress(phase, done, total, part=self.share.part(phase), share=share)

    def _tick(self) -> None:
        self.progress(PROJECTING, 0, 1)

    def _frames_of(self, window: Window) -> list[int]:
        return sorted((*window.new, *self.plan.between(window)))

    def _wanted(self) -> list[int]:
        """Return the indices to be projected: what is to be made, and what that starts from.

        An estimate of depth, where the shot knows none, is the same every time, and is not read
        back from what an earlier attempt has written.
        """
        return sorted(
            {
                index
                for _, window in self.todo
                for index in (*window.frames[: window.kept], *self._frames_of(window))
            }
        )

    def _project(self, projector: Projector, window: Window) -> dict[int, Projected]:
        found: dict[int, Projected] = {}
        total = len(self._frames_of(window))

        def tell() -> None:
            self.progress(PROJECTING, min(len(found), total), total)

        tell()
        for frame in projector.upto(window.new[-1], waiting=tell):
            found[frame.index] = frame
            tell()
        return found

    def _task(
        self,
        number: int,
        window: Window,
        projected: Mapping[int, Projected],
        walk: Walk,
        compositor: Compositor,
        depth: DepthRange | None,
    ) -> WindowTask:
        fit = self.plan.fit
        kept = window.frames[: window.kept]
        frames = []
        for index in window.frames:
            if index in kept:
                colour = inside(compositor.display(index), fit)
                inverse = inverse_depth(compositor.depth(index))
                shown = colour, torch.ones(fit.model[::-1], dtype=torch.bool)
                free = ~shown[1]
                small = inside(torch.from_numpy(inverse)[None], fit)[0]
            else:
                frame = projected[index]
                shown, small, free = (frame.colour, frame.seen), frame.inverse, frame.free
            frames.append(
                WindowFrame(
                    index=index,
                    camera=fit.camera(self.shot.cameras[index]),
                    colour=shown[0],
                    seen=shown[1],
                    free=free,
                    inverse=small,
                    kept=index in kept,
                    still=index in walk.own,
                )
            )
        first = window.frames[0]
        image = (
            compositor.display(first)
            if kept
            else display(projected[first].image, bits=self.request.bits)
        )
        return WindowTask(
            frames=tuple(frames),
            start=inside(image, fit),
            depth=depth,
            fps=self.shot.fps / int(self.request.settings.get("every", 1)),
            seed=(self.request.seed + number * _SEED_STEP) % _SEEDS,
            settings=self.request.settings,
        )

    def _check(self, made: torch.Tensor, task: WindowTask) -> None:
        """See that numbers came out: what is none would spread to pixels that a still shows.

        Raises:
            ModelError: some are not.
        """
        whole = torch.isfinite(made).flatten(1).all(1)
        if not whole.all():
            first = task.frames[int((~whole).nonzero()[0])].index
            raise ModelError(
                f"'{self.card.id}' made no picture of frame {self.shot.frame(first)}: some of its"
                " numbers are none. Its weights may be damaged: look at them with"
                f" `models pull {self.card.id}`, or bring them anew; or set 'memory' to another"
                " plan."
            )

    def _composite(
        self,
        task: WindowTask,
        window: Window,
        made: torch.Tensor,
        projected: Mapping[int, Projected],
        compositor: Compositor,
    ) -> None:
        """Match colours, lock what is known, and give the frames to the sink."""
        total = len(self._frames_of(window))
        done = len(self.request.finished.intersection(self._frames_of(window)))

        def tell() -> None:
            self.progress(COMPOSITING, done, total)

        tell()
        if self.request.settings["match"]:
            known = torch.stack([frame.colour for frame in task.frames])
            where = torch.stack([frame.seen & ~frame.free for frame in task.frames])
            if not self.card.follows_camera:
                where[1:] = False  # only the picture that it begins with is where it is known to be
            made = match_colours(made, known, where)
        for tasks in (
            compositor.made(window, made, projected),
            compositor.between(window, projected),  # from the frames before, so after all of them
        ):
            with closing(in_order(tasks, device=self.device, waiting=tell)) as frames:
                for frame in frames:
                    compositor.take_in(frame)
                    self.sink.frame(
                        frame.index, image=frame.image, mask=frame.mask, depth=frame.depth
                    )
                    done += 1
                    tell()
        later = [each for _, each in self.todo if each.frames[0] > window.frames[0]]
        compositor.forget(tuple(index for each in later[:1] for index in each.frames[: each.kept]))


class _Report:
    """What a family tells of the window it makes; see `window.Report`."""

    def __init__(self, job: _Job) -> None:
        self._job = job

    def progress(self, phase: str, done: int, total: int) -> None:
        """See `window.Report`."""
        self._job.progress(phase, done, total)

    def shown(self, index: int, video: torch.Tensor, mask: torch.Tensor) -> None:
        """See `window.Report`."""
        self._job.sink.shown(index, video=to_image(video), mask=to_mask(mask[0]))

    def preview(self, picture: torch.Tensor) -> None:
        """See `window.Report`."""
        self._job.sink.preview(to_image(picture))

    def record(self, name: str, value: object) -> None:
        """See `window.Report`."""
        self._job.sink.record(name, value)

    def warn(self, message: str) -> None:
        """See `window.Report`."""
        self._job.sink.warn(message)


class _Shares:
    """How much of a job is done, told by the phases of its card: words once, the rest anew."""

    def __init__(self, card: Card, windows: int) -> None:
        self._phases = card.phases
        self._windows = max(windows, 1)
        self._window = 0

    def begin(self, window: int) -> None:
        """Say that a window begins, counted from 0."""
        self._window = window

    def done(self, phase: str, done: int, total: int) -> float | None:
        """Return the share of the whole job, 0 to 1; None for a phase that has none."""
        part = min(done / max(total, 1), 1.0)
        others = dict(self._phases)
        once = others.pop(READING, 0.0)
        if phase == READING:
            return once * part
        if phase not in others:
            return None
        before = 0.0
        for name, share in others.items():
            if name == phase:
                before += share * part
                break
            before += share
        within = before / (1.0 - once)
        return once + (1.0 - once) * (self._window + within) / self._windows

    def part(self, phase: str) -> str:
        """Return which window is in this phase, "" where there is only one."""
        if self._windows == 1 or phase == READING or phase not in dict(self._phases):
            return ""
        return f"window {self._window + 1} of {self._windows}"
