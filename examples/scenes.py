"""Four scenes for benchmarks, with few to many unseen pixels at the end of the move.

python examples/scenes.py -- colonnade --out colonnade.blend --size 832x480 --frames 48
"""

from __future__ import annotations

import argparse
import sys
from types import MappingProxyType

# A script sees its own folder, a test the package.
if __package__:
    from . import command
    from .places import colonnade, courtyard, loft, woodland
else:
    import command
    from places import colonnade, courtyard, loft, woodland

# Few, some and many holes, and leaves everywhere; the loft has a lamp that moves by itself.
SCENES = MappingProxyType(
    {
        "loft": loft.build,
        "courtyard": courtyard.build,
        "colonnade": colonnade.build,
        "woodland": woodland.build,
    }
)


def main(arguments: list[str]) -> int:
    """Write one of the scenes as a .blend file."""
    parser = argparse.ArgumentParser(prog="scenes.py", description=__doc__.splitlines()[0])
    parser.add_argument("scene", choices=SCENES, help="which scene")
    command.add_options(parser)
    options = parser.parse_args(arguments)
    command.write(SCENES[options.scene], options)
    return 0


if __name__ == "__main__":
    sys.exit(main(command.own_arguments()))
