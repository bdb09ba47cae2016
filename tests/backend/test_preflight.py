"""Told before it starts: what models cost on made-up computers."""

import dataclasses
import json
import re

import pytest

from backend.errors import SettingError
from backend.models import cards, find_card
from backend.models.hub import home, repository_folder, variable
from backend.models.machine import Gpu, Machine
from backend.models.memory import RESIDENT, TILED, choose_plan, estimate
from backend.models.preflight import missing_bytes, preflight, preflight_here
from backend.models.speeds import SHARE, SLOT, forward_work, rate_of, video_seconds
from tests.computers import (
    EIGHT,
    GB,
    HUGE,
    LARGE,
    LARGEST,
    MAC,
    NO_GPU,
    SMALL,
    TWENTY_FOUR,
    computer,
    told,
)
from tests.hubs import safetensors


@pytest.mark.parametrize(
    ("card_id", "machine", "verdict", "plan"),
    [
        (SMALL, EIGHT, "fits with offload", "group_offload"),
        (LARGE, EIGHT, "does not fit", "fp8_group_offload"),
        (SMALL, TWENTY_FOUR, "fits", "resident"),
        (LARGE, TWENTY_FOUR, "fits with offload", "group_offload"),
        (LARGEST, TWENTY_FOUR, "does not fit", "q4"),
        (LARGE, computer("", 24, 24), "fits", "q4"),
        (SMALL, HUGE, "fits", "resident"),
        (LARGE, HUGE, "fits", "resident"),
        (LARGEST, HUGE, "fits", "resident"),
        (SMALL, NO_GPU, "fits", "cpu"),
        (LARGE, NO_GPU, "does not fit", "cpu"),
        (SMALL, MAC, "fits", "resident"),
        (LARGE, MAC, "fits", "q4"),
        (LARGEST, MAC, "fits", "q4"),
    ],
)
def test_what_fits_where(card_id, machine, verdict, plan):
    found = told(card_id, machine)
    assert (found.verdict, found.memory_plan) == (verdict, plan)
    assert found.sentence.endswith(".")
    assert found.device == machine.device
    assert ("GPU's" in found.sentence) is (
        machine is not NO_GPU and "computer" not in found.sentence
    )
    if machine is NO_GPU:
        assert (found.vram_free, found.seconds) == (None, None)


@pytest.mark.parametrize("card_id", ["draft", "projection"])
@pytest.mark.parametrize("machine", [EIGHT, NO_GPU, MAC])
def test_what_ships_fits_everywhere(card_id, machine):
    found = told(card_id, machine)
    assert (found.verdict, found.memory_plan, found.download) == ("fits", "", 0)
    assert found.licence_url == ""


def test_a_download_is_told_with_its_licence_and_whether_it_will_fit():
    found = told(LARGE, TWENTY_FOUR, download=75 * GB)
    assert (found.verdict, found.memory_plan) == ("needs download", "group_offload")
    assert found.sentence.startswith("75.0 GB to download first (Apache-2.0). Fits with offload")
    assert found.sentence.endswith(f" {found.cost}")
    assert found.cost.startswith("Fits with offload")
    assert found.licence_url == find_card(LARGE).hub.licence_url


def test_a_download_that_would_be_in_vain_is_not_offered():
    found = told(LARGE, EIGHT, download=75 * GB)
    assert found.verdict == "does not fit"
    assert found.sentence.endswith(" 75.0 GB would have to be downloaded first.")
    assert "download" not in found.cost


def test_a_disk_that_is_too_small_is_said():
    assert told(SMALL, HUGE, download=19 * GB, disk_free=20 * GB + 1).verdict == "needs download"
    found = told(SMALL, HUGE, download=19 * GB, disk_free=20 * GB - 1)
    assert found.verdict == "does not fit"
    assert "19.0 GB have to be downloaded, and 20.0 GB are free" in found.sentence


def test_weights_of_4_bits_want_room_until_they_are_made():
    computer_of_24 = computer("", 24, 24)
    assert told(LARGE, computer_of_24, disk_free=20 * GB).verdict == "fits"
    found = told(LARGE, computer_of_24, disk_free=11 * GB)
    assert found.verdict == "does not fit"
    assert "weights of 4 bits take 10.5 GB, and 11.0 GB are free" in found.sentence
    assert told(LARGE, computer_of_24, disk_free=11 * GB, rounded=11 * GB).verdict == "fits"


def test_memory_that_others_hold_can_be_given_back():
    gpu = dataclasses.replace(TWENTY_FOUR.gpus[0], vram_free=4 * GB)
    found = told(SMALL, dataclasses.replace(TWENTY_FOUR, gpus=(gpu,)))
    assert found.verdict == "does not fit"
    assert found.sentence.endswith("close other programs that use the GPU.")
    busy = dataclasses.replace(TWENTY_FOUR, ram_free=8 * GB)
    found = told(SMALL, busy)
    assert found.verdict == "does not fit"
    assert found.sentence.endswith("close other programs.")


@pytest.mark.parametrize(
    ("card_id", "machine", "settings", "said"),
    [
        (
            LARGE,
            computer("", 24, 8),
            {},
            "or more memory, here or in a backend on another machine.",
        ),
        (LARGE, NO_GPU, {}, "or more memory or a GPU, here or in a backend on another machine."),
        (SMALL, computer("", 2, 64), {}, "or a GPU with more memory, here or in a backend on an"),
        (SMALL, computer("", 12, 64), {"size": "shot"}, "set 'size' to 480p."),
        (SMALL, computer("", 10, 64), {"memory": "resident"}, "set 'memory' to auto."),
        (SMALL, computer("", 9, 64), {"window": 241}, "set 'window' to "),
        ("svd", Machine((), 25 * GB, 236 * GB // 10), {}, "set 'window' to "),
        ("svd", computer("", 12, 64), {}, "set 'window' to 10, and close other programs."),
    ],
)
def test_the_way_out_is_one_that_helps(card_id, machine, settings, said):
    asked = {"size": (1920, 1080), "frames": 241}
    found = told(card_id, machine, settings=settings, **asked)
    assert found.verdict == "does not fit" and said in found.sentence
    if changed := dict(re.findall(r"'(\w+)' to (\w+)", found.sentence)):
        if "close other programs" in found.sentence:
            assert told(card_id, machine, settings=settings | changed, **asked).verdict == (
                "does not fit"
            ), "it would have to be said of what does not help alone only"
            gpus = tuple(dataclasses.replace(each, vram_free=each.vram) for each in machine.gpus)
            machine = dataclasses.replace(machine, gpus=gpus, ram_free=machine.ram)
        helped = told(card_id, machine, settings=settings | changed, **asked)
        assert helped.verdict.startswith("fits"), helped.sentence
    else:
        assert "take a smaller model ('draft' runs everywhere)" in found.sentence


def test_every_way_out_leads_to_what_fits():
    """Many computers, some of their memory taken by other programs."""
    asked = {"size": (1920, 1080), "frames": 241}
    refused = 0
    for card in (find_card(model) for model in (SMALL, LARGE, "sana-wm", "svd")):
        memory = next(each for each in card.settings if each.name == "memory")
        for plan in memory.choices:
            for vram, taken, ram in ((8, 1, 16), (12, 6, 32), (16, 10, 16), (24, 1, 24)):
                gpu = Gpu("cuda:0", "", vram * GB, (vram - taken) * GB, "8.9")
                machine = Machine((gpu,), ram * GB, ram * GB * 3 // 4)
                found = told(card.id, machine, settings={"memory": plan}, **asked)
                if found.verdict != "does not fit" or "smaller model" in found.sentence:
                    continue
                refused += 1
                changed = {"memory": plan} | dict(re.findall(r"'(\w+)' to (\w+)", found.sentence))
                if "close other programs" in found.sentence:
                    whole = dataclasses.replace(gpu, vram_free=gpu.vram)
                    machine = Machine((whole,), machine.ram, machine.ram)
                helped = told(card.id, machine, settings=changed, **asked)
                assert helped.verdict.startswith("fits"), (found.sentence, helped.sentence)
    assert refused > 20


def test_numbers_and_sentences_have_the_same_to_spare():
    work = {"size": (832, 480), "frames": 81}
    found = told(SMALL, TWENTY_FOUR)
    plain = estimate(find_card(SMALL), RESIDENT, **work)
    assert found.need.vram == int(plain.vram * 1.1) and found.need.ram == int(plain.ram * 1.1)
    assert f"{found.need.vram / 1e9:.1f} GB of" in found.sentence
    found = told(LARGE, EIGHT)
    assert f"needs {found.need.vram / 1e9:.1f} GB" in found.sentence


def test_small_weights_that_are_named_count_as_what_they_are(tmp_path, monkeypatch):
    card = find_card(LARGE)
    monkeypatch.setenv(variable(LARGE), str(tmp_path))
    here = Machine((), 64 * GB, 56 * GB)
    found = preflight_here(card, here, tmp_path / "data", size=(480, 272), frames=9)
    assert "does not have all that 'wan-vace-14b' needs (model_index.json" in found.sentence
    assert found.verdict == "does not fit"
    parts = {part.name: ["diffusers", "Some"] for part in card.parts}
    index = {"_class_name": card.hub.pipeline} | parts
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    for name in parts:
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
        (tmp_path / name / "model.safetensors").write_bytes(safetensors(b"x" * 1000))
    found = preflight_here(card, here, tmp_path / "data", size=(480, 272), frames=9)
    assert (found.verdict, found.download) == ("fits", 0)


def test_what_depthshot_does_not_download_says_so(tmp_path):
    found = preflight_here(find_card("sana-wm"), HUGE, tmp_path)
    assert found.verdict == "needs download"
    assert found.sentence.startswith("'sana-wm' is not downloaded by Depthshot; fetch it")


def test_the_plan_is_the_one_that_memory_plans_choose():
    for machine in (EIGHT, TWENTY_FOUR, HUGE):
        found = told(SMALL, machine, size=(1920, 1080), frames=200)
        plan = choose_plan(
            find_card(SMALL),
            machine.device,
            size=found.size,
            frames=max(found.windows),
            vram=machine.gpus[0].vram_free,
            ram=machine.ram_free,
        )
        assert found.memory_plan == plan.id
        need = estimate(find_card(SMALL), plan, size=found.size, frames=max(found.windows))
        assert found.need.vram == int(need.vram * 1.1)


def test_a_plan_that_the_artist_has_chosen_is_the_one_that_is_told():
    chosen = {"memory": "fp8_group_offload"}
    assert told(SMALL, HUGE, settings=chosen).memory_plan == "fp8_group_offload"
    found = told(SMALL, EIGHT, settings={"memory": "resident"})
    assert found.verdict == "does not fit"
    assert "with “Everything on the GPU” it needs" in found.sentence
    with pytest.raises(SettingError, match="'resident' is not for the device 'cpu'; set 'memory'"):
        told(SMALL, NO_GPU, settings={"memory": "resident"})
    with pytest.raises(SettingError, match="set 'memory' to auto, resident, tiled"):
        told(SMALL, MAC, settings={"memory": "fp8"})


def test_size_and_length_are_those_that_the_model_works_at():
    found = told(SMALL, HUGE, size=(1920, 1080), frames=200, settings={"size": "720p"})
    assert found.size == (1280, 720)
    assert len(found.windows) == 3
    assert max(found.windows) <= 81
    own = told(SMALL, HUGE)
    assert (own.size, own.windows) == ((832, 480), (81,))
    assert found.need.vram > own.need.vram


def test_settings_that_the_card_does_not_have_are_refused():
    with pytest.raises(SettingError, match="no setting 'stepz'"):
        told(SMALL, HUGE, settings={"stepz": 4})


def test_time_is_steps_times_work_by_rate():
    found = told(LARGE, HUGE)
    work = forward_work(find_card(LARGE), size=(832, 480), frames=81)
    assert found.seconds == pytest.approx(100 * work / (989e12 * SHARE), rel=1e-3)
    fast = told(LARGE, HUGE, settings={"steps": 4, "guidance": 1.0})
    assert fast.seconds == pytest.approx(found.seconds / 25, rel=0.01)
    assert "estimate" in found.sentence
    unknown = told(LARGE, computer("Some GPU", 140, 128))
    assert unknown.seconds is None
    assert "not known" in unknown.sentence


def test_guidance_of_the_last_frame_doubles_the_work_of_svd():
    with_guidance, without = (
        told("svd", TWENTY_FOUR, settings=settings) for settings in ({}, {"guidance_max": 1.0})
    )
    assert with_guidance.seconds == pytest.approx(2 * without.seconds, rel=1e-2)
    work = forward_work(find_card("svd"), size=(1024, 576), frames=25)
    assert with_guidance.seconds == pytest.approx(2 * 25 * work / (165e12 * SHARE), rel=1e-2)


@pytest.mark.parametrize(
    ("card_id", "size", "tera"),
    [(SMALL, (832, 480), 427), (LARGE, (832, 480), 2030), (LARGE, (1280, 720), 7864)],
)
def test_the_work_of_a_forward_is_what_was_counted(card_id, size, tera):
    """Counted in the networks themselves, by torch's counter of FLOP on the meta device."""
    assert forward_work(find_card(card_id), size=size, frames=81) == pytest.approx(
        tera * 1e12, rel=0.01
    )


def test_weights_that_wait_pass_the_slot_once_a_forward():
    card, plan = find_card(LARGE), next(p for p in plans() if p.id == "group_offload")
    values = {"size": (64, 64), "windows": (5,), "forwards": 10, "rate": 1e15}
    waiting = video_seconds(card, plan, **values)
    assert waiting == pytest.approx(10 * 17_337_592_896 * 2 / SLOT)
    assert video_seconds(card, RESIDENT, **values) < waiting
    assert video_seconds(find_card("draft"), TILED, **values) is None


def plans():
    from backend.models.memory import plans_for

    return plans_for("cuda", find_card(LARGE))


@pytest.mark.parametrize(
    ("name", "tera"),
    [
        ("NVIDIA H200", 989),
        ("NVIDIA H100 80GB HBM3", 989),
        ("NVIDIA H100 PCIe", 756),
        ("NVIDIA A100-SXM4-80GB", 312),
        ("NVIDIA A10", 125),
        ("NVIDIA GeForce RTX 4070 Ti SUPER", 88),
        ("NVIDIA GeForce RTX 4070", 58),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", None),
        ("NVIDIA RTX A1000", None),
        ("Apple GPU", None),
        ("", None),
    ],
)
def test_rates_are_found_by_the_names_of_gpus(name, tera):
    assert rate_of(name) == (None if tera is None else tera * 1e12)


def test_every_model_that_is_downloaded_tells_what_it_needs():
    for card in cards():
        if card.hub is not None:
            assert told(card.id, HUGE).verdict == "fits"


def test_a_model_without_a_known_shape_is_not_said_to_fit():
    card = find_card(SMALL)
    parts = tuple(dataclasses.replace(part, shape=None) for part in card.parts)
    found = preflight(dataclasses.replace(card, parts=parts), HUGE, download=0, disk_free=GB)
    assert found.verdict == "not known"


def test_what_arrived_of_a_download_is_not_downloaded_again(tmp_path):
    card = find_card(SMALL)
    assert missing_bytes(card, tmp_path) == card.download_bytes
    blobs = repository_folder(home(tmp_path), card) / "blobs"
    blobs.mkdir(parents=True)
    (blobs / "one").write_bytes(bytes(1000))
    assert missing_bytes(card, tmp_path) == card.download_bytes - 1000
    assert missing_bytes(find_card("draft"), tmp_path) == 0


def test_few_steps_are_reckoned_with_what_makes_them_few(tmp_path):
    card = find_card(LARGE)
    slow, fast = (told(LARGE, HUGE, settings={"fast": on}) for on in (False, True))
    assert fast.seconds == pytest.approx(slow.seconds * card.fast.steps / 100, rel=0.01)
    more = missing_bytes(card, tmp_path, {"fast": "true"}) - missing_bytes(card, tmp_path)
    assert more == card.fast_card.download_bytes > 0
