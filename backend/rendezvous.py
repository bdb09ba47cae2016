"""How a client finds the running server: one small file that only the user can read.

`server-<protocol>.json` in the data folder holds address, token and process id. One
file a protocol version, so that an old server can finish its jobs beside a new one.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from ipaddress import ip_address
from pathlib import Path

from .errors import BackendError
from .fields import Fields, read_json
from .wire import PROTOCOL

_LARGEST = 10_000


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """Where a server of this machine answers, and its token.

    Attributes:
        host: A literal address; not the loopback one only where somebody has asked for that, and
            then with a certificate.
        fingerprint: SHA-256 of its certificate in hex; "" without one, on loopback.
    """

    protocol: int
    port: int
    token: str = field(repr=False)
    pid: int
    host: str = "127.0.0.1"
    fingerprint: str = ""

    elsewhere = False  # messages need not name it: it is the backend that Blender starts

    @property
    def url(self) -> str:
        """Base address of the server."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.fingerprint else 'http'}://{host}:{self.port}"


def server_file(data_dir: Path, protocol: int = PROTOCOL) -> Path:
    """Return the path of the file for one protocol version."""
    return data_dir / f"server-{protocol}.json"


def write_server(data_dir: Path, info: ServerInfo) -> None:
    """Write the file whole or not at all; it is never readable by others (POSIX mode 0600)."""
    path = server_file(data_dir, info.protocol)
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump(asdict(info), stream)
    fresh.replace(path)


def read_server(data_dir: Path, protocol: int = PROTOCOL) -> ServerInfo | None:
    """Return where the server of a protocol version said it answers, None without one.

    A damaged file counts as none: a start replaces it, or says what is wrong with the folder.
    """
    path = server_file(data_dir, protocol)
    try:
        if not path.is_file():
            return None
        value = read_json(path, error=BackendError, largest=_LARGEST)
        fields = Fields.of(value, place=path.name, error=BackendError)
        info = ServerInfo(
            protocol=fields.integer("protocol", least=protocol, most=protocol),
            port=fields.integer("port", least=1, most=65_535),
            token=fields.text("token", most=200),
            pid=fields.integer("pid", least=1, most=2**32),
            host=str(ip_address(fields.text("host", most=50, default="127.0.0.1"))),
            fingerprint=fields.text("fingerprint", most=64, default=""),
        )
        # Without TLS the token is for this machine alone, whatever a file says.
        return info if info.fingerprint or ip_address(info.host).is_loopback else None
    except (BackendError, OSError, ValueError):  # OSError: a path that cannot even be asked for
        return None


def other_servers(data_dir: Path) -> list[ServerInfo]:
    """Return the servers of other protocol versions that have left a file."""
    found = []
    for path in sorted(data_dir.glob("server-*.json")):
        number = path.stem.removeprefix("server-")
        if number.isdecimal() and int(number) != PROTOCOL:
            info = read_server(data_dir, int(number))
            if info is not None:
                found.append(info)
    return found


def remove_server(data_dir: Path, info: ServerInfo) -> None:
    """Remove the file of a server that has ended, unless a later one has replaced it."""
    if read_server(data_dir, info.protocol) == info:
        server_file(data_dir, info.protocol).unlink(missing_ok=True)
