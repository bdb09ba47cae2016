"""What Wan VACE is shown: the traps of its pipeline, each tried on the pipeline itself."""

from __future__ import annotations

import warnings
from dataclasses import replace

import pytest
import torch
from diffusers import WanVACEPipeline

from backend.models import find_card
from backend.models.card import Control
from backend.models.video.control import DepthRange
from backend.models.video.window import WindowFrame, WindowTask
from backend.models.wan_vace.conditions import BOTH, DEPTH, GREY, PROJECTION, read_positions, show
from backend.models.wan_vace.load import load_pipeline
from tests.analytic import camera_at
from tests.videos import tiny_wan_vace

CARD = find_card("wan-vace-1.3b")
SIZE = (48, 32)
HOLE = (slice(8, 16), slice(20, 40))  # rows and columns that no still shows
FREE = (slice(20, 28), slice(2, 10))  # where something may move
RANGE = DepthRange(0.0, 1.0)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory) -> WanVACEPipeline:
    folder = tiny_wan_vace(tmp_path_factory.mktemp("weights"))
    return load_pipeline(CARD, folder, dtype=torch.float32)


def frame(index: int, *, kept: bool = False, still: bool = False) -> WindowFrame:
    width, height = SIZE
    seen = torch.ones(height, width, dtype=torch.bool)
    if not (kept or still):
        seen[HOLE] = False
    colour = torch.full((3, height, width), 0.25)
    return WindowFrame(
        index=index,
        camera=camera_at((0, 0, 0), size=SIZE),
        colour=torch.where(seen, colour, torch.full_like(colour, GREY)),
        seen=seen,
        free=torch.zeros_like(seen),
        inverse=torch.full((height, width), 0.75),
        kept=kept,
        still=still,
    )


def task(
    count: int, *, mode: str, stills: tuple[int, ...] = (0,), kept: int = 0, **more: object
) -> WindowTask:
    frames = tuple(frame(i, kept=i < kept, still=i in stills) for i in range(count))
    settings = CARD.check_settings({"guidance_mode": mode, **more})
    start = torch.zeros(3, *SIZE[::-1])
    return WindowTask(frames=frames, start=start, depth=RANGE, fps=16.0, seed=1, settings=settings)


def latent_mask(pipeline: WanVACEPipeline, mask: torch.Tensor) -> torch.Tensor:
    """Return the mask (64, latents, h/8, w/8) as the pipeline makes it of one that we give."""
    width, height = SIZE
    video = torch.full((1, len(mask), 3, height, width), 0.5)
    with warnings.catch_warnings(record=True) as said:
        _, prepared, references = pipeline.preprocess_conditions(
            video, mask[None], None, 1, height, width, len(mask), torch.float32, torch.device("cpu")
        )
    assert said == []
    return pipeline.prepare_masks(prepared, references)[0]


@pytest.mark.parametrize("frames", [5, 9, 17, 49, 81])
def test_where_the_pipeline_reads_its_mask_from(pipeline, frames):
    ramp = torch.arange(frames).float()[:, None, None, None].expand(-1, 1, *SIZE[::-1])
    read = latent_mask(pipeline, ramp / 128)[0, :, 0, 0] * 128
    assert [round(float(at)) for at in read] == read_positions(frames)


def test_of_81_frames_the_mask_is_read_from_the_first_fifth_ninth():
    assert read_positions(81)[:5] == [1, 5, 9, 13, 17]
    assert len(read_positions(81)) == 21


def test_a_still_kept_in_its_own_frame_alone_would_be_lost(pipeline):
    mask = torch.ones(81, 1, *SIZE[::-1])
    mask[0] = 0
    assert latent_mask(pipeline, mask).min() == 1


@pytest.mark.parametrize("mode", [DEPTH, PROJECTION, BOTH])
@pytest.mark.parametrize("count", [5, 33, 81])
@pytest.mark.parametrize("still", [0, 2, 4])
def test_a_still_is_kept_in_the_mask_that_the_model_reads(pipeline, mode, count, still):
    _, mask = show(task(count, mode=mode, stills=(still,)), Control())
    made = latent_mask(pipeline, mask)
    kept = (made == 0).all(dim=0)  # (latents, h/8, w/8)
    at = (still + 3) // 4
    assert kept[at, 0].all(), "what the still shows all around is kept there"


@pytest.mark.parametrize("kept", [5, 9, 13])
def test_frames_of_the_window_before_are_kept_in_the_mask_too(pipeline, kept):
    _, mask = show(task(81, mode=DEPTH, stills=(), kept=kept), Control())
    made = latent_mask(pipeline, mask)
    latents = (kept - 1) // 4 + 1
    assert (made[:, :latents, 0] == 0).all()
    assert (made[:, latents + 1 :] == 1).all()


@pytest.mark.parametrize("mode", [DEPTH, PROJECTION, BOTH])
def test_the_mask_is_strict_and_the_video_as_large_as_the_model(mode):
    video, mask = show(task(9, mode=mode), Control())
    assert set(mask.unique().tolist()) <= {0.0, 1.0}
    assert video.shape == (9, 3, *SIZE[::-1])
    assert mask.shape == (9, 1, *SIZE[::-1])
    assert set(video.unique().tolist()) == {0.25, GREY if mode == PROJECTION else 0.75}
    assert (video[0] == 0.25).all()
    assert (mask[0] == 0).all()


def test_depth_follows_the_still_in_the_mode_depth():
    video, mask = show(task(17, mode=DEPTH), Control())
    assert (video[5] == 0.75).all()
    assert (mask[5] == 1).all()
    black = show(task(17, mode=DEPTH), Control(near_is_white=False))[0]
    assert (black[5] == 0.25).all()


def test_holes_are_grey_or_depth():
    for mode, filled in ((PROJECTION, GREY), (BOTH, 0.75)):
        video, mask = show(task(9, mode=mode), Control())
        assert (mask[5, 0][HOLE] == 1).all()
        assert mask[5].sum() == 8 * 20
        assert (video[5][:, *HOLE] == filled).all()
        assert video[5, 0, 0, 0] == 0.25


@pytest.mark.parametrize("mode", [PROJECTION, BOTH])
def test_what_may_move_is_given_with_the_still_and_made_after_it(mode):
    window = task(13, mode=mode, stills=(0, 6))
    free = torch.zeros_like(window.frames[0].seen)
    free[FREE] = True
    frames = tuple(replace(each, free=free) for each in window.frames)
    _, mask = show(replace(window, frames=frames), Control())
    made = [bool((mask[position, 0][FREE] == 1).all()) for position in range(13)]
    given = [bool((mask[position, 0][FREE] == 0).all()) for position in range(13)]
    assert [position for position in range(13) if given[position]] == [0, 1, 6, 7, 8], (
        "as far as the mask is read: of 13 frames the 2nd, 5th, 9th, 12th"
    )
    assert made == [not each for each in given]
    assert mask[3].sum() == 8 * 20 + 8 * 8, "nothing else is let go"


@pytest.mark.parametrize("kept", [1, 5, 9])
def test_what_may_move_goes_on_from_where_the_window_before_left_it(kept):
    window = task(41, mode=BOTH, kept=kept)
    assert kept in read_positions(41), "the mask of the last kept frame is read from the next one"
    free = torch.zeros_like(window.frames[0].seen)
    free[FREE] = True
    frames = tuple(
        replace(each, colour=torch.full_like(each.colour, 0.9)) if each.kept
        else replace(each, free=free)
        for each in window.frames
    )  # fmt: skip
    video, mask = show(replace(window, frames=frames), Control())
    assert (mask[kept, 0][FREE] == 0).all(), "else nothing of the last kept frame is kept"
    assert (video[kept][:, *FREE] == 0.9).all(), "as the kept frame has it, not the still"
    assert (video[kept][:, 0, 0] == 0.25).all()
    assert (mask[kept + 1, 0][FREE] == 1).all()


def test_depth_is_not_rounded_to_8_bits_unless_the_card_says_so():
    inverse = torch.linspace(0, 1, 5000)
    fine = RANGE.picture(inverse, Control())
    assert torch.equal(fine, inverse)
    coarse = RANGE.picture(inverse, Control(bits=8))
    assert len(coarse.unique()) == 256


def test_a_static_point_keeps_its_value_whatever_comes_near():
    shot = DepthRange(0.1, 2.0)
    wall = torch.tensor([0.5, 0.5])
    with_ball = torch.tensor([0.5, 1.9])
    pictures = [shot.picture(inverse, Control()) for inverse in (wall, with_ball)]
    assert pictures[0][0] == pictures[1][0]
