"""A job has the id that its sender gives, however often it is sent."""

import threading
import uuid

import pytest

from backend.bundle import pack
from backend.errors import RequestRefused
from tests.analytic import analytic_shot
from tests.backend.sent import FRAMES, job_folders, post, refusal
from tests.backends import all_events
from tests.waiting import wait_until


def test_a_job_has_the_name_that_its_sender_gives(backend, wire, place):
    """The same request with it is the same job, another one is refused, and nothing is left."""
    shot = (place / "shot.zip").read_bytes()
    name = uuid.uuid4().hex
    given = backend.submit(place / "shot.zip", model="projection", settings={}, job_id=name)
    assert given == name
    assert all_events(backend.follow(name))[-1].kind == "done"
    there = job_folders(place)
    assert post(wire, shot, job=name)["state"] == "done"
    assert [job["id"] for job in backend.jobs()].count(name) == 1
    analytic_shot(place / "other", frames=FRAMES + 1)
    pack(place / "other", place / "other.zip")
    for body, options in (
        (shot, {"seed": "77"}),
        (shot, {"settings": '{"fill": false}'}),
        (shot, {"format": "png16"}),
        ((place / "other.zip").read_bytes(), {}),
    ):
        with pytest.raises(RequestRefused, match="that of another job") as refused:
            post(wire, body, job=name, **options)
        assert refused.value.status == 409
    assert job_folders(place) == there
    backend.delete(name)


@pytest.mark.parametrize("name", ["x", "../../etc", "A" * 32, "0" * 31, "0" * 33, "0" * 32 + "\n"])
def test_a_name_of_another_form_is_refused(wire, place, name):
    before = job_folders(place)
    with pytest.raises(RequestRefused, match="'job'") as refused:
        post(wire, (place / "shot.zip").read_bytes(), job=name)
    assert refused.value.status == 422
    assert job_folders(place) == before


def test_a_shot_on_its_way_is_not_taken_for_one_that_never_came(wire, place):
    """Whoever asks for it meanwhile must not conclude that it can be forgotten."""
    name, halfway, go_on = uuid.uuid4().hex, threading.Event(), threading.Event()
    shot = (place / "shot.zip").read_bytes()

    def body():
        yield shot[:1000]
        halfway.set()
        assert go_on.wait(60)
        yield shot[1000:]

    answers = []
    sending = threading.Thread(target=lambda: answers.append(post(wire, body(), job=name)))
    sending.start()
    try:
        assert halfway.wait(60)
        wait_until(lambda: name in job_folders(place))
        asked = refusal(wire, "GET", f"/v1/shots/{name}")
        again = refusal(wire, "POST", "/v1/shots", params={"model": "projection", "job": name},
                        data=shot, headers={"Content-Type": "application/zip"})  # fmt: skip
    finally:
        go_on.set()
        sending.join(60)
    assert (asked[0], again[0]) == (409, 409)
    assert "is still being sent" in asked[1]
    assert [answer["id"] for answer in answers] == [name]
