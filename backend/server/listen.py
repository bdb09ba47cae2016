"""Where the server listens, and the rule for it: beyond loopback with TLS alone."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import re
import socket
import ssl
import stat
from dataclasses import dataclass
from pathlib import Path

from ..errors import BackendNotStarted, SettingError
from ..remote import in_url, is_host, shortest

LOOPBACK = "127.0.0.1"
_LOCAL_NAMES = (LOOPBACK, "localhost", "[::1]")  # also the near end of a tunnel
_PORT = re.compile(r":[0-9]+$")
_CALLED = re.compile(
    r"(?:\[(?P<six>[^\[\]]*:[^\[\]]*)\]|(?P<name>[^:\[\]]+))(?::(?P<port>[0-9]{1,5}))?"
)
_PEM = re.compile("-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_EVERYBODY = stat.S_IROTH | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class Certificate:
    """A TLS certificate with its key, PEM files, tried when it is read.

    Attributes:
        context: For the server.
        fingerprint: SHA-256 of the certificate, 64 hex digits.
    """

    context: ssl.SSLContext
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Listening:
    """What to listen on.

    Attributes:
        host: An address of this machine, or a name of it.
        port: 0 lets the system choose a free one.
        certificate: Needed for whatever is not loopback.
        names: `name` or `name:port` that clients may call the server by, beside `host`; see
            `read_name`.
    """

    host: str = LOOPBACK
    port: int = 0
    certificate: Certificate | None = None
    names: tuple[str, ...] = ()

    def open(self) -> socket.socket:
        """Return a listening socket.

        Raises:
            BackendNotStarted: the address is none of this machine's, the port is taken, or it is
                not loopback and there is no certificate.
        """
        family, address = self._resolve()
        literal = address[0]
        # What is bound below is this very address: a name cannot mean another one by then.
        if self.certificate is None and not ipaddress.ip_address(literal).is_loopback:
            port = self.port or "PORT"
            raise BackendNotStarted(
                f"Without TLS the backend listens on this machine alone, and '{self.host}' is open"
                " to others: give --tls-cert and --tls-key, or leave out --host and open a tunnel"
                f" on the other machine (ssh -N -L {port}:127.0.0.1:{port} USER@THIS-MACHINE)."
            )
        if self._names_nobody(literal) and not self.names:
            raise BackendNotStarted(
                f"'{self.host}' is every address of this machine and no name: add --name NAME with"
                " the name or address that others write to reach it."
            )
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            if os.name == "posix":  # a restart need not wait for the last one's connections
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen()
        except OSError as reason:
            listener.close()
            raise BackendNotStarted(
                f"Port {self.port} on {literal} is refused ({reason.strerror or reason}); choose"
                " another --port, or leave it out to let the system choose a free one, or allow"
                " Python in the firewall."
            ) from reason
        return listener

    def hosts(self, listener: socket.socket) -> frozenset[bytes]:
        """Return what the Host header of a request may be, in lower case.

        A web page whose name was bound anew to this machine's address does not know any of them.
        """
        literal, port = listener.getsockname()[:2]
        names = [*_LOCAL_NAMES, *self.names]
        if not self._names_nobody(literal):
            names += [in_url(literal), in_url(self.host)]
        called = {name if _PORT.search(name) else f"{name}:{port}" for name in names}
        # Clients leave out the port that https stands for.
        called |= {name.removesuffix(":443") for name in called}
        return frozenset(name.lower().encode() for name in called)

    def info_host(self, listener: socket.socket) -> str:
        """Return the literal address that a client on this machine uses."""
        literal = listener.getsockname()[0]
        if self._names_nobody(literal):
            return "::1" if listener.family == socket.AF_INET6 else LOOPBACK
        return literal

    def _resolve(self) -> tuple[int, tuple]:
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as reason:
            raise BackendNotStarted(
                f"'{self.host}' is no address or name of this machine ({reason}); give --host one"
                " that it has, or leave it out."
            ) from reason
        return found[0][0], found[0][4]

    @staticmethod
    def _names_nobody(literal: str) -> bool:
        return ipaddress.ip_address(literal).is_unspecified


def read_name(text: str) -> str:
    """Return what clients may call the server by, as they write it: `name` or `name:port`.

    Raises:
        SettingError: it is no name of a machine and no address.
    """
    called = _CALLED.fullmatch(text)
    host = called and (called["six"] or called["name"])
    port = None if called is None or called["port"] is None else int(called["port"])
    if not host or not is_host(host) or (port is not None and not 1 <= port <= 65_535):
        raise SettingError(
            f"--name '{text[:80]}' is no host name or address; give NAME or NAME:PORT with a port"
            " from 1 to 65535, and an IPv6 address in brackets ([::1])."
        )
    name = in_url(shortest(host)).lower()
    return name if port is None else f"{name}:{port}"


def read_certificate(certificate: Path, key: Path) -> Certificate:
    """Read a certificate and its key.

    Raises:
        BackendNotStarted: one of them is missing, unusable, or the key is open to everybody.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        if os.name == "posix" and key.stat().st_mode & _EVERYBODY:
            raise BackendNotStarted(
                f"The key '{key}' can be read by every user of this machine; close it with"
                f" chmod 600 '{key}', and make another if somebody may have read it."
            )
        text = certificate.read_text(encoding="ascii")
        # Without a function for it OpenSSL would ask for a password on the terminal.
        context.load_cert_chain(certificate, key, password=lambda: "")
        first = _PEM.search(text)
        content = ssl.PEM_cert_to_DER_cert(first[0] if first else text)
    except (OSError, ValueError) as reason:  # ssl's errors are OSErrors
        raise BackendNotStarted(
            f"'{certificate}' and '{key}' are no certificate and key that fit each other"
            f" ({getattr(reason, 'strerror', None) or reason}); give two PEM files without a"
            " password (docs/manual/remote.md shows how to make them)."
        ) from reason
    return Certificate(context, hashlib.sha256(content).hexdigest())
