"""Requests to the local server: always with its token, never through a proxy, errors as sentences.

Needs the standard library and requests alone, as everything that Blender imports.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import requests

from .errors import BackendLost, ProtocolMismatch, RequestRefused
from .rendezvous import ServerInfo
from .wire import PROTOCOL

CONNECT_SECONDS = 3.0
READ_SECONDS = 30.0
_STRANGER = "Another program answers where the backend was; generate again to start a new one."


class Connection:
    """A way to one server. Usable from any thread: every request is on its own."""

    def __init__(self, info: ServerInfo) -> None:
        self.info = info

    def json(self, method: str, path: str, **options: object) -> dict:
        """Send a request and return the JSON object it is answered with.

        Raises:
            BackendLost: nobody answers, or not as the backend would.
            RequestRefused: the backend refused; the message is its own.
        """
        with self.open(method, path, **options) as response:
            try:
                answer = response.json() if response.content else {}
            except requests.RequestException as reason:
                raise _lost(reason) from reason
        if not isinstance(answer, dict):
            raise BackendLost(_STRANGER)
        return answer

    @contextlib.contextmanager
    def open(
        self, method: str, path: str, *, read_seconds: float = READ_SECONDS, **options: object
    ) -> Iterator[requests.Response]:
        """Send a request and hand out the answer while it streams in; raises as `json`."""
        with requests.Session() as session:
            # A company's proxy would catch 127.0.0.1, and ~/.netrc would replace the token.
            session.trust_env = False
            session.headers["Authorization"] = f"Bearer {self.info.token}"
            try:
                response = session.request(
                    method,
                    self.info.url + path,
                    timeout=(CONNECT_SECONDS, read_seconds),
                    stream=True,
                    allow_redirects=False,
                    **options,
                )
            except requests.RequestException as reason:
                raise _lost(reason) from reason
            with response:
                if response.status_code == 401:
                    raise BackendLost(_STRANGER)
                if not response.ok:
                    raise RequestRefused(_detail(response), response.status_code)
                yield response

    def hello(self) -> dict:
        """Shake hands.

        Raises:
            ProtocolMismatch: the server that answers speaks another protocol version.
            BackendLost: nobody answers.
        """
        try:
            answer = self.json("GET", "/v1/hello")
        except RequestRefused as reason:
            raise BackendLost(f"{_STRANGER} ({reason})") from reason
        protocol = answer.get("protocol")
        if not isinstance(protocol, int) or "draining" not in answer:
            raise BackendLost(_STRANGER)
        if protocol != PROTOCOL:
            raise ProtocolMismatch(
                f"The backend that answers speaks protocol {protocol}, this version"
                f" of Depthshot {PROTOCOL}; close other Blender versions and try again."
            )
        return answer


def chunks(response: requests.Response, size: int | None) -> Iterator[bytes]:
    """Yield the body of a streamed answer; `size` None yields what arrives when it arrives.

    Raises:
        BackendLost: the answer stops before its end.
    """
    try:
        yield from response.iter_content(size)
    except requests.RequestException as reason:
        raise _lost(reason) from reason


def _detail(response: requests.Response) -> str:
    try:
        return str(response.json()["detail"])
    except (requests.RequestException, ValueError, KeyError, TypeError):
        return f"The backend answered with HTTP status {response.status_code}."


def _lost(reason: requests.RequestException) -> BackendLost:
    kind = "in time" if isinstance(reason, requests.Timeout) else "any more"
    return BackendLost(
        f"The backend does not answer {kind}; its log in the data folder says more, and a job"
        " it had goes on when it is started again."
    )
