"""The weights that ship: loaded without a network, small enough, and worth having."""

import hashlib

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from backend.models.draft.load import load_pipeline, random_pipeline
from backend.models.weights import MAX_BYTES
from backend.projection.frame import project_frame
from backend.projection.output import to_image, to_mask
from backend.projection.source import prepare_source
from backend.projection.surface import describe_surface, inverse_depth
from backend.training.evaluate import held_out
from backend.training.scenes.example import Example
from tests.analytic import camera_at, render
from tests.drafts import ROOT, Frame, digest_offline, make, ramp, whole

SHIPPED = ROOT / "backend" / "models" / "draft" / "weights"
SIZE = (192, 144)
ROUNDING = 1 / 255


@pytest.fixture(autouse=True)
def no_other_weights(monkeypatch):
    monkeypatch.delenv("DEPTHSHOT_DRAFT_WEIGHTS", raising=False)


@pytest.fixture(scope="module")
def pipeline():
    return load_pipeline(SHIPPED, device="cpu")


@pytest.fixture(scope="module")
def procedural():
    """Return frames of scenes that no training draws."""
    return held_out(scenes=4, size=160)


@pytest.fixture(scope="module")
def room():
    """Return a frame of the room that other tests know, which is not like what it learnt from."""
    return analytic_example("room", (0.7, 0.1, -0.2), yaw=0.1)


def analytic_example(scene, position, *, yaw):
    """Return a still of an analytic scene projected into another camera, and the truth there."""
    device = torch.device("cpu")
    first = camera_at((0.0, 0.0, 0.0), size=SIZE)
    target = camera_at(position, size=SIZE, yaw=yaw)
    picture, depth = render(first, SIZE, scene=scene, samples=2)
    truth, there = render(target, SIZE, scene=scene, samples=2)
    source = prepare_source(picture, depth, first, device=device)
    surface = describe_surface(inverse_depth(there, device=device))
    made = project_frame([source], surface, target, nearness=[1.0])
    largest = max(float(made.inverse.max()), float(source.surface[0].max()))
    return Example(
        filled=to_image(made.colour).transpose(2, 0, 1),
        truth=to_image(torch.from_numpy(truth).permute(2, 0, 1)).transpose(2, 0, 1),
        generated=to_mask(made.generated),
        inverse=(made.inverse / largest).numpy(),
    )


def psnr(examples, pictures):
    """Return the PSNR in dB over what no still shows, of all examples together."""
    errors = [
        (picture.numpy() - example.truth / np.float32(255))[:, example.generated > 0].ravel()
        for example, picture in zip(examples, pictures, strict=True)
    ]
    return -10 * np.log10(np.mean(np.concatenate(errors) ** 2))


def tensors(example):
    """Return filled, generated and inverse as a pipeline takes them."""
    filled, generated = (
        torch.from_numpy(plane).float() / 255 for plane in (example.filled, example.generated)
    )
    return filled, generated, torch.from_numpy(example.inverse)


def filled(examples):
    return [tensors(example)[0] for example in examples]


def generate(pipeline, examples, **options):
    return [make(pipeline, Frame(*tensors(example)), **options) for example in examples]


def detail(examples, pictures):
    """Return the mean absolute Laplacian of unseen pixels, as a share of the truth's."""
    sums = np.zeros(2)
    for example, picture in zip(examples, pictures, strict=True):
        for number, planes in enumerate((picture.numpy(), example.truth / np.float32(255))):
            luma = np.pad(planes.mean(0), 1, mode="edge")
            around = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:]
            laplacian = np.abs(around - 4 * luma[1:-1, 1:-1])
            sums[number] += laplacian[example.generated > 0].sum()
    return sums[0] / sums[1]


def test_they_are_loaded_without_sockets_and_pickles(pipeline):
    made = make(pipeline, ramp(40, 56))
    assert digest_offline() == hashlib.sha256(made.numpy().tobytes()).hexdigest()


def test_they_are_small_finite_and_in_half_precision():
    files = [file for file in SHIPPED.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) <= MAX_BYTES
    (file,) = (file for file in files if file.suffix == ".safetensors")
    for name, weight in load_file(file).items():
        assert weight.dtype == torch.float16, name
        assert weight.isfinite().all(), name


def test_the_expectation_beats_the_fill_and_random_weights(pipeline, procedural):
    expected = psnr(procedural, generate(pipeline, procedural, mean=True))
    untrained = random_pipeline(0, **{
        name: pipeline.network.config[name] for name in ("channels", "blocks", "conditions")
    })  # fmt: skip
    assert expected > psnr(procedural, filled(procedural))
    assert expected > psnr(procedural, generate(untrained, procedural, mean=True)) + 1


def test_a_sample_is_as_detailed_as_the_truth_and_hardly_farther_than_the_fill(
    pipeline, procedural
):
    sample = generate(pipeline, procedural)
    before = detail(procedural, filled(procedural))
    assert abs(np.log(detail(procedural, sample))) < abs(np.log(before))
    assert psnr(procedural, sample) > psnr(procedural, filled(procedural)) - 2


def test_seeds_differ_visibly(pipeline, procedural):
    first, other = (generate(pipeline, procedural[:1], seed=seed)[0] for seed in (1, 2))
    unseen = torch.from_numpy(procedural[0].generated > 0)
    assert (first - other)[:, unseen].abs().mean() > ROUNDING


def test_a_scene_unlike_what_it_learnt_from_is_not_made_worse(pipeline, room):
    expected = psnr([room], generate(pipeline, [room], mean=True))
    assert expected > psnr([room], filled([room])) - 0.5


def test_tiles_make_what_the_whole_frame_makes(pipeline, procedural):
    parts = zip(*(tensors(example) for example in procedural[:4]), strict=True)
    planes = [torch.cat(part, dim=-1) for part in parts]
    frame = Frame(*planes)
    hole = torch.zeros_like(frame.generated)
    hole[:, 290:350] = 1
    frame = Frame(frame.filled, hole, frame.inverse)
    off = (make(pipeline, frame) - whole(pipeline, frame))[:, hole > 0].abs()
    assert torch.quantile(off.flatten(), 0.999) < ROUNDING
