"""A take as a movie, decoded again: every frame, the exact rate, the colours, the tags."""

import subprocess
import sys
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from backend.errors import Cancelled, ExportError, StorageError, TakeError
from backend.export.movie import CODECS, export_movie
from backend.export.rates import exact_rate
from backend.export.yuv import to_planes
from backend.marks import software
from tests.backend.exports import SOURCE_ADDRESS, picture, quiet, write_take
from tests.backends import ROOT

FILES = {"h264": "movie.mp4", "prores": "movie.mov", "prores4444": "movie.mov"}


def decoded(path):
    """Return the pictures of a movie as (H, W, 3) code values 0 to 255.

    BT.709's own equations, in the limited range that the tags promise; FFmpeg's reformatting
    rounds down.
    """
    with av.open(str(path)) as movie:
        return [rgb_of(frame) for frame in movie.decode(video=0)]


def rgb_of(frame):
    depth = {"yuv420p": 8, "yuv422p10le": 10, "yuv444p12le": 12}[frame.format.name]
    kind = np.uint8 if depth == 8 else np.uint16
    y, cb, cr = (
        np.frombuffer(plane, kind).reshape(plane.height, -1)[:, : plane.width].astype(np.float64)
        / 2 ** (depth - 8)
        for plane in frame.planes
    )
    y = (y - 16) / 219
    cb, cr = ((spread(plane, y.shape) - 128) / 224 for plane in (cb, cr))
    red, blue = y + 1.5748 * cr, y + 1.8556 * cb
    green = (y - 0.2126 * red - 0.0722 * blue) / 0.7152
    return np.stack([red, green, blue], -1) * 255


def spread(plane, shape):
    """Interpolate chroma that lies on the left column, and in 4:2:0 between two rows."""
    height, width = shape
    across, down = width // plane.shape[1], height // plane.shape[0]
    rows = np.arange(height) / down - (0.25 if down == 2 else 0)
    lines = [np.interp(rows, np.arange(plane.shape[0]), column) for column in plane.T]
    columns = np.arange(width) / across
    return np.stack(
        [np.interp(columns, np.arange(plane.shape[1]), row) for row in np.stack(lines, 1)]
    )


def stream_of(path):
    """Return what a movie says of itself."""
    with av.open(str(path)) as movie:
        (stream,) = movie.streams
        next(movie.decode(stream))  # ProRes says its colours frame by frame
        context = stream.codec_context
        return {
            "codec": context.name,
            "profile": context.profile,
            "rate": stream.average_rate,
            "base": stream.guessed_rate,
            "frames": stream.frames,
            "size": (context.width, context.height),
            "seconds": stream.duration * stream.time_base,
            "colours": tuple(
                int(value)
                for value in (
                    context.color_range,
                    context.colorspace,
                    context.color_primaries,
                    context.color_trc,
                )
            ),
            "metadata": dict(movie.metadata),
        }


@pytest.mark.parametrize(("codec", "most"), [("h264", 1.5), ("prores", 0.5), ("prores4444", 0.3)])
def test_every_frame_is_there_once_in_order_with_its_colours(tmp_path, codec, most):
    write_take(tmp_path / "take", frames=7, size=(192, 128))
    target = tmp_path / FILES[codec]
    movie = export_movie(tmp_path / "take", target, codec=codec, quality="high", **quiet())
    shown = decoded(target)
    assert (movie.frames, len(shown), movie.warnings) == (7, 7, ())
    for index, pixels in enumerate(shown):
        error = pixels - picture(index, (192, 128))
        assert np.abs(error).mean() < most
        # A wrong range or matrix moves whole areas by ten and more.
        assert np.abs(error.mean(axis=(0, 1))).max() < 0.5


def test_ten_bits_of_a_sixteen_bit_take_stay(tmp_path):
    ramp = np.linspace(0.25, 0.3, 256)[None, :, None] * np.ones((16, 1, 3))
    write_take(tmp_path / "take", pictures=[np.zeros((16, 256, 3), np.uint8)], size=(256, 16))
    values = np.rint(ramp * 65535).astype(np.uint16)
    assert cv2.imwrite(str(tmp_path / "take/frames/0001.png"), values)
    export_movie(tmp_path / "take", tmp_path / "a.mov", codec="prores4444", **quiet())
    (shown,) = decoded(tmp_path / "a.mov")
    assert len(np.unique(shown[8, :, 1].round(1))) > 2 * 13  # 8 bits have 13 steps there
    assert np.abs(shown - ramp * 255).mean() < 0.2


@pytest.mark.parametrize(
    ("codec", "name", "profile"),
    [("h264", "h264", "High"), ("prores", "prores", "HQ"), ("prores4444", "prores", "4444")],
)
def test_the_file_says_what_it_is_and_who_made_it(tmp_path, codec, name, profile):
    write_take(tmp_path / "take", frames=3, fps=24 / 1.001)
    target = tmp_path / FILES[codec]
    export_movie(tmp_path / "take", target, codec=codec, **quiet())
    said = stream_of(target)
    assert (said["codec"], said["profile"], said["size"]) == (name, profile, (64, 40))
    assert said["colours"] == (1, 1, 1, 1)  # limited range; BT.709 matrix, primaries, transfer
    assert (said["rate"], said["frames"]) == (Fraction(24000, 1001), 3)
    assert said["seconds"] == 3 / Fraction(24000, 1001)
    assert said["metadata"]["title"] == "Courtyard"
    assert said["metadata"]["comment"] == (
        f"Made with {software()}, model draft abc123. Digital source type: {SOURCE_ADDRESS}"
    )


@pytest.mark.parametrize(
    ("fps", "rate"),
    [
        (24.0, Fraction(24)),
        (24 / 1.001, Fraction(24000, 1001)),
        (24 / 1.00100004673, Fraction(24000, 1001)),  # Blender keeps the base as a float32
        (23.976, Fraction(24000, 1001)),
        (29.97, Fraction(30000, 1001)),
        (59.94, Fraction(60000, 1001)),
        (23.98, Fraction(1199, 50)),
        (12.5, Fraction(25, 2)),
        (0.1, Fraction(1, 10)),
        (999.0, Fraction(999)),
    ],
)
def test_a_rate_is_the_fraction_that_is_meant(fps, rate):
    assert exact_rate(fps) == rate


@pytest.mark.parametrize("fps", [6.25, 12.5, 0.5, 120.0, 29.97])
@pytest.mark.parametrize("codec", ["h264", "prores"])
def test_the_rate_is_exact_in_the_file_even_of_one_frame(tmp_path, codec, fps):
    write_take(tmp_path / "take", frames=1, fps=fps)
    target = tmp_path / FILES[codec]
    export_movie(tmp_path / "take", target, codec=codec, **quiet())
    said = stream_of(target)
    assert (said["frames"], said["seconds"]) == (1, 1 / exact_rate(fps))


@pytest.mark.parametrize("codec", FILES)
def test_an_odd_size_gets_its_last_column_and_row_twice_and_says_so(tmp_path, codec):
    write_take(tmp_path / "take", frames=2, size=(65, 41))
    target = tmp_path / FILES[codec]
    movie = export_movie(tmp_path / "take", target, codec=codec, quality="high", **quiet())
    assert movie.size == (66, 42)
    assert "65 x 41" in movie.warnings[0] and "66 x 42" in movie.warnings[0]
    for index, pixels in enumerate(decoded(target)):
        assert pixels.shape == (42, 66, 3)
        assert np.abs(pixels[:41, :65] - picture(index, (65, 41))).mean() < 2
        assert np.abs(pixels[:, 64] - pixels[:, 65]).mean() < 4


def test_code_values_are_those_of_bt_709():
    colours = np.array([[[1, 1, 1], [0, 0, 0], [1, 0, 0], [0, 0, 1]]], np.float32)
    luma, blue, red = to_planes(colours, bits=8, across=1, down=1)
    assert luma.tolist() == [[235, 16, 63, 32]]
    assert blue.tolist() == [[128, 128, 102, 240]]
    assert red.tolist() == [[128, 128, 240, 118]]
    ten = to_planes(colours, bits=10, across=1, down=1)
    assert [plane[0, 0] for plane in ten] == [940, 512, 512]


def test_a_retouched_frame_is_exported_as_it_is_and_said(tmp_path):
    write_take(tmp_path / "take", frames=2, size=(64, 40))
    assert cv2.imwrite(str(tmp_path / "take/frames/0002.png"), np.full((40, 64, 3), 200, np.uint8))
    movie = export_movie(tmp_path / "take", tmp_path / "a.mov", codec="prores", **quiet())
    assert movie.warnings == (
        "1 of the take's files are not as they were made, 'frames/0002.png' first; they were"
        " exported as they are now.",
    )
    assert np.abs(decoded(tmp_path / "a.mov")[1] - 200).mean() < 1


def unfinished(take):
    (take / "take.json").unlink()


def lost(take):
    (take / "frames/0002.png").unlink()


def torn(take):
    path = take / "frames/0002.png"
    path.write_bytes(path.read_bytes()[:200])


def resized(take):
    assert cv2.imwrite(str(take / "frames/0002.png"), np.zeros((20, 20, 3), np.uint8))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (unfinished, "is no finished take: it has no take.json"),
        (lost, "The take has lost 'frames/0002.png'; generate it again."),
        (torn, "The take's 'frames/0002.png' is a damaged PNG file"),
        (resized, "The take's 'frames/0002.png' is 20 x 20, the take 64 x 40"),
    ],
)
def test_a_take_that_is_not_whole_is_refused_and_nothing_is_left(tmp_path, spoil, words):
    write_take(tmp_path / "take")
    spoil(tmp_path / "take")
    with pytest.raises(TakeError, match=words.replace("(", r"\(")):
        export_movie(tmp_path / "take", tmp_path / "a.mp4", codec="h264", **quiet())
    assert [path.name for path in tmp_path.iterdir()] == ["take"]


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("a.avi", ExportError, "name ends in .mp4 or .mov; name it 'a.mp4'"),
        ("a", ExportError, "name it 'a.mp4'"),
        ("there.mp4", ExportError, "is there already; choose another name"),
        ("nowhere/a.mp4", StorageError, "nowhere' is not there; make it first"),
    ],
)
def test_a_target_that_cannot_be_is_refused(tmp_path, name, error, words):
    write_take(tmp_path / "take")
    (tmp_path / "there.mp4").write_bytes(b"mine")
    with pytest.raises(error, match=words):
        export_movie(tmp_path / "take", tmp_path / name, codec="h264", **quiet())
    assert (tmp_path / "there.mp4").read_bytes() == b"mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["take", "there.mp4"]


def test_prores_goes_into_mov_alone(tmp_path):
    write_take(tmp_path / "take")
    with pytest.raises(ExportError, match=r"ProRes 422 HQ goes into a file .*; name it 'a[.]mov'"):
        export_movie(tmp_path / "take", tmp_path / "a.mp4", codec="prores", **quiet())


def test_a_file_that_is_replaced_stays_until_the_new_one_is_whole(tmp_path):
    write_take(tmp_path / "take", frames=3)
    target = tmp_path / "a.mp4"
    target.write_bytes(b"old")

    def stop_at_the_second(done, total):
        assert target.read_bytes() == b"old"
        seen.append(done)

    seen = []
    options = {"codec": "h264", "overwrite": True, "on_progress": stop_at_the_second}
    with pytest.raises(Cancelled):
        export_movie(tmp_path / "take", target, should_stop=lambda: len(seen) == 2, **options)
    assert target.read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "take"]
    export_movie(tmp_path / "take", target, should_stop=lambda: False, **options)
    assert len(decoded(target)) == 3


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path):
    noise = np.random.default_rng(1).integers(0, 256, (4, 120, 200, 3), np.uint8)
    write_take(tmp_path / "take", pictures=list(noise), size=(200, 120))
    program = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))\n"
        "from backend.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    for codec, name in FILES.items():
        done = subprocess.run(
            [sys.executable, "-c", program, "export", "movie", str(tmp_path / "take"),
             "--codec", codec, "--out", str(tmp_path / name)],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 1, done.stderr
        assert "cannot be written (File too large); free some space" in done.stderr
        assert "Traceback" not in done.stderr
        assert [path.name for path in tmp_path.iterdir()] == ["take"]


def test_the_codecs_are_those_of_the_command_line():
    assert set(CODECS) == set(FILES)
