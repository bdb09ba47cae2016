"""Takes of 8 and 16 bits: what is rounded and where, and that a job keeps its format."""

import json
import math
import os
import signal
import sqlite3
import subprocess

import cv2
import numpy as np
import OpenImageIO
import pytest
import torch

from backend import exr, exr_encode, media, png
from backend.bundle import pack
from backend.client import Backend
from backend.errors import ProtocolMismatch, SettingError, TakeError
from backend.generate import generate
from backend.job_row import SCHEMA
from backend.jobs import JobStore
from backend.projection.output import to_image
from backend.rendezvous import read_server
from backend.resume import JOB_FILE
from backend.score import score
from backend.take import TAKE_FILE, Take, verify_take
from tests.backend.written import content, write_all, writer
from tests.backends import PYTHON, ROOT, all_events, events_until, gone, running_backend, worker_pid
from tests.waiting import wait_until

NOISE = np.random.default_rng(5)


def samples(path) -> np.ndarray:
    """Return the sample values of a frame as another decoder than the product's reads them."""
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[..., ::-1]


def make(shot, out, *, model="projection", **options) -> Take:
    return generate(
        shot,
        model=model,
        settings={},
        out=out,
        on_event=lambda event: None,
        should_stop=lambda: False,
        **options,
    )


class TestPixels:
    @pytest.mark.parametrize("shape", [(9, 7, 3), (9, 7)])
    def test_a_png_of_16_bits_holds_every_sample(self, tmp_path, shape):
        image = NOISE.integers(0, 65536, shape, dtype=np.uint16)
        (tmp_path / "a.png").write_bytes(png.encode(image, text={"Software": "x"}))
        read = cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED)
        assert read.dtype == np.uint16
        assert np.array_equal(read[..., ::-1] if image.ndim == 3 else read, image)
        still = media.read_still(tmp_path / "a.png")
        assert still.bits == 16

    def test_what_was_8_or_16_bits_comes_out_as_it_went_in(self):
        for bits, factor in ((8, 257), (16, 1)):
            levels = torch.arange(2**bits, dtype=torch.float32) / (2**bits - 1)
            image = to_image(levels.expand(3, 1, -1), bits=16)
            assert image.dtype == np.uint16
            assert np.array_equal(image[0, :, 0], np.arange(2**bits) * factor)

    def test_half_floats_are_those_another_reader_finds(self, tmp_path):
        picture = NOISE.normal(1, 4, (37, 21, 3)).astype(np.float32)
        picture[0, 0] = (1e9, -1e9, 6e-8)
        text = {"Software": "Depthshot", "a name that is longer than 31 bytes": "ä"}
        path = tmp_path / "a.exr"
        path.write_bytes(exr_encode.encode_linear(picture, text=text))
        image = OpenImageIO.ImageBuf(str(path))
        assert image.spec().channelnames == ("R", "G", "B")
        assert image.spec().format == OpenImageIO.HALF
        largest = exr_encode.LARGEST_HALF
        expected = np.clip(picture, -largest, largest).astype(np.float16)
        assert np.array_equal(image.get_pixels(OpenImageIO.FLOAT), expected.astype(np.float32))
        assert image.spec().getattribute("a name that is longer than 31 bytes") == "ä"
        red = image.spec().getattribute("chromaticities")[:2]
        assert red == pytest.approx((0.64, 0.33))
        header = exr.read_header(path, place="x")
        assert {channel.kind for channel in header.channels} == {exr.HALF}


class TestTakes:
    @pytest.fixture
    def shot(self, make_shot):
        return make_shot(frames=3, frame_start=9)

    @pytest.mark.parametrize("model", ["projection", "draft"])
    def test_a_16_bit_still_arrives_whole_and_so_does_what_is_seen_of_it(
        self, shot, tmp_path, model
    ):
        take = make(shot, tmp_path / "take", model=model, format="png16")
        assert verify_take(tmp_path / "take") == take
        assert take.format == "png16"
        own = samples(tmp_path / "take/frames/0009.png")
        assert own.dtype == np.uint16
        assert np.array_equal(own, samples(shot / "still.png"))
        coarse = make(shot, tmp_path / "coarse", model=model)
        assert coarse.format == "png8"
        for frame in (10, 11):
            fine = samples(tmp_path / f"take/frames/{frame:04d}.png").astype(int)
            rounded = samples(tmp_path / f"coarse/frames/{frame:04d}.png").astype(int)
            # Rounded twice, a value can go to the other side of a half.
            assert np.abs(fine - 257 * rounded).max() <= 129
            assert (fine % 257 != 0).mean() > 0.5, "the values were rounded to 8 bits before"

    def test_an_8_bit_still_is_257_times_itself(self, shot, tmp_path):
        still = NOISE.integers(0, 256, (40, 64, 3), dtype=np.uint8)
        (shot / "still.png").write_bytes(png.encode(still))
        make(shot, tmp_path / "take", format="png16")
        assert np.array_equal(samples(tmp_path / "take/frames/0009.png"), still * np.uint16(257))

    def test_a_larger_still_is_shrunk_without_rounding(self, make_shot, tmp_path):
        shot = make_shot("large", still_scale=2)
        make(shot, tmp_path / "take", format="png16")
        large = samples(shot / "still.png").astype(float)
        mean = large.reshape(40, 2, 64, 2, 3).mean((1, 3))
        assert np.abs(samples(tmp_path / "take/frames/0001.png") - mean).max() <= 0.6

    def test_takes_of_two_formats_are_never_mixed(self, shot, tmp_path):
        write_all(tmp_path / "take", shot)
        fine = {**content(0), "image": content(0)["image"] * np.uint16(257)}
        with writer(tmp_path / "take", shot, format="png16") as target:
            assert target.finished() == frozenset()
            (moved,) = target.warnings()
            with pytest.raises(ValueError, match="uint16"):
                target.frame(0, **content(0))
            target.frame(0, **fine)
        assert "earlier-1" in moved
        assert (tmp_path / "take/earlier-1" / TAKE_FILE).is_file()
        with writer(tmp_path / "take", shot, format="png16") as target:
            assert target.finished() == {0}

    def test_an_attempt_from_before_there_were_formats_is_gone_on_with(self, shot, tmp_path):
        folder = tmp_path / "take"
        with writer(folder, shot) as target:
            target.frame(1, **content(1))
        first, *rest = (folder / JOB_FILE).read_text().splitlines()
        old = json.loads(first)
        assert old.pop("format") == "png8"
        (folder / JOB_FILE).write_text("\n".join([json.dumps(old), *rest]) + "\n")
        with writer(folder, shot) as target:
            assert target.finished() == {1}

    def test_a_record_from_before_there_were_formats_is_8_bit(self, shot, tmp_path):
        folder = tmp_path / "take"
        take = write_all(folder, shot)
        record = json.loads((folder / TAKE_FILE).read_text())
        del record["format"], record["view"]
        (folder / TAKE_FILE).write_text(json.dumps(record))
        assert verify_take(folder) == take
        assert (take.format, take.view, take.picture(9)) == ("png8", "", "frames/0009.png")
        record["format"] = "tiff"
        with pytest.raises(TakeError, match="'format' must be one of png8, png16, exr, not 'tiff'"):
            Take.from_json(record)

    @pytest.mark.parametrize(("format", "said"), [("exr", "png16 here"), ("jpg", "png8 and png16")])
    def test_what_the_backend_does_not_write_is_refused(self, shot, tmp_path, format, said):
        with pytest.raises(SettingError, match=said):
            make(shot, tmp_path / "take", format=format)
        assert not (tmp_path / "take").exists()


def test_the_command_line_writes_16_bits_goes_on_with_them_and_scores_them(make_shot, tmp_path):
    shot = make_shot()

    def command(*arguments):
        return subprocess.run(
            [PYTHON, "-m", "backend", *map(str, arguments)],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip

    refused = command("generate", shot, "--format", "exr", "--out", tmp_path / "take")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "made inside Blender" in refused.stderr
    assert not (tmp_path / "take").exists()
    made = ("generate", shot, "--model", "projection", "--out", tmp_path / "take")
    for _ in range(2):
        assert command(*made, "--format", "png16").returncode == 0
        assert verify_take(tmp_path / "take").format == "png16"
    assert not list((tmp_path / "take").glob("earlier*"))
    make(shot, tmp_path / "coarse")
    report = score(shot, tmp_path / "take", truth=tmp_path / "coarse")
    # Against the same rounded to 8 bits: a step of 1/255 at most half of it wrong, evenly.
    assert report.metrics["psnr"].values.all == pytest.approx(10 * math.log10(12 * 255**2), abs=0.5)


def test_a_table_from_before_there_were_formats_is_brought_up_to_date(tmp_path):
    with sqlite3.connect(tmp_path / "jobs.sqlite") as database:
        old = SCHEMA.replace(",\n    format TEXT NOT NULL DEFAULT 'png8'", "")
        assert old != SCHEMA
        database.executescript(f"{old} PRAGMA user_version = 1;")
        database.execute(
            "INSERT INTO jobs (id, name, model, settings, seed, frames, frame_start, created)"
            " VALUES ('old', 'shot', 'projection', '{}', 0, 1, 1, 0)"
        )
    database.close()
    for _ in range(2):
        store = JobStore(tmp_path)
        assert store.job("old").format == "png8"
        store.close()


FRAMES = 20


@pytest.fixture
def sent(make_shot, tmp_path):
    """Return a running backend and the archive of a shot."""
    shot = make_shot(frames=FRAMES, size=(160, 96), step=0.01)
    pack(shot, tmp_path / "shot.zip")
    with running_backend(tmp_path / "data") as backend:
        wait_until(lambda: backend.health()["state"] == "ready")
        yield backend, tmp_path / "shot.zip"


def test_a_job_goes_on_in_its_format_after_its_server_was_killed(sent, tmp_path):
    backend, archive = sent
    data = tmp_path / "data"
    job_id = backend.submit(archive, model="projection", settings={}, format="png16")
    events_until(backend.follow(job_id), lambda event: event.kind == "frame")
    worker = worker_pid(backend)
    os.kill(worker, signal.SIGSTOP)
    job = backend.job(job_id)
    assert (job["state"], job["format"]) == ("running", "png16")
    os.kill(read_server(data).pid, signal.SIGKILL)
    os.kill(worker, signal.SIGCONT)
    wait_until(lambda: gone(worker))
    again = Backend.start_or_attach(PYTHON, ROOT, data)
    try:
        assert all_events(again.follow(job_id))[-1].kind == "done"
        folder = again.download(job_id, tmp_path / "take")
        assert again.job(job_id)["attempts"] == 2
    finally:
        again.close()
    assert verify_take(folder).format == "png16"
    frames = sorted((folder / "frames").iterdir())
    assert len(frames) == FRAMES
    assert {samples(path).dtype for path in frames} == {np.dtype(np.uint16)}
    assert {samples(path).dtype for path in (folder / "mask").iterdir()} == {np.dtype(np.uint8)}


# A server that was started by hand does not end by itself, so to wait for that is no way out.
@pytest.mark.parametrize(
    ("address", "way_out"),
    [
        ("", "^The backend that runs is of an earlier version .* it ends by itself after its jobs"),
        ("https://box:7878", "^The backend at https://box:7878 is of .* install .* both machines"),
    ],
)
def test_a_server_that_knows_no_formats_is_found_out(sent, monkeypatch, address, way_out):
    backend, archive = sent
    backend.address = address
    answers = backend._connection.json

    def as_an_earlier_one(method, path, **options):
        answer = answers(method, path, **options)
        if isinstance(answer, dict):
            answer.pop("format", None)
        return answer

    monkeypatch.setattr(backend._connection, "json", as_an_earlier_one)
    with pytest.raises(ProtocolMismatch, match=way_out):
        backend.submit(archive, model="projection", settings={}, format="png16")
    (job,) = backend.jobs()
    assert all_events(backend.follow(job["id"]))[-1].kind == "cancelled"
    backend.submit(archive, model="projection", settings={})
