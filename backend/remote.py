"""The address, token and certificate of a backend on another machine, as an artist types them.

A `Remote` cannot exist with an address that would show its token to the network: `https://` alone
leaves this machine, `http://` is for the near end of a tunnel. Needs the standard library and
requests alone.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from .connection import Connection
from .errors import AddressRefused, BackendNotStarted

DEFAULT_PORT = 8765
_LONGEST_NAME = 253
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
# Of numbers alone at its end is an IPv4 address, if it is anything.
_NAME = re.compile(rf"(?:{_LABEL}\.)*(?![0-9]+$){_LABEL}")
_TOKEN = re.compile(r"[!-~]{20,200}")  # what may stand in a header
# "sha256 Fingerprint=AA:BB:…" is how openssl prints it.
_FINGERPRINT = re.compile(r"(?:sha-?256(?: fingerprint)?[=:] ?)?([0-9a-f]{2}(?::?[0-9a-f]{2}){31})")


@dataclass(frozen=True, slots=True)
class Remote:
    """A backend that this machine talks to and never starts; made by `read_remote`.

    Attributes:
        url: `https://host:port`, or `http://` with a loopback address and a port.
        token: What it asks for; the one secret.
        fingerprint: SHA-256 of its certificate, 64 lower-case hex digits; "" trusts what the
            system trusts.
    """

    url: str
    token: str = field(repr=False)
    fingerprint: str = ""

    elsewhere = True  # its name stands in messages: it is not the backend that Blender starts

    def __post_init__(self) -> None:
        """Hold for whoever makes one without `read_remote` what that function promises."""
        if _url(self.url) != self.url:
            raise ValueError(f"not an address as read_remote makes it: {self.url}")

    def find(self) -> Remote:
        """Return where the server answers."""
        return self

    def attach(self) -> Remote:
        """Return where the server answers, after it has.

        Raises:
            BackendLost: nobody answers there.
            AddressRefused: what answers is not the backend that was meant, or refuses the token.
            ProtocolMismatch: it is of another version.
            BackendNotStarted: it is about to end.
        """
        if Connection(self).hello()["draining"]:
            raise BackendNotStarted(
                f"The backend at {self.url} is ending after its last jobs; start it again there."
            )
        return self


def read_remote(address: str, token: str, fingerprint: str = "") -> Remote:
    """Return the backend that an artist has named.

    Args:
        address: `https://host:port`, `host:port`, or `http://127.0.0.1:port` for a tunnel.
        token: As `python -m backend token` prints it.
        fingerprint: SHA-256 of the certificate in hex, with or without colons; or "".

    Raises:
        AddressRefused: one of them cannot be used; the message says which and what to do.
    """
    url = _url(address.strip())
    pinned = _pinned(fingerprint.strip().lower())
    if pinned and url.startswith("http:"):
        raise AddressRefused(
            f"{url} has no certificate whose fingerprint could be checked; write https:// instead,"
            " or leave the fingerprint empty."
        )
    token = token.strip()
    if not _TOKEN.fullmatch(token):
        raise AddressRefused(
            f"The token for {url} {'is not one' if token else 'is missing'}; paste the line that"
            " 'python -m backend token' prints on that machine."
        )
    return Remote(url, token, pinned)


def is_loopback(host: str) -> bool:
    """Return whether a host, a literal address or "localhost", is this machine and no other."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def in_url(host: str) -> str:
    """Return a host as it stands in a URL and in a Host header."""
    return f"[{host}]" if ":" in host else host


def _url(address: str) -> str:
    scheme, slashes, rest = address.partition("://")
    if not slashes:
        scheme, rest = "https", address
    scheme = scheme.lower()
    try:
        parts = urlsplit(f"//{rest}")
        host = parts.hostname or ""
        port = DEFAULT_PORT if parts.port is None else parts.port
    except ValueError:  # a port that is none, brackets that do not close
        host, port, parts = "", 0, urlsplit("")
    bare = not parts.path.strip("/") and not set(rest) & set("?#@\\")
    if scheme not in ("https", "http") or not bare or not port or not is_host(host):
        raise AddressRefused(
            f"“{address[:80]}” is no address of a backend; write https://NAME:{DEFAULT_PORT} with"
            " the other machine's name and port and nothing behind it."
        )
    if scheme == "http":
        if not is_loopback(host):
            raise AddressRefused(
                f"Without TLS the token for {host} would cross the network in the open; write"
                " https:// and start the backend there with --tls-cert and --tls-key, or open a"
                f" tunnel (ssh -N -L {port}:127.0.0.1:{port} USER@{host}) and write"
                f" http://127.0.0.1:{port}."
            )
        if host.lower() == "localhost":
            host = "127.0.0.1"  # whatever a resolver would say
    return f"{scheme}://{in_url(shortest(host))}:{port}"


def is_host(host: str) -> bool:
    """Return whether this can be the name of a machine or a literal address, without brackets."""
    try:
        # A zone ("fe80::1%eth0") would mean another machine on another network card.
        return not getattr(ipaddress.ip_address(host), "scope_id", None)
    except ValueError:
        return len(host) <= _LONGEST_NAME and _NAME.fullmatch(host) is not None


def shortest(host: str) -> str:
    """Return an address as clients and the server write it; a name as it is."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host


def _pinned(fingerprint: str) -> str:
    if not fingerprint:
        return ""
    match = _FINGERPRINT.fullmatch(fingerprint)
    if match is None:
        raise AddressRefused(
            f"“{fingerprint[:100]}” is no SHA-256 fingerprint of a certificate; paste the one that"
            " the backend prints when it starts, 64 digits and letters a to f."
        )
    return match[1].replace(":", "")
