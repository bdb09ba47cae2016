"""The worker process alone: what it says, how it ends."""

import queue
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from backend.server.process import WorkerProcess
from backend.take import verify_take
from backend.worker import _out_of_memory
from tests.backends import gone
from tests.waiting import wait_until

Inbox = queue.Queue


@pytest.fixture
def inbox() -> Inbox:
    return queue.Queue()


@pytest.fixture
def worker(inbox: Inbox) -> Iterator[WorkerProcess]:
    process = WorkerProcess(None, lambda _, message: inbox.put(message))
    yield process
    process.kill()


def next_message(inbox: Inbox, *kinds: str) -> dict:
    while True:
        message = inbox.get(timeout=60)
        if message["say"] in kinds:
            return message


def order(worker: WorkerProcess, shot: Path, take: Path, **changes: object) -> None:
    values = {"model": "projection", "settings": {}, "seed": 1, "format": "png8"}
    worker.order("generate", job="a", shot=str(shot), take=str(take), **(values | changes))


def test_it_says_what_it_works_on_and_what_it_has_done(worker, inbox, make_shot, tmp_path):
    ready = next_message(inbox, "ready", "broken")
    assert ready["say"] == "ready"
    assert ready["device"] == ready["devices"][0]
    assert ready["devices"][-1] == "cpu"
    for name in ("one", "two"):  # warm: the same process again
        (tmp_path / name).mkdir()
        order(worker, make_shot(f"shot-{name}"), tmp_path / name / "take")
        frames = []
        while (message := next_message(inbox, "event", "end", "exit"))["say"] == "event":
            if message["event"]["kind"] == "frame":
                frames.append(message["event"]["index"])
        assert message["event"]["kind"] == "done"
        assert sorted(frames) == [0, 1, 2]
        verify_take(tmp_path / name / "take")


def test_an_error_fails_the_job_and_not_the_worker(worker, inbox, make_shot, tmp_path):
    order(worker, tmp_path / "nowhere", tmp_path / "take")
    end = next_message(inbox, "end", "exit")
    assert end["event"]["kind"] == "failed"
    assert "shot.json" in end["event"]["message"]
    order(worker, make_shot(), tmp_path / "take")
    assert next_message(inbox, "end", "exit")["event"]["kind"] == "done"


def test_a_cancel_before_its_job_is_obeyed(worker, inbox, make_shot, tmp_path):
    worker.order("cancel", job="a")
    order(worker, make_shot(), tmp_path / "take")
    assert next_message(inbox, "end", "exit")["event"]["kind"] == "cancelled"
    order(worker, tmp_path / "shot", tmp_path / "take")  # asked for again, it is not cancelled
    assert next_message(inbox, "end", "exit")["event"]["kind"] == "done"


def test_it_gives_signs_of_life_without_work(worker, inbox):
    next_message(inbox, "ready")
    assert [next_message(inbox, "alive", "exit")["say"] for _ in range(2)] == ["alive", "alive"]


def test_it_ends_when_its_stdin_closes(worker, inbox):
    next_message(inbox, "ready")
    worker.close()
    assert gone(worker.pid)
    assert next_message(inbox, "exit") == {"say": "exit", "status": 0}


def test_it_ends_while_it_works_when_its_stdin_closes(worker, inbox, make_shot, tmp_path):
    order(worker, make_shot(frames=30, size=(160, 96)), tmp_path / "take")
    next_message(inbox, "event")
    worker._process.stdin.close()
    assert next_message(inbox, "end", "exit")["say"] == "exit"


def test_too_little_memory_is_known_by_what_torch_says():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**50)
    assert _out_of_memory(caught.value)
    assert _out_of_memory(MemoryError())
    assert _out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling x"))
    assert not _out_of_memory(RuntimeError("size of tensor a (3) must match tensor b (4)"))


def test_a_device_that_is_not_there_is_said(inbox):
    process = WorkerProcess("cuda:99", lambda _, message: inbox.put(message))
    broken = next_message(inbox, "broken", "ready")
    assert "no device 'cuda:99'" in broken["message"]
    assert next_message(inbox, "exit")["status"] == 1
    process.kill()


def test_what_libraries_print_does_not_disturb(inbox, tmp_path, monkeypatch):
    # sitecustomize is imported by every Python at its start: it prints as a native library does.
    (tmp_path / "sitecustomize.py").write_text(
        "import os, threading\n"
        "def chatter():\n"
        "    while True:\n"
        "        os.write(1, b'{chatter\\n'); threading.Event().wait(0.05)\n"
        "threading.Thread(target=chatter, daemon=True).start()\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    process = WorkerProcess(None, lambda _, message: inbox.put(message))
    try:
        next_message(inbox, "ready")
        next_message(inbox, "alive")
        wait_until(lambda: process.last_words() == "{chatter")
        next_message(inbox, "alive")
    finally:
        process.kill()
