"""An artist's hand in a Blender with a window: looks, points, clicks and waits."""

import os
import subprocess
import time
from importlib import import_module
from pathlib import Path

import bpy

from tools.display import HEIGHT, Display

MODULE = "bl_ext.user_default.depthshot"
# A machine under load takes its time; a test asserts order and values, not seconds.
MOST_SECONDS = 400
BEAT_SECONDS = 0.01
# Of a row of a panel at a scale of 1, in pixels.
ROW_PIXELS = 20


class Pulse:
    """A timer of 10 ms, and the longest time it had to wait for the rest of Blender.

    Attributes:
        doing: what is going on, set by who drives; gaps are kept by it.
        longest: by what was going on, in ms: `own` is the longest gap without the time that those
            who work for the window waited for a processor, which a machine under load adds, and
            `starved` that time; `step` is the longest of Depthshot's own steps, without it too.
    """

    def __init__(self, server: int | None) -> None:
        self.doing = ""
        self.longest: dict[str, dict[str, float]] = {}
        self._server = server
        self._last: tuple[float, dict[str, float]] | None = None

    def start(self) -> None:
        bpy.app.timers.register(self._beat, persistent=True)

    def stop(self) -> None:
        if bpy.app.timers.is_registered(self._beat):
            bpy.app.timers.unregister(self._beat)

    def watch(self, runner) -> None:
        """Measures every step of a runner."""
        step = runner._step

        def measured():
            began, waited = time.monotonic(), _waited(_MAIN)
            try:
                return step()
            finally:
                self.held(time.monotonic() - began - (_waited(_MAIN) - waited))

        runner._step = measured

    def held(self, seconds: float) -> None:
        """Notes how long a step of Depthshot has held Blender up."""
        if self.doing:
            seen = self._seen()
            seen["step"] = max(seen["step"], seconds * 1000)

    def _beat(self) -> float:
        now = time.monotonic(), self._all_waited()
        if self._last is not None and self.doing:
            gap = now[0] - self._last[0] - BEAT_SECONDS
            waits = {name: waited - self._last[1].get(name, 0.0) for name, waited in now[1].items()}
            # One after another: Blender's own thread, those that draw for it, the display.
            starved = waits.pop("main") + waits.pop("display") + max(waits.values(), default=0.0)
            own = max(gap - starved, 0.0) * 1000
            seen = self._seen()
            if own > seen["own"]:
                seen["own"], seen["starved"] = own, starved * 1000
        self._last = now
        return BEAT_SECONDS

    def _seen(self) -> dict[str, float]:
        return self.longest.setdefault(self.doing, {"own": 0.0, "starved": 0.0, "step": 0.0})

    def _all_waited(self) -> dict[str, float]:
        threads = {"main": _waited(_MAIN), "display": 0.0}
        if self._server:
            threads["display"] = _waited(Path(f"/proc/{self._server}/schedstat"))
        for counts in Path("/proc/self/task").glob("*/schedstat"):
            if counts.parent.name != _MAIN.parent.name:
                threads[counts.parent.name] = _waited(counts)
        return threads


_MAIN = Path(f"/proc/self/task/{os.getpid()}/schedstat")


def _waited(counts: Path) -> float:
    """Seconds that a thread was ready and had no processor; 0 where no one counts them."""
    try:
        return int(counts.read_bytes().split()[1]) / 1e9
    except OSError:  # not Linux, or a thread that has just ended
        return 0.0


class Hand:
    """What a way does with the window.

    Attributes:
        folder: for files.
        pulse: the timer beside everything.
    """

    def __init__(self, job: dict) -> None:
        self.folder = Path(job["folder"])
        self.pulse = Pulse(job["server"])
        self._pointer = job["pointer"]
        self._display = job["frame"] and Display("", Path(job["frame"]), job["server"])

    @property
    def window(self) -> bpy.types.Window:
        return bpy.context.window_manager.windows[0]

    @property
    def status(self) -> bpy.types.PropertyGroup:
        return bpy.context.window_manager.depthshot

    def area(self, kind: str) -> bpy.types.Area:
        return next(area for area in self.window.screen.areas if area.ui_type == kind)

    def inside(self, kind: str = "VIEW_3D"):
        """The context of an editor, as an operator has it that is chosen there."""
        area = self.area(kind)
        region = next(region for region in area.regions if region.type == "WINDOW")
        return bpy.context.temp_override(window=self.window, area=area, region=region)

    def press(self, operator: str, kind: str = "VIEW_3D", **properties) -> set[str]:
        with self.inside(kind):
            # True: with its undo step, which Blender leaves out for operators that scripts call.
            return getattr(bpy.ops.depthshot, operator)("INVOKE_DEFAULT", True, **properties)

    def can_press(self, operator: str, kind: str = "VIEW_3D") -> bool:
        with self.inside(kind):
            return getattr(bpy.ops.depthshot, operator).poll()

    def sidebar(self, kind: str) -> bpy.types.Region:
        return next(region for region in self.area(kind).regions if region.type == "UI")

    def open_tab(self, kind: str = "VIEW_3D"):
        """Opens the tab Depthshot of an editor's sidebar."""
        self.area(kind).spaces.active.show_region_ui = True
        yield 0.5
        self.sidebar(kind).active_panel_category = "Depthshot"
        self.area(kind).tag_redraw()
        yield 0.5

    def make_weights(self, model: str, function: str) -> None:
        """Makes tiny weights of a model with a function of `tests.videos`, and names them."""
        weights = import_module(f"{MODULE}.backend.models.weights")
        folder = self.folder / "weights"
        make = f"import pathlib; from tests import videos; videos.{function}("
        make += f"pathlib.Path({str(folder)!r}))"
        python = os.environ["DEPTHSHOT_BACKEND_PYTHON"]
        root = Path(__file__).parents[2]
        subprocess.run([python, "-c", make], cwd=root, check=True, timeout=MOST_SECONDS)
        os.environ[weights.variable(model)] = str(folder)

    def show(self, kind: str, instead: str = "VIEW_3D"):
        """Turns one editor into another."""
        self.area(instead).ui_type = kind
        yield 1.0

    def wait_while(self, is_so):
        began = time.monotonic()
        while is_so():
            assert time.monotonic() - began < MOST_SECONDS, self.status.phase
            yield 0.05

    def picture(self, name: str) -> None:
        """Keeps what the display shows now, as seen from outside of Blender."""
        if self._display:
            self._display.save(self.folder / f"{name}.png")

    def manual(
        self,
        name: str,
        part: bpy.types.Area | bpy.types.Region,
        *,
        trim: tuple[int, int, int, int] = (0, 0, 0, 0),
    ):
        """Keeps an area or a region as a picture of the manual, without the mouse in it.

        `trim` is what to leave out at the left, top, right and bottom, in pixels.
        """
        if self.can_point():
            subprocess.run([*self._pointer, "mousemove", "2", "2"], check=True)
            yield 1.0
            # What the mouse was over is drawn as it was until it is drawn anew.
            part.tag_redraw()
            yield 1.5
            left, top, right, bottom = self.box(part)
            box = left + trim[0], top + trim[1], right - trim[2], bottom - trim[3]
            self._display.save(self.folder / "manual" / f"{name}.png", box=box)

    def box(self, region: bpy.types.Region | bpy.types.Area) -> tuple[int, int, int, int]:
        """Where a region or an area is on the display: left, top, right, bottom, in pixels."""
        bottom = HEIGHT - region.y
        return region.x, bottom - region.height, region.x + region.width, bottom

    def can_point(self) -> bool:
        return bool(self._pointer and self._display)

    def click(self, x: int, y: int) -> None:
        moved = ["mousemove", str(x), str(y), "click", "1"]
        subprocess.run([*self._pointer, *moved], check=True)

    def key(self, name: str) -> None:
        subprocess.run([*self._pointer, "key", name], check=True)

    def point(self, x: int, y: int) -> None:
        subprocess.run([*self._pointer, "mousemove", str(x), str(y)], check=True)

    def shown(self, part: bpy.types.Area | bpy.types.Region) -> list[bytes]:
        """The rows of pixels, RGB, that an area or a region shows."""
        left, top, right, bottom = self.box(part)
        return [row[left * 3 : right * 3] for row in self._display.rows()[top:bottom]]

    def difference(self, before, after, part) -> tuple[int, int] | None:
        """Where two pictures of an area or a region first differ; None where they are the same."""
        left, top, _, _ = self.box(part)
        for y, rows in enumerate(zip(before, after, strict=True), top):
            for x, (one, other) in enumerate(zip(*rows, strict=True)):
                if one != other:
                    return left + x // 3, y
        return None

    def tall_button(self, kind: str = "VIEW_3D") -> tuple[int, int]:
        """Finds the one tall button of a sidebar by its colour; returns its middle."""
        left, top, right, bottom = self.box(self.sidebar(kind))
        theme = bpy.context.preferences.themes[0].user_interface.wcol_tool
        wanted = [round(part * 255) for part in theme.inner[:3]]
        # Left of its words, and right of the triangles that open and close panels.
        column = left + (right - left) // 5
        rows = self._display.rows()[top:bottom]
        begin = None
        for y, row in enumerate([*rows, b"\0" * len(rows[0])]):
            pixel = row[column * 3 : column * 3 + 3]
            same = all(abs(part - goal) <= 2 for part, goal in zip(pixel, wanted, strict=True))
            if same and begin is None:
                begin = y
            elif not same and begin is not None:
                if y - begin > 1.3 * ROW_PIXELS:
                    return column, top + (begin + y) // 2
                begin = None
        raise AssertionError(f"no button of the colour {wanted} at x = {column}")
