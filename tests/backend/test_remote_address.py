"""What an artist may write as the address, token and certificate of a backend elsewhere."""

import dataclasses

import pytest

from backend.errors import AddressRefused
from backend.remote import Remote, is_loopback, read_remote

TOKEN = "x" * 43
PRINT = "ab" * 32
IN_THE_OPEN = "would cross the network in the open"
NO_ADDRESS = "is no address of a backend"


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("https://render-box:9000", "https://render-box:9000"),
        ("render-box", "https://render-box:8765"),
        ("render-box:9000", "https://render-box:9000"),
        (" HTTPS://Render.Example/ ", "https://render.example:8765"),
        ("192.168.1.5:9000", "https://192.168.1.5:9000"),
        ("https://[fd00::2]:9000", "https://[fd00::2]:9000"),
        ("https://[FD00:0:0:0::2]:9000", "https://[fd00::2]:9000"),
        ("https://127.0.0.1:9000", "https://127.0.0.1:9000"),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
        ("http://127.9.9.9", "http://127.9.9.9:8765"),
        ("http://[::1]:9000", "http://[::1]:9000"),
        ("http://localhost:9000", "http://127.0.0.1:9000"),
        ("http://LOCALHOST", "http://127.0.0.1:8765"),
    ],
)
def test_addresses(address, url):
    assert read_remote(address, TOKEN).url == url


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("http://render-box:9000", IN_THE_OPEN),
        ("http://192.168.1.5", IN_THE_OPEN),
        ("http://0.0.0.0:9000", IN_THE_OPEN),
        ("http://[::]:9000", IN_THE_OPEN),
        ("http://[fd00::2]:9000", IN_THE_OPEN),
        ("http://[::ffff:192.168.1.5]:9000", IN_THE_OPEN),
        ("http://127.0.0.1.evil.example", IN_THE_OPEN),
        ("http://localhost.evil.example", IN_THE_OPEN),
        ("http://127.1", NO_ADDRESS),
        ("http://0x7f000001", IN_THE_OPEN),
        ("http://2130706433", NO_ADDRESS),
        ("http://1270.0.0.1", NO_ADDRESS),
        ("http://127.0.0.1@evil.example", NO_ADDRESS),
        ("http://evil.example#@127.0.0.1", NO_ADDRESS),
        ("http://127.0.0.1\\@evil.example", NO_ADDRESS),
        ("http://127.0.0.1 .evil.example", NO_ADDRESS),
        ("http://127.0.0.1\t.evil.example", IN_THE_OPEN),  # urlsplit drops the tab, as browsers do
        ("http://127.0.0.1\nX: y", NO_ADDRESS),
        ("http://ｌocalhost:9000", NO_ADDRESS),
        ("http://127。0。0。1", NO_ADDRESS),
        ("ftp://render-box", NO_ADDRESS),
        ("file:///etc/passwd", NO_ADDRESS),
        ("https://", NO_ADDRESS),
        ("", NO_ADDRESS),
        ("https://render-box:0x50", NO_ADDRESS),
        ("https://render-box:0", NO_ADDRESS),
        ("https://render-box:99999", NO_ADDRESS),
        ("https://render-box/depthshot", NO_ADDRESS),
        ("https://render-box?x=1", NO_ADDRESS),
        ("render-box?", NO_ADDRESS),
        ("https://[::1", NO_ADDRESS),
        ("https://[fe80::1%25eth0]", NO_ADDRESS),
        ("https://-render-box", NO_ADDRESS),
        ("https://192.168.1.256", NO_ADDRESS),
        ("https://render..box", NO_ADDRESS),
        (f"https://{'a' * 64}", NO_ADDRESS),
        ("x" * 5000, NO_ADDRESS),
    ],
)
def test_addresses_that_are_refused(address, why):
    with pytest.raises(AddressRefused, match=why) as refused:
        read_remote(address, TOKEN)
    said = str(refused.value)
    assert "https://" in said
    assert len(said) < 500
    if why == IN_THE_OPEN:
        assert "--tls-cert" in said
        assert "ssh -N -L" in said


def test_nobody_makes_an_address_that_shows_the_token():
    remote = read_remote("https://render-box", TOKEN)
    for url in ("http://render-box:8765", "http://192.168.1.5:8765"):
        with pytest.raises(AddressRefused, match=IN_THE_OPEN):
            dataclasses.replace(remote, url=url)
        with pytest.raises(AddressRefused, match=IN_THE_OPEN):
            Remote(url, TOKEN)
    with pytest.raises(ValueError, match="read_remote"):
        Remote("HTTP://localhost", TOKEN)
    assert TOKEN not in repr(remote)


@pytest.mark.parametrize(
    "token", ["", " ", "short", "x" * 300, "a b" * 20, "x" * 40 + "\nX: y", "é" * 40]
)
def test_tokens_that_are_none(token):
    with pytest.raises(AddressRefused, match=r"The token .* (missing|not one); paste") as refused:
        read_remote("https://render-box", token)
    assert not token.strip() or token not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        PRINT,
        PRINT.upper(),
        ":".join([PRINT[:2].upper()] * 32),
        f"sha256 Fingerprint={':'.join([PRINT[:2].upper()] * 32)}",
        f"SHA256 Fingerprint={':'.join([PRINT[:2].upper()] * 32)}\n",
        f"sha256:{PRINT}",
        f" {PRINT} ",
    ],
)
def test_fingerprints(text):
    assert read_remote("https://render-box", TOKEN, text).fingerprint == PRINT


@pytest.mark.parametrize("text", ["ab", PRINT[:40], PRINT + "ab", "g" * 64, "x"])
def test_fingerprints_that_are_none(text):
    with pytest.raises(AddressRefused, match="is no SHA-256 fingerprint"):
        read_remote("https://render-box", TOKEN, text)


def test_a_fingerprint_without_a_certificate_is_said():
    with pytest.raises(AddressRefused, match="has no certificate"):
        read_remote("http://127.0.0.1", TOKEN, PRINT)


def test_loopback():
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "LocalHost")] == [True] * 3
    assert not any(is_loopback(host) for host in ("0.0.0.0", "::", "::ffff:10.0.0.1", "render-box"))
