"""An artist's hand in a Blender with a window: looks, points, clicks and waits."""

import subprocess
import time
from pathlib import Path

import bpy

from tools.display import HEIGHT, Display

MODULE = "bl_ext.user_default.depthshot"
# A machine under load takes its time; a test asserts order and values, not seconds.
MOST_SECONDS = 900
BEAT_SECONDS = 0.01
# Of a row of a panel at a scale of 1, in pixels.
ROW_PIXELS = 20


class Pulse:
    """A timer of 10 ms, and the longest time it had to wait for the rest of Blender.

    Attributes:
        doing: what is going on, set by who drives; gaps are kept by it.
        longest: by what was going on: the longest gap in ms on the clock, and without the time
            that Blender's main thread waited for a processor, which a machine under load adds.
    """

    def __init__(self) -> None:
        self.doing = ""
        self.longest: dict[str, dict[str, float]] = {}
        self._last: tuple[float, float] | None = None

    def start(self) -> None:
        bpy.app.timers.register(self._beat, persistent=True)

    def stop(self) -> None:
        if bpy.app.timers.is_registered(self._beat):
            bpy.app.timers.unregister(self._beat)

    def _beat(self) -> float:
        now = time.monotonic(), _waited()
        if self._last is not None and self.doing:
            gap = now[0] - self._last[0] - BEAT_SECONDS
            own = gap - (now[1] - self._last[1])
            seen = self.longest.setdefault(self.doing, {"clock": 0.0, "own": 0.0})
            seen["clock"] = max(seen["clock"], gap * 1000)
            seen["own"] = max(seen["own"], own * 1000)
        self._last = now
        return BEAT_SECONDS


def _waited() -> float:
    """Seconds that the main thread was ready and had no processor; 0 where no one counts them."""
    counts = Path("/proc/self/schedstat")
    return int(counts.read_bytes().split()[1]) / 1e9 if counts.exists() else 0.0


class Hand:
    """What a way does with the window.

    Attributes:
        folder: for files.
        pulse: the timer beside everything.
    """

    def __init__(self, job: dict) -> None:
        self.folder = Path(job["folder"])
        self.pulse = Pulse()
        self._pointer = job["pointer"]
        self._display = job["frame"] and Display("", Path(job["frame"]))

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
            return getattr(bpy.ops.depthshot, operator)("INVOKE_DEFAULT", **properties)

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

    def wait_while(self, is_so):
        began = time.monotonic()
        while is_so():
            assert time.monotonic() - began < MOST_SECONDS, self.status.phase
            yield 0.05

    def picture(self, name: str) -> None:
        """Keeps what the display shows now, as seen from outside of Blender."""
        if self._display:
            self._display.save(self.folder / f"{name}.png")

    def box(self, region: bpy.types.Region) -> tuple[int, int, int, int]:
        """Where a region is on the display: left, top, right, bottom, in pixels."""
        bottom = HEIGHT - region.y
        return region.x, bottom - region.height, region.x + region.width, bottom

    def can_point(self) -> bool:
        return bool(self._pointer and self._display)

    def click(self, x: int, y: int) -> None:
        moved = ["mousemove", str(x), str(y), "click", "1"]
        subprocess.run([*self._pointer, *moved], check=True)

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
