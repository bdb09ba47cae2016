"""Puts the server together and serves: on 127.0.0.1, unless another address was asked for."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import socket
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from ..errors import (
    BackendNotStarted,
    DepthshotError,
    ModelError,
    SettingError,
    ShotError,
    StorageError,
)
from ..jobs import JobStore
from ..locks import FileLock
from ..marks import software
from ..paths import make_private
from ..rendezvous import ServerInfo, remove_server, write_server
from ..tokens import kept_token, token_file
from ..wire import PROTOCOL
from .feed import Feed
from .guard import Guard
from .lanes import Lanes
from .leases import TICK_SECONDS, Leases
from .listen import Listening
from .routes import Service, router

log = logging.getLogger(__name__)

_OWNER_SECONDS = 10.0  # one that is ending still ends its workers
_STATUS = {ShotError: 422, SettingError: 422, ModelError: 422, StorageError: 507}


def make_app(service: Service, *, on_idle: Callable[[], None]) -> FastAPI:
    """Return the app over a service; `on_idle` is called once nobody needs it any more."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.feed.open(asyncio.get_running_loop())
        service.lanes.start()
        watch = asyncio.create_task(_watch(service, on_idle))
        yield
        watch.cancel()

    app = FastAPI(
        title="Depthshot backend",
        version=software().rpartition(" ")[2],
        openapi_url="/v1/openapi.json",
        docs_url=None,  # its pages load scripts from other hosts
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.service = service
    app.include_router(router)
    app.add_exception_handler(DepthshotError, _say)
    app.add_exception_handler(RequestValidationError, _say_invalid)
    return app


def serve(
    data_dir: Path, listening: Listening | None = None, *, lease_seconds: float | None = None
) -> None:
    """Serve until stopped, or until nobody is attached and all jobs are done.

    Args:
        data_dir: Where jobs are kept and the address is published (see `rendezvous`).
        listening: Address and certificate; None is 127.0.0.1, on a port the system chooses.
        lease_seconds: How long a client's lease holds, and the token is of this start alone. None
            serves until stopped, with the token that `python -m backend token` prints.

    Raises:
        BackendNotStarted: the address is refused, or another server owns the folder.
        StorageError: the data folder cannot be written.
    """
    folder = data_dir / f"store-{PROTOCOL}"
    try:
        make_private(make_private(data_dir) / folder.name)
        owner = FileLock(folder / "owner.lock", timeout=_OWNER_SECONDS)
        owned = owner.take()
    except OSError as reason:
        raise StorageError(
            f"The data folder {data_dir} cannot be written ({reason.strerror or reason}); choose"
            " another one in the preferences."
        ) from reason
    if not owned:
        raise BackendNotStarted(
            f"Another Depthshot backend is using {data_dir}; end it, or wait until it has."
        )
    try:
        listening = listening or Listening()
        with listening.open() as listener, contextlib.closing(JobStore(folder)) as store:
            _serve(data_dir, store, listening, listener, lease_seconds)
    finally:
        owner.release()


def _serve(
    data_dir: Path,
    store: JobStore,
    listening: Listening,
    listener: socket.socket,
    lease_seconds: float | None,
) -> None:
    store.recover()
    feed = Feed()
    lanes = Lanes(store=store, feed=feed)
    service = Service(store, lanes, feed, Leases(lease_seconds), _identity(store.folder))
    by_hand = lease_seconds is None
    certificate = listening.certificate
    info = ServerInfo(
        protocol=PROTOCOL,
        port=listener.getsockname()[1],
        token=kept_token(data_dir) if by_hand else secrets.token_urlsafe(32),
        pid=os.getpid(),
        host=listening.info_host(listener),
        fingerprint=certificate.fingerprint if certificate else "",
    )

    def end() -> None:
        server.should_exit = True

    def started() -> None:
        write_server(data_dir, info)
        if by_hand:
            log.info("serving at %s; others need the token in %s", info.url, token_file(data_dir))
        if certificate:
            log.info("fingerprint of the certificate (SHA-256): %s", certificate.fingerprint)

    app = make_app(service, on_idle=end)
    server = _Server(
        uvicorn.Config(
            Guard(app, hosts=listening.hosts(listener), token=info.token),
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            http="h11",
            ws="none",
            lifespan="on",
            timeout_graceful_shutdown=3,
            ssl_context_factory=(lambda *_: certificate.context) if certificate else None,
        ),
        on_started=started,
        on_ending=feed.close,
    )
    try:
        server.run(sockets=[listener])
    finally:
        remove_server(data_dir, info)
        lanes.stop()
        log.info("ended; threads left: %d", threading.active_count() - 1)


class _Server(uvicorn.Server):
    """Says when requests are answered, and ends event streams before it waits for them."""

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        on_started: Callable[[], None],
        on_ending: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._on_started = on_started
        self._on_ending = on_ending

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            self._on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._on_ending()
        await super().shutdown(sockets)


async def _watch(service: Service, on_idle: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(TICK_SECONDS)
        if (service.leases.tick() or service.draining) and service.store.open_jobs() == 0:
            log.info("nobody is attached and all jobs are done: ending")
            service.draining = True  # whoever comes now starts another
            on_idle()


def _identity(folder: Path) -> str:
    """Return what tells this store from every other, by whatever address somebody gets to it."""
    path = folder / "identity"
    try:
        if not path.is_file():
            fresh = path.with_suffix(".part")
            fresh.write_text(secrets.token_hex(8), encoding="ascii")
            fresh.replace(path)
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as reason:
        raise StorageError(
            f"'{path}' cannot be kept ({reason.strerror or reason}); free some space or choose"
            " another data folder."
        ) from reason


async def _say(_: Request, error: Exception) -> JSONResponse:
    status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 500)
    return JSONResponse({"detail": str(error)}, status)


async def _say_invalid(_: Request, error: Exception) -> JSONResponse:
    first = error.errors()[0]
    name = first["loc"][-1] if first["loc"] else "The request"
    return JSONResponse({"detail": f"'{name}': {first['msg']}."}, 422)
