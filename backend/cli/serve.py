"""`serve`: the local HTTP server."""

from __future__ import annotations

import argparse
import contextlib
import logging
import signal
import sys
from pathlib import Path

from ..paths import default_data_dir


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("serve", help="serve shots to Blender on 127.0.0.1 until stopped")
    parser.add_argument("--data", type=Path, metavar="DIR", help="data folder (the user's own)")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (any free one)")
    parser.add_argument(
        "--lease", type=float, metavar="SECONDS",
        help="end when the jobs are done and no client has called for so long",
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serve."""
    from ..server.app import serve

    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    # The system's way to ask for the end does the same as Ctrl-C: workers are ended in order.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):
        serve(options.data or default_data_dir(), port=options.port, lease_seconds=options.lease)
    return 0
