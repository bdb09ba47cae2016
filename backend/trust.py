"""Which certificate a TLS connection accepts: one by its fingerprint, or what the system trusts."""

from __future__ import annotations

import ssl
from enum import Enum

import requests
from requests.adapters import HTTPAdapter


class PinnedAdapter(HTTPAdapter):
    """Accepts the one certificate with a SHA-256 fingerprint, whoever signed it and for what name.

    urllib3 compares after the handshake and before it sends a byte of the request. The session's
    `verify` has to be False: no authority is asked.
    """

    def __init__(self, fingerprint: str) -> None:
        self._fingerprint = fingerprint
        super().__init__()

    def init_poolmanager(self, *arguments: object, **options: object) -> None:
        """Make the pools with the fingerprint."""
        super().init_poolmanager(
            *arguments, assert_fingerprint=self._fingerprint, assert_hostname=False, **options
        )


class SystemAdapter(HTTPAdapter):
    """Accepts what the system's authorities have signed, beside those that come with requests.

    A company's own authority is in the system's store alone.
    """

    def init_poolmanager(self, *arguments: object, **options: object) -> None:
        """Make the pools with the system's store loaded."""
        super().init_poolmanager(*arguments, ssl_context=ssl.create_default_context(), **options)


class Fault(Enum):
    """What is wrong with a TLS connection that no further try mends: a part of OpenSSL's words."""

    OTHER_CERTIFICATE = ("Fingerprints did not match",)
    UNTRUSTED = ("CERTIFICATE_VERIFY_FAILED", "match_hostname", "doesn't match")
    NO_TLS = ("WRONG_VERSION_NUMBER", "wrong version number", "record layer failure")


def tls_fault(reason: requests.RequestException) -> Fault | None:
    """Return what is wrong, None for a connection that only broke off."""
    if not isinstance(reason, requests.exceptions.SSLError):
        return None
    return next(
        (fault for fault in Fault if any(part in str(reason) for part in fault.value)), None
    )
