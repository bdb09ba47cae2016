"""What `mean` averages: pixels that keyframes lend, and what each frame expects by itself."""

import numpy as np
import pytest

from backend.models import find_card
from backend.models.draft import frames, model
from backend.models.draft.model import DraftModel
from tests.analytic import analytic_shot
from tests.drafts import small_pipeline
from tests.sinks import run


@pytest.fixture
def shot(tmp_path):
    return analytic_shot(tmp_path / "shot", frames=5, size=(96, 56), step=0.25)


def test_it_is_half_lent_and_half_the_frames_own(shot, monkeypatch):
    draft = DraftModel(find_card("draft"), pipeline=small_pipeline(), device="cpu")
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
