"""`serve`: the HTTP server, for this machine or, with TLS, for others."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import sys
from pathlib import Path

from ..errors import SettingError
from ..paths import OVERRIDE, default_data_dir, full_path
from ..remote import DEFAULT_PORT


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("serve", help="serve shots to Blender until stopped")
    parser.add_argument("--data", type=Path, metavar="DIR", help="data folder (the user's own)")
    parser.add_argument(
        "--host", metavar="ADDRESS",
        help="address or name of this machine to listen on; without it only programs on this"
        " machine and tunnels get in (127.0.0.1). Others than loopback need TLS",
    )  # fmt: skip
    parser.add_argument(
        "--port", type=int, help=f"(any free one; with --host or TLS {DEFAULT_PORT})"
    )
    parser.add_argument("--tls-cert", type=Path, metavar="FILE", help="certificate, PEM")
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="its key, PEM")
    parser.add_argument(
        "--name", action="append", default=[], metavar="NAME[:PORT]",
        help="what else clients call this machine; again for more",
    )  # fmt: skip
    parser.add_argument(
        "--lease", type=float, metavar="SECONDS",
        help="end when the jobs are done and no client has called for so long",
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serve."""
    _check(options)
    from ..server.listen import LOOPBACK, Listening, read_certificate, read_name

    names = tuple(read_name(name) for name in options.name)
    from ..server.app import serve

    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    with_tls = options.tls_cert is not None
    port = options.port
    if port is None:
        port = DEFAULT_PORT if with_tls or options.host else 0
    listening = Listening(
        host=options.host or LOOPBACK,
        port=port,
        certificate=read_certificate(options.tls_cert, options.tls_key) if with_tls else None,
        names=names,
    )
    # The system's way to ask for the end does the same as Ctrl-C: workers are ended in order.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    data_dir = full_path(options.data or default_data_dir())
    os.environ[OVERRIDE] = str(data_dir)  # the workers look for weights in the same folder
    with contextlib.suppress(KeyboardInterrupt):
        serve(data_dir, listening, lease_seconds=options.lease)
    return 0


def _check(options: argparse.Namespace) -> None:
    if (options.tls_cert is None) != (options.tls_key is None):
        raise SettingError("--tls-cert and --tls-key belong together; give both or neither.")
    if options.port is not None and not 0 <= options.port <= 65_535:
        raise SettingError(f"--port {options.port} is no port; give one from 1 to 65535.")
    if options.lease is not None and (options.host or options.tls_cert):
        raise SettingError(
            "A server with --lease ends by itself, which is for the one that Blender starts; leave"
            " out --lease to serve other machines."
        )
