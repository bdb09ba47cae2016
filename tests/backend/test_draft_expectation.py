"""The expectation: what it averages, and what has no say in it."""

import numpy as np
import pytest

from backend.models import find_card
from backend.models.draft import frames, model
from backend.models.draft.model import DraftModel
from backend.reader import ShotReader
from backend.wire import read_shot
from tests.analytic import analytic_shot, write_exr
from tests.drafts import small_pipeline
from tests.sinks import run


@pytest.fixture
def shot(tmp_path):
    return analytic_shot(tmp_path / "shot", frames=5, size=(96, 56), step=0.25)


@pytest.fixture(scope="module")
def draft():
    return DraftModel(find_card("draft"), pipeline=small_pipeline(), device="cpu")


def test_it_is_half_lent_and_half_the_frames_own(shot, draft, monkeypatch):
    mean, lent = (run(draft, shot, **how).frames for how in ({"mean": True}, {"detail": 0.0}))
    monkeypatch.setattr(model, "choose_keyframes", lambda overviews: [])
    monkeypatch.setattr(frames, "ALONE", 0)
    own = run(draft, shot, detail=0.0).frames
    apart = []
    for index in range(5):
        image, first, second = (made[index][0].astype(float) for made in (mean, lent, own))
        assert np.abs(image - (first + second) / 2).max() <= 1
        apart.append(np.abs(first - second)[mean[index][1] == 255])
    assert np.concatenate(apart).mean() > 1


@pytest.mark.parametrize("where", [(1, 1), (0, 3)], ids=["in a frame", "in the still"])
def test_one_pixel_right_before_the_lens_changes_nothing_else(shot, draft, where, monkeypatch):
    """The range of depths that the network is told is that of the scene, not of a stray hair."""
    # Which pattern goes on is a choice, where little can change much.
    monkeypatch.setattr(frames, "repeat_patterns", lambda start, *_: (start, None))
    frame, wide = where
    before = run(draft, shot, mean=True).frames
    depth = ShotReader(shot).depth(frame).copy()
    depth[30, 40 : 40 + wide] = 0.001
    write_exr(shot / read_shot(shot).guides["depth"][frame], depth[..., None], ("Z",))
    after = run(draft, shot, mean=True).frames
    for index in (2, 3, 4):
        generated = (before[index][1] == 255) & (after[index][1] == 255)
        apart = np.abs(before[index][0].astype(float) - after[index][0])[generated]
        assert generated.mean() > 0.1
        assert apart.mean() < 0.5  # with the range of the hair it is 9
