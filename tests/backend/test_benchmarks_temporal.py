"""Clips are consistent in space and time, and the ways to make them are what they say."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from backend.models.draft.network import DraftNetwork
from backend.score.regions import SEEN_PIXEL, StillView, label
from backend.score.visibility import VISIBLE, Surface, land, sample, visibility
from benchmarks.temporal import __main__ as command
from benchmarks.temporal.clips import FRAMES, Clip, make_clip
from benchmarks.temporal.network import gflop_a_pixel, temporal_network
from benchmarks.temporal.scoring import Judge, pool
from benchmarks.temporal.settings import FIRST_STAGE, RECORD, Settings
from benchmarks.temporal.training import Recipe, draw_batch, noise_at, train
from benchmarks.temporal.ways import (
    OWN,
    SAME,
    WORLD,
    draw_frames,
    lock_again,
    lock_frames,
    project_frames,
)

SIZE = 80
CONFIG = {"channels": (16, 32), "blocks": (1, 1)}


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def clips():
    return [make_clip(seed, size=SIZE) for seed in (3, 4)]


def shaken(network):
    """The same network with every layer at random: none says nothing any more."""
    torch.manual_seed(1)
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            layer.reset_parameters()
    return network.eval().requires_grad_(False)


def follow(clip, number, other):
    """Where the pixels of a frame are in another by the score's geometry, and whether it shows."""
    depth, there = clip.depths[number], clip.depths[other]
    landing = land(depth, clip.cameras[number], clip.cameras[other])
    return landing, visibility(landing, Surface.of(there)) == VISIBLE


def test_a_clip_is_a_steady_move_that_shows_what_its_still_does_not(clips):
    for clip in clips:
        assert len(clip.filled) == FRAMES
        assert len(clip.cameras) == len(clip.depths) == FRAMES + 1
        shares = (clip.generated > 0).mean(axis=(1, 2))
        assert 0.03 <= shares.mean() <= 0.5
        places = np.array([np.array(camera.transform_matrix)[:3, 3] for camera in clip.cameras])
        steps = np.linalg.norm(np.diff(places[1:], axis=0), axis=1)
        assert steps == pytest.approx(steps.mean(), abs=1e-9)


def test_the_truth_agrees_with_itself_along_depth_and_cameras(clips):
    for clip in clips:
        truth = clip.truth.transpose(0, 2, 3, 1).astype(np.float32) / 255
        for number in range(FRAMES - 1):
            landing, shown = follow(clip, number + 1, FRAMES)
            assert shown.mean() > 0.4
            carried = sample(truth[-1], landing)
            apart = np.abs(truth[number] - carried)[shown].mean()
            assert apart < 0.04
            if number == 0:  # farther from the last than bilinear sampling blurs
                assert apart < 0.7 * np.abs(truth[number] - truth[-1])[shown].mean()


def test_seen_pixels_are_the_truth_and_the_projection_is_the_products(clips):
    for clip in clips:
        still = StillView(clip.cameras[0], Surface.of(clip.depths[0]), None)
        labels = label(clip.depths[-1], clip.cameras[-1], [still], moving=None)
        apart = np.abs(clip.filled[-1].astype(int) - clip.truth[-1]).mean(axis=0)
        seen = labels == SEEN_PIXEL
        assert apart[seen].mean() < 0.5 * apart[~seen].mean()
        np.testing.assert_array_equal(project_frames(clip), clip.filled.transpose(0, 2, 3, 1))


def test_noise_on_the_world_is_the_same_at_the_same_point(clips):
    clip = clips[0]
    noise = noise_at(clip.places, torch.Generator().manual_seed(0))
    assert noise.shape == clip.filled.shape
    assert float(noise.mean()) == pytest.approx(0, abs=0.05)
    assert float(noise.std()) == pytest.approx(1, abs=0.05)
    for number in (1, FRAMES - 1):
        landing, shown = follow(clip, number + 1, 1)
        row, column = (np.nan_to_num(x).astype(int)[shown] for x in (landing.v, landing.u))
        first = row * SIZE + column
        assert np.mean(clip.places[number][shown] == first) > 0.97
        np.testing.assert_array_equal(clip.places[0].ravel(), np.arange(SIZE**2))


def test_a_saved_clip_is_the_clip(clips, tmp_path):
    clips[0].save(tmp_path / "clip.npz")
    again = Clip.load(tmp_path / "clip.npz")
    assert again.cameras == clips[0].cameras
    for name in ("still", "depths", "filled", "truth", "generated", "inverse", "places"):
        np.testing.assert_array_equal(getattr(again, name), getattr(clips[0], name))
    np.testing.assert_array_equal(make_clip(3, size=SIZE).truth, again.truth)


def test_temporal_layers_begin_as_nothing_and_then_join_frames_of_one_clip_alone():
    torch.manual_seed(0)
    plain = DraftNetwork(**CONFIG)
    layered = temporal_network(4, **CONFIG)
    plain, layered = shaken(plain), layered.eval().requires_grad_(False)
    assert not layered.load_state_dict(plain.state_dict(), strict=False).unexpected_keys
    noisy, condition = torch.randn(8, 3, 16, 16), torch.randn(8, 10, 16, 16)
    times = torch.rand(2).repeat_interleave(4)
    assert torch.allclose(
        layered(noisy, condition, times), plain(noisy, condition, times), atol=1e-5
    )
    before = shaken(layered)(noisy, condition, times)
    noisy[1] += 1
    changed = (layered(noisy, condition, times) - before).abs().amax(dim=(1, 2, 3)) > 1e-4
    assert changed.tolist() == [True] * 4 + [False] * 4
    assert gflop_a_pixel(layered, 4) > gflop_a_pixel(plain, 4)


def test_batches_hold_successive_frames_of_one_clip_with_noise_that_stays(clips):
    random, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    batch, noise = draw_batch(clips, Recipe(1, FRAMES, locked=True), random, generator)
    single, own = draw_batch(clips, Recipe(1), random, generator)
    assert batch.condition.shape == single.condition.shape == (32, 10, 64, 64)
    assert noise.shape == own.shape == batch.residual.shape
    assert not (batch.residual * ~batch.editable[:, None]).any()
    together = batch.condition[:, :3].unflatten(0, (-1, FRAMES))
    steps = (together[:, 1:] - together[:, :-1]).abs().mean()
    assert float(steps) < 0.5 * float((together[1:] - together[:-1]).abs().mean())
    values = [set(part.flatten().tolist()) for part in noise]
    assert len(values[0] & values[1]) > 0.5 * len(values[0])
    assert len(values[0] & values[FRAMES]) < 0.05 * len(values[0])  # by chance alone


def test_training_changes_the_network(clips):
    torch.manual_seed(0)
    network, steps = train(DraftNetwork(**CONFIG), clips, Recipe(minutes=0.02))
    assert steps > 1
    assert float(network.leave.weight.abs().max()) > 0  # a new network's says nothing


def test_a_take_changes_unseen_pixels_alone(clips):
    made = draw_frames(shaken(DraftNetwork(**CONFIG)), clips[0], 0)
    seen = clips[0].generated == 0
    filled = clips[0].filled.transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(made[seen], filled[seen])
    assert (made[~seen] != filled[~seen]).mean() > 0.5


def test_locking_is_steadier_than_each_frame_by_itself_and_noise_on_the_world_between(clips):
    network = shaken(DraftNetwork(**CONFIG))
    judges = [Judge(clip) for clip in clips]
    truths = [judge.truth for judge in judges]

    def e_warp(draw):
        takes = [judge.score([draw(clip)])[0] for judge, clip in zip(judges, clips, strict=True)]
        return pool(takes, truths).e_warp

    own, same, world = (
        e_warp(lambda clip, noise=noise: draw_frames(network, clip, 0, noise=noise))
        for noise in (OWN, SAME, WORLD)
    )
    keyframes = e_warp(lambda clip: lock_frames(network, clip, 0))
    again = e_warp(lambda clip: lock_again(draw_frames(network, clip, 0), clip))
    assert max(keyframes, again) < world < own
    assert same < own
    true = pool(truths, truths)
    assert true.psnr == 100
    assert true.sharpness == true.e_warp == true.flicker == 1


def test_one_command_makes_the_table(tmp_path, monkeypatch, capsys):
    arguments = "--minutes 0.01 --clips 1 --held-out 1 --size 64 --seeds 2 --widths 16 32"
    monkeypatch.setattr(sys, "argv", ["temporal", "--out", str(tmp_path), *arguments.split()])
    assert command.main() == 0
    table = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert table == capsys.readouterr().out
    rows = [line.split("|") for line in table.splitlines() if "to the world" in line]
    assert len(rows) == 3
    assert all("±" in row[2] for row in rows)
    monkeypatch.setattr(sys, "argv", [*sys.argv[:-2], "16", "48"])
    assert command.main() == 1
    said = capsys.readouterr().err.splitlines()
    assert "trained with --widths 16 32 (here 16 48); give another --out" in said[-1]
    assert (tmp_path / "table.md").read_text(encoding="utf-8") == table


def test_a_folder_is_for_the_settings_that_its_weights_hang_on(tmp_path):
    settings = Settings(4.5, 400, 128, (32, 64))
    assert sum(settings.recipes()[name].minutes for name in (FIRST_STAGE, "temporal")) == 4.5
    settings.claim(tmp_path)
    settings.claim(tmp_path)
    for other, said in (
        ({"minutes": 3.0}, r"with --minutes 4.5 \(here 3.0\); give"),
        ({"clips": 40, "size": 64}, r"--clips 400 \(here 40\), --size 128 \(here 64\)"),
    ):
        with pytest.raises(ValueError, match=said):
            replace(settings, **other).claim(tmp_path)
    record = tmp_path / RECORD
    text = record.read_text(encoding="utf-8")
    record.write_text(text.replace('"seed": 1', '"seed": 2'), encoding="utf-8")
    with pytest.raises(ValueError, match="other recipes than this code's"):
        settings.claim(tmp_path)
    record.unlink()
    (tmp_path / "temporal.safetensors").touch()
    with pytest.raises(ValueError, match=f"has weights but no {RECORD}"):
        settings.claim(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ("--held-out 0", 2, "--held-out: '0' is no number from 1 up"),
        ("--seeds 0", 2, "--seeds: '0' is no number from 1 up"),
        ("--clips none", 2, "--clips: 'none' is no number from 1 up"),
        ("--minutes 0", 2, "'0' is no number of minutes above 0"),
        ("--minutes nan", 2, "'nan' is no number of minutes above 0"),
        ("--size 48", 1, "--size must be a multiple of 8 and at least 64, not 48"),
        ("--size 100", 1, "--size must be a multiple of 8 and at least 64, not 100"),
        ("--widths 16 40", 1, "--widths must be multiples of 16, not 16 40"),
        ("--widths 16 16 16 16 16 16 16", 1, "7 levels are too many for crops of 64 pixels"),
        ("--out file/x", 1, "'file/x' cannot keep what is made (Not a directory)"),
    ],
)
def test_a_wrong_argument_is_said_before_any_work(
    arguments, code, said, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    monkeypatch.setattr(sys, "argv", ["temporal", "--out", "new", *arguments.split()])
    try:
        ended = command.main()
    except SystemExit as leaving:
        ended = leaving.code
    assert ended == code
    assert said in capsys.readouterr().err.splitlines()[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
