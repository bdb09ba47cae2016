"""A server for other machines: a second process, real TLS, and everything that it refuses."""

import contextlib
import http.server
import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator

import psutil
import pytest

from backend.bundle import pack
from backend.client import Backend, read_remote
from backend.connection import Connection
from backend.errors import AddressRefused, BackendLost, ProtocolMismatch
from backend.rendezvous import ServerInfo, read_server, write_server
from backend.server.leases import TICK_SECONDS, Leases
from backend.take import verify_take
from backend.wire import PROTOCOL
from tests.analytic import analytic_shot
from tests.backends import PYTHON, ROOT, all_events, frame_files
from tests.certificates import AUTHORITY, SELF_SIGNED, SIGNED
from tests.remotes import Served, free_port, own_address, served


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with a certificate of its own, on an address that other machines reach."""
    folder = tmp_path_factory.mktemp("box")
    certificate, key = SELF_SIGNED.write(folder)
    tls = ("--tls-cert", certificate, "--tls-key", key)
    host = own_address() or "127.0.0.1"
    with served(folder / "data", *tls, "--host", host, "--name", "render-box") as box:
        yield box
    log = box.log.read_text()
    assert "Exception in" not in log, log
    assert box.token not in log, "the token is in the log"


def url(box: Served) -> str:
    return f"https://{own_address() or '127.0.0.1'}:{box.port}"


def test_a_shot_goes_there_and_its_take_comes_back(box, tmp_path, monkeypatch):
    # A proxy or a netrc of this user's must not get to see the token.
    for name in ("https_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    archive = tmp_path / "shot.zip"
    pack(analytic_shot(tmp_path / "shot"), archive)
    backend = Backend(read_remote(url(box), box.token, SELF_SIGNED.fingerprint))
    try:
        job = backend.submit(archive, model="projection", settings={})
        assert all_events(backend.follow(job))[-1].kind == "done"
        theirs = box.data / "store-1" / "jobs" / job / "take"
        folder = backend.download(job, tmp_path / "take")
        assert verify_take(folder).model == "projection"
        assert frame_files(folder) == frame_files(theirs)
        assert not (tmp_path / "shot.zip.part").exists()
        assert backend.in_words() == f"{socket.gethostname()} (cpu): ready, no job"
        assert (len(backend.store), backend.address) == (16, url(box))
        backend.delete(job)
        assert job not in [each["id"] for each in backend.jobs()]
        assert not theirs.exists()
    finally:
        backend.close()


def test_it_is_found_on_its_own_machine_too(box):
    """Whoever sits at that machine needs no address, and gets no second server."""
    info = read_server(box.data)
    assert (info.url, info.fingerprint) == (url(box), SELF_SIGNED.fingerprint)
    backend = Backend.start_or_attach(PYTHON, ROOT, box.data)
    try:
        assert Connection(read_server(box.data)).hello()["pid"] == box.process.pid
        assert (backend.address, backend.machine) == ("", "")
    finally:
        backend.close()


def test_a_file_that_would_send_the_token_out_in_the_open_counts_as_none(tmp_path):
    for host, fingerprint, good in (
        ("127.0.0.1", "", True),
        ("192.0.2.9", "", False),
        ("192.0.2.9", "ab" * 32, True),
        ("render-box", "ab" * 32, False),
    ):
        write_server(tmp_path, ServerInfo(PROTOCOL, 1000, "t", 1, host, fingerprint))
        assert (read_server(tmp_path) is not None) == good, host


def test_it_listens_where_it_was_asked_to_alone(box):
    addresses = {
        each.laddr.ip
        for each in psutil.Process(box.process.pid).net_connections("inet")
        if each.status == psutil.CONN_LISTEN
    }
    assert addresses == {own_address() or "127.0.0.1"}


WRONG = {
    "another token": (None, "y" * 43, SELF_SIGNED.fingerprint, "does not take the token"),
    "another certificate": (None, None, SIGNED.fingerprint, "so nothing was sent"),
    "an authority nobody knows": (None, None, "", "does not trust the certificate"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_one_sentence(box, case):
    address, token, fingerprint, said = WRONG[case]
    remote = read_remote(address or url(box), token or box.token, fingerprint)
    with pytest.raises(AddressRefused, match=said) as refused:
        Backend(remote)
    assert f":{box.port}" in str(refused.value)
    assert box.token not in str(refused.value)


def test_nobody_there_is_said():
    remote = read_remote(f"https://127.0.0.1:{free_port()}", "x" * 43)
    with pytest.raises(BackendLost, match="No backend answers at https://127"):
        Backend(remote)
    with pytest.raises(BackendLost, match="No backend answers at https://no-such-machine"):
        Backend(read_remote("https://no-such-machine.invalid", "x" * 43))


def status(box: Served, *headers: str) -> int:
    """Send a request for hello with these headers as they are; return the answer's status."""
    context = ssl.create_default_context(cadata=SELF_SIGNED.certificate)
    context.check_hostname = False  # the certificate is for another name than it is called by here
    with (
        socket.create_connection((own_address() or "127.0.0.1", box.port), 10) as plain,
        context.wrap_socket(plain) as connection,
    ):
        lines = ["GET /v1/hello HTTP/1.1", *headers, "Connection: close", "", ""]
        connection.sendall("\r\n".join(lines).encode())
        return int(connection.recv(100).split()[1])


def test_names(box):
    """Those it was given and those of this machine itself; a page's rebound name is not one."""
    token = f"Authorization: Bearer {box.token}"
    known = [f"render-box:{box.port}", f"127.0.0.1:{box.port}", f"LOCALHOST:{box.port}"]
    others = ["evil.example", f"evil.example:{box.port}", "render-box", "render-box:1", ""]
    assert [status(box, f"Host: {host}", token) for host in known] == [200] * 3
    assert [status(box, f"Host: {host}", token) for host in others] == [403] * 5
    assert status(box, f"Host: {known[0]}", f"Host: {others[1]}", token) in (400, 403)


@pytest.mark.parametrize(
    "header", ["Origin: null", "Origin: https://render-box", "Sec-Fetch-Site: cross-site"]
)
def test_a_web_page_is_refused(box, header):
    host, token = f"Host: render-box:{box.port}", f"Authorization: Bearer {box.token}"
    assert status(box, host, token, header) == 403


def test_without_its_token_nothing_is_said(box):
    host = f"Host: render-box:{box.port}"
    for header in ("X: y", "Authorization: Bearer", f"Authorization: Bearer {box.token[:-1]}"):
        assert status(box, host, header) == 401


def test_tokens_are_compared_in_constant_time(monkeypatch):
    """Over a network an answer's time could tell how many letters of a guess are right."""
    from backend.server import guard

    compared = []
    monkeypatch.setattr(guard.secrets, "compare_digest", lambda a, b: compared.append(b) or False)
    scope = {
        "type": "http",
        "method": "GET",
        "headers": [(b"host", b"h"), (b"authorization", b"x")],
    }
    asked = guard.Guard(None, hosts=frozenset({b"h"}), token="t")
    assert asked._refusal(scope)[0] == 401
    assert compared == [b"Bearer t"]


def test_what_the_system_trusts_is_trusted(tmp_path, monkeypatch):
    """By name, without a fingerprint; SSL_CERT_FILE says where the system's store is."""
    certificate, key = SIGNED.write(tmp_path)
    (tmp_path / "authorities.pem").write_text(AUTHORITY)
    with served(tmp_path / "data", "--tls-cert", certificate, "--tls-key", key) as box:
        for host in ("localhost", "127.0.0.1"):
            remote = read_remote(f"https://{host}:{box.port}", box.token)
            monkeypatch.delenv("SSL_CERT_FILE", raising=False)
            with pytest.raises(AddressRefused, match="does not trust the certificate"):
                Connection(remote).hello()
            monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authorities.pem"))
            assert Connection(remote).hello()["protocol"] == PROTOCOL
    certificate, key = SELF_SIGNED.write(tmp_path)  # trusted, but for another name
    (tmp_path / "authorities.pem").write_text(SELF_SIGNED.certificate)
    with (
        served(tmp_path / "other", "--tls-cert", certificate, "--tls-key", key) as box,
        pytest.raises(AddressRefused, match="for that name"),
    ):
        Connection(read_remote(f"https://localhost:{box.port}", box.token)).hello()


def test_through_a_tunnel_and_after_a_restart(tmp_path):
    """The near end of a tunnel is plain http on loopback; the token outlives the server."""
    port = free_port()
    with served(tmp_path / "data", port=port) as box:
        remote = read_remote(f"http://localhost:{port}", box.token)
        backend = Backend(remote)
        store = backend.store
        with pytest.raises(AddressRefused, match="does not speak TLS"):
            Connection(read_remote(f"https://127.0.0.1:{port}", box.token)).hello()
    with pytest.raises(BackendLost, match="No backend answers"):
        backend.jobs()
    with served(tmp_path / "data", port=port) as again:
        assert again.token == box.token
        backend.reattach()
        assert backend.store == store
        assert backend.jobs() == []
        backend.close()


def test_a_job_goes_on_while_nobody_is_there_and_is_followed_again(tmp_path):
    """The connection is lost in the middle of it, then the whole server; every event comes once."""
    archive, port = tmp_path / "shot.zip", free_port()
    pack(analytic_shot(tmp_path / "shot", frames=30, size=(160, 96), step=0.01), archive)
    certificate, key = SELF_SIGNED.write(tmp_path)
    tls = ("--tls-cert", certificate, "--tls-key", key)
    with served(tmp_path / "data", *tls, port=port) as box:
        remote = read_remote(f"https://127.0.0.1:{port}", box.token, SELF_SIGNED.fingerprint)
        backend = Backend(remote)
        job = backend.submit(archive, model="projection", settings={})
        following = backend.follow(job)
        events = []
        while not any(event.kind == "frame" for event in events):
            events += following.drain()
            time.sleep(0.01)
        following.close()  # it would go on by itself
        box.process.kill()
        box.process.wait()
    with served(tmp_path / "data", *tls, port=port):
        backend.close()  # as a Blender that ends does
        later = Backend(remote)
        events += all_events(later.follow(job, after=events[-1].seq))
        numbers = [event.seq for event in events]
        assert numbers == sorted(set(numbers))
        assert sum(event.kind == "frame" for event in events) == 30
        assert events[-1].kind == "done"
        assert verify_take(later.download(job, tmp_path / "take")).frames == 30
        later.close()


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """A server that sends whoever asks on to another one, and notes what it is told."""

    to = ""
    heard: list[str] = []  # noqa: RUF012 - one list for all requests is what is wanted
    answer = b"{}"

    def do_GET(self) -> None:
        self.heard.append(self.headers.get("Authorization", ""))
        self.send_response(302 if self.to else 200)
        self.send_header("Location", self.to)
        self.end_headers()
        self.wfile.write(self.answer)

    def log_message(self, *_: object) -> None:
        return


def answering(*, port: int = 0, tls: ssl.SSLContext | None = None, **what: object):
    """Return a server of that kind, for `with`."""
    handler = type("Here", (Elsewhere,), {"heard": [], **what})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    return server


def test_a_redirect_is_not_followed():
    with answering() as other:
        with answering(to=f"http://127.0.0.1:{other.server_port}/v1/hello") as first:
            remote = read_remote(f"http://127.0.0.1:{first.server_port}", "x" * 43)
            with pytest.raises(AddressRefused, match="is not a backend of Depthshot"):
                Connection(remote).hello()
            with pytest.raises(AddressRefused, match="is not a backend of Depthshot"):
                Connection(remote).json("GET", "/v1/shots")
            assert first.RequestHandlerClass.heard == [f"Bearer {'x' * 43}"] * 2
            first.shutdown()
        assert other.RequestHandlerClass.heard == []
        other.shutdown()


@pytest.mark.parametrize("status", [200, 422])
def test_an_answer_without_an_end_is_not_read_to_it(status):
    sent = []

    def endless(here: Elsewhere) -> None:
        here.send_response(status)
        here.end_headers()
        with contextlib.suppress(OSError):  # whoever asked has gone
            while len(sent) < 200:
                here.wfile.write(b" " * 1_000_000)
                sent.append(1)

    with answering(do_GET=endless) as other:
        remote = read_remote(f"http://127.0.0.1:{other.server_port}", "x" * 43)
        with pytest.raises(AddressRefused, match="is not a backend of Depthshot"):
            Connection(remote).hello()
        other.shutdown()
    assert 30 < len(sent) < 60


def test_another_version_is_said():
    answer = b'{"protocol": 99, "draining": false}'
    with answering(answer=answer) as other:
        remote = read_remote(f"http://127.0.0.1:{other.server_port}", "x" * 43)
        with pytest.raises(ProtocolMismatch, match=r"speaks protocol 99.*on both machines"):
            Backend(remote)
        other.shutdown()


def test_another_machine_with_another_certificate_does_not_hear_the_token(tmp_path):
    """What is compared is compared before the request is sent."""
    certificate, key = SIGNED.write(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with answering(tls=context) as other:
        at = f"https://localhost:{other.server_port}"
        with pytest.raises(AddressRefused, match="so nothing was sent"):
            Connection(read_remote(at, "x" * 43, SELF_SIGNED.fingerprint)).hello()
        with pytest.raises(AddressRefused, match="does not trust"):
            Connection(read_remote(at, "x" * 43)).hello()
        assert other.RequestHandlerClass.heard == []
        with pytest.raises(AddressRefused, match="is not a backend"):  # and the way it is heard
            Connection(read_remote(at, "x" * 43, SIGNED.fingerprint)).hello()
        assert other.RequestHandlerClass.heard == [f"Bearer {'x' * 43}"]
        other.shutdown()


def test_a_server_that_stays_forgets_who_went_without_a_word():
    leases = Leases(None)
    leases.renew("a")
    assert leases.clients() == 1
    ends = [leases.tick() for _ in range(int(31 / TICK_SECONDS))]
    assert not any(ends), "it stays"
    assert leases.clients() == 0


def test_the_client_says_nothing_of_the_token_in_its_log(box, caplog):
    caplog.set_level(logging.DEBUG)
    remote = read_remote(url(box), box.token, SELF_SIGNED.fingerprint)
    Backend(remote).close()
    with pytest.raises(BackendLost):
        Connection(read_remote(f"https://127.0.0.1:{free_port()}", box.token)).hello()
    assert box.token not in caplog.text
