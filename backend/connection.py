"""Requests to a server: always with its token, never through a proxy, errors as sentences.

Needs the standard library and requests alone, as everything that Blender imports.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Generator, Iterator
from http import HTTPStatus
from typing import Protocol

import requests

from .errors import AddressRefused, BackendError, BackendLost, ProtocolMismatch, RequestRefused
from .trust import Fault, PinnedAdapter, SystemAdapter, tls_fault
from .wire import MAX_JSON_BYTES, PROTOCOL

CONNECT_SECONDS = 3.0
CONNECT_SECONDS_ELSEWHERE = 10.0
READ_SECONDS = 30.0
_STEP = 256 * 1024
_LONGEST_DETAIL = 2000


class Endpoint(Protocol):
    """Where a server answers: `rendezvous.ServerInfo`, `remote.Remote`."""

    @property
    def url(self) -> str:
        """Its base address; without TLS on loopback alone."""

    @property
    def token(self) -> str:
        """What it asks for."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of its certificate, "" where the system's authorities decide."""

    @property
    def elsewhere(self) -> bool:
        """Whether it is a backend that Blender does not start."""


class Connection:
    """A way to one server. Usable from any thread: every request is on its own."""

    def __init__(self, info: Endpoint) -> None:
        self.info = info

    @contextlib.contextmanager
    def kept(self) -> Iterator[Connection]:
        """Hand out the same way for many requests of one thread: what was opened is used again."""
        with _new_session(self.info) as session:
            yield _Kept(self.info, session)

    def json(self, method: str, path: str, **options: object) -> dict:
        """Send a request and return the JSON object it is answered with.

        Raises:
            BackendLost: nobody answers, or not as the backend would.
            AddressRefused: a backend elsewhere has another certificate or token.
            RequestRefused: the backend refused; the message is its own.
        """
        with self.open(method, path, **options) as response:
            content = self.body(response)
        try:
            answer = json.loads(content) if content else {}
        except (ValueError, RecursionError) as reason:
            raise self._stranger() from reason
        if not isinstance(answer, dict):
            raise self._stranger()
        return answer

    @contextlib.contextmanager
    def open(
        self, method: str, path: str, *, read_seconds: float = READ_SECONDS, **options: object
    ) -> Iterator[requests.Response]:
        """Send a request and hand out the answer while it streams in; raises as `json`."""
        connect = CONNECT_SECONDS_ELSEWHERE if self.info.elsewhere else CONNECT_SECONDS
        with self._session() as session:
            try:
                response = self._send(
                    session,
                    method,
                    self.info.url + path,
                    timeout=(connect, read_seconds),
                    stream=True,
                    allow_redirects=False,  # the token is for this address alone
                    **options,
                )
            except requests.RequestException as reason:
                raise self._lost(reason) from reason
            with response:
                if response.status_code == HTTPStatus.UNAUTHORIZED:
                    raise self._wrong_token()
                if response.is_redirect:
                    raise self._stranger()
                if not response.ok:
                    raise RequestRefused(self._detail(response), response.status_code)
                yield response

    def hello(self) -> dict:
        """Shake hands.

        Raises:
            ProtocolMismatch: the server that answers speaks another protocol version.
            BackendLost: nobody answers.
            AddressRefused: what answers elsewhere is not the backend that was meant.
        """
        try:
            answer = self.json("GET", "/v1/hello")
        except RequestRefused as reason:
            raise self._stranger(reason) from reason
        protocol = answer.get("protocol")
        if not isinstance(protocol, int) or "draining" not in answer:
            raise self._stranger()
        if protocol != PROTOCOL:
            raise ProtocolMismatch(
                f"The backend at {self.info.url} speaks protocol {protocol}, this version of"
                f" Depthshot {PROTOCOL}; install the same version of Depthshot on both machines."
                if self.info.elsewhere
                else f"The backend that answers speaks protocol {protocol}, this version"
                f" of Depthshot {PROTOCOL}; close other Blender versions and try again."
            )
        return answer

    def chunks(self, response: requests.Response, size: int | None) -> Generator[bytes]:
        """Yield the body of a streamed answer; `size` None yields what arrives when it arrives.

        Raises:
            BackendLost: the answer stops before its end.
        """
        try:
            yield from response.iter_content(size)
        except requests.RequestException as reason:
            raise self._lost(reason) from reason

    def body(self, response: requests.Response) -> bytes:
        """Return the whole body of a streamed answer.

        Raises:
            BackendError: it stops before its end, or is larger than any answer is.
        """
        content = bytearray()
        with contextlib.closing(self.chunks(response, _STEP)) as chunks:
            for chunk in chunks:
                content += chunk
                if len(content) > MAX_JSON_BYTES:
                    raise self._stranger()
        return bytes(content)

    def _session(self) -> contextlib.AbstractContextManager[requests.Session]:
        return _new_session(self.info)

    def _send(
        self, session: requests.Session, method: str, url: str, **options: object
    ) -> requests.Response:
        return session.request(method, url, **options)

    def _detail(self, response: requests.Response) -> str:
        content = self.body(response)
        try:
            return str(json.loads(content)["detail"])[:_LONGEST_DETAIL]
        except (ValueError, RecursionError, KeyError, TypeError):
            return f"The backend answered with HTTP status {response.status_code}."

    def _wrong_token(self) -> BackendError:
        if not self.info.elsewhere:
            return self._stranger()
        return AddressRefused(
            f"The backend at {self.info.url} does not take the token; paste the line that"
            " 'python -m backend token' prints on that machine into the preferences."
        )

    def _stranger(self, reason: RequestRefused | None = None) -> BackendError:
        said = "" if reason is None else f" ({reason})"
        if self.info.elsewhere:
            return AddressRefused(
                f"What answers at {self.info.url} is not a backend of Depthshot; check name and"
                f" port in the preferences.{said}"
            )
        return BackendLost(
            "Another program answers where the backend was; generate again to start a new"
            f" one.{said}"
        )

    def _lost(self, reason: requests.RequestException) -> BackendError:
        if not self.info.elsewhere:
            kind = "in time" if isinstance(reason, requests.Timeout) else "any more"
            return BackendLost(
                f"The backend does not answer {kind}; its log in the data folder says more, and a"
                " job it had goes on when it is started again."
            )
        url = self.info.url
        refused = _certificate_refused(url, reason)
        if refused is not None:
            return AddressRefused(refused)
        return BackendLost(
            f"No backend answers at {url}; see that it runs there and that no firewall or closed"
            " tunnel is in between. A job it has goes on without this machine."
        )


class _Kept(Connection):
    """A way that one thread goes again and again: one session for all requests."""

    def __init__(self, info: Endpoint, session: requests.Session) -> None:
        super().__init__(info)
        self._kept = session
        self._answered = False

    def _session(self) -> contextlib.AbstractContextManager[requests.Session]:
        return contextlib.nullcontext(self._kept)

    def _send(
        self, session: requests.Session, method: str, url: str, **options: object
    ) -> requests.Response:
        try:
            response = super()._send(session, method, url, **options)
        except requests.ConnectionError as reason:
            if not self._answered or method != "GET" or isinstance(reason, requests.Timeout):
                raise
            # A server closes what is idle, maybe just when it was used again: once more, anew.
            self._answered = False
            response = super()._send(session, method, url, **options)
        self._answered = True
        return response


def _new_session(info: Endpoint) -> requests.Session:
    session = requests.Session()
    # A company's proxy would catch 127.0.0.1, and ~/.netrc would replace the token.
    session.trust_env = False
    session.headers["Authorization"] = f"Bearer {info.token}"
    if info.fingerprint:
        session.verify = False  # no authority is asked: the certificate itself is known
        session.mount("https://", PinnedAdapter(info.fingerprint))
    elif info.url.startswith("https:"):
        session.mount("https://", SystemAdapter())
    return session


def _certificate_refused(url: str, reason: requests.RequestException) -> str | None:
    """Return what is wrong with a certificate, None where another try may find nothing wrong."""
    fault = tls_fault(reason)
    if fault is Fault.OTHER_CERTIFICATE:
        return (
            f"The certificate at {url} does not have the fingerprint set in the preferences, so"
            " nothing was sent; set the one that the backend prints when it starts, if its"
            " certificate is new, else another machine answers there."
        )
    if fault is Fault.UNTRUSTED:
        return (
            f"This system does not trust the certificate at {url} for that name; set the"
            " fingerprint that the backend prints when it starts in the preferences."
        )
    if fault is Fault.NO_TLS:
        return (
            f"What answers at {url} does not speak TLS; start the backend there with --tls-cert"
            " and --tls-key, or check the port."
        )
    return None
