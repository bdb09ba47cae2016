"""The environment that runs a test, as `dev.py` knows environments."""

import sys
from pathlib import Path

from tools.environments import Environment


def here(name: str = "here") -> Environment:
    """Returns the environment of this process, under any name."""
    return Environment(
        name=name,
        folder=Path(sys.prefix),
        version=sys.version_info[:2],
        locks=(),
        with_torch=False,
        download=0,
        disk=0,
    )
