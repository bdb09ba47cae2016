"""Worker, server, both at once and the command line, killed at drawn moments of a job.

Whatever was killed and when: the job is there and done, every picture under its own name is whole,
and the take has the bytes that it has when nobody is killed. See `tests.kills` for the number of
kills and their seed.
"""

import contextlib
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from backend.bundle import pack
from backend.client import Backend
from backend.errors import BackendError
from backend.models.draft.load import save_pipeline
from backend.models.weights import variable
from backend.rendezvous import read_server
from backend.take import verify_take
from tests import kills
from tests.analytic import analytic_shot
from tests.backends import PYTHON, ROOT, events_until, frame_files, gone, running_backend
from tests.drafts import small_pipeline
from tests.waiting import wait_until

FRAMES = 16
MODELS = {"projection": {}, "draft": {"steps": 1}}
VICTIMS = ("worker", "server", "server and worker", "command line")
ATTEMPTS = 5  # of a patient client, for one kill
PATIENCE = 600.0  # seconds: what is asked is that it comes, on a busy machine too
pytestmark = pytest.mark.timeout(2 * PATIENCE)


@dataclass(frozen=True, slots=True)
class Job:
    """A shot, and what it gives when nobody is killed.

    Attributes:
        shot: Folder of the shot.
        true: Every picture and mask of the unharmed take, by path.
        seconds: How long the unharmed job took from sending to the fetched take.
        alone: The same on the command line, with its own start.
    """

    shot: Path
    true: dict[str, bytes]
    seconds: float
    alone: float


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kills") / "data"


@pytest.fixture(scope="module")
def backend(data: Path) -> Iterator[Backend]:
    """One client for all kills; its server and worker are replaced under way."""
    save_pipeline(small_pipeline().network, data.parent / "weights")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(variable("draft"), str(data.parent / "weights"))
        with running_backend(data) as backend:
            yield backend
    with contextlib.closing(sqlite3.connect(data / "store-1" / "jobs.sqlite")) as table:
        assert table.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert table.execute("SELECT count(*) FROM jobs").fetchone() == (0,)


@pytest.fixture(scope="module")
def jobs(backend: Backend, data: Path) -> dict[str, Job]:
    """One job a model, measured with a warm worker."""
    made = {}
    shot = analytic_shot(data.parent / "shot", frames=FRAMES, size=(64, 40), step=0.02)
    pack(shot, data.parent / "shot.zip")
    for model in MODELS:
        carry_out(backend, data, model, data.parent / f"warm {model}")
        began = time.monotonic()
        true = carry_out(backend, data, model, data.parent / f"true {model}")
        took = time.monotonic() - began
        began = time.monotonic()
        command_line(shot, model, data.parent / f"alone {model}").wait()
        alone = time.monotonic() - began
        assert frame_files(data.parent / f"alone {model}") == true
        made[model] = Job(shot, true, took, alone)
    return made


def carry_out(backend: Backend, data: Path, model: str, take: Path) -> dict[str, bytes]:
    """Do as the add-on does, and go on where a server was lost; return the take's pictures."""
    job_id = patiently(
        backend,
        lambda: backend.submit(data.parent / "shot.zip", model=model, settings=MODELS[model]),
    )
    following = backend.follow(job_id)
    last = events_until(following, lambda event: event.final, seconds=PATIENCE)[-1]
    assert last.kind == "done", last.message
    patiently(backend, lambda: backend.download(job_id, take))
    verify_take(take)
    patiently(backend, lambda: delete(backend, job_id))
    return frame_files(take)


def delete(backend: Backend, job_id: str) -> None:
    """Delete a job that is there: it may be gone, and only the answer was lost."""
    if any(job["id"] == job_id for job in backend.jobs()):
        backend.delete(job_id)


def patiently(backend: Backend, ask):
    """Ask again while a server is being replaced, as an artist who presses the button again."""
    for _ in range(ATTEMPTS):
        try:
            return ask()
        except BackendError as reason:
            lost = reason
            time.sleep(0.2)
            # Nobody else starts one where the kill came after the job's last event.
            with contextlib.suppress(BackendError):
                backend.reattach()
    raise lost


def jobs_of(backend: Backend) -> list[dict]:
    """Return the jobs; of a new server where the kill came when all was done."""

    def ask() -> list[dict]:
        backend.reattach()
        return backend.jobs()

    return patiently(backend, ask)


def command_line(shot: Path, model: str, take: Path) -> subprocess.Popen:
    settings = [f"--set={name}={value}" for name, value in MODELS[model].items()]
    return subprocess.Popen(
        [PYTHON, "-m", "backend", "generate", shot, "--model", model, *settings, "--out", take],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def children(pid: int) -> list[int]:
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def torn(folder: Path, true: dict[str, bytes]) -> list[str]:
    """Return the pictures that have their own name and not all of their own bytes."""
    found = []
    for path in (*folder.glob("frames/[!.]*"), *folder.glob("mask/[!.]*")):
        # None: it went with its job since it was listed.
        with contextlib.suppress(FileNotFoundError):
            if path.read_bytes() != true[path.relative_to(folder).as_posix()]:
                found.append(path.name)
    return found


@pytest.mark.parametrize("number", range(kills.KILLS), ids=kills.name)
def test_random_kill(backend, data, jobs, tmp_path, number):
    draw = kills.draws("backend", number)
    victim = VICTIMS[number % len(VICTIMS)]
    model = draw.choice(list(MODELS))
    job, share = jobs[model], draw.random()
    said = f"seed {kills.SEED}, kill {number}: {victim} of {model} at {share:.0%} of its time"
    if victim == "command line":
        process = command_line(job.shot, model, tmp_path / "take")
        with kills.KillLater(share * job.alone, lambda: [process.pid]) as later:
            process.wait()
        assert torn(tmp_path / "take", job.true) == [], said
        again = command_line(job.shot, model, tmp_path / "take")
        assert again.wait() == 0, said
        verify_take(tmp_path / "take")
        assert frame_files(tmp_path / "take") == job.true, said
        assert later.killed in ([process.pid], [])
        return

    assert jobs_of(backend) == [], "an earlier kill has left something"
    wait_until(lambda: backend.health()["state"] == "ready", seconds=PATIENCE)
    server = read_server(data).pid
    workers = children(server)
    victims = {"worker": workers, "server": [server], "server and worker": [server, *workers]}

    def look() -> list[str]:
        takes = (data / "store-1" / "jobs").glob("*/take")
        return [name for take in takes for name in torn(take, job.true)]

    seconds = share * job.seconds
    with kills.KillLater(seconds, lambda: victims[victim], look=look) as later:
        made = carry_out(backend, data, model, tmp_path / "take")
    assert later.seen == [], said
    assert made == job.true, said
    assert jobs_of(backend) == [], said
    # None goes on without its server, and a killed one leaves nothing that holds its place.
    left = [server, *workers] if server in later.killed else later.killed
    wait_until(lambda: all(gone(pid) for pid in left))
