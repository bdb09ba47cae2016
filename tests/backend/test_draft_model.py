"""The draft family from a shot's folder to the sink, with a thin network of random weights.

What is learnt decides what unseen pixels look like; everything else is held here.
"""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from backend.errors import Cancelled
from backend.geometry import inverse_depth, pixel_centres, pixel_transfer
from backend.models import find_card, load_model
from backend.models.draft import frames
from backend.models.draft.frames import FrameMaker
from backend.models.draft.model import DraftModel
from backend.models.draft.pipeline import DraftPipeline
from backend.projection.walk import Walk
from backend.reader import ShotReader
from backend.wire import Still, read_shot
from tests.analytic import analytic_shot, camera_at, render, slide_near_box, write_exr, write_png16
from tests.drafts import small_pipeline
from tests.sinks import Sink, change, run

SIZE = (96, 56)
ODD = (73, 41)


@pytest.fixture(scope="module")
def draft():
    return DraftModel(find_card("draft"), pipeline=small_pipeline(), device="cpu")


@pytest.fixture(scope="module")
def projection():
    return load_model(find_card("projection"), device="cpu")


@pytest.fixture
def shot(tmp_path):
    return moved_shot(tmp_path)


@pytest.fixture
def network_pixels(draft):
    """Return a list that gets the number of pixels of everything the network is given."""
    counts = []
    hook = draft.pipeline.network.register_forward_pre_hook(
        lambda _, inputs: counts.append(inputs[0].shape[0] * inputs[0][0, 0].numel())
    )
    yield counts
    hook.remove()


def moved_shot(tmp_path, **options):
    """Write a shot whose camera moves so far that much comes into view."""
    given = {"frames": 5, "size": SIZE, "step": 0.25, **options}
    return analytic_shot(tmp_path / "shot", **given)


def forget_depth(folder, indices):
    depth = list(read_shot(folder).guides["depth"])
    for index in indices:
        depth[index] = None
    change(folder, guides={**read_shot(folder).guides, "depth": tuple(depth)})


def plain(tmp_path):
    return moved_shot(tmp_path)


def odd_with_a_larger_still(tmp_path):
    return moved_shot(tmp_path, size=ODD, still_index=2, still_scale=2)


def moving(tmp_path):
    folder = moved_shot(tmp_path, with_flow=True)
    slide_near_box(folder, 2.0)
    return folder


def several_stills(tmp_path):
    folder = moved_shot(tmp_path, frames=7, still_index=1)
    shot = read_shot(folder)
    write_png16(folder / "other.png", render(shot.cameras[4], SIZE, samples=2)[0])
    change(folder, stills=(*shot.stills, Still("other.png", 4)))
    return folder


def imported(tmp_path):
    folder = moved_shot(tmp_path, size=ODD)
    forget_depth(folder, range(1, 5))
    return folder


def partly_known(tmp_path):
    folder = moved_shot(tmp_path, frames=6, with_flow=True)
    forget_depth(folder, (2, 3))
    return folder


SHOTS = [plain, odd_with_a_larger_still, moving, several_stills, imported, partly_known]


@pytest.mark.parametrize("make", SHOTS, ids=lambda make: make.__name__)
def test_seen_pixels_and_masks_are_those_of_the_projection(tmp_path, draft, projection, make):
    folder = make(tmp_path)
    made, plain = run(draft, folder).frames, run(projection, folder).frames
    assert list(made) == list(plain)
    differ = 0
    for index, (image, mask, depth) in made.items():
        seen = mask == 0
        assert seen.any()
        assert np.array_equal(mask, plain[index][1])
        assert np.array_equal(image[seen], plain[index][0][seen])
        assert (depth is None) == (plain[index][2] is None)
        differ += (image[~seen] != plain[index][0][~seen]).sum()
    assert differ > 0


def wander(first, second, *, depths, cameras):
    """Return where (H, W, 2) the pixels of one frame lie in another, and which are seen there."""
    height, width = depths[0].shape
    a, b = pixel_transfer(*cameras)
    inverse = inverse_depth(depths[0].astype(np.float64))
    h = pixel_centres(width, height) @ a[:, :2].T + a[:, 2] + inverse[..., None] * b
    place = (h[..., :2] / h[..., 2:]).astype(np.float32)
    x, y = place[..., 0] - 0.5, place[..., 1] - 0.5
    there = cv2.remap(inverse_depth(depths[1]), x, y, cv2.INTER_LINEAR, borderValue=-1)
    expected = inverse / h[..., 2]
    shown = np.abs(there - expected) < 0.003 * expected
    return cv2.remap(second, x, y, cv2.INTER_LINEAR), shown


def disagreement(images, masks, *, depths, cameras):
    """Return by how many levels two frames differ, on average, in the same unseen points."""
    first, second = (image.astype(np.float32) for image in images)
    there, shown = wander(first, second, depths=depths, cameras=cameras)
    unseen = [cv2.erode((mask == 255).astype(np.float32), np.ones((3, 3))) for mask in masks]
    inside, _ = wander(*unseen, depths=depths, cameras=cameras)
    both = (unseen[0] > 0) & (inside > 0.999) & shown
    assert both.sum() > 100
    return np.abs(first - there)[both].mean()


def test_a_point_of_the_world_keeps_its_colour(shot, draft, projection):
    """The control draws every frame for itself, as a model without a world would."""
    reader = ShotReader(shot)
    made, plain = run(draft, shot).frames, run(projection, shot).frames
    largest = max(inverse_depth(reader.depth(index)).max() for index in range(5))
    alone = {}
    for index in (3, 4):
        image, mask, _ = plain[index]
        drawn = draft.pipeline(
            torch.from_numpy(image / np.float32(255)).permute(2, 0, 1),
            torch.from_numpy(mask / np.float32(255)),
            torch.from_numpy(inverse_depth(reader.depth(index)) / largest),
            generator=torch.Generator().manual_seed(index),
        )
        alone[index] = drawn.colour.permute(1, 2, 0).numpy() * 255
    known = {
        "masks": [plain[index][1] for index in (3, 4)],
        "depths": [reader.depth(index) for index in (3, 4)],
        "cameras": reader.shot.cameras[3:5],
    }
    locked = disagreement([made[index][0] for index in (3, 4)], **known)
    apart = disagreement([alone[index] for index in (3, 4)], **known)
    assert locked < 4  # an untrained network leaves noise that no sampling keeps
    assert apart > 3 * locked


def test_a_point_of_the_world_keeps_its_colour_where_depth_is_not_known(
    tmp_path, draft, projection
):
    folder = imported(tmp_path)
    made, plain = run(draft, folder).frames, run(projection, folder).frames
    known = {
        "masks": [plain[index][1] for index in (3, 4)],
        "depths": [made[index][2] for index in (3, 4)],
        "cameras": read_shot(folder).cameras[3:5],
    }
    locked = disagreement([made[index][0] for index in (3, 4)], **known)
    filled = disagreement([plain[index][0] for index in (3, 4)], **known)
    assert locked < 4
    assert filled > 3 * locked


@pytest.mark.parametrize("patterns", [True, False])
def test_a_seed_gives_the_same_bytes_and_another_seed_others(shot, draft, monkeypatch, patterns):
    if not patterns:
        monkeypatch.setattr(frames, "repeat_patterns", lambda start, *_: (start, None))
    first, again, other = (run(draft, shot, seed=seed).frames for seed in (5, 5, 6))
    for index, (image, mask, _) in first.items():
        assert np.array_equal(image, again[index][0])
        assert np.array_equal(mask, again[index][1])
    image, mask, _ = first[4]
    # Where a pattern goes on for certain, seeds agree.
    assert (image != other[4][0])[mask == 255].mean() > (0.3 if patterns else 0.5)


def test_the_expectation_does_not_depend_on_the_seed(shot, draft):
    first, other = (run(draft, shot, seed=seed, mean=True).frames for seed in (5, 6))
    sample = run(draft, shot, seed=5).frames
    assert all(np.array_equal(first[index][0], other[index][0]) for index in range(5))
    assert not np.array_equal(first[4][0], sample[4][0])


@pytest.mark.parametrize("finished", [{0, 1, 4}, {0, 2, 3}, {3, 4}], ids=str)
def test_an_interrupted_take_goes_on_with_the_same_bytes(shot, draft, finished):
    whole, rest = run(draft, shot), run(draft, shot, finished=frozenset(finished))
    assert set(rest.frames) == set(range(5)) - finished
    for index, (image, mask, _) in rest.frames.items():
        assert np.array_equal(image, whole.frames[index][0])
        assert np.array_equal(mask, whole.frames[index][1])


def test_a_finished_take_is_not_begun_again(shot, draft, network_pixels):
    sink = run(draft, shot, finished=frozenset(range(5)))
    assert sink.frames == {}
    assert network_pixels == []


@pytest.mark.parametrize(
    ("phase", "stop_at", "kept"),
    [
        ("projecting", 0, []),
        ("projecting", 2, []),
        ("generating", 0, []),
        ("generating", 30, []),
        ("compositing", 0, []),
        ("compositing", 2, [0, 1]),
    ],
)
def test_cancelling_in_any_phase_keeps_the_frames_before(shot, draft, phase, stop_at, kept):
    threads = torch.get_num_threads()
    sink = Sink(stop_at, phase)
    with pytest.raises(Cancelled):
        run(draft, shot, sink=sink)
    assert list(sink.frames) == kept
    assert sink.steps[-1][0] == phase
    assert torch.get_num_threads() == threads


def test_progress_goes_through_the_phases_of_the_card(shot, draft):
    steps = run(draft, shot).steps
    assert list(dict.fromkeys(phase for phase, _, _ in steps)) == [
        name for name, _ in draft.card.phases
    ]
    shares = [draft.card.share_done(*step) for step in steps]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, pytest.approx(1))


def zoomed_in(tmp_path):
    """Write a shot of a wall whose camera zooms in: the still shows all of every frame."""
    folder = analytic_shot(tmp_path / "shot", frames=3, size=SIZE, step=0.0)
    camera = read_shot(folder).cameras[0]
    zoom = tuple(
        replace(camera, fl_x=camera.fl_x * by, fl_y=camera.fl_y * by) for by in (1, 1.1, 1.2)
    )
    for name in read_shot(folder).guides["depth"]:
        write_exr(folder / name, np.full((SIZE[1], SIZE[0], 1), 5, np.float32), ("Z",))
    change(folder, cameras=zoom)
    return folder


def test_where_every_pixel_is_seen_it_is_the_projection_and_says_so(
    tmp_path, draft, projection, network_pixels
):
    folder = zoomed_in(tmp_path)
    made, plain = run(draft, folder), run(projection, folder)
    assert made.warnings == ["Every pixel is seen by the still, so nothing is generated."]
    assert network_pixels == []
    for index, (image, mask, _) in made.frames.items():
        assert mask.max() == 0
        assert np.array_equal(image, plain.frames[index][0])


def test_a_camera_that_never_moves_is_warned_about_once(tmp_path, draft):
    folder = analytic_shot(tmp_path / "shot", frames=3, size=SIZE, step=0.0)
    (warning,) = run(draft, folder).warnings
    assert "never moves" in warning


def turned_away(tmp_path):
    """Write a shot that starts at frame 11 and whose third frame looks the other way."""
    folder = analytic_shot(tmp_path / "shot", frames=3, size=SIZE, frame_start=11)
    cameras = [camera_at((0.0, 0.0, 0.0), size=SIZE, yaw=yaw) for yaw in (0.0, 0.5, np.pi)]
    for name, camera in zip(read_shot(folder).guides["depth"], cameras, strict=True):
        write_exr(folder / name, render(camera, SIZE)[1][..., None], ("Z",))
    change(folder, cameras=tuple(cameras))
    return folder


def test_frames_of_which_nothing_is_seen_are_invented_and_named(tmp_path, draft):
    sink = run(draft, turned_away(tmp_path))
    image, mask, _ = sink.frames[2]
    assert mask.min() == 255
    assert image.std() > 1
    (warning,) = sink.warnings
    assert warning.startswith("No still shows anything of frame 13, so all of it is invented;")


@pytest.mark.parametrize("finished", [{2}, {1, 2}], ids=str)
def test_what_an_attempt_that_was_killed_made_is_warned_about_too(tmp_path, draft, finished):
    """Who resumes is told of the whole take, not of what is left of it alone."""
    sink = run(draft, turned_away(tmp_path), finished=frozenset(finished))
    assert 2 not in sink.frames
    (warning,) = sink.warnings
    assert warning.startswith("No still shows anything of frame 13, so all of it is invented;")


def test_of_frames_that_are_not_looked_at_again_nothing_is_said(tmp_path, draft):
    """A sliver too thin for the survey may have been generated in them."""
    folder = zoomed_in(tmp_path)
    assert run(draft, folder, finished=frozenset({1})).warnings == []


def test_unlocked_the_outlines_of_seen_things_may_change_and_no_other_seen_pixel(shot, draft):
    locked, free = run(draft, shot).frames, run(draft, shot, lock=False).frames
    for index in (1, 2, 3, 4):
        depth = ShotReader(shot).depth(index)
        flat = inverse_depth(depth)
        step = cv2.dilate(flat, np.ones((9, 9))) - cv2.erode(flat, np.ones((9, 9)))
        seen = locked[index][1] == 0
        changed = (locked[index][0] != free[index][0]).any(-1) & seen
        assert changed.any()
        assert step[changed].min() > 0.03 * flat.min()
        assert np.array_equal(locked[index][1], free[index][1])


def test_the_networks_work_depends_on_what_is_unseen_and_not_on_the_number_of_frames(
    tmp_path, draft, network_pixels
):
    work = {}
    for count in (4, 13):
        folder = analytic_shot(
            tmp_path / f"{count}", frames=count, size=SIZE, step=0.75 / (count - 1)
        )
        run(draft, folder)
        work[count] = sum(network_pixels)
        network_pixels.clear()
    assert 0 < work[13] <= 1.5 * work[4]


def test_what_moves_by_itself_is_drawn_for_its_frame_alone(tmp_path, draft):
    """The network draws it without noise, so what it says hardly depends on the seed."""
    folder = moved_shot(tmp_path, with_flow=True)
    boxes = slide_near_box(folder, 2.0)
    first, other = (run(draft, folder, seed=seed).frames for seed in (5, 6))
    for index in (2, 4):
        inner = cv2.erode(boxes[index].astype(np.uint8), np.ones((7, 7))) > 0
        still = (first[index][1] == 255) & ~cv2.dilate(
            boxes[index].astype(np.uint8), np.ones((7, 7))
        ).astype(bool)
        apart = np.abs(first[index][0].astype(float) - other[index][0])
        assert inner.sum() > 20
        assert apart[inner].mean() < 0.5 * apart[still].mean()


def test_a_keyframe_never_generates_what_moves(tmp_path, draft, monkeypatch):
    """Else what the network says there would reach into what it says beside it."""
    folder = moved_shot(tmp_path, with_flow=True)
    slide_near_box(folder, 2.0)
    keyframes, asked = [], []
    add, generate = FrameMaker.add_keyframe, DraftPipeline.__call__

    def note_keyframe(maker, index, **options):
        keyframes.append(index)
        return add(maker, index, **options)

    def note_editable(pipeline, *planes, **options):
        if not options["mean"]:  # of a keyframe
            asked.append(options["editable"])
        return generate(pipeline, *planes, **options)

    monkeypatch.setattr(FrameMaker, "add_keyframe", note_keyframe)
    monkeypatch.setattr(DraftPipeline, "__call__", note_editable)
    run(draft, folder)
    walk = Walk(ShotReader(folder), torch.device("cpu"), tick=lambda: None)
    moving = [torch.stack(step.moved).any(0) for step in walk.steps(list(range(5)))]
    assert any(moving[index].any() for index in keyframes)
    for index, editable in zip(keyframes, asked, strict=True):
        assert editable.any()
        assert not (editable & moving[index]).any()
