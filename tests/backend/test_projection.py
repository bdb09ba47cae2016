"""The parts of the projection against scenes whose every pixel is known."""

from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest
import torch

from backend.geometry import camera_to_world, scale_camera
from backend.projection.backward import transfer_pixels, visible
from backend.projection.fill import fill_holes
from backend.projection.frame import carry_frame, project_frame
from backend.projection.output import to_image, to_mask
from backend.projection.source import prepare_source
from backend.projection.surface import edges, facing, inverse_depth
from tests.analytic import path, render
from tests.backend.views import CPU, SIZE, look, source_of, surface_of, view

pytestmark = pytest.mark.usefixtures("one_thread")

FINE = 4  # a depth this much finer than the frame tells what is truly visible


@cache
def project(still, index, scene="room", fill=True):
    camera, _, depth = view(index, scene)
    return project_frame(
        [source_of(still, scene)], surface_of(depth), camera, nearness=[1.0], fill=fill
    )


@cache
def truly_visible(still, index, scene="room"):
    """Return which pixels of a frame the still shows, from a finer depth."""
    camera, _, depth = view(index, scene)
    other = view(still, scene)[0]
    return visible_from(camera, depth, other, scene)


def visible_from(camera, depth, other, scene="room"):
    large = (SIZE[0] * FINE, SIZE[1] * FINE)
    fine = render(scale_camera(other, SIZE, large), large, scene=scene)[1]
    moved = transfer_pixels(surface_of(depth), camera, other)
    x = (moved.x.numpy() * FINE).clip(0, large[0] - 1).astype(int)
    y = (moved.y.numpy() * FINE).clip(0, large[1] - 1).astype(int)
    agrees = np.abs(1 / fine[y, x] - moved.inverse.numpy()) <= 0.01 * moved.inverse.numpy()
    return agrees & moved.inside.numpy()


def psnr(colour, truth, where):
    image = to_image(colour) / 255.0
    return -10 * np.log10(np.mean((image - truth)[where] ** 2))


def without_rims(depth):
    """Return the pixels of a frame away from its own silhouettes."""
    near = edges(surface_of(depth)).numpy().astype(np.uint8)
    return cv2.dilate(near, np.ones((3, 3))) == 0


@pytest.mark.parametrize(("scene", "index"), [("room", 2), ("room", 6), ("planes", 6)])
def test_seen_pixels_are_those_of_the_true_frame(scene, index):
    _, truth, _ = view(index, scene)
    made = project(0, index, scene)
    seen = made.generated.numpy() < 0.5
    assert psnr(made.colour, truth, seen) > 38
    assert psnr(made.colour, truth, seen & without_rims(view(index, scene)[2])) > 42


def test_seen_pixels_reach_40_decibels_in_a_room_of_usual_size():
    size = (480, 272)
    first, second = path(5, size=size)[0], path(5, size=size)[4]
    still, depth = render(first, size, samples=2)
    source = prepare_source(still, depth, first, device=CPU)
    truth, depth = render(second, size, samples=2)
    made = project_frame([source], surface_of(depth), second, nearness=[1.0])
    assert psnr(made.colour, truth, made.generated.numpy() < 0.5) > 40


@pytest.mark.parametrize(("scene", "index"), [("room", 4), ("room", 11), ("planes", 6)])
def test_the_mask_is_the_true_visibility(scene, index):
    visible = truly_visible(0, index, scene)
    seen = project(0, index, scene, fill=False).generated.numpy() == 0
    assert (~seen & ~visible).sum() / (~visible).sum() > 0.95
    assert (~seen & visible).sum() / visible.sum() < 0.03


def test_a_steep_surface_hides_the_one_close_behind_it():
    """Along a floor seen at a glancing angle, half a pixel's slope behind is already hidden."""
    camera = view(0)[0]
    rows = np.linspace(0.05, 0.5, SIZE[1], dtype=np.float32)
    floor = np.broadcast_to(1 / rows[:, None], SIZE[::-1])
    surface = surface_of(np.ascontiguousarray(floor))
    own = transfer_pixels(surface, camera, camera)
    inner = slice(20, -1)
    assert visible(surface, own)[inner].all()
    slope = rows[1] - rows[0]
    for behind, seen in ((0.1, True), (0.9, False)):
        moved = replace(own, inverse=own.inverse - behind * slope)
        steep = surface[0] < 0.15  # there the slope says more than the tolerance of the depth
        assert (visible(surface, moved)[inner] == seen)[steep[inner]].all()


def test_nothing_is_generated_where_the_camera_has_not_moved():
    made = project(0, 0)
    assert made.generated.max() == 0


def test_the_sky_is_seen_where_the_still_shows_sky():
    _, _, depth = view(6, "planes")
    made = project(0, 6, "planes", fill=False)
    sky = np.isinf(depth)
    agrees = (made.generated.numpy()[sky] == 0) == truly_visible(0, 6, "planes")[sky]
    assert sky.any()
    assert agrees.mean() > 0.98


def test_a_shift_by_half_a_pixel_is_half_a_pixel():
    camera, colour, depth = view(0)
    moved = replace(camera, cx=camera.cx + 0.5, cy=camera.cy - 0.25)
    truth, depth = look(moved)
    made = project_frame([source_of(0)], surface_of(depth), moved, nearness=[1.0])
    inner = without_rims(depth) & (made.generated.numpy() == 0)
    assert psnr(made.colour, truth, inner) > 45
    assert psnr(torch.from_numpy(colour).permute(2, 0, 1), truth, inner) < 40


@pytest.mark.parametrize(
    "change",
    [
        {"fl_x": 1.25, "fl_y": 1.25},
        {"fl_x": 1.0, "fl_y": 1.2},
        {"cx": 1.15, "cy": 0.9},
        {"fl_x": 0.7, "fl_y": 0.7},
    ],
    ids=["lens", "pixel aspect", "shift", "wider lens"],
)
def test_every_frame_has_its_own_intrinsics(change):
    camera = view(3)[0]
    camera = replace(camera, **{name: getattr(camera, name) * f for name, f in change.items()})
    truth, depth = look(camera)
    made = project_frame([source_of(0)], surface_of(depth), camera, nearness=[1.0])
    seen = made.generated.numpy() < 0.5
    assert seen.mean() > 0.3
    assert psnr(made.colour, truth, seen & without_rims(depth)) > 38


def test_a_supersampled_still_is_sharper_than_one_of_the_same_size():
    camera, _, depth = view(0)
    large = (SIZE[0] * 2, SIZE[1] * 2)
    pixels = render(scale_camera(camera, SIZE, large), large, samples=2)[0]
    fine = prepare_source(pixels, depth, camera, device=CPU)
    target, truth, target_depth = view(4)
    both = [
        project_frame([one], surface_of(target_depth), target, nearness=[1.0])
        for one in (source_of(0), fine)
    ]
    inner = without_rims(target_depth) & (both[0].generated.numpy() == 0)
    assert psnr(both[1].colour, truth, inner) > psnr(both[0].colour, truth, inner)


def test_a_still_from_nearby_is_averaged_and_does_not_alias():
    """Fine stripes seen from far away become their mean, not a moiré of single samples."""
    depth = np.full((120, 208), 2.0, np.float32)
    stripes = np.zeros((120, 208, 3), np.float32)
    stripes[:, ::2] = 1.0
    camera = view(0)[0]
    source = prepare_source(stripes, depth, camera, device=CPU)
    away = camera_to_world(camera)
    away[2, 3] += 2.0
    target = replace(camera, transform_matrix=tuple(map(tuple, away.tolist())))
    made = project_frame([source], surface_of(depth * 2), target, nearness=[1.0])
    seen = made.generated.numpy() == 0
    inner = cv2.erode(seen.astype(np.uint8), np.ones((5, 5))) > 0
    assert inner.sum() > 1000
    assert np.abs(made.colour.numpy()[:, inner] - 0.5).max() < 0.2


def test_a_foreground_leaves_no_line_of_its_colour_on_the_background():
    """A white card before a black wall: where the two part, the wall stays black."""
    depth = np.full((120, 208), 8.0, np.float32)
    depth[40:80, 80:130] = 2.0
    colour = np.zeros((120, 208, 3), np.float32)
    colour[40:80, 80:130] = 1.0
    colour = cv2.GaussianBlur(colour, (0, 0), 0.6)  # as a renderer's pixel filter mixes
    camera = view(0)[0]
    source = prepare_source(colour, depth, camera, device=CPU)
    beside = camera_to_world(camera)
    beside[0, 3] += 0.2
    target = replace(camera, transform_matrix=tuple(map(tuple, beside.tolist())))
    shift = round(camera.fl_x * 0.2 / 2), round(camera.fl_x * 0.2 / 8)
    there = np.full((120, 208), 8.0, np.float32)
    there[40:80, 80 - shift[0] : 130 - shift[0]] = 2.0
    made = project_frame([source], surface_of(there), target, nearness=[1.0])
    wall = without_rims(there) & (there == 8.0)
    assert made.colour.numpy()[:, wall].max() < 0.02


def test_a_second_still_removes_holes():
    target, truth, depth = view(5)
    alone = project(0, 5)
    both = project_frame(
        [source_of(0), source_of(11)], surface_of(depth), target, nearness=[1.0, 0.5]
    )
    assert both.generated.mean() < 0.5 * alone.generated.mean()
    assert psnr(both.colour, truth, both.generated.numpy() < 0.5) > 38


def test_the_nearer_still_wins_and_the_seam_is_a_ramp():
    camera, _, depth = view(0)
    flat = [np.full((120, 208, 3), level, np.float32) for level in (0.2, 0.8)]
    half = depth.copy()
    half[:, 100:] *= 3.0  # the first still shows the left half alone
    first = prepare_source(flat[0], half, camera, device=CPU)
    second = prepare_source(flat[1], depth, camera, device=CPU)
    made = project_frame([first, second], surface_of(depth), camera, nearness=[1.0, 0.0])
    row = made.colour.numpy()[0, 20]
    assert row[:90] == pytest.approx(0.2)
    assert row[110:] == pytest.approx(0.8)
    assert np.diff(row).max() < 0.35


def test_forward_agrees_with_backward():
    target, truth, _ = view(4)
    back, forth = project(0, 4), carry_frame([source_of(0)], target)
    both = (back.generated.numpy() == 0) & (forth.generated.numpy() == 0)
    assert both.mean() > 0.75
    inner = both & without_rims(view(4)[2])
    off = np.abs(back.colour.numpy() - forth.colour.numpy())[:, inner]
    assert np.quantile(off, 0.99) < 0.05
    assert psnr(forth.colour, truth, inner) > 32
    depth = view(4)[2]
    made = 1 / forth.inverse.numpy()
    assert np.quantile(np.abs(made / depth - 1)[inner], 0.99) < 0.02


def test_forward_gives_the_true_holes():
    seen = carry_frame([source_of(0)], view(6)[0], fill=False).generated.numpy() == 0
    visible = truly_visible(0, 6)
    assert (~seen & ~visible).sum() / (~visible).sum() > 0.85
    assert (~seen & visible).sum() / visible.sum() < 0.03


@pytest.mark.parametrize("make", [
    lambda: project.__wrapped__(0, 7),
    lambda: carry_frame([source_of(0)], view(7)[0]),
], ids=["backward", "forward"])  # fmt: skip
def test_the_same_bytes_twice(make):
    first, second = make(), make()
    assert to_image(first.colour).tobytes() == to_image(second.colour).tobytes()
    assert to_mask(first.generated).tobytes() == to_mask(second.generated).tobytes()
    assert first.inverse.numpy().tobytes() == second.inverse.numpy().tobytes()


def push_pull(colour, seen):
    """Plain push-pull, without depth: the reference."""
    levels = [(colour * seen[..., None], seen.astype(float))]
    while max(levels[-1][1].shape) > 1:
        total, weight = levels[-1]
        height, width = weight.shape
        pad = ((0, height % 2), (0, width % 2))
        weight = np.pad(weight, pad).reshape(-(-height // 2), 2, -1, 2).sum((1, 3))
        total = np.pad(total, (*pad, (0, 0))).reshape(-(-height // 2), 2, -(-width // 2), 2, 3)
        total = total.sum((1, 3))
        most = np.maximum(weight, 1.0)
        levels.append((total / most[..., None], weight / most))
    filled = levels[-1][0]
    for total, weight in levels[-2::-1]:
        size = weight.shape[::-1]
        above = cv2.resize(filled, size, interpolation=cv2.INTER_LINEAR)
        filled = total + (1 - weight)[..., None] * above.reshape(total.shape)
    return filled


@pytest.mark.parametrize(("scene", "index"), [("room", 4), ("room", 11), ("planes", 6)])
def test_the_fill_is_better_than_every_classical_one(scene, index):
    still = view(0, scene)[1]
    truth = view(index, scene)[1]
    made = project(0, index, scene)
    bare = project(0, index, scene, fill=False)
    seen = bare.generated.numpy() == 0
    image = to_image(bare.colour)
    telea = cv2.inpaint(image, (~seen).astype(np.uint8), 3, cv2.INPAINT_TELEA) / 255.0
    rivals = {"still": still, "telea": telea, "push-pull": push_pull(image / 255.0, seen)}
    ours = psnr(made.colour, truth, ~seen)
    for name, picture in rivals.items():
        theirs = -10 * np.log10(np.mean((picture - truth)[~seen] ** 2))
        assert ours > theirs, name


def test_a_frame_of_which_nothing_is_seen_is_black_and_wholly_generated():
    surface = surface_of(view(0)[2])
    seen = torch.zeros(120, 208, dtype=torch.bool)
    filled = fill_holes(torch.rand(3, 120, 208) * seen, seen, surface, view(0)[0])
    assert filled.abs().max() == 0


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 3), (17, 2)])
def test_odd_and_tiny_frames(size):
    camera = view(0)[0]
    depth = np.full(size, 3.0, np.float32)
    source = prepare_source(np.full((*size, 3), 0.5, np.float32), depth, camera, device=CPU)
    away = replace(camera, cx=camera.cx + 1.0)
    made = project_frame([source], surface_of(depth), away, nearness=[1.0])
    assert made.colour.shape == (3, *size)
    assert carry_frame([source], camera).colour.shape == (3, *size)


def test_facing_knows_floor_wall_and_side():
    camera, _, depth = view(0)
    axis = facing(surface_of(depth), camera).numpy()
    assert axis[-3, 100] == 1  # the floor, +Y up
    assert axis[50, 100] == 2  # the back wall, along Z
    assert axis[60, 1] == 0  # the left wall


def test_preparing_a_still_leaves_its_arrays_alone():
    camera, colour, depth = view(0)
    before = colour.copy(), depth.copy()
    prepare_source(colour, depth, camera, device=CPU)
    assert np.array_equal(colour, before[0])
    assert np.array_equal(depth, before[1])


def test_depth_that_is_hardly_a_number_has_a_finite_inverse():
    depth = np.array([[1e-40, 2.0, np.inf]], np.float32)
    inverse = inverse_depth(depth, device=CPU)
    assert inverse.isfinite().all()
    assert inverse[0, 1:].tolist() == [0.5, 0.0]


def test_a_floor_is_a_floor_up_to_the_border():
    """A camera that looks down at a grey floor past a white card: what the card hid is grey."""
    width, height = SIZE
    cos, sin = np.cos(0.5), np.sin(0.5)
    pose = ((1.0, 0.0, 0.0, 0.0), (0.0, cos, sin, 1.5), (0.0, -sin, cos, 0.0), (0.0, 0.0, 0.0, 1.0))
    camera = replace(view(0)[0], transform_matrix=pose)
    down = sin + cos * (np.arange(height) + 0.5 - camera.cy) / camera.fl_y  # of rays of depth 1
    depth = np.repeat((1.5 / down)[:, None], width, axis=1).astype(np.float32)
    depth[70:, 80:130] = 1.9
    surface = surface_of(depth)
    axis = facing(surface, camera)
    assert (axis[-2:, :80] == 1).all()
    assert (axis[-2:, 131:] == 1).all()
    assert torch.equal(axis[-1], axis[-2])
    assert torch.equal(axis[0], axis[1])
    colour = torch.full((3, height, width), 0.3)
    colour[:, 70:, 80:130] = 1.0
    seen = torch.ones(height, width, dtype=torch.bool)
    seen[70:, 130:160] = False
    filled = fill_holes(colour * seen, seen, surface, camera)
    assert filled[:, -1, 130:160].numpy() == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize("turn", range(4))
def test_a_silhouette_between_the_last_two_pixels_is_one(turn):
    depth = np.full((6, 8), 5.0, np.float32)
    depth[:, -1] = 2.0
    wanted = np.zeros((6, 8), bool)
    wanted[:, -2:] = True
    surface = surface_of(np.rot90(depth, turn))
    assert np.array_equal(edges(surface).numpy(), np.rot90(wanted, turn))
    assert surface[1:3].abs().max() == 0
