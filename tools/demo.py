"""`dev.py demo`: one real shot, from a Blender scene to a strip on the timeline, and pictures.

A Blender builds the scene and generates through the extension, just as its button does: a second
Blender captures, the backend process makes the take, and it lands in the sequencer. True renders,
the score and the pictures are made after it, each by a process of its own.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from . import commands
from .console import DevError, say
from .environments import ROOT, Environment, root

PAIRS = 6  # neighbours whose motion the score can follow, spread over the shot


@dataclass(slots=True)
class Parts:
    """How long each part took, in seconds, in the order they ran."""

    seconds: dict[str, float] = field(default_factory=dict)

    def run(self, name: str, command: list[str], variables: dict[str, str]) -> None:
        """Run one part to its end, with its output on this terminal.

        Raises:
            DevError: it failed; it has said why.
        """
        say(f"{name} …")
        start = time.monotonic()
        code = subprocess.call(command, env=variables, cwd=ROOT, stdin=subprocess.DEVNULL)
        self.seconds[name] = time.monotonic() - start
        if code != 0:
            raise DevError(f"The demo stopped at “{name}” (exit code {code}); see above.")

    def table(self) -> str:
        """Return the parts and their sum as a table."""
        rows = [*self.seconds.items(), ("altogether", sum(self.seconds.values()))]
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"  {name:<{width}}  {seconds:6.1f} s" for name, seconds in rows)


def parser() -> argparse.ArgumentParser:
    """Return the options of `dev.py demo`."""
    options = argparse.ArgumentParser(
        prog="dev.py demo",
        description="Renders a real scene, sends the shot to the backend, lands the take on the"
        " timeline and compares it with true renders.",
    )
    options.add_argument("--out", type=Path, default=ROOT / "demo", help="folder for the results")
    options.add_argument("--size", default="832x480", metavar="WxH", help="in pixels")
    options.add_argument("--frames", type=int, default=48, help="length of the shot")
    options.add_argument("--full", action="store_true", help="render the truth of every frame")
    options.add_argument("--install-system-libraries", action="store_true")
    return options


def true_frames(frames: int, *, full: bool) -> list[int]:
    """Return the Blender frames that get a true render: pairs of neighbours, or all of them.

    Frame 1 is the still's own, which says nothing about a take.
    """
    if full or frames <= 2 * PAIRS + 1:
        return list(range(2, frames + 1))
    starts = [2 + round(pair * (frames - 3) / (PAIRS - 1)) for pair in range(PAIRS)]
    return sorted({frame for start in starts for frame in (start, start + 1)})


def main(
    options: argparse.Namespace, environments: tuple[Environment, Environment], *, made: float
) -> int:
    """Make the demo.

    Args:
        options: What `parser` understood.
        environments: The backend's and Blender's, both ready.
        made: Seconds it took to make them ready.

    Raises:
        DevError: a part failed, or the options make no sense.
    """
    backend, blender = environments
    if options.frames < 2:
        raise DevError("A demo needs at least 2 frames; give --frames 2 or more.")
    out = _emptied(options.out.absolute())
    parts = Parts({"environments": made})
    variables = {
        **commands.process_environment(),
        "DEPTHSHOT_BACKEND_PYTHON": str(backend.python),
        "DEPTHSHOT_DATA_DIR": str(root() / "demo-data"),
    }
    with tempfile.TemporaryDirectory(prefix="depthshot-demo-") as scratch:
        times = Path(scratch) / "times.json"
        arguments = ["--out", str(out), "--size", options.size, "--frames", str(options.frames)]
        script = str(ROOT / "tools" / "demo_blender.py")
        command = commands.blender_command(blender, script, [*arguments, "--times", str(times)])
        whole = "scene, capture, take"
        parts.run(whole, command, variables)
        del parts.seconds[whole]
        parts.seconds |= json.loads(times.read_text(encoding="utf-8"))
    say(f"The take is ready in {out / 'take'}; the rest compares it with true renders.")
    wanted = ",".join(str(frame) for frame in true_frames(options.frames, full=options.full))
    truth = [str(blender.python), str(ROOT / "examples" / "render_truth.py"), "--"]
    parts.run(
        "true renders",
        [*truth, str(out / "demo.blend"), "--out", str(out / "truth"), "--frames", wanted],
        variables,
    )
    score = ["score", str(out / "shot"), str(out / "take"), "--truth", str(out / "truth")]
    score += ["--json", str(out / "score.json")]
    parts.run("score", commands.backend_command(backend, score), variables)
    pictures = [str(backend.python), str(ROOT / "tools" / "demo_pictures.py"), str(out)]
    parts.run("contact sheet and film", pictures, variables)
    say(
        f"\n{parts.table()}\n\nLook at {out / 'contact.png'}, or open {out / 'demo.blend'}:"
        " the strip is in the sequencer of the scene “Courtyard edit” (workspace Video Editing).\n"
        f"Backend Python for Blender's preferences: {backend.python}"
    )
    return 0


def _emptied(out: Path) -> Path:
    """Return the folder without an earlier demo's results, refusing one that holds other things."""
    # Blender keeps the file before the last save as demo.blend1.
    ours = {"demo.blend", "demo.blend1", "shot", "take", "truth"}
    ours |= {"preview.mp4", "contact.png", "score.json"}
    out.mkdir(parents=True, exist_ok=True)
    foreign = sorted(path.name for path in out.iterdir() if path.name not in ours)
    if foreign:
        raise DevError(
            f"{out} holds other things than a demo ({', '.join(foreign[:3])}); name an empty"
            " folder with --out."
        )
    for path in out.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    return out
