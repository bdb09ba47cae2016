"""Runs in a Blender with a window: goes one way of `ways`, a timer step at a time.

    blender --python in_window.py -- JOB

JOB is a JSON file: `way` is the function, `folder` is for its files, `zip` the built extension or
null when an earlier session has installed it. The folder gets `result.json`: "passed", or the
traceback of what failed, and the longest gaps of the timer that runs beside it.
"""

import json
import sys
import traceback
from pathlib import Path

import bpy

JOB = json.loads(Path(sys.argv[-1]).read_text(encoding="utf-8"))
# The driver's own modules and those of `dev.py`; Depthshot itself comes from the installed zip.
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]

from hand import Hand  # noqa: E402 - found on the path above


def install(archive):
    """Installs the extension as Install from Disk does."""
    bpy.ops.extensions.package_install_files(
        filepath=archive, repo="user_default", enable_on_install=True
    )


def main():
    bpy.context.preferences.view.show_splash = False
    # Its user's own file would have been asked for when quitting.
    bpy.context.preferences.view.use_save_prompt = False
    hand = Hand(JOB)

    def end(result):
        hand.pulse.stop()
        said = {"result": result, "gaps": hand.pulse.longest}
        (hand.folder / "result.json").write_text(json.dumps(said), encoding="utf-8")
        bpy.ops.wm.quit_blender()

    def steps():
        if JOB["zip"]:
            install(JOB["zip"])
            # For the session after this one.
            bpy.ops.wm.save_userpref()
            yield 0.5
        import ways

        yield from getattr(ways, JOB["way"])(hand)

    way = steps()

    def tick():
        try:
            return next(way)
        except StopIteration:
            end("passed")
        except Exception:  # noqa: BLE001 - whatever it is, the test that waits has to hear of it
            hand.picture("failed")
            end(traceback.format_exc())
        return None

    bpy.app.timers.register(tick, first_interval=1.0, persistent=True)
    hand.pulse.start()


main()
