"""The routes over real HTTP: shots in, events and files out, and every way of being refused."""

import dataclasses
import inspect
import io
import json
import resource
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.client import Backend
from backend.errors import BackendLost, RequestRefused, SettingError, TakeError
from backend.events import Event
from backend.models import find_card
from backend.models.machine import Machine, look
from backend.models.preflight import preflight
from backend.rendezvous import read_server
from backend.take import read_take, verify_take
from tests.backend.sent import FRAMES, job_folders, post, refusal
from tests.backends import all_events, frame_files, worker_pid
from tests.waiting import wait_until


def test_a_shot_goes_all_the_way(backend, done, place, tmp_path):
    progress = []
    folder = backend.download(done, tmp_path / "take", lambda *numbers: progress.append(numbers))
    take = verify_take(folder)
    assert (take.model, take.seed, take.frames, take.frame_start) == ("projection", 9, FRAMES, -1)
    assert sorted(path.name for path in (folder / "frames").iterdir()) == [
        "-001.png",
        "0000.png",
        "0001.png",
        "0002.png",
    ]
    assert progress == [(count, len(take.files)) for count in range(len(take.files) + 1)]
    job = backend.job(done)
    assert (job["state"], job["frames"], job["frames_done"]) == ("done", FRAMES, FRAMES)
    assert (job["attempts"], job["crashes"]) == (1, 0)


def test_frames_masks_and_the_record_are_fetched_by_number(wire, done, place):
    folder = place / "data" / "store-1" / "jobs" / done / "take"
    for path, file in (
        ("take.json", "take.json"),
        ("frames/-1", "frames/-001.png"),
        ("masks/2", "mask/0002.png"),
    ):
        with wire.open("GET", f"/v1/shots/{done}/{path}") as response:
            assert response.content == (folder / file).read_bytes()
            kind = "application/json" if path.endswith("json") else "image/png"
            assert response.headers["Content-Type"] == kind


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("frames/99", 404),
        ("depth/1", 404),  # this model makes none: the shot knows it
        ("frames/..%2f..%2fshot%2fstill.png", 404),
        ("frames/0001.png", 422),
        ("frames/1e3", 422),
        ("frames/" + "9" * 400, 422),
        ("shot/still.png", 404),
    ],
)
def test_only_files_of_the_take_are_given(wire, done, path, status):
    assert refusal(wire, "GET", f"/v1/shots/{done}/{path}")[0] == status


@pytest.mark.parametrize("job_id", ["unknown", "..", "%2e%2e", "..%2f..", "a" * 5000, "%00"])
def test_an_unknown_job_is_none(wire, job_id):
    for method, path in (
        ("GET", ""),
        ("GET", "/events"),
        ("GET", "/take.json"),
        ("GET", "/frames/1"),
        ("POST", "/cancel"),
        ("DELETE", ""),
    ):
        status, _ = refusal(wire, method, f"/v1/shots/{job_id}{path}")
        assert status in (404, 405), (method, path)


def test_events_can_be_resumed_after_any_of_them(backend, wire, done):
    events = all_events(backend.follow(done))
    assert [event.seq for event in events] == sorted({event.seq for event in events})
    assert sorted(e.index for e in events if e.kind == "frame") == list(range(FRAMES))
    for position, event in enumerate(events[:-1]):
        assert all_events(backend.follow(done, after=event.seq)) == events[position + 1 :]
    with wire.open(
        "GET", f"/v1/shots/{done}/events", headers={"Last-Event-ID": str(events[-2].seq)}
    ) as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        lines = response.text.split("\n")
    assert f"id: {events[-1].seq}" in lines
    assert [json.loads(line[6:])["kind"] for line in lines if line.startswith("data: ")] == ["done"]


def test_a_stream_past_the_end_is_empty_and_ends(wire, done):
    with wire.open("GET", f"/v1/shots/{done}/events", params={"after": "1000000"}) as response:
        assert "data: " not in response.text


@pytest.mark.parametrize("nobody_listens", [False, True])
def test_a_stream_is_closed_by_whoever_follows_it(backend, done, monkeypatch, nobody_listens):
    """Not by the garbage collector, which cannot tell anybody what goes wrong meanwhile."""
    opened, asked, ready = [], threading.Event(), threading.Event()

    def stream(job_id: str, *, after: int) -> Iterator[Event]:
        asked.set()
        ready.wait(60)
        opened.append(Backend.stream(backend, job_id, after=after))
        return opened[-1]

    monkeypatch.setattr(backend, "stream", stream)
    following = backend.follow(done)
    assert asked.wait(60)
    if nobody_listens:
        following.close()
    ready.set()
    following._thread.join(60)
    assert [inspect.getgeneratorstate(each) for each in opened] == [inspect.GEN_CLOSED]
    assert nobody_listens != any(event.final for event in following.drain())


def test_jobs_are_listed_and_deleted(backend, place):
    job_id = backend.submit(place / "shot.zip", model="projection", settings={})
    all_events(backend.follow(job_id))
    assert job_id in {job["id"] for job in backend.jobs()}
    assert job_id in job_folders(place)
    backend.delete(job_id)
    assert job_id not in {job["id"] for job in backend.jobs()}
    assert job_id not in job_folders(place)


def test_the_cards_are_those_of_the_models(backend):
    from backend.models import cards

    assert backend.cards() == [card.to_json() for card in cards()]


def test_health_says_what_each_device_does(backend):
    wait_until(lambda: backend.health()["state"] == "ready")
    health = backend.health()
    assert (health["why"], health["queued"], health["clients"]) == ("", 0, 1)
    assert [device["state"] for device in health["devices"]] == ["ready"] * len(health["devices"])


def test_a_model_is_told_before_it_is_loaded(backend, wire):
    wait_until(lambda: backend.health()["state"] == "ready")
    asked = {"size": (1920, 1080), "frames": 200, "settings": {"size": "720p", "steps": 4}}
    found = backend.preflight("wan-vace-1.3b", **asked)
    machine = look(found["device"])
    wanted = preflight(
        find_card("wan-vace-1.3b"),
        dataclasses.replace(machine, ram_free=found["ram_free"]),
        download=found["download"],
        disk_free=found["disk_free"],
        **asked,
    )
    machine = Machine.from_json(found.pop("machine"))
    assert (machine.device, machine.ram_free) == (found["device"], found["ram_free"])
    assert found == json.loads(json.dumps(wanted.to_json()))
    assert found["download"] > 10**9
    own = wire.json("GET", "/v1/preflight?model=draft")
    assert (own["verdict"], own["model"]) == ("fits", "draft")


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("model=none", "There is no model 'none'"),
        ("model=draft&settings=[]", "'settings' must be a JSON object"),
        ("model=draft&settings=%7B%22stepz%22:1%7D", "has no setting 'stepz'"),
        ("model=draft&width=0&height=9", "width"),
        ("model=wan-vace-1.3b&frames=99&settings=%7B%22window%22:5%7D", "make nothing new"),
    ],
)
def test_what_cannot_be_told_is_refused(backend, wire, query, sentence):
    wait_until(lambda: backend.health()["state"] == "ready")
    status, said = refusal(wire, "GET", f"/v1/preflight?{query}")
    assert status == 422
    assert sentence in said


def test_the_openapi_document_describes_routes_and_answers(wire):
    document = wire.json("GET", "/v1/openapi.json")
    paths = document["paths"]
    assert "application/zip" in paths["/v1/shots"]["post"]["requestBody"]["content"]
    assert "/v1/shots/{job_id}/frames/{frame}" in paths
    job = document["components"]["schemas"]["Job"]["properties"]
    assert {"id", "state", "frames_done", "message"} <= set(job)


def wrong_archives(place: Path) -> dict[str, tuple[bytes, str]]:
    """Bodies that are no usable shot, and a part of the sentence each gets."""
    shot = json.loads((place / "shot" / "shot.json").read_text())

    def archive(files: dict[str, bytes]) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
            for name, content in files.items():
                target.writestr(name, content)
        return buffer.getvalue()

    def with_json(**changes: object) -> bytes:
        return archive({"shot.json": json.dumps(shot | changes).encode()})

    link = zipfile.ZipInfo("shot.json")
    link.external_attr = 0o120777 << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        target.writestr(link, "/etc/passwd")
    whole = (place / "shot.zip").read_bytes()
    return {
        "no zip": (b"not a zip", "no zip file"),
        "nothing": (b"", "no zip file"),
        "cut off": (whole[: len(whole) // 2], "no zip file"),
        "no shot.json": (archive({"a.txt": b"a"}), "no shot.json"),
        "no cameras": (with_json(cameras=[]), "'cameras'"),
        "another protocol": (with_json(protocol=99), "'protocol' is 99"),
        "missing frame": (with_json(), "does not have it"),
        "out of the folder": (
            with_json(stills=[{"image": "../x.png", "index": 0}]),
            "inside the shot's folder",
        ),
        "a bomb": (archive({"shot.json": b" " * 30_000_000}), ""),
        "a link": (buffer.getvalue(), "link"),
    }


@pytest.mark.parametrize(
    "kind",
    [
        "no zip",
        "nothing",
        "cut off",
        "no shot.json",
        "no cameras",
        "another protocol",
        "missing frame",
        "out of the folder",
        "a bomb",
        "a link",
    ],
)
def test_a_wrong_archive_is_refused_in_a_sentence_and_leaves_nothing(wire, place, kind):
    body, words = wrong_archives(place)[kind]
    before = job_folders(place)
    with pytest.raises(RequestRefused) as caught:
        post(wire, body)
    assert caught.value.status == 422
    assert words in str(caught.value)
    assert str(caught.value).endswith(".")
    assert job_folders(place) == before


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"model": "nope"}, "no model 'nope'"),
        ({"settings": '{"blur": 1}'}, "no setting 'blur'"),
        ({"settings": '{"fill": 3}'}, "'fill' must be true or false"),
        (
            {"model": "wan-vace-1.3b", "settings": '{"depth_near": 9, "depth_far": 2}'},
            "'depth_near' (9 m) must be less than 'depth_far' (2 m)",
        ),
        ({"model": "wan-vace-1.3b"}, "(19.0 GB) are not on this computer"),
        ({"settings": "[1]"}, "must be a JSON object"),
        ({"settings": "{"}, "not valid JSON"),
        ({"settings": "[" * 19_000}, "not valid JSON"),
        ({"settings": "{}" + " " * 30_000}, "'settings'"),
        ({"seed": "-1"}, "'seed'"),
        ({"seed": "x"}, "'seed'"),
    ],
)
def test_a_wrong_query_is_refused_in_a_sentence(wire, place, query, words):
    before = job_folders(place)
    with pytest.raises(RequestRefused) as caught:
        post(wire, (place / "shot.zip").read_bytes(), **query)
    assert caught.value.status == 422
    assert words in str(caught.value)
    assert job_folders(place) == before


def test_a_shot_as_json_is_refused(wire):
    status, message = refusal(
        wire, "POST", "/v1/shots", params={"model": "projection"}, json={"protocol": 1}
    )
    assert (status, message) == (415, "A shot is sent as application/zip.")


def test_an_archive_that_says_it_is_too_large_is_not_read(wire, place):
    before = job_folders(place)
    status, message = refusal(
        wire,
        "POST",
        "/v1/shots",
        params={"model": "projection"},
        data=iter([b"x"]),
        headers={"Content-Type": "application/zip", "Content-Length": str(10**12)},
    )
    assert (status, "larger than 64 GB" in message) == (413, True)
    assert job_folders(place) == before


def test_the_client_refuses_wrong_settings_before_it_sends(backend, place):
    with pytest.raises(SettingError, match="no setting 'blur'"):
        backend.submit(place / "shot.zip", model="projection", settings={"blur": 1})


def test_a_client_that_goes_away_while_sending_leaves_nothing(wire, place):
    before = job_folders(place)

    def half() -> Iterator[bytes]:
        yield (place / "shot.zip").read_bytes()[:1000]
        wait_until(lambda: len(job_folders(place)) > len(before))
        raise ConnectionAbortedError

    with pytest.raises(BackendLost):
        post(wire, half())
    wait_until(lambda: job_folders(place) == before)


def test_a_job_that_is_not_over_is_not_deleted_and_has_no_record(backend, wire, place):
    import os
    import signal

    wait_until(lambda: backend.health()["state"] == "ready")
    pid = worker_pid(backend)
    os.kill(pid, signal.SIGSTOP)
    try:
        job_id = backend.submit(place / "shot.zip", model="projection", settings={})
        assert refusal(wire, "DELETE", f"/v1/shots/{job_id}")[0] == 409
        assert refusal(wire, "GET", f"/v1/shots/{job_id}/take.json") == (
            404,
            "There is no take.json (yet).",
        )
    finally:
        os.kill(pid, signal.SIGCONT)
    assert all_events(backend.follow(job_id))[-1].kind == "done"


def test_a_file_that_was_changed_is_noticed(backend, place, tmp_path):
    job_id = backend.submit(place / "shot.zip", model="projection", settings={})
    all_events(backend.follow(job_id))
    frame = place / "data" / "store-1" / "jobs" / job_id / "take" / "frames" / "0001.png"
    whole = frame.read_bytes()
    frame.write_bytes(whole + b"\0")
    with pytest.raises(TakeError, match=r"frames/0001\.png.*generate the shot again"):
        backend.download(job_id, tmp_path / "take")
    assert not (tmp_path / "take" / "take.json").exists()
    frame.write_bytes(whole)  # an interrupted download is gone on with
    assert read_take(backend.download(job_id, tmp_path / "take")).frames == FRAMES
    job = place / "data" / "store-1" / "jobs" / job_id
    assert frame_files(tmp_path / "take") == frame_files(job / "take")


def test_a_full_disk_while_sending_is_said(backend, wire, place):
    server = read_server(place / "data").pid
    before = job_folders(place)
    unlimited = resource.prlimit(server, resource.RLIMIT_FSIZE)
    resource.prlimit(server, resource.RLIMIT_FSIZE, (1000, unlimited[1]))
    try:
        with pytest.raises(RequestRefused) as caught:
            post(wire, (place / "shot.zip").read_bytes())
    finally:
        resource.prlimit(server, resource.RLIMIT_FSIZE, unlimited)
    assert caught.value.status == 507
    assert "disk is full" in str(caught.value) or "free some space" in str(caught.value)
    assert job_folders(place) == before
    assert post(wire, (place / "shot.zip").read_bytes())["state"] in ("queued", "running")


def test_a_full_disk_while_generating_fails_the_job_and_nothing_else(backend, place):
    wait_until(lambda: backend.health()["state"] == "ready")
    pid = worker_pid(backend)
    unlimited = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (700, unlimited[1]))
    try:
        job_id = backend.submit(place / "shot.zip", model="projection", settings={})
        last = all_events(backend.follow(job_id))[-1]
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)
    assert last.kind == "failed"
    assert "cannot be written" in last.message
    assert worker_pid(backend) == pid
    again = backend.submit(place / "shot.zip", model="projection", settings={})
    assert all_events(backend.follow(again))[-1].kind == "done"
