"""A keyframe of unknown depth: its holes continue the planes beside them, and the rest knows."""

import json

import numpy as np
import pytest
import torch

from backend.models import find_card
from backend.models.draft.frames import FrameMaker
from backend.models.draft.pipeline import DraftOutput
from backend.models.draft.survey import Survey
from backend.projection.walk import Walk
from backend.reader import ShotReader
from tests.analytic import analytic_shot, path, render

CPU = torch.device("cpu")
SIZE = (160, 96)
STEP, LAST = 0.25, 3


class Recorder:
    """Stands for a pipeline: changes nothing, and keeps what it is told."""

    def __init__(self):
        self.told = []

    def __call__(self, filled, generated, inverse, *, planes, **_):
        self.told.append((inverse, planes))
        return DraftOutput(colour=filled)


def keyframe(folder):
    """Return a maker that has made the last frame a keyframe, and what its pipeline was told."""
    walk = Walk(ShotReader(folder), CPU, tick=lambda: None)
    survey, recorder = Survey(walk, tick=lambda done: None), Recorder()
    settings = find_card("draft").check_settings({})
    maker = FrameMaker(walk, survey, recorder, settings=settings, seed=3)
    with torch.inference_mode():
        maker.add_keyframe(LAST, on_step=lambda done, total: None)
    ((inverse, planes),) = recorder.told
    return maker.keyframes[0], inverse * survey.largest, planes * survey.largest


@pytest.fixture
def shot(tmp_path):
    return analytic_shot(tmp_path / "shot", frames=LAST + 1, size=SIZE, step=STEP)


@pytest.fixture
def imported(shot):
    """The same shot with the depth of its still's frame alone."""
    file = shot / "shot.json"
    record = json.loads(file.read_text())
    depth = record["guides"]["depth"]
    record["guides"]["depth"] = [name if index == 0 else None for index, name in enumerate(depth)]
    file.write_text(json.dumps(record))
    return shot


def off(inverse, hole):
    """Return the mean relative error of inverse depth in a hole."""
    truth = 1 / render(path(LAST + 1, size=SIZE, step=STEP)[LAST], SIZE)[1]
    return float(np.abs(inverse.numpy() / truth - 1)[hole.numpy()].mean())


def test_it_lends_what_it_drew_at_the_depth_of_the_planes(imported):
    source, inverse, planes = keyframe(imported)
    assert torch.allclose(source.surface[0], planes)
    hole = source.offered
    assert 0.02 < float(hole.float().mean()) < 0.6
    assert off(planes, hole) < 0.5 * off(inverse, hole)


def test_the_network_is_told_what_it_has_learnt_from(imported):
    """Holes that are filled smoothly: of no depth of theirs is anything known."""
    source, inverse, planes = keyframe(imported)
    seen = ~source.offered
    assert torch.equal(inverse[seen], planes[seen])
    assert not torch.allclose(inverse, planes, rtol=0.01)


def test_where_depth_is_known_nothing_is_guessed(shot):
    _, inverse, planes = keyframe(shot)
    assert torch.equal(inverse, planes)
