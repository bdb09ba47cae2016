"""The projection family from a shot's folder to the sink."""

import numpy as np
import pytest
import torch

from backend import media
from backend.errors import Cancelled, ShotError
from backend.models import find_card, load_model
from backend.reader import ShotReader
from backend.wire import Still, read_shot
from tests.analytic import analytic_shot, camera_at, render, slide_near_box, write_png16
from tests.sinks import Sink, change, run

SIZE = (96, 56)


def generate(folder, *, fill=True, finished=frozenset(), sink=None):
    model = load_model(find_card("projection"), device="cpu")
    return run(model, folder, finished=finished, sink=sink, fill=fill)


@pytest.fixture
def shot(tmp_path):
    return analytic_shot(tmp_path / "shot", frames=5, size=SIZE, still_index=1, with_flow=True)


def test_every_frame_arrives_once_in_order_with_its_shape_and_type(shot):
    sink = generate(shot)
    assert list(sink.frames) == [0, 1, 2, 3, 4]
    for image, mask, depth in sink.frames.values():
        assert (image.shape, image.dtype) == ((SIZE[1], SIZE[0], 3), np.uint8)
        assert (mask.shape, mask.dtype) == ((SIZE[1], SIZE[0]), np.uint8)
        assert depth is None
    assert sink.steps[0] == ("projecting", 0, 5)
    assert sink.steps[-1] == ("projecting", 5, 5)
    assert sink.warnings == []


def test_at_its_index_the_frame_is_the_still_byte_for_byte(shot):
    image, mask, _ = generate(shot).frames[1]
    assert np.array_equal(image, media.to_8bit(ShotReader(shot).still(0).pixels))
    assert mask.max() == 0


def test_a_larger_still_gives_a_whole_frame_of_the_shots_size(tmp_path):
    folder = analytic_shot(tmp_path / "shot", frames=2, size=SIZE, still_scale=2)
    image, mask, _ = generate(folder).frames[0]
    truth = render(read_shot(folder).cameras[0], SIZE, samples=4)[0]
    assert np.abs(image / 255.0 - truth).max() < 0.01
    assert mask.max() == 0


def test_without_fill_holes_are_black_and_masked(shot):
    filled, bare = generate(shot), generate(shot, fill=False)
    image, mask, _ = bare.frames[4]
    assert (mask == 255).any()
    assert set(np.unique(mask)) == {0, 255}
    assert image[mask == 255].max() == 0
    assert filled.frames[4][0][mask == 255].mean() > 20


def test_finished_frames_are_left_out_and_the_others_are_the_same(shot):
    whole, rest = generate(shot), generate(shot, finished=frozenset({0, 1, 3}))
    assert list(rest.frames) == [2, 4]
    for index, (image, mask, _) in rest.frames.items():
        assert np.array_equal(image, whole.frames[index][0])
        assert np.array_equal(mask, whole.frames[index][1])


def test_the_same_bytes_twice(shot):
    first, second = generate(shot), generate(shot)
    for index, (image, mask, _) in first.frames.items():
        assert image.tobytes() == second.frames[index][0].tobytes()
        assert mask.tobytes() == second.frames[index][1].tobytes()


def test_cancelling_ends_the_job_and_keeps_the_frames(shot):
    sink = Sink(stop_at=2)
    with pytest.raises(Cancelled):
        generate(shot, sink=sink)
    assert list(sink.frames) == [0, 1]


def test_threads_of_torch_are_as_before(shot):
    before = torch.get_num_threads()
    generate(shot)
    assert torch.get_num_threads() == before


def test_frames_without_depth_are_made_forward_with_a_depth_of_their_own(shot):
    known = read_shot(shot).guides["depth"]
    truth = ShotReader(shot).depth(3)
    change(shot, guides={"depth": (known[0], known[1], known[2], None, known[4])})
    sink = generate(shot)
    assert sink.frames[2][2] is None
    image, mask, depth = sink.frames[3]
    assert depth.dtype == np.float32
    seen = mask == 0
    assert seen.mean() > 0.6
    assert np.quantile(np.abs(depth / truth - 1)[seen], 0.95) < 0.02
    assert np.abs(image.astype(int) - generate(shot).frames[3][0]).max() == 0


def test_the_sky_of_a_forward_frame_has_infinite_depth(tmp_path):
    folder = analytic_shot(tmp_path / "shot", frames=2, size=SIZE, scene="planes")
    change(folder, guides={"depth": (read_shot(folder).guides["depth"][0], None)})
    depth = generate(folder).frames[1][2]
    assert np.isinf(depth[0]).all()
    assert np.isfinite(depth[SIZE[1] // 2]).all()


def test_two_stills_leave_fewer_holes_than_one(tmp_path):
    folder = analytic_shot(tmp_path / "shot", frames=9, size=SIZE)
    alone = generate(folder).frames
    shot = read_shot(folder)
    write_png16(folder / "last.png", render(shot.cameras[8], SIZE, samples=2)[0])
    change(folder, stills=(*shot.stills, Still("last.png", 8)))
    both = generate(folder).frames
    assert both[4][1].mean() < 0.5 * alone[4][1].mean()
    assert both[8][1].max() == 0
    assert np.array_equal(both[8][0], media.to_8bit(ShotReader(folder).still(1).pixels))


@pytest.mark.parametrize("still_index", [0, 4])
def test_what_moves_by_itself_is_generated_and_said(tmp_path, still_index):
    """The near box slides along itself: its depth would agree, its colours would not."""
    folder = analytic_shot(
        tmp_path / "shot", frames=5, size=SIZE, still_index=still_index, with_flow=True
    )
    boxes = slide_near_box(folder, 2.0)
    sink = generate(folder)
    for index, (_, mask, _) in sink.frames.items():
        expected = 0 if index == still_index else 255
        inner = boxes[index] & (np.roll(boxes[index], 1, 0) & np.roll(boxes[index], 1, 1))
        inner &= np.roll(boxes[index], -1, 0) & np.roll(boxes[index], -1, 1)
        assert inner.any()
        assert (mask[inner] >= expected - 120).all()
        assert (mask[inner] == expected).mean() > 0.9
    assert any("moves by itself" in warning for warning in sink.warnings)


@pytest.mark.parametrize("still_index", [0, 6], ids=["after the still", "before the still"])
@pytest.mark.parametrize("gap", [(3,), (2, 3), (1, 3, 5)], ids=str)
def test_frames_without_depth_beside_flow_are_no_motion(tmp_path, still_index, gap):
    folder = analytic_shot(
        tmp_path / "shot", frames=7, size=SIZE, still_index=still_index, with_flow=True
    )
    whole = generate(folder)
    guides = dict(read_shot(folder).guides)
    depth = [None if index in gap else name for index, name in enumerate(guides["depth"])]
    change(folder, guides={**guides, "depth": tuple(depth)})
    sink = generate(folder)
    assert sink.warnings == whole.warnings == []
    for index in set(range(7)) - set(gap):
        assert np.array_equal(sink.frames[index][1], whole.frames[index][1])


@pytest.mark.parametrize("still_index", [0, 39])
def test_what_drifts_slowly_is_generated_in_the_end(tmp_path, still_index):
    """0.045 pixels a frame are 1.76 pixels after 39 frames."""
    folder = analytic_shot(
        tmp_path / "shot",
        frames=40,
        size=SIZE,
        still_index=still_index,
        step=0.0005,
        with_flow=True,
    )
    reader = ShotReader(folder)
    slide_near_box(folder, 0.045)
    sink = generate(folder)
    far, near = (39, 8) if still_index == 0 else (0, 31)
    assert (sink.frames[far][1][reader.depth(far) < 3.9] == 0).mean() < 0.1
    assert (sink.frames[near][1][reader.depth(near) < 3.9] == 0).mean() > 0.9


def test_a_camera_that_never_moves_is_warned_about(tmp_path):
    folder = analytic_shot(tmp_path / "shot", frames=3, size=SIZE, step=0.0)
    sink = generate(folder)
    assert any("never moves" in warning for warning in sink.warnings)
    assert all(mask.max() == 0 for _, mask, _ in sink.frames.values())


def test_depth_that_is_infinite_everywhere_is_refused(tmp_path):
    folder = analytic_shot(tmp_path / "shot", frames=2, size=SIZE)
    media.write_depth(
        folder / read_shot(folder).guides["depth"][0],
        np.full((SIZE[1], SIZE[0]), np.inf, np.float32),
    )
    with pytest.raises(ShotError, match="infinite everywhere"):
        generate(folder)


def test_a_still_without_depth_is_refused_by_frame(tmp_path):
    folder = analytic_shot(tmp_path / "shot", frames=2, size=SIZE, frame_start=41)
    change(folder, guides={"depth": (None, read_shot(folder).guides["depth"][1])})
    with pytest.raises(ShotError, match="frame 41"):
        generate(folder)


def test_a_still_with_a_camera_of_its_own_is_refused(tmp_path):
    folder = analytic_shot(tmp_path / "shot", frames=2, size=SIZE)
    own = camera_at((0.0, 0.5, 0.0), size=SIZE)
    change(folder, stills=(Still("still.png", 0, own),))
    with pytest.raises(ShotError, match="its own camera"):
        generate(folder)
