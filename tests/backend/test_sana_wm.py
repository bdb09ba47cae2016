"""SANA-WM: the camera's path as the model takes it, and what its pipeline is called with.

What every family does is in test_families.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from diffusers import SanaWMPipeline
from diffusers.pipelines.sana_wm.cam_utils import compute_raymap

from backend.errors import ModelError
from backend.geometry import project
from backend.models import find_card, hub
from backend.models.pull import pull
from backend.models.sana_wm.cameras import camera_path
from backend.models.video.window import WindowFrame
from backend.models.weights import variable
from backend.paths import OVERRIDE
from backend.wire import Camera
from tests.analytic import camera_at
from tests.videos import take_maker, tiny_sana_wm

CARD = find_card("sana-wm")
SIZE = (64, 32)
SMALL = {"steps": 1, "size": "shot", "window": 9, "feather": 0}
run = take_maker(CARD.id, SMALL)
FRAMES = 12


def frames(*cameras: Camera) -> list[WindowFrame]:
    width, height = SIZE
    nothing = torch.zeros(height, width)
    none = nothing.bool()
    return [
        WindowFrame(i, camera, torch.zeros(3, height, width), none, none, nothing, False, False)
        for i, camera in enumerate(cameras)
    ]


def test_the_path_shows_points_where_our_cameras_show_them():
    """OpenCV axes: x right, y down, z forward, and the picture's own pixels."""
    cameras = [
        camera_at((2.0, 1.0, -3.0), size=SIZE, yaw=0.3),
        camera_at((2.4, 0.8, -3.5), size=SIZE, yaw=0.1),
    ]
    poses, lenses = camera_path(frames(*cameras))
    points = np.array([[1.0, 2.0, -9.0], [3.0, 0.5, -8.0]])
    origin = np.array(cameras[0].transform_matrix)[:3, 3]
    for pose, lens, camera in zip(poses, lenses, cameras, strict=True):
        local = (points - origin - pose[:3, 3]) @ pose[:3, :3]
        assert (local[:, 2] > 0).all()
        pixels = local[:, :2] / local[:, 2:] * lens[:2] + lens[2:]
        np.testing.assert_allclose(pixels, project(points, camera)[0], atol=1e-4)


def test_the_way_is_measured_from_the_first_camera_and_can_be_scaled():
    far = [camera_at((1e6, 0, 0), size=SIZE), camera_at((1e6 + 0.01, 0, 0), size=SIZE)]
    poses, _ = camera_path(frames(*far))
    assert (poses[0, :3, 3] == 0).all()
    assert poses[1, 0, 3] == pytest.approx(0.01, rel=1e-3)
    assert camera_path(frames(*far), scale=5.0)[0][1, 0, 3] == pytest.approx(0.05, rel=1e-3)


def test_a_ray_through_the_middle_looks_ahead():
    poses, lenses = camera_path(frames(camera_at((0, 0, 0), size=SIZE)))
    width, height = SIZE
    rays = compute_raymap(torch.from_numpy(lenses), torch.from_numpy(poses), height, width)
    ahead = torch.tensor([0.0, 0.0, -1.0])  # of the wire's world
    assert math.isclose(float(rays[0, height // 2, width // 2, :3] @ ahead), 1.0, abs_tol=1e-6)
    assert rays[0, 0, width // 2, 1] > 0, "the top of the picture is up"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    return tiny_sana_wm(tmp_path_factory.mktemp("tiny") / "weights")


@pytest.fixture
def place(tmp_path, tiny, monkeypatch) -> None:
    monkeypatch.setenv(variable(CARD.id), str(tiny))
    monkeypatch.setenv(OVERRIDE, str(tmp_path / "data"))


@pytest.fixture
def shot(make_shot: Callable[..., Path], place: None) -> Path:
    return make_shot(frames=FRAMES)


def test_the_pipeline_gets_the_path_and_a_picture_of_its_own_size(shot, tmp_path, monkeypatch):
    calls, works = [], SanaWMPipeline.__call__

    def listen(self, image, prompt, **options):
        calls.append((image, options))
        return works(self, image, prompt, **options)

    monkeypatch.setattr(SanaWMPipeline, "__call__", listen)
    run(shot, tmp_path / "take")
    (still, first), (last, second) = calls
    assert still.size == last.size == (64, 64)
    assert first["c2w"].shape == second["c2w"].shape == (9, 4, 4)
    assert (first["num_frames"], first["width"], first["height"]) == (9, 64, 64)
    # The second window begins with the last frame of the first, as it was written.
    with PIL.Image.open(tmp_path / "take/frames/0009.png") as written:
        inner = np.asarray(last)[12:52]
        np.testing.assert_array_equal(inner, np.asarray(written))
    steps = np.diff(first["c2w"][:, 0, 3])
    assert steps.min() > 0, "the camera moves to the right"


def test_a_still_at_the_end_is_projected_to_the_beginning_and_that_is_said(
    make_shot, place, tmp_path
):
    take = run(make_shot("last", frames=FRAMES, still_index=FRAMES - 1), tmp_path / "take")
    assert any("The first frame has no still, so the model begins" in w for w in take.warnings)
    assert run(make_shot("first", frames=5), tmp_path / "other").warnings == ()


def test_weights_of_another_family_are_refused(shot, tmp_path, monkeypatch):
    from tests.videos import tiny_wan_vace

    monkeypatch.setenv(variable(CARD.id), str(tiny_wan_vace(tmp_path / "other")))
    with pytest.raises(ModelError, match="belongs to WanVACEPipeline, not to SanaWMPipeline"):
        run(shot, tmp_path / "take")


def test_a_repository_without_a_checked_revision_is_not_downloaded(tmp_path, monkeypatch):
    monkeypatch.delenv(variable(CARD.id), raising=False)
    said = r"'sana-wm' is not downloaded .* and choose that folder .* `models use sana-wm FOLDER`"
    with pytest.raises(ModelError, match=said):
        hub.find_weights(CARD, data=tmp_path)
    with pytest.raises(ModelError, match=said):
        pull(
            CARD, data_dir=tmp_path, accept_licence=True, on_progress=lambda *_: None,
            should_stop=lambda: False,
        )  # fmt: skip
    assert not any(tmp_path.iterdir())
