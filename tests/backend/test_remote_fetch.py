"""A take is fetched from another machine over one connection, however many files it has."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from backend.bundle import pack
from backend.client import Backend, read_remote
from backend.connection import Connection
from backend.download import download_take
from backend.errors import AddressRefused, BackendLost
from backend.remote import Remote
from backend.take import verify_take
from tests.analytic import analytic_shot
from tests.backends import all_events, frame_files
from tests.certificates import SELF_SIGNED, SIGNED
from tests.remotes import free_port, served


@dataclass
class Wire:
    """What lies between the client and a server: passes bytes on, counts and cuts connections.

    Attributes:
        port: Where the client gets in.
        accepted: How many connections there were.
        cuts: How many connections to cut yet, each before the client's next byte gets through.
    """

    port: int
    to: int
    accepted: int = 0
    cuts: int = 0
    pumps: list[threading.Thread] = field(default_factory=list)

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        with socket.create_server(("127.0.0.1", self.port)) as listener:
            accepting = threading.Thread(target=self.accept, args=(listener,))
            accepting.start()
            try:
                yield
            finally:
                listener.shutdown(socket.SHUT_RDWR)
                for thread in [accepting, *self.pumps]:
                    thread.join(60)

    def accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # the end
            while True:
                client = listener.accept()[0]
                self.accepted += 1
                pump = threading.Thread(target=self.pump, args=(client,))
                self.pumps.append(pump)
                pump.start()

    def pump(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self.to)) as server:
            back = threading.Thread(target=self.back, args=(server, client))
            back.start()
            with contextlib.suppress(OSError):  # either of them has gone
                while content := client.recv(65_536):
                    if self.cuts:
                        self.cuts -= 1
                        break
                    server.sendall(content)
            hang_up(server, client)
            back.join(60)

    @staticmethod
    def back(server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):  # either of them has gone
            while content := server.recv(65_536):
                client.sendall(content)
        hang_up(server, client)


def hang_up(*sockets: socket.socket) -> None:
    for each in sockets:
        with contextlib.suppress(OSError):  # it has been, from the other side
            each.shutdown(socket.SHUT_RDWR)


@dataclass(frozen=True)
class Made:
    """A take on a server with TLS, and the wire there."""

    wire: Wire
    remote: Remote
    job: str
    take: Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    folder = tmp_path_factory.mktemp("fetch")
    certificate, key = SELF_SIGNED.write(folder)
    port = free_port()
    archive = folder / "shot.zip"
    pack(analytic_shot(folder / "shot", frames=6), archive)
    tls = ("--tls-cert", certificate, "--tls-key", key, "--name", f"127.0.0.1:{port}")
    with served(folder / "data", *tls) as box:
        wire = Wire(port, box.port)
        remote = read_remote(f"https://127.0.0.1:{port}", box.token, SELF_SIGNED.fingerprint)
        with wire.open():
            backend = Backend(remote)
            job = backend.submit(archive, model="projection", settings={})
            assert all_events(backend.follow(job))[-1].kind == "done"
            backend.close()
            yield Made(wire, remote, job, box.data / "store-1" / "jobs" / job / "take")


def test_all_files_come_over_one_connection(made, tmp_path):
    before = made.wire.accepted
    folder = download_take(Connection(made.remote), made.job, tmp_path / "take")
    assert len(verify_take(folder).files) == 12
    assert frame_files(folder) == frame_files(made.take)
    assert made.wire.accepted - before == 1


def test_the_one_connection_is_to_the_pinned_certificate(made, tmp_path):
    other = read_remote(made.remote.url, made.remote.token, SIGNED.fingerprint)
    with pytest.raises(AddressRefused, match="so nothing was sent"):
        download_take(Connection(other), made.job, tmp_path / "take")
    assert not (tmp_path / "take").exists()


def cutting(wire: Wire, *, cuts: int):
    """Return an `on_progress` that has the wire cut before the fourth file is asked for."""

    def on_progress(count: int, _: int) -> None:
        if count == 3:
            wire.cuts = cuts

    return on_progress


def test_a_connection_that_the_server_has_just_closed_is_made_again(made, tmp_path):
    """A server closes what is idle, also at the very moment when it is used again."""
    before = made.wire.accepted
    on_progress = cutting(made.wire, cuts=1)
    folder = download_take(Connection(made.remote), made.job, tmp_path / "take", on_progress)
    assert frame_files(folder) == frame_files(made.take)
    assert made.wire.accepted - before == 2


def test_a_server_that_is_gone_is_not_asked_for_ever(made, tmp_path):
    before = made.wire.accepted
    on_progress = cutting(made.wire, cuts=1000)
    with pytest.raises(BackendLost, match="No backend answers"):
        download_take(Connection(made.remote), made.job, tmp_path / "take", on_progress)
    made.wire.cuts = 0
    assert made.wire.accepted - before == 2
    # What had come is kept.
    folder = download_take(Connection(made.remote), made.job, tmp_path / "take")
    assert frame_files(folder) == frame_files(made.take)
