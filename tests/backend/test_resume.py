"""Going on with an interrupted take: what is whole is kept, and nothing is ever mixed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from backend import media
from backend.errors import SettingError, TakeError
from backend.reader import ShotReader
from backend.take import read_take, verify_take
from backend.writer import TakeWriter
from tests.backend.written import CARD, ROOT, SETTINGS, content, names, write_all, writer


@pytest.fixture
def shot(make_shot) -> Path:
    return make_shot(frames=3, frame_start=9)


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "deep" / "take"


class TestGoingOn:
    def test_an_interrupted_take_is_gone_on_with(self, shot, folder):
        def interrupted() -> None:
            with writer(folder, shot) as target:
                target.frame(0, **content(0))
                target.frame(2, **content(2))
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupted()
        before = (folder / "frames/0009.png").stat().st_mtime_ns
        with writer(folder, shot) as target:
            assert target.finished() == {0, 2}
            target.frame(1, **content(1))
            take = target.finish({})
        assert (folder / "frames/0009.png").stat().st_mtime_ns == before
        assert take.generated == (0, 0.2, 0.4)
        assert verify_take(folder) == take
        assert "depth/0009.exr" in take.files
        assert not (folder / ".job.jsonl").exists()

    def test_what_was_said_before_a_kill_stands_in_the_record(self, make_shot, folder):
        """Of the model and of the reader, each once, in the order in which it was said."""
        shot = make_shot(frames=3)
        (shot / "still.png").write_bytes(media.encode_png(np.zeros((20, 32, 3), np.uint8)))

        def interrupted(said: list[str]) -> None:
            reader = ShotReader(shot)
            with TakeWriter(folder, reader, card=CARD, settings=SETTINGS, seed=7) as target:
                for sentence in said:
                    target.warn(sentence)
                reader.still(0)
                target.frame(len(target.finished()), **content(1))
                raise KeyboardInterrupt

        for said in (["Memory was full.", "Öl!"], ["Öl!", "Memory was full.", "Cut."]):
            with pytest.raises(KeyboardInterrupt):
                interrupted(said)
        with writer(folder, shot) as target:
            assert target.finished() == {0, 1}
            target.warn("Cut.")
            target.warn("Last.")
            target.frame(2, **content(2))
            take = target.finish({})
        first, second, small, *rest = take.warnings
        assert [first, second, *rest] == ["Memory was full.", "Öl!", "Cut.", "Last."]
        assert "smaller than the shot" in small
        assert read_take(folder) == take

    def test_what_was_said_before_the_first_frame_is_not_lost(self, shot, folder):
        with writer(folder, shot) as target:
            target.warn("Cut.")
        with (folder / ".job.jsonl").open("ab") as stream:
            stream.write(b'{"warning": 3}\n')
        assert write_all(folder, shot).warnings == ("Cut.",)

    @pytest.mark.parametrize("path", ["frames/0010.png", "mask/0010.png", "depth/0010.exr"])
    @pytest.mark.parametrize("harm", ["gone", "torn", "changed"])
    def test_only_whole_frames_count(self, shot, folder, path, harm):
        with writer(folder, shot) as target:
            for index in range(2):
                target.frame(index, **content(index))
        data = (folder / path).read_bytes()
        (folder / path).unlink()
        if harm != "gone":
            (folder / path).write_bytes(data[:-9] if harm == "torn" else data[:-1] + b"x")
        with writer(folder, shot) as target:
            assert target.finished() == {0}

    @pytest.mark.parametrize(
        "line",
        [b'{"index": 1', b"\xff\n", b"[]\n", b'{"index": 99, "files": {}, "generated": 0}\n',
         b'{"index": 1, "files": {"frames/0010.png": "0"}, "generated": 0}\n',
         b'{"index": 1, "files": {"../../x": "0"}, "generated": 0}\n'],
    )  # fmt: skip
    def test_a_torn_note_is_not_believed(self, shot, folder, line):
        with writer(folder, shot) as target:
            target.frame(0, **content(0))
        with (folder / ".job.jsonl").open("ab") as stream:
            stream.write(line)
        with writer(folder, shot) as target:
            assert target.finished() == {0}
            target.frame(1, **content(1))
        with writer(folder, shot) as target:
            assert target.finished() == {0, 1}

    def test_a_note_without_its_line_break_is_torn(self, shot, folder):
        with writer(folder, shot) as target:
            for index in range(2):
                target.frame(index, **content(index))
        notes = folder / ".job.jsonl"
        last = json.loads(notes.read_bytes().splitlines()[-1])["index"]
        notes.write_bytes(notes.read_bytes()[:-1])
        with writer(folder, shot) as target:
            assert target.finished() == {0, 1} - {last}

    def test_a_job_that_noted_nothing_yet_is_the_same_job(self, shot, folder):
        for _ in range(2):
            with writer(folder, shot) as target:
                assert target.warnings() == ()
        assert names(folder) == [".job.jsonl"]

    def test_a_finished_take_of_the_same_job_is_kept(self, shot, folder):
        first = write_all(folder, shot)
        with writer(folder, shot) as target:
            assert target.finished() == {0, 1, 2}
            assert target.finish({"device": "cpu"}) == first

    @pytest.mark.parametrize("finished", [False, True])
    @pytest.mark.parametrize("change", ["seed", "settings", "card", "shot"])
    def test_another_jobs_frames_are_put_aside(self, shot, folder, change, finished):
        with writer(folder, shot) as target:
            for index in range(3 if finished else 2):
                target.frame(index, **content(index))
            if finished:
                target.finish({})
        old = {name: (folder / name).read_bytes() for name in names(folder)}
        changes = {
            "seed": {"seed": 8},
            "settings": {"settings": {"fill": False}},
            "card": {"card": replace(CARD, revision="2")},
        }.get(change, {})
        if change == "shot":
            value = json.loads((shot / "shot.json").read_text())
            (shot / "shot.json").write_text(json.dumps({**value, "prompt": "other"}))
        with writer(folder, shot, **changes) as target:
            assert target.finished() == frozenset()
            assert names(folder / "earlier-1") == sorted(old)
            for index in range(3):
                target.frame(index, **content(index, attempt=1))
            take = target.finish({})
        assert {n: (folder / "earlier-1" / n).read_bytes() for n in old} == old
        assert any("earlier-1" in warning for warning in take.warnings)
        assert not any(path.startswith("earlier") for path in take.files)
        verify_take(folder)

    def test_another_jobs_files_stay_where_they_are_unless_they_may_be_moved(self, shot, folder):
        write_all(folder, shot)
        before = {name: (folder / name).read_bytes() for name in names(folder)}
        with pytest.raises(SettingError, match="another job; give another --out, or --replace to"):
            writer(folder, shot, seed=8, replace=False)
        assert {name: (folder / name).read_bytes() for name in names(folder)} == before
        with writer(folder, shot, replace=False) as target:
            assert target.finished() == {0, 1, 2}, "the same job goes on"
            target.finish({})

    @pytest.mark.parametrize("there", ["nothing", "a folder", "another take"])
    def test_a_job_that_made_no_frame_leaves_all_as_it_was(self, shot, tmp_path, there):
        folder = tmp_path / "new" / "take"
        if there == "a folder":
            folder.mkdir(parents=True)
            (folder / "notes.txt").write_text("mine")
        elif there == "another take":
            write_all(folder, shot)
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(RuntimeError, match="no memory"), writer(folder, shot, seed=8) as target:
            grey = np.zeros((8, 8, 3), np.uint8)
            target.shown(0, video=grey, mask=grey[..., 0])
            target.preview(grey)
            target.warn("It went on with less.")
            raise RuntimeError("no memory")
        assert sorted(tmp_path.rglob("*")) == before
        if there == "another take":
            verify_take(folder)

    def test_files_of_unknown_origin_are_put_aside_too(self, shot, folder):
        (folder / "frames").mkdir(parents=True)
        (folder / "frames/0009.png").write_bytes(b"whose?")
        (folder / "notes.txt").write_text("mine")
        write_all(folder, shot)
        assert (folder / "earlier-1/frames/0009.png").read_bytes() == b"whose?"
        assert (folder / "notes.txt").read_text() == "mine"

    def test_an_older_take_json_does_not_stand_while_frames_are_made_anew(self, shot, folder):
        write_all(folder, shot)
        (folder / "frames/0010.png").write_bytes(b"spoilt")
        with writer(folder, shot) as target:
            assert target.finished() == {0, 2}
            assert read_take(folder).frames == 3, "nothing of it has changed so far"
            target.frame(1, **content(1))
        with pytest.raises(TakeError, match="no finished take"):
            read_take(folder)
        with writer(folder, shot) as target:
            assert target.finished() == {0, 1, 2}

    @pytest.mark.parametrize("harm", ["", "spoilt"])
    def test_a_finished_take_outlives_an_attempt_that_made_no_frame(self, shot, folder, harm):
        write_all(folder, shot)
        if harm:
            (folder / "frames/0010.png").write_bytes(harm.encode())
        before = {name: (folder / name).read_bytes() for name in names(folder)}

        def attempt() -> None:
            with writer(folder, shot) as target:
                target.preview(np.zeros((8, 8, 3), np.uint8))
                target.warn("It went on with less.")
                raise RuntimeError("no weights")

        with pytest.raises(RuntimeError, match="no weights"):
            attempt()
        assert {name: (folder / name).read_bytes() for name in names(folder)} == before

    def test_a_take_that_is_finished_stays_whatever_comes_after(self, shot, folder):
        """Its frames are of an attempt before, so this one made none."""
        with writer(folder, shot) as target:
            for index in range(3):
                target.frame(index, **content(index))

        def attempt() -> None:
            with writer(folder, shot) as target:
                target.finish({})
                raise RuntimeError("too late")

        with pytest.raises(RuntimeError, match="too late"):
            attempt()
        verify_take(folder)

    @pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
    def test_a_killed_process_leaves_no_torn_file(self, make_shot, folder):
        shot = make_shot(frames=40)
        done = subprocess.run([sys.executable, "-c", KILLED, shot, folder], cwd=ROOT, timeout=60,
                              check=False)  # fmt: skip
        assert done.returncode < 0
        with writer(folder, shot) as target:
            finished = target.finished()
            assert 3 <= len(finished) < 40
            for frame in (folder / "frames").glob("*.png"):
                with PIL.Image.open(frame) as image:
                    image.load()
            for index in set(range(40)) - finished:
                target.frame(index, **content(index % 5))
            assert target.finish({}).warnings == ("Said before it was killed.",)
        verify_take(folder)
        assert not list(folder.rglob("*.part"))


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from backend.models import find_card
from backend.reader import ShotReader
from backend.writer import TakeWriter
written = []
def note(index):
    written.append(index)
    if len(written) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
reader = ShotReader(Path(sys.argv[1]))
with TakeWriter(Path(sys.argv[2]), reader, card=find_card("projection"),
                settings={"fill": True}, seed=7, on_frame=note) as writer:
    writer.warn("Said before it was killed.")
    for index in range(40):
        rng = np.random.default_rng(index)
        writer.frame(index, image=rng.integers(0, 256, (40, 64, 3), dtype=np.uint8),
                     mask=np.zeros((40, 64), np.uint8))
"""
