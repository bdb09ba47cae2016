"""Certificates for tests: one that an authority of their own has signed, one that signs itself.

All on P-256 and good until 2126; their keys guard nothing. Made with openssl: `SIGNED` is for
localhost, 127.0.0.1 and ::1, `SELF_SIGNED` for render-box, by the command in docs/manual/remote.md.
"""

from __future__ import annotations

import hashlib
import ssl
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, PEM."""

    certificate: str
    key: str

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write both into a folder; return their paths."""
        certificate, key = folder / "tls cert.pem", folder / "tls key.pem"
        certificate.write_text(self.certificate)
        key.write_text(self.key)
        key.chmod(0o600)
        return certificate, key

    @property
    def fingerprint(self) -> str:
        """Return the certificate's SHA-256 as 64 hex digits."""
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(self.certificate)).hexdigest()


AUTHORITY = """\
-----BEGIN CERTIFICATE-----
MIIBrTCCAVOgAwIBAgIUJskTdyWgrM5k11wvXWkWpVEW5/UwCgYIKoZIzj0EAwIw
IzEhMB8GA1UEAwwYRGVwdGhzaG90IHRlc3QgYXV0aG9yaXR5MCAXDTI2MTEyMzAy
MzQyNVoYDzIxMjYxMDMwMDIzNDI1WjAjMSEwHwYDVQQDDBhEZXB0aHNob3QgdGVz
dCBhdXRob3JpdHkwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARJMCvmDZT77H2c
hXFxk6DCppnsTzAUGTUzX+wnyWPHvU/UU8esO+GRmvD6T026e++m6brqxifIxzdC
As/nYnN2o2MwYTAdBgNVHQ4EFgQU50xogQrWQ1T6BqG7moR4Q0zL+0owHwYDVR0j
BBgwFoAU50xogQrWQ1T6BqG7moR4Q0zL+0owDwYDVR0TAQH/BAUwAwEB/zAOBgNV
HQ8BAf8EBAMCAQYwCgYIKoZIzj0EAwIDSAAwRQIhAPmzoeGVSy6hKagQNeVL8/53
Pp7+oZKQePrCEmdcpa6MAiAapkeAp4JAsycLPZDNJPIi8JAdd/MlOqRhQ5cHvh9s
+A==
-----END CERTIFICATE-----
"""

SIGNED = Pair(
    """\
-----BEGIN CERTIFICATE-----
MIIB2zCCAYCgAwIBAgIUE0GfQ5hVN1SXGVTHTym9CqGw77wwCgYIKoZIzj0EAwIw
IzEhMB8GA1UEAwwYRGVwdGhzaG90IHRlc3QgYXV0aG9yaXR5MCAXDTI2MTEyMzAy
MzQyNVoYDzIxMjYxMDMwMDIzNDI1WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTAT
BgcqhkjOPQIBBggqhkjOPQMBBwNCAAQmCv4hRIkcf7a6nYI4shaoZw8JcRsqbp0v
z3VbDOyLvSDPq9IrkSSgf2byLGin5lGxzvNtNiVdM1hbfwPRHEaAo4GeMIGbMCwG
A1UdEQQlMCOCCWxvY2FsaG9zdIcEfwAAAYcQAAAAAAAAAAAAAAAAAAAAATAJBgNV
HRMEAjAAMAsGA1UdDwQEAwIHgDATBgNVHSUEDDAKBggrBgEFBQcDATAdBgNVHQ4E
FgQU4rEmVGNTmQjpezuZUil9Rp+eQW4wHwYDVR0jBBgwFoAU50xogQrWQ1T6BqG7
moR4Q0zL+0owCgYIKoZIzj0EAwIDSQAwRgIhAPXIG3jNDwE2/ECtYC6fhBxUl5eF
niXI8TtIq2o3r1dMAiEAxJ/fJaXPe9Dc9V1EQqJQAHS7sR6NmxXfoQvxNss6ybU=
-----END CERTIFICATE-----
""",
    """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgmRs65Nlk3ZmLvR+8
DjZhF0778oN4JV7p3XtFi3VwXsqhRANCAAQmCv4hRIkcf7a6nYI4shaoZw8JcRsq
bp0vz3VbDOyLvSDPq9IrkSSgf2byLGin5lGxzvNtNiVdM1hbfwPRHEaA
-----END PRIVATE KEY-----
""",
)

SELF_SIGNED = Pair(
    """\
-----BEGIN CERTIFICATE-----
MIIBnjCCAUSgAwIBAgIUFlw6HNyJw/il8e3UEt+oLEjCBXkwCgYIKoZIzj0EAwIw
FTETMBEGA1UEAwwKcmVuZGVyLWJveDAgFw0yNjExMjMwMjM0MjVaGA8yMTI2MTAz
MDAyMzQyNVowFTETMBEGA1UEAwwKcmVuZGVyLWJveDBZMBMGByqGSM49AgEGCCqG
SM49AwEHA0IABCxyfs3/bWq8ion+rZkGeaSug2UGclTn6z+N4mDjJA6YyprCo2pO
hUFBqhc1kD/uDa6nXC9bjkFXaCBNzqm4SK2jcDBuMB0GA1UdDgQWBBSYPtIcoFg7
7blhEbY3VvIf644MLTAfBgNVHSMEGDAWgBSYPtIcoFg77blhEbY3VvIf644MLTAP
BgNVHRMBAf8EBTADAQH/MBsGA1UdEQQUMBKCCnJlbmRlci1ib3iHBMAAAhQwCgYI
KoZIzj0EAwIDSAAwRQIhANyRWdYnGQ4OTi6fdy3u9enFcy2VtlPJeIobd6S+/xc3
AiB5l1iQfYCooBLBZJc7X18d3XFtGplS63U/X4brD/fxSQ==
-----END CERTIFICATE-----
""",
    """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgJBkM9BHm1/nPYNgZ
W1g0wW8ULzxYogg77LLt6zCqdOehRANCAAQscn7N/21qvIqJ/q2ZBnmkroNlBnJU
5+s/jeJg4yQOmMqawqNqToVBQaoXNZA/7g2up1wvW45BV2ggTc6puEit
-----END PRIVATE KEY-----
""",
)
