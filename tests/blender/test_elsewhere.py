"""A backend on another machine, from Blender: real TLS to a second process with its own folder."""

import signal
import socket

import bpy
import pytest
from bl_ext.devrepo.depthshot.backend.errors import AddressRefused
from bl_ext.devrepo.depthshot.backend.rendezvous import read_server
from bl_ext.devrepo.depthshot.backend.take import verify_take
from bl_ext.devrepo.depthshot.operators.attachment import attachment
from bl_ext.devrepo.depthshot.operators.backend_care import care
from bl_ext.devrepo.depthshot.operators.backend_place import check_elsewhere, place_of
from bl_ext.devrepo.depthshot.operators.generation import Generation, Outcome
from bl_ext.devrepo.depthshot.preferences import preferences

from tests.blender import layouts, takes
from tests.blender.generations import FRAMES, claim, run, start, state, waiting
from tests.certificates import SELF_SIGNED
from tests.remotes import free_port, own_address, served
from tests.waiting import wait_until

pytestmark = [pytest.mark.usefixtures("backend_python"), pytest.mark.once]
FIELDS = ("use_elsewhere", "elsewhere_address", "elsewhere_token", "elsewhere_fingerprint")


@pytest.fixture
def box(backend_python, stored, tmp_path, monkeypatch):
    """A server elsewhere, and preferences that name it; this machine's own is out of reach."""
    folder = tmp_path / "box"
    folder.mkdir()
    certificate, key = SELF_SIGNED.write(folder)
    tls = ("--tls-cert", certificate, "--tls-key", key, "--host", own_address() or "127.0.0.1")
    python = preferences(bpy.context).backend_python
    monkeypatch.setattr(bpy.context.preferences.system, "use_online_access", True, raising=False)
    stored.data_folder = str(tmp_path / "here")
    stored.backend_python = str(tmp_path / "no python here")
    port = free_port()

    def serve():
        return served(folder / "data", *tls, python=python, port=port)

    stored.use_elsewhere = True
    with serve() as box:
        stored.elsewhere_address = f"{own_address() or '127.0.0.1'}:{port}"
        stored.elsewhere_token = box.token
        stored.elsewhere_fingerprint = SELF_SIGNED.fingerprint
        box_serve[0] = serve
        yield box
    attachment.close()
    for name in FIELDS:
        stored.property_unset(name)


box_serve = [None]


def fetch():
    return run(Generation.resume(claim(), preferences(bpy.context)))


def test_from_a_scene_to_the_timeline(shot, box, tmp_path):
    phases = set()
    generation = run(start(), lambda generation: phases.add(generation.clock.phase))
    assert generation.outcome is Outcome.DONE, generation.message
    take = verify_take(generation.folder)
    assert (take.frame_start, take.frames, take.size) == (5, 3, (64, 36))
    (made,) = takes.strips(bpy.data.scenes["Scene edit"])
    assert (made.frame_final_start, made.frame_final_duration) == (FRAMES[0], len(FRAMES))
    frame = takes.render(bpy.data.scenes["Scene edit"], tmp_path / "r.png", FRAMES[0])
    assert (frame == takes.read(generation.folder / "frames/0005.png")).all()
    said = [phase for phase in phases if phase.endswith(f" on {socket.gethostname()}")]
    assert said, phases
    assert not list((box.data / "store-1/jobs").iterdir()), "its copy there is gone"
    assert read_server(preferences(bpy.context).data) is None, "none was started here"
    assert not (tmp_path / "here/store-1").exists()
    assert waiting() == []
    for log in (box.log, *tmp_path.glob("here/logs/*")):
        assert box.token not in log.read_text()


def test_asked_how_it_is(box, stored):
    def it_is_past_starting():
        assert bpy.ops.depthshot.backend_ask() == {"FINISHED"}
        return care.message != f"{socket.gethostname()} (starting): starting, no job."

    wait_until(it_is_past_starting)
    assert care.message == f"{socket.gethostname()} (cpu): ready, no job."
    stored.elsewhere_fingerprint = "ab" * 32
    with pytest.raises(RuntimeError, match="so nothing was sent"):
        bpy.ops.depthshot.backend_ask()
    stored.elsewhere_address = "http://render-box"
    with pytest.raises(RuntimeError, match="poll"):
        bpy.ops.depthshot.backend_ask()


def test_cancelled_there_too(shot, box):
    before = state()
    shot.frame_end = 60
    generation = run(start(), lambda generation: generation.pending is not None)
    generation.cancel()
    run(generation)
    assert generation.outcome is Outcome.CANCELLED
    assert waiting() == []
    assert state()[0] == before[0]
    backend = attachment.take(preferences(bpy.context))
    try:
        wait_until(lambda: backend.job(generation.pending.job)["state"] == "cancelled")
    finally:
        attachment.give_back()


def test_blender_ends_the_server_is_away_and_comes_back(shot, box, stored):
    """What was sent is fetched later, by the right token at the right server and no other."""
    generation = run(start(), lambda generation: generation.pending is not None)
    generation.abandon()
    attachment.close()
    assert waiting() == [generation.pending.job]
    serve = box_serve[0]

    stored.elsewhere_token = "x" * 43
    wrong = fetch()
    assert (wrong.outcome, waiting()) == (Outcome.FAILED, [generation.pending.job])
    assert "does not take the token" in wrong.message
    stored.elsewhere_token = box.token

    box.process.send_signal(signal.SIGKILL)
    box.process.wait()
    away = fetch()
    assert (away.outcome, waiting()) == (Outcome.FAILED, [generation.pending.job])
    assert "No backend answers at https://" in away.message

    stored.use_elsewhere = False
    switched = fetch()
    assert (switched.outcome, waiting()) == (Outcome.FAILED, [generation.pending.job])
    assert f":{box.port}; set that address" in switched.message
    stored.use_elsewhere = True

    with serve():
        fetched = fetch()
    assert fetched.outcome is Outcome.DONE, fetched.message
    assert verify_take(fetched.folder).frames == 3
    assert waiting() == []


def test_another_store_at_the_address_does_not_lose_the_job(shot, box):
    generation = run(start(), lambda generation: generation.pending is not None)
    generation.abandon()
    attachment.close()
    box.process.send_signal(signal.SIGTERM)
    box.process.wait()
    jobs = box.data / "store-1"
    jobs.rename(box.data / "store of another")
    with box_serve[0]():
        failed = fetch()
        assert failed.outcome is Outcome.FAILED
        assert "has other jobs" in failed.message
        attachment.close()
    assert waiting() == [generation.pending.job]


def test_a_job_of_this_machine_is_fetched_from_this_machine(shot, box, stored, backend_python):
    """Also while a backend elsewhere is set: its note says where it is."""
    stored.use_elsewhere = False
    stored.property_unset("backend_python")
    generation = run(start(), lambda generation: generation.pending is not None)
    generation.abandon()
    assert (generation.pending.server, generation.pending.store != "") == ("", True)
    stored.use_elsewhere = True
    fetched = fetch()
    assert fetched.outcome is Outcome.DONE, fetched.message
    attachment.close()


REFUSED = {
    "in the open": ({"elsewhere_address": "http://render-box:8765"}, "--tls-cert"),
    "no address": ({"elsewhere_address": "what?"}, "no address of a backend"),
    "no token": ({"elsewhere_token": ""}, "is missing"),
    "no fingerprint": ({"elsewhere_fingerprint": "abc"}, "no SHA-256 fingerprint"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_said_before_anything_is_captured(shot, stored, case, tmp_path):
    stored.data_folder = str(tmp_path / "here")
    stored.use_elsewhere = True
    stored.elsewhere_address, stored.elsewhere_token = "https://render-box", "x" * 43
    bpy.context.preferences.system.use_online_access = True
    changes, said = REFUSED[case]
    for name, value in changes.items():
        setattr(stored, name, value)
    try:
        before = state()
        with pytest.raises(RuntimeError, match=said):
            bpy.ops.depthshot.generate()
        assert state() == before
        assert not (tmp_path / "here/captures").exists()
    finally:
        for name in FIELDS:
            stored.property_unset(name)


def test_the_network_is_used_only_where_blender_may(stored, monkeypatch):
    from bl_ext.devrepo.depthshot.operators import backend_place

    class Offline:
        online_access = False

    class Faked:
        app = Offline

    stored.use_elsewhere = True
    stored.elsewhere_token = "x" * 43
    monkeypatch.setattr(backend_place, "bpy", Faked)  # in tests Blender's own cannot be switched
    try:
        for address in ("http://127.0.0.1:8765", "https://localhost"):
            stored.elsewhere_address = address
            check_elsewhere(preferences(bpy.context))
        stored.elsewhere_address = "https://render-box"
        with pytest.raises(AddressRefused, match="Allow Online Access"):
            check_elsewhere(preferences(bpy.context))
        assert "x" * 43 not in repr(preferences(bpy.context))
        assert place_of(preferences(bpy.context)).url == "https://render-box:8765"
    finally:
        for name in FIELDS:
            stored.property_unset(name)


def test_its_page(stored):
    def drawn():
        calls = layouts.draw(type(stored), stored=stored)
        return [
            arguments.get("property") or arguments.get("operator") or arguments.get("text")
            for _, arguments in calls
        ]

    assert "use_elsewhere" in drawn()
    assert not {*FIELDS[1:], "depthshot.backend_ask"} & set(drawn())
    stored.use_elsewhere = True
    stored.elsewhere_address, stored.elsewhere_token = "http://render-box", "x" * 43
    try:
        assert set(FIELDS) <= set(drawn())
        assert "in the open" in " ".join(filter(None, drawn()))
        assert "depthshot.backend_ask" not in drawn()
        stored.elsewhere_address = "http://127.0.0.1:8765"
        assert "depthshot.backend_ask" in drawn()
        assert "x" * 43 not in " ".join(filter(None, drawn()))
    finally:
        for name in FIELDS:
            stored.property_unset(name)
    assert stored.bl_rna.properties["elsewhere_token"].subtype == "PASSWORD"
