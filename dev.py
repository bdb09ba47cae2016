#!/usr/bin/env python3
"""Depthshot for developers: `python3 dev.py COMMAND`, and `python3 dev.py --help` for the commands.

Needs nothing but Python: it makes its own environments below `.env/`. This file and
`tools/pythons.py` stay readable for old Pythons, which find a newer one or say what is needed.
"""

import sys

if sys.version_info < (3, 8):  # noqa: UP036 - it is there for whoever has an old one
    sys.exit("Depthshot needs Python 3.11 or 3.13: install one of them, then run it with that.")

from tools import pythons


def main() -> int:
    """Runs one command, with another Python if this one has no bpy wheel."""
    if sys.version_info[:2] not in pythons.SUPPORTED:
        return pythons.run_again_with_supported(__file__, sys.argv[1:])
    from tools import cli

    return cli.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
