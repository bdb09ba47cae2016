"""Another Blender at work, as a process of its own that can be stopped and killed.

Run by `tools/with_extension.py` it opens a file, generates, and says on its stdout, one JSON object
a line, each phase that begins and how it ended. The lower half is what tests hold of it.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Artist:
    """Another Blender that generates from a file; to be used with `with`, which ends it."""

    def __init__(self, blend):
        script = (str(ROOT / "tools" / "with_extension.py"), __file__)
        self._process = subprocess.Popen(
            [sys.executable, *script, str(blend)],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid
        self.said = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        self._process.stdout.close()

    def until(self, phase):
        """Reads what it says until a phase begins; returns whether it came so far."""
        return any(said.get("phase", "").startswith(phase) for said in self._listen())

    def end(self):
        """Reads to its end; returns what it said last."""
        for _ in self._listen():
            pass
        assert self._process.wait(60) == 0
        return self.said[-1]

    def pause(self):
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self._process.send_signal(signal.SIGCONT)

    def kill(self):
        self._process.kill()
        self._process.wait()

    def _listen(self):
        for line in self._process.stdout:
            if line.startswith('{"'):  # Blender says things of its own
                self.said.append(json.loads(line))
                yield self.said[-1]


def work(blend):
    """Generates from a file and says how far it is."""
    import bpy

    bpy.ops.wm.open_mainfile(filepath=blend)
    from tests.blender import generations

    def say(**values):
        sys.stdout.write(json.dumps(values) + "\n")
        sys.stdout.flush()

    generation, phase = generations.start(), ""
    while generation.outcome is None:
        if generation.clock.phase != phase:
            phase = generation.clock.phase
            say(phase=phase)
        generation.step()
        time.sleep(0.005)
    say(
        outcome=generation.outcome.value,
        message=generation.message,
        folder=str(generation.folder or ""),
    )


if __name__ == "__main__":
    work(sys.argv[1])
