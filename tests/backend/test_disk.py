"""A disk that is full at each step of writing, one that nobody may write to, and odd names."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.bundle import pack
from backend.client import Backend
from backend.errors import BackendNotStarted, DepthshotError, RequestRefused, StorageError
from backend.generate import generate
from backend.jobs import JobStore
from backend.take import read_take, verify_take
from tests.analytic import analytic_shot
from tests.backends import PYTHON, ROOT, all_events, frame_files, running_backend
from tests.disks import Disk, disk
from tests.waiting import wait_until

FRAMES = 4
PAGE = 4096
# Bytes left: from nothing, over what stops at one file after the other, to enough for all.
LEFT = [PAGE * pages for pages in (0, 1, 2, 3, 5, 8, 12, 17, 23, 30, 40, 60)]
ODD = Path("a space", 'it\'s “quoted” "twice"', "🎬 é ü 深", "#1 {x} %d $HOME ;", "-rf")
LONG = "long" * 45


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a shot, its archive, and the take it gives on a disk with room."""
    folder = tmp_path_factory.mktemp("disk")
    analytic_shot(folder / "shot", frames=FRAMES, size=(96, 64))
    pack(folder / "shot", folder / "shot.zip")
    make(folder / "shot", folder / "true")
    return folder


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Disk]:
    with disk(tmp_path / "disk", megabytes=24) as made:
        yield made


def make(shot: Path, take: Path) -> None:
    generate(
        shot,
        model="projection",
        settings={},
        out=take,
        on_event=lambda event: None,
        should_stop=lambda: False,
    )


def is_sentence(message: str) -> bool:
    return message.endswith(".") and "\n" not in message and "Errno" not in message


def whole(take: Path, true: dict[str, bytes]) -> bool:
    """Return whether every picture under its own name is the true one."""
    found = [*take.glob("frames/[!.]*"), *take.glob("mask/[!.]*")]
    return all(path.read_bytes() == true[path.relative_to(take).as_posix()] for path in found)


def test_a_take_goes_on_after_any_step_that_found_the_disk_full(small, place):
    true, refused = frame_files(place / "true"), 0
    for size in LEFT:
        take = small.folder / f"take {size}"
        small.leave(size)
        try:
            make(place / "shot", take)
        except StorageError as reason:
            refused += 1
            assert "No space left on device. Free some space" in str(reason)
            assert is_sentence(str(reason))
            assert whole(take, true)
            assert not (take / "take.json").exists()
            assert not list(take.rglob("*.part")), "what cannot be used takes no space"
        small.leave(None)
        make(place / "shot", take)
        verify_take(take)
        assert frame_files(take) == true
    assert 4 <= refused < len(LEFT), "the sizes lie on both sides"


def stands_still(backend: Backend, job: str) -> bool:
    """Return whether a job is over, or its end or beginning cannot be written down."""
    state, (device,) = backend.job(job)["state"], backend.health()["devices"]
    return state not in ("queued", "running") or "free some space" in device["why"]


def test_a_server_lives_through_a_disk_that_is_full_at_any_step(small, place, tmp_path):
    true, ends = frame_files(place / "true"), []
    with running_backend(small.folder / "data") as backend:
        wait_until(lambda: backend.health()["state"] == "ready")
        for size in (*LEFT, PAGE * 150, PAGE * 400):
            small.leave(size)
            try:
                job = backend.submit(place / "shot.zip", model="projection", settings={})
            except RequestRefused as reason:
                assert reason.status in (422, 507), reason
                assert is_sentence(str(reason))
                assert "space" in str(reason)
                ends.append("refused")
                small.leave(None)
            else:
                wait_until(lambda job=job: stands_still(backend, job))
                small.leave(None)
                last = all_events(backend.follow(job))[-1]
                ends.append(last.kind)
                assert last.kind in ("done", "failed")
                if last.kind == "failed":
                    assert is_sentence(last.message)
                    assert "space" in last.message
                backend.delete(job)
            again = backend.submit(place / "shot.zip", model="projection", settings={})
            assert all_events(backend.follow(again))[-1].kind == "done"
            backend.download(again, tmp_path / str(size))
            assert frame_files(tmp_path / str(size)) == true
            backend.delete(again)
        assert backend.jobs() == []
    assert "refused" in ends
    assert ends[-1] == "done"
    assert list((small.folder / "data" / "store-1" / "jobs").iterdir()) == []


def test_a_server_that_finds_no_room_to_begin_says_so(small):
    small.leave(0)
    with pytest.raises((BackendNotStarted, StorageError)) as caught:
        Backend.start_or_attach(PYTHON, ROOT, small.folder / "data")
    assert "full" in str(caught.value) or "No space" in str(caught.value)
    small.leave(None)
    with running_backend(small.folder / "data") as backend:
        assert backend.jobs() == []


def test_a_fetched_take_goes_on_after_a_full_disk(small, place, tmp_path):
    true = frame_files(place / "true")
    with running_backend(tmp_path / "data") as backend:
        job = backend.submit(place / "shot.zip", model="projection", settings={})
        assert all_events(backend.follow(job))[-1].kind == "done"
        refused = 0
        for size in LEFT:
            small.leave(size)
            if (small.folder / "take" / "take.json").exists():
                break
            try:
                backend.download(job, small.folder / "take")
            except StorageError as reason:
                refused += 1
                assert "what is fetched is kept" in str(reason)
                assert is_sentence(str(reason))
                assert whole(small.folder / "take", true)
                assert not (small.folder / "take" / "take.json").exists()
        small.leave(None)
        if not (small.folder / "take" / "take.json").exists():
            backend.download(job, small.folder / "take")
    assert refused >= 3
    verify_take(small.folder / "take")
    assert frame_files(small.folder / "take") == true


def test_a_packed_shot_is_whole_or_absent(small, place):
    size = (place / "shot.zip").stat().st_size
    for left in (0, PAGE, size // 2):
        small.leave(left)
        with pytest.raises(StorageError) as caught:
            pack(place / "shot", small.folder / "shot.zip")
        assert is_sentence(str(caught.value))
        assert [path.name for path in small.folder.iterdir()] == ["ballast"]
    small.leave(None)
    pack(place / "shot", small.folder / "shot.zip")
    assert (small.folder / "shot.zip").stat().st_size == size


def test_what_nobody_may_write_to(small, place, tmp_path):
    with running_backend(tmp_path / "data") as backend:
        job = backend.submit(place / "shot.zip", model="projection", settings={})
        assert all_events(backend.follow(job))[-1].kind == "done"
        small.protect()
        asked = {
            "a take": lambda: make(place / "shot", small.folder / "take"),
            "a fetched take": lambda: backend.download(job, small.folder / "take"),
            "an archive": lambda: pack(place / "shot", small.folder / "shot.zip"),
            "a data folder": lambda: Backend.start_or_attach(PYTHON, ROOT, small.folder / "data"),
        }
        for name, ask in asked.items():
            with pytest.raises(StorageError) as caught:
                ask()
            assert "Read-only file system" in str(caught.value), name
            assert is_sentence(str(caught.value)), name
            assert "choose" in str(caught.value).lower(), name
    assert list(small.folder.iterdir()) == []


def command_line(*arguments: object) -> subprocess.CompletedProcess:
    command = [PYTHON, "-m", "backend", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_whole_way_through_odd_names_and_long_paths(place, tmp_path):
    folder = tmp_path / ODD / LONG
    folder.mkdir(parents=True)
    assert len(str(folder)) > 260
    analytic_shot(folder / "shot", frames=FRAMES, size=(96, 64))
    pack(folder / "shot", folder / "shot.zip")
    longer = folder / LONG / LONG
    with running_backend(folder / "data") as backend:
        job = backend.submit(folder / "shot.zip", model="projection", settings={})
        assert all_events(backend.follow(job))[-1].kind == "done"
        backend.download(job, longer / "take")
    verify_take(longer / "take")
    assert frame_files(longer / "take") == frame_files(place / "true")
    done = command_line(
        "generate", folder / "shot.zip", "--model", "projection", "--out", longer / "again"
    )
    assert done.returncode == 0, done.stderr
    assert frame_files(longer / "again") == frame_files(place / "true")


def test_a_data_folder_that_is_too_deep_for_a_database_is_said(tmp_path):
    folder = tmp_path / LONG / LONG / LONG
    with pytest.raises(StorageError, match="too long for a database; choose"):
        JobStore(folder)


@pytest.mark.parametrize("name", ["ü" * 300, '🎬 “it\'s” "quoted" / \\ \t & <b>', " ", "..", "nul"])
def test_a_shot_may_be_called_anything(place, tmp_path, name):
    shot = analytic_shot(tmp_path / "shot", frames=1, size=(32, 20))
    text = (shot / "shot.json").read_text()
    values = json.loads(text) | {"name": name}
    (shot / "shot.json").write_text(json.dumps(values))
    make(shot, tmp_path / "take")
    assert read_take(tmp_path / "take").name == name


def test_a_name_that_no_disk_takes_is_said(place, tmp_path):
    """One part of a path holds 255 bytes on every disk in use."""
    name = "n" * 300
    asked = {
        "a take": lambda: make(place / "shot", tmp_path / name / "take"),
        "a shot": lambda: make(tmp_path / name, tmp_path / "take"),
        "an archive": lambda: pack(place / "shot", tmp_path / f"{name}.zip"),
        "a data folder": lambda: Backend.start_or_attach(PYTHON, ROOT, tmp_path / name),
    }
    for what, ask in asked.items():
        with pytest.raises(DepthshotError) as caught:
            ask()
        assert is_sentence(str(caught.value)), what
        assert "too long" in str(caught.value), what
    said = command_line("generate", tmp_path / name, "--out", tmp_path / "take")
    assert said.returncode == 1
    assert said.stderr.endswith(" cannot be read: File name too long.\n")
    assert said.stderr.count("\n") == 1
