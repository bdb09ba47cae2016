"""What is asked of every request before any route sees it.

A web page can make a browser send requests to 127.0.0.1. None of them gets through: it cannot know
the token, its requests carry an Origin (also `null`), a rebound DNS name shows in Host, and what a
form can send without a preflight (text/plain, multipart, urlencoded) is no accepted type.
"""

from __future__ import annotations

import json
import logging
import secrets

import anyio
from starlette.types import ASGIApp, Receive, Scope, Send

JSON_TYPE = "application/json"
ZIP_TYPE = "application/zip"
ACCEPTED_TYPES = frozenset({JSON_TYPE, ZIP_TYPE})
log = logging.getLogger(__name__)

_WITH_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class Guard:
    """ASGI middleware outside everything else: also documents and unknown paths are guarded."""

    def __init__(self, app: ASGIApp, *, hosts: frozenset[bytes], token: str) -> None:
        """Guard an app.

        Args:
            app: What is guarded.
            hosts: What the Host header may be, in lower case (`listen.Listening.hosts`).
            token: What the Authorization header has to bear.
        """
        self._app = app
        self._hosts = hosts
        self._authorization = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with the reason why not."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None:
            try:
                await self._app(scope, receive, send)
            except* anyio.BrokenResourceError:
                # FastAPI's, of a client that left a stream of events while one was being sent.
                log.info("a client has left %s", scope["path"])
            return
        status, message = refusal
        body = json.dumps({"detail": message}).encode()
        headers = [
            (b"content-type", JSON_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Return status and reason if the request is not to be served."""
        if scope["type"] != "http":
            return 403, "Only HTTP is served here."
        headers: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.lower(), []).append(value)
        hosts = headers.get(b"host", [])
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return 403, (
                "The Host header is not this server's address; write the one it was started with"
                " (--host, --name), and the same port at both ends of a tunnel."
            )
        if b"origin" in headers or b"sec-fetch-site" in headers:  # a browser names itself
            return 403, "Web pages have no access to this server."
        tokens = headers.get(b"authorization", [])
        if len(tokens) != 1 or not secrets.compare_digest(tokens[0], self._authorization):
            return 401, "The token is missing or wrong."
        if scope["method"] in _WITH_BODY and _has_body(headers):
            types = [
                value.partition(b";")[0].strip().lower()
                for value in headers.get(b"content-type", [])
            ]
            if len(types) != 1 or types[0].decode("latin-1") not in ACCEPTED_TYPES:
                return 415, f"Only {ZIP_TYPE} and {JSON_TYPE} are accepted."
        return None


def _has_body(headers: dict[bytes, list[bytes]]) -> bool:
    return b"transfer-encoding" in headers or headers.get(b"content-length", [b"0"]) != [b"0"]
