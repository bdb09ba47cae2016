import io
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tools import cli, display, window, window_blender
from tools.console import DevError

ON_LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Xvfb is Linux's")


def dump(width, height, pixels, *, bits=32):
    """An X window dump as Xvfb keeps it: a name, two colours that nobody needs, blue first."""
    name = b"screen\0\0"
    header = [100 + len(name), 7, 2, 24, width, height, 0, 0, 32, 0, 32, bits, width * 4 + 8]
    header += [4, 0xFF0000, 0xFF00, 0xFF, 8, 256, 2, width, height, 0, 0, 0]
    lines = [
        b"".join(bytes([b, g, r, 0]) for r, g, b in pixels[y * width : (y + 1) * width]) + b"\0" * 8
        for y in range(height)
    ]
    return struct.pack(">25I", *header) + name + b"c" * 24 + b"".join(lines)


def test_what_a_display_shows_is_read_and_kept_as_a_picture(tmp_path):
    pixels = [(1, 2, 3), (4, 5, 6), (7, 8, 9), (50, 51, 52), (0, 255, 0), (255, 0, 0)]
    rows = display.read_dump(dump(3, 2, pixels))
    assert rows == [
        bytes([1, 2, 3, 4, 5, 6, 7, 8, 9]),
        bytes([50, 51, 52, 0, 255, 0, 255, 0, 0]),
    ]
    picture = Image.open(io.BytesIO(display.png(rows)))
    assert (picture.mode, picture.size) == ("RGB", (3, 2))
    assert picture.tobytes() == b"".join(rows)
    frame = tmp_path / "frame"
    frame.write_bytes(dump(3, 2, pixels))
    display.Display(":1", frame, 0).save(tmp_path / "cut.png", box=(1, 0, 3, 1))
    with Image.open(tmp_path / "cut.png") as cut:
        assert (cut.size, cut.tobytes()) == ((2, 1), bytes([4, 5, 6, 7, 8, 9]))


def test_a_display_of_another_depth_is_refused():
    with pytest.raises(DevError, match="16 bits a pixel"):
        display.read_dump(dump(1, 1, [(0, 0, 0)], bits=16))


@ON_LINUX
def test_an_xvfb_that_does_not_start_says_why(tmp_path):
    command = [sys.executable, "-c", "print('no fonts'); raise SystemExit(1)"]
    starting = display.display(command, tmp_path)
    with pytest.raises(DevError, match="Xvfb does not start: no fonts"), starting:
        pass


@ON_LINUX
def test_a_display_ends_with_its_block(tmp_path):
    source = "import os, sys, time; os.write(int(sys.argv[2]), b'42\\n'); time.sleep(300)"
    with display.display([sys.executable, "-c", source], tmp_path) as running:
        assert running.name == ":42"
        (server,) = children()
    assert server not in children()


def children():
    tasks = Path(f"/proc/self/task/{os.getpid()}/children")
    return tasks.read_text().split()


def test_a_blender_that_is_named_and_not_there_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv(window.VARIABLE, str(tmp_path / "blender"))
    with pytest.raises(DevError, match=r"^BLENDER=.*is not a program that can be run\.$"):
        window.find()


def test_without_a_blender_the_way_to_one_is_said(monkeypatch, tmp_path):
    monkeypatch.delenv(window.VARIABLE, raising=False)
    monkeypatch.setenv("DEPTHSHOT_ENV_DIR", str(tmp_path))
    assert not window_blender.is_there()
    with pytest.raises(DevError, match=r"dev\.py test --ui` brings one"):
        window.find()


def test_a_system_that_cannot_have_it_skips_and_does_not_fail(monkeypatch, tmp_path, capsys):
    monkeypatch.delenv(window.VARIABLE, raising=False)
    monkeypatch.setenv("DEPTHSHOT_ENV_DIR", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cli.main(["test", "--ui"]) == 0
    said = capsys.readouterr()
    assert said.out == "0 passed, 0 failed, 1 skipped\n"
    assert "tests/ui are skipped: Debian's Blender runs on Linux alone" in said.err
    assert "BLENDER=/path/to/blender" in said.err


def test_a_named_blender_that_is_not_there_fails(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv(window.VARIABLE, str(tmp_path / "blender"))
    assert cli.main(["test", "--ui"]) == 2
    assert "is not a program that can be run" in capsys.readouterr().err


LISTED = """https://deb.example/debian/ bookworm main
https://deb.example/security/ bookworm-security main
https://cloud.example/apt cloud-sdk-bookworm main
"""


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ({"ID": "debian", "VERSION_CODENAME": "bookworm"}, "https://deb.example/debian/"),
        ({"ID": "debian", "VERSION_CODENAME": "forky"}, None),
        ({"ID": "ubuntu", "VERSION_CODENAME": "bookworm"}, None),
    ],
)
def test_the_mirror_is_the_one_this_system_has(monkeypatch, release, expected):
    def listed(command, **_):
        assert command[:2] == ["apt-get", "indextargets"]
        return subprocess.CompletedProcess(command, 0, LISTED, "")

    monkeypatch.setattr(subprocess, "run", listed)
    assert window_blender.mirror(release) == expected


def test_what_is_half_unpacked_is_not_taken(monkeypatch, tmp_path):
    monkeypatch.setenv("DEPTHSHOT_ENV_DIR", str(tmp_path))
    window_blender.executable().parent.mkdir(parents=True)
    window_blender.executable().touch()
    assert not window_blender.is_there()
