"""What `serve` refuses to do, and the token that it keeps."""

import os
import subprocess
from pathlib import Path

import pytest

from backend.remote import DEFAULT_PORT, read_remote
from backend.server.listen import read_name
from tests.backends import ROOT
from tests.certificates import SELF_SIGNED, SIGNED
from tests.remotes import backend_command, free_port, own_address


def serve_fails(data: Path, *arguments: object) -> tuple[int, str]:
    """Return the status and the one sentence that `serve` ends with."""
    command = backend_command("serve", "--data", data, *arguments)
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return done.returncode, line


@pytest.mark.parametrize("host", ["0.0.0.0", "::", own_address() or "0.0.0.0"])
def test_nothing_but_loopback_without_tls(tmp_path, host):
    status, line = serve_fails(tmp_path / "data", "--host", host, "--port", free_port())
    assert status == 1
    assert line.startswith(f"Without TLS the backend listens on this machine alone, and '{host}'")
    assert "--tls-cert" in line
    assert "ssh -N -L" in line
    assert not list((tmp_path / "data").glob("server-*.json"))


def test_what_serve_refuses(tmp_path):
    data, port = tmp_path / "data", free_port()
    certificate, key = SELF_SIGNED.write(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    _, other_key = SIGNED.write(other)
    tls = ("--tls-cert", certificate, "--tls-key", key)
    table = [
        (2, "belong together", "--tls-cert", certificate),
        (2, "belong together", "--tls-key", key),
        (2, "is no port", "--port", "70000"),
        (2, "ends by itself", "--lease", "5", *tls),
        (1, "every address of this machine", "--host", "0.0.0.0", *tls),
        (1, "is no address or name", "--host", "no-such-machine.invalid", *tls),
        (1, "that fit each other", "--tls-cert", certificate, "--tls-key", other_key),
        (1, "that fit each other", "--tls-cert", key, "--tls-key", key),
        (1, "No such file", "--tls-cert", tmp_path / "none", "--tls-key", key),
    ]
    for status, said, *arguments in table:
        ended, line = serve_fails(data, "--port", port, *arguments)
        assert (ended, said in line) == (status, True), line
    if os.name == "posix":
        key.chmod(0o644)
        assert "chmod 600" in serve_fails(data, *tls)[1]


NO_NAMES = {
    "a port that nobody listens on": "render-box:0",
    "a port beyond the last": "render-box:65536",
    "no port": "render-box:",
    "nothing": "",
    "a port alone": ":8765",
    "blanks": "  ",
    "a blank in it": "render box",
    "a URL": "https://render-box",
    "a path": "render-box/shots",
    "254 characters": ".".join(["a" * 63] * 3 + ["a" * 62]),
    "a part of 64 characters": "a" * 64,
    "an empty part": "render..box",
    "an option": "-render-box",
    "an address that is none": "192.168.1.256",
    "IPv6 that could end in a port": "2001:db8::1:8765",
    "IPv6 that is none": "[2001:db8::12345]",
    "IPv6 of one network card": "[fe80::1%eth0]",
    "IPv4 in brackets": "[127.0.0.1]",
    "brackets that stay open": "[::1",
    "another alphabet": "rénder-box",
}


@pytest.mark.parametrize("case", NO_NAMES)
def test_what_is_no_name_of_a_machine_is_refused(tmp_path, case):
    status, line = serve_fails(tmp_path / "data", f"--name={NO_NAMES[case]}")
    assert status == 2
    assert line == (
        f"--name '{NO_NAMES[case][:80]}' is no host name or address; give NAME or NAME:PORT with a"
        " port from 1 to 65535, and an IPv6 address in brackets ([::1])."
    )
    assert not (tmp_path / "data").exists()


def test_a_name_is_read_as_clients_write_it():
    """An address has many forms, of which clients write the shortest."""
    for name, read in {
        "Render-Box": "render-box",
        "render_box.studio.example:443": "render_box.studio.example:443",
        "render-box:08765": "render-box:8765",
        "192.168.1.20": "192.168.1.20",
        "[::1]": "[::1]",
        "[2001:DB8:0:0:0:0:0:1]:8765": "[2001:db8::1]:8765",
        ".".join(["a" * 63] * 3 + ["a" * 61]): ".".join(["a" * 63] * 3 + ["a" * 61]),
    }.items():
        assert read_name(name) == read
        url = read_remote(f"https://{name}", "x" * 43).url.lower()
        assert url.removesuffix(f":{DEFAULT_PORT}") == f"https://{read}".removesuffix(":8765")


def test_the_token_is_kept_for_its_user_alone(tmp_path):
    def token(*arguments: str) -> subprocess.CompletedProcess:
        command = backend_command("token", "--data", tmp_path / "data", *arguments)
        return subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False
        )

    first = token()
    assert (first.returncode, first.stderr) == (0, "")
    assert len(first.stdout.strip()) >= 43
    file = tmp_path / "data" / "token"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert token().stdout == first.stdout
    new = token("--new").stdout
    assert new not in ("", first.stdout)
    file.chmod(0o640)
    refused = token()
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "open to other users" in refused.stderr
    assert new.strip() not in refused.stderr
    assert token("--new").returncode == 0
    file.write_text("hunter2")
    assert "holds no token" in token().stderr
    assert [path.name for path in file.parent.iterdir()] == ["token"]
