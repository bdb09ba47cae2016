"""Takes on disk: whole or absent, and never lost without a word."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from backend import media
from backend.bundle import shot_hash, shot_hashes
from backend.errors import StorageError, TakeError
from backend.reader import ShotReader
from backend.take import read_take, verify_take
from backend.wire import read_shot, write_shot
from backend.writer import TakeWriter
from tests.backend.written import CARD, ROOT, SETTINGS, content, names, write_all, writer


@pytest.fixture
def shot(make_shot) -> Path:
    return make_shot(frames=3, frame_start=9)


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "deep" / "take"


class TestWhole:
    def test_layout_and_record(self, shot, folder):
        take = write_all(folder, shot)
        assert names(folder) == [
            "depth/0009.exr", "depth/0010.exr", "depth/0011.exr",
            "frames/0009.png", "frames/0010.png", "frames/0011.png",
            "mask/0009.png", "mask/0010.png", "mask/0011.png", "take.json",
        ]  # fmt: skip
        assert verify_take(folder) == take
        assert take.shot_sha256 == shot_hash(shot)
        assert (take.model, take.seed, take.settings) == ("projection", 7, SETTINGS)
        assert (take.frame_start, take.frames, take.size, take.fps) == (9, 3, (64, 40), 24.0)
        assert take.digital_source_type == "algorithmicMedia"
        assert take.generated == (0, 0.2, 0.4)
        assert set(take.files) == set(names(folder)) - {"take.json"}

    def test_pixels_are_those_given(self, shot, folder):
        write_all(folder, shot)
        with PIL.Image.open(folder / "frames/0010.png") as frame:
            assert frame.mode == "RGB"
            assert (np.asarray(frame) == content(1)["image"]).all()
            assert frame.text["Model"].startswith("projection")
        with PIL.Image.open(folder / "mask/0010.png") as mask:
            assert mask.mode == "L"
            assert (np.asarray(mask) == content(1)["mask"]).all()
        depth = media.read_depth(folder / "depth/0010.exr", size=(64, 40), place="x")
        assert (depth == content(1)["depth"]).all()

    def test_a_locked_still_is_the_still_rounded(self, shot, folder):
        still = media.to_8bit(ShotReader(shot).still(0).pixels)
        with writer(folder, shot) as target:
            target.frame(0, image=still, mask=np.zeros((40, 64), np.uint8))
        with PIL.Image.open(folder / "frames/0009.png") as frame:
            assert np.asarray(frame).tobytes() == still.tobytes()

    def test_the_same_take_twice_has_the_same_bytes(self, shot, tmp_path):
        first, second = write_all(tmp_path / "a", shot), write_all(tmp_path / "b", shot)
        assert first == second

    def test_a_model_may_go_on_in_the_same_arrays(self, shot, folder):
        image, mask = content(0)["image"], content(0)["mask"]
        with writer(folder, shot) as target:
            for index in range(3):
                image[:] = index
                target.frame(index, image=image, mask=mask)
                image[:] = 99
            target.finish({})
        for index in range(3):
            with PIL.Image.open(folder / f"frames/{9 + index:04d}.png") as frame:
                assert (np.asarray(frame) == index).all()

    def test_on_frame_is_called_when_the_files_are_there(self, shot, folder):
        seen: dict[int, bool] = {}

        def note(index: int) -> None:
            seen[index] = (folder / f"mask/{9 + index:04d}.png").is_file()

        write_all(folder, shot, on_frame=note)
        assert seen == {0: True, 1: True, 2: True}

    def test_warnings_of_reader_and_model_are_noted_once(self, make_shot, folder):
        shot = make_shot(frames=1)
        (shot / "still.png").write_bytes(media.encode_png(np.zeros((20, 32, 3), np.uint8)))
        reader = ShotReader(shot)
        with TakeWriter(folder, reader, card=CARD, settings=SETTINGS, seed=0) as target:
            reader.still(0)
            target.warn("Said.")
            target.warn("Said.")
            target.frame(0, **content(0))
            take = target.finish({})
        assert len(take.warnings) == 2
        assert "smaller than the shot" in take.warnings[0]
        assert take.warnings[1] == "Said."

    def test_done_is_not_said_without_every_frame(self, shot, folder):
        with writer(folder, shot) as target:
            target.frame(0, **content(0))
            with pytest.raises(TakeError, match=r"no frame 10 \(2 of 3 are missing\)"):
                target.finish({})
        assert not (folder / "take.json").exists()

    @pytest.mark.parametrize(
        "wrong",
        [
            {"image": np.zeros((40, 65, 3), np.uint8)},
            {"image": np.zeros((40, 64, 3), np.float32)},
            {"mask": np.zeros((40, 64, 1), np.uint8)},
            {"depth": np.zeros((40, 64), np.float64)},
        ],
    )
    def test_a_models_mistake_is_no_frame(self, shot, folder, wrong):
        with writer(folder, shot) as target, pytest.raises(ValueError, match="expected"):
            target.frame(0, **{**content(0), **wrong})
        with writer(folder, shot) as target, pytest.raises(ValueError, match="index 3"):
            target.frame(3, **content(0))

    def test_no_more_than_a_few_frames_wait(self, shot, folder, monkeypatch):
        """A model quicker than the disk is held back, so memory stays bounded."""
        gate = threading.Event()
        encode = media.encode_png
        monkeypatch.setattr(media, "encode_png", lambda *a, **k: gate.wait(30) and encode(*a, **k))
        monkeypatch.setattr("backend.writer._WAITING", 2)
        given = []
        with writer(folder, shot) as target:

            def give() -> None:
                for index in range(3):
                    target.frame(index, **content(index))
                    given.append(index)

            thread = threading.Thread(target=give)
            thread.start()
            thread.join(0.5)
            assert given == [0, 1]
            gate.set()
            thread.join(30)
            target.finish({})
        assert given == [0, 1, 2]


class TestStorage:
    @pytest.mark.skipif(os.name != "posix", reason="limits of a process exist on POSIX alone")
    def test_a_disk_that_fills_up(self, shot, folder):
        """A limit on the size of files stands in for the disk; finished frames are kept."""
        done = subprocess.run([sys.executable, "-c", FULL, shot, folder], cwd=ROOT, timeout=60,
                              capture_output=True, text=True, check=True)  # fmt: skip
        assert done.stdout.startswith("The take cannot be written to")
        assert "File too large. Free some space and generate again" in done.stdout
        assert names(folder) == [".job.jsonl", "frames/0009.png", "mask/0009.png"]
        with writer(folder, shot) as target:
            assert target.finished() == {0}

    @pytest.mark.skipif(os.name != "posix", reason="limits of a process exist on POSIX alone")
    def test_a_process_that_is_killed_inside_a_write_leaves_no_torn_frame(self, shot, folder):
        """The limit's own signal ends the process when the first bytes of a frame are written."""
        script = f"import signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_DFL)\n{FULL}"
        done = subprocess.run([sys.executable, "-c", script, shot, folder], cwd=ROOT, timeout=60,
                              check=False)  # fmt: skip
        assert done.returncode == -signal.SIGXFSZ
        torn = folder / "frames/.0010.png.part"
        assert torn.stat().st_size == 6000
        assert [path.name for path in folder.glob("frames/[!.]*")] == ["0009.png"]
        with writer(folder, shot) as target:
            assert target.finished() == {0}
            for index in (1, 2):
                target.frame(index, **content(index))
            target.finish({})
        assert not torn.exists()
        verify_take(folder)

    def test_a_folder_that_cannot_be_made_is_not_about_space(self, shot, tmp_path):
        (tmp_path / "file").write_text("a file")
        with pytest.raises(StorageError) as caught:
            writer(tmp_path / "file" / "take", shot)
        assert str(caught.value).endswith("Choose a folder that can be written.")
        assert "space" not in str(caught.value)

    def test_a_file_where_the_folder_should_be(self, shot, tmp_path):
        (tmp_path / "take").write_text("a file")
        with pytest.raises(StorageError, match="cannot be written"):
            writer(tmp_path / "take", shot)

    def test_a_folder_that_vanishes(self, shot, folder):
        with writer(folder, shot) as target:
            for path in (folder / "frames", folder / "mask"):
                path.rmdir()
            target.frame(0, **content(0))
            with pytest.raises(StorageError, match="No such file"):
                target.finish({})
        assert not (folder / "take.json").exists()

    def test_an_error_is_not_lost_without_finish(self, shot, folder):
        def one_frame() -> None:
            with writer(folder, shot) as target:
                (folder / "mask").rmdir()
                target.frame(0, **content(0))

        with pytest.raises(StorageError, match="No such file"):
            one_frame()

    def test_an_error_does_not_hide_the_first_one(self, shot, folder, caplog):
        def fail() -> None:
            with writer(folder, shot) as target:
                (folder / "mask").rmdir()
                target.frame(0, **content(0))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()
        assert "could not be written either" in caplog.text

    def test_the_shot_is_not_touched(self, shot, folder):
        before = {name: (shot / name).read_bytes() for name in names(shot)}
        write_all(folder, shot)
        assert {name: (shot / name).read_bytes() for name in names(shot)} == before
        write_shot(read_shot(shot), shot)


FULL = """
import resource, sys
from pathlib import Path
import numpy as np
from backend.errors import StorageError
from backend.models import find_card
from backend.reader import ShotReader
from backend.writer import TakeWriter
resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))
reader = ShotReader(Path(sys.argv[1]))
mask = np.zeros((40, 64), np.uint8)
try:
    with TakeWriter(Path(sys.argv[2]), reader, card=find_card("projection"),
                    settings={"fill": True}, seed=7) as writer:
        writer.frame(0, image=np.zeros((40, 64, 3), np.uint8), mask=mask)
        noise = np.random.default_rng(0).integers(0, 256, (40, 64, 3), dtype=np.uint8)
        writer.frame(1, image=noise, mask=mask)
        writer.finish({})
except StorageError as error:
    print(error)
"""


class TestCameras:
    def test_the_record_says_where_each_frame_was_seen_from(self, shot, folder):
        write_all(folder, shot)
        assert read_take(folder).cameras == read_shot(shot).cameras

    def test_takes_of_one_capture_with_other_words_are_known_as_such(self, shot, tmp_path):
        first = write_all(tmp_path / "a", shot)
        worded = replace(read_shot(shot), prompt="rain", name="other", seed=9)
        write_shot(worded, shot)
        second = write_all(tmp_path / "b", shot)
        assert first.shot_sha256 != second.shot_sha256
        assert first.capture_sha256 == second.capture_sha256
        write_shot(replace(worded, frame_start=2), shot)
        assert shot_hashes(shot)[1] != first.capture_sha256
