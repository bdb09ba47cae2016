"""The reader: aspect, warnings, cameras and guides by frame, from several threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from backend import media
from backend.errors import ShotError
from backend.reader import ShotReader
from backend.wire import Still, read_shot, write_shot
from tests.analytic import path, render, static_flow, write_exr
from tests.pngs import png

SIZE = (64, 40)


def put_still(folder, shape: tuple[int, int], channels: int = 3) -> None:
    """Replace the still by noise of `shape` (width, height)."""
    samples = np.random.default_rng(0).integers(0, 256, (shape[1], shape[0], channels))
    color = {3: 2, 4: 6}[channels]
    (folder / "still.png").write_bytes(png(samples, bits=8, color=color))


def test_depth_and_flow_of_the_analytic_shot_come_back_exactly(make_shot):
    reader = ShotReader(make_shot(frames=3, with_flow=True, scene="planes", frame_start=-1))
    cameras = path(3, size=SIZE)
    depth = render(cameras[1], SIZE, scene="planes")[1]
    assert np.isinf(depth).any()
    assert (reader.depth(1) == depth).all()
    flow = static_flow(cameras[1], depth, cameras[0], cameras[2])
    assert (reader.flow(1) == flow).all()
    assert np.abs(flow).max() > 0.5
    assert reader.warnings == ()


def test_the_still_is_the_render_to_16_bits(make_shot):
    reader = ShotReader(make_shot(frames=2, still_index=1))
    still = reader.still(0)
    expected = render(path(2, size=SIZE)[1], SIZE, samples=2)[0]
    np.testing.assert_allclose(still.pixels, expected, atol=1 / 65535)
    assert still.bits == 16
    assert reader.still_camera(0) == reader.shot.cameras[1]
    assert reader.still(0) is still


def one_file_for_both(folder) -> ShotReader:
    """Put depth and flow of frame 1 into one file with Blender's channel names."""
    apart = ShotReader(folder)
    prev_u, prev_v, next_u, next_v = np.moveaxis(apart.flow(1), 2, 0)
    depth = np.where(np.isinf(apart.depth(1)), np.float32(1e10), apart.depth(1))
    values = np.stack([depth, next_v, prev_u, -prev_v, -next_u], axis=-1).astype(np.float32)
    names = ("View.Depth.Z", *(f"View.Vector.{letter}" for letter in "WXYZ"))
    write_exr(folder / "both.exr", values, names)
    both = (None, "both.exr", None)
    write_shot(replace(apart.shot, guides={"depth": both, "flow": both}), folder)
    return ShotReader(folder)


def test_a_file_of_depth_and_flow_gives_both_in_one_reading(make_shot):
    folder = make_shot(frames=3, with_flow=True, scene="planes")
    apart = ShotReader(folder)
    expected = apart.depth(1), apart.flow(1)
    reader = one_file_for_both(folder)
    for found in (reader.depth_and_flow(1), (reader.depth(1), reader.flow(1))):
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])
    assert reader.depth_and_flow(0) == (None, None)


def test_depth_and_flow_in_files_of_their_own(make_shot):
    reader = ShotReader(make_shot(frames=3, with_flow=True))
    depth, flow = reader.depth_and_flow(2)
    np.testing.assert_array_equal(depth, reader.depth(2))
    np.testing.assert_array_equal(flow, reader.flow(2))


def test_what_is_wrong_in_a_file_of_both_is_said_of_the_guide(make_shot):
    folder = make_shot(frames=3, with_flow=True)
    reader = one_file_for_both(folder)
    values = np.ones((40, 64, 5), np.float32)
    values[3, 5, 2] = np.inf
    names = ("View.Depth.Z", *(f"View.Vector.{letter}" for letter in "WXYZ"))
    write_exr(folder / "both.exr", values, names)
    with pytest.raises(ShotError, match=r"guides.flow\[1\] 'both.exr': flow must be finite.*5, 3"):
        reader.depth_and_flow(1)


def test_unknown_depth_is_none(make_shot):
    folder = make_shot(frames=3)
    shot = read_shot(folder)
    write_shot(replace(shot, guides={"depth": (shot.guides["depth"][0], None, None)}), folder)
    reader = ShotReader(folder)
    assert reader.depth(0) is not None
    assert reader.depth(1) is None
    assert reader.flow(0) is None


def test_a_still_without_depth_at_its_frame(make_shot):
    folder = make_shot(frames=2, frame_start=1001)
    shot = read_shot(folder)
    assert (ShotReader(folder).still_depth(0) == ShotReader(folder).depth(0)).all()
    write_shot(replace(shot, guides={"depth": (None, shot.guides["depth"][1])}), folder)
    with pytest.raises(ShotError, match="frame 1001, which has no depth; capture"):
        ShotReader(folder).still_depth(0)


def test_a_still_with_a_camera_of_its_own(make_shot):
    folder = make_shot(frames=2)
    shot = read_shot(folder)
    own = path(5, size=SIZE)[4]
    write_shot(replace(shot, stills=(Still("still.png", 0, own),)), folder)
    reader = ShotReader(folder)
    assert reader.still_camera(0) == own
    with pytest.raises(ShotError, match="own camera"):
        reader.still_depth(0)


@pytest.mark.parametrize("shape", [(128, 80), (96, 60), (640, 400), (127, 79)])
def test_a_larger_still_of_the_same_aspect(make_shot, shape):
    folder = make_shot(frames=1)
    put_still(folder, shape)
    reader = ShotReader(folder)
    assert reader.still(0).pixels.shape == (shape[1], shape[0], 3)
    assert reader.warnings == ()


def test_a_smaller_still_is_said(make_shot):
    folder = make_shot(frames=1)
    put_still(folder, (32, 20))
    reader = ShotReader(folder)
    assert reader.warnings == ()
    reader.still(0)
    reader.still(0)
    (warning,) = reader.warnings
    assert "32 x 20, smaller than the shot" in warning


def test_transparency_is_said(make_shot):
    folder = make_shot(frames=1)
    put_still(folder, SIZE, channels=4)
    reader = ShotReader(folder)
    assert reader.still(0).had_alpha
    (warning,) = reader.warnings
    assert "over black" in warning


@pytest.mark.parametrize("shape", [(40, 64), (64, 42), (128, 84), (60, 40), (32, 22)])
def test_another_aspect(make_shot, shape):
    folder = make_shot(frames=1)
    put_still(folder, shape)
    with pytest.raises(
        ShotError, match=rf"stills\[0\] 'still\.png' is {shape[0]} x {shape[1]}, another aspect"
    ):
        ShotReader(folder).still(0)


def test_a_damaged_guide_names_field_and_frame(make_shot):
    folder = make_shot(frames=2, frame_start=250)
    depth = np.ones((40, 64), np.float32)
    depth[7, 9] = np.nan
    media.write_depth(folder / "depth/0251.exr", depth)
    with pytest.raises(ShotError) as caught:
        ShotReader(folder).depth(1)
    assert str(caught.value) == (
        "Frame 251, guides.depth[1] 'depth/0251.exr': depth must be above 0 metres, but pixel"
        " (9, 7) is nan; render it again."
    )


def test_many_threads_read_the_same(make_shot):
    reader = ShotReader(make_shot(frames=3, with_flow=True))
    expected = [(reader.depth(i), reader.flow(i)) for i in range(3)]

    def read(number: int) -> bool:
        index = number % 3
        depth, flow = reader.depth(index), reader.flow(index)
        same = (depth == expected[index][0]).all() and (flow == expected[index][1]).all()
        return bool(same) and reader.still(0).pixels.shape == (40, 64, 3)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(60)))


def test_stills_beyond_the_budget_are_read_again(make_shot, monkeypatch):
    folder = make_shot(frames=3)
    shot = read_shot(folder)
    for name in ("b.png", "c.png"):
        (folder / name).write_bytes((folder / "still.png").read_bytes())
    stills = (Still("still.png", 0), Still("b.png", 1), Still("c.png", 2))
    write_shot(replace(shot, stills=stills), folder)
    monkeypatch.setattr("backend.reader._KEPT_BYTES", 2 * 64 * 40 * 3 * 4)
    reader = ShotReader(folder)
    first, second = reader.still(0), reader.still(1)
    assert reader.still(0) is first
    reader.still(2)
    assert reader.still(0) is first
    assert reader.still(1) is not second
