"""The worker process alone: what it says, how it ends."""

import json
import os
import queue
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from backend.models.device_errors import is_device_lost, is_out_of_memory
from backend.models.machine import Machine
from backend.server.process import WorkerProcess
from backend.take import verify_take
from backend.worker import Worker
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
    assert Machine.from_json(ready["machine"]).device == ready["device"]
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
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling x"))
    assert not is_out_of_memory(RuntimeError("size of tensor a (3) must match tensor b (4)"))


@pytest.mark.parametrize(
    ("said", "lost"),
    [
        ("CUDA error: unspecified launch failure\nCompile with TORCH_USE_CUDA_DSA", True),
        ("HIP error: device lost", True),
        ("CUDA error: out of memory", False),
        ("shapes do not match", False),
    ],
)
def test_a_gpu_that_is_gone_is_told_from_other_mistakes(said, lost):
    assert is_device_lost(RuntimeError(said)) == lost


def test_a_gpu_that_is_gone_ends_the_process_after_it_was_said(monkeypatch, tmp_path):
    def gone_now(*arguments, **options):
        raise RuntimeError("CUDA error: unspecified launch failure\nand much more")

    def leave(status: int) -> None:
        raise SystemExit(status)

    monkeypatch.setattr("backend.worker.generate", gone_now)
    monkeypatch.setattr("backend.worker.os._exit", leave)
    end, output = os.pipe()
    order = {"job": "a", "shot": "", "take": str(tmp_path / "take"), "model": "", "settings": {}}
    with pytest.raises(SystemExit) as left:
        Worker("cuda:0", output)._work(order | {"seed": 1, "format": "png8"})
    assert left.value.code != 0
    os.close(output)
    with os.fdopen(end) as lines:
        (message,) = map(json.loads, lines)
    assert message["say"] == "end"
    assert message["event"]["message"].startswith(
        "The GPU 'cuda:0' does not answer any more (CUDA error: unspecified launch failure); "
    )


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
