"""A take made with a folder that was chosen: it names its weights, whatever is chosen meanwhile."""

from pathlib import Path

import pytest

from backend.bundle import pack
from backend.errors import RequestRefused
from backend.generate import generate
from backend.models import find_card, folders, load_model
from backend.models.weights import fingerprint, variable, weights_folder
from backend.paths import OVERRIDE
from backend.take import verify_take
from tests.backends import all_events, frame_files, running_backend
from tests.videos import take_maker, tiny_lora, tiny_wan_vace

CARD = find_card("wan-vace-1.3b")
SMALL = {"steps": 1, "size": "shot", "window": 9, "overlap": "5", "guidance": 1.0}
run = take_maker(CARD.id, SMALL)


@pytest.fixture
def data(tmp_path, monkeypatch) -> Path:
    monkeypatch.delenv(variable(CARD.id), raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv(OVERRIDE, str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def mine(tmp_path) -> Path:
    return tiny_wan_vace(tmp_path / "mine")


def test_another_choice_while_it_loads_changes_nothing(data, mine, make_shot, tmp_path):
    other = tiny_wan_vace(tmp_path / "other")
    (other / "further.json").write_text("{}")
    folders.choose(CARD, mine)
    loaded = []

    def load(card, *, device):
        folders.choose(CARD, other)
        loaded.append(weights_folder(card))
        return load_model(card, device=device)

    take = run(make_shot(frames=5), tmp_path / "take", load=load)
    assert loaded == [mine] and take.revision == fingerprint(mine) != fingerprint(other)


def test_a_take_keeps_and_names_what_it_began_to_make_few_steps_with(
    data, mine, make_shot, tmp_path, monkeypatch
):
    fast = CARD.fast_card
    monkeypatch.delenv(variable(fast.id), raising=False)
    one, other = (tmp_path / name for name in ("one", "other"))
    for seed, folder in enumerate((one, other)):
        tiny_lora(mine, folder / CARD.fast.file, seed=seed)
    folders.choose(CARD, mine)
    folders.choose(fast, one)
    loaded = []

    def load(card, *, device):
        folders.choose(fast, other)
        loaded.append(card)
        return load_model(card, device=device)

    few = {name: SMALL[name] for name in ("size", "window", "overlap")} | {"fast": True}
    shot = make_shot(frames=5)
    asked = {"model": CARD.id, "settings": few, "device": "cpu", "should_stop": lambda: False}
    take = generate(shot, out=tmp_path / "take", on_event=lambda event: None, load=load, **asked)
    assert weights_folder(loaded[0].fast_card) == one
    assert take.revision == f"{fingerprint(mine)}+{fingerprint(one)}"
    later = generate(shot, out=tmp_path / "later", on_event=lambda event: None, **asked)
    assert later.revision == f"{fingerprint(mine)}+{fingerprint(other)}"
    assert frame_files(tmp_path / "later") != frame_files(tmp_path / "take")


def test_a_server_uses_what_is_chosen_when_a_job_comes(data, mine, make_shot, tmp_path):
    other = tiny_wan_vace(tmp_path / "other")
    (other / "further.json").write_text("{}")
    archive = tmp_path / "shot.zip"
    pack(make_shot(frames=5), archive)
    with running_backend(data) as backend:
        with pytest.raises(RequestRefused, match="are not on this computer; get them with"):
            backend.submit(archive, model=CARD.id, settings=SMALL)
        for folder in (mine, other):
            folders.choose(CARD, folder)
            job = backend.submit(archive, model=CARD.id, settings=SMALL)
            assert all_events(backend.follow(job))[-1].kind == "done"
            backend.download(job, tmp_path / job)
            assert verify_take(tmp_path / job).revision == fingerprint(folder)
        other.rename(tmp_path / "away")
        with pytest.raises(RequestRefused, match="where no folder is; bring it back, choose"):
            backend.submit(archive, model=CARD.id, settings=SMALL)
