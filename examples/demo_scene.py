"""The demo scene: a furnished courtyard, and a camera that passes a laid table.

    python examples/demo_scene.py -- --out demo.blend --size 832x480 --frames 48

Needs bpy and the standard library alone, and makes the same scene in Blender 4.5 and 5.0.
"""

from __future__ import annotations

import argparse
import sys

# A script sees its own folder, a test the package.
if __package__:
    from . import command
    from .places.courtyard import SAMPLES, build
else:
    import command
    from places.courtyard import SAMPLES, build

__all__ = ["SAMPLES", "build"]


def main(arguments: list[str]) -> int:
    """Write the demo as a .blend file."""
    parser = argparse.ArgumentParser(prog="demo_scene.py", description=__doc__.splitlines()[0])
    command.add_options(parser)
    command.write(build, parser.parse_args(arguments))
    return 0


if __name__ == "__main__":
    sys.exit(main(command.own_arguments()))
