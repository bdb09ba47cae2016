"""Draft on a GPU: the picture that the CPU makes, and the same bytes each time.

With random weights, so that it needs torch, numpy and diffusers alone.
"""

import pytest
import torch

from backend.models.draft.load import random_pipeline
from tests.drafts import make, ramp

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU here"),
]

HOLES = ((slice(0, 200), slice(0, 60)), (slice(60, 120), slice(150, 330)))
OPTIONS = [{}, {"mean": True}, {"detail": 0.5, "steps": 2}]


@pytest.fixture(scope="module")
def pipelines():
    """Return the same pipeline, as wide as the one that ships, on the CPU and on the GPU."""
    theirs, ours = random_pipeline(0), random_pipeline(0)
    ours.network.to("cuda")
    return ours, theirs


@pytest.mark.parametrize("options", OPTIONS)
def test_the_gpu_gives_the_picture_of_the_cpu(pipelines, options):
    frame = ramp(200, 344, holes=HOLES)
    ours, theirs = (make(pipeline, frame, **options) for pipeline in pipelines)
    off = (ours - theirs).abs()[:, frame.generated > 0]
    assert torch.quantile(off.flatten(), 0.999) < 1 / 255
    kept = frame.generated == 0
    assert torch.equal(ours[:, kept], frame.filled[:, kept])


@pytest.mark.parametrize("options", OPTIONS)
def test_the_gpu_gives_the_same_bytes_each_time(pipelines, options):
    frame = ramp(200, 344, holes=HOLES)
    first = make(pipelines[0], frame, **options)
    for _ in range(5):
        assert make(pipelines[0], frame, **options).numpy().tobytes() == first.numpy().tobytes()
