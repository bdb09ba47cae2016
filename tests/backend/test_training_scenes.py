"""The scenes that the draft model learns from."""

import numpy as np
import pytest
import torch

from backend.geometry import camera_to_world_cv
from backend.models.draft.condition import NEARER
from backend.training.scenes import contact_sheet, make_examples
from backend.training.scenes.atlas import Atlas, texels
from backend.training.scenes.build import Builder
from backend.training.scenes.layouts import LAYOUTS
from backend.training.scenes.light import Light
from backend.training.scenes.moves import look
from backend.training.scenes.patterns import SIDE
from backend.training.scenes.render import Film, Renderer, Scene, develop
from backend.training.scenes.shapes import Kind
from backend.training.scenes.textures import FAMILIES, make_texture
from backend.training.scenes.views import View

SIZE = 64
SEEDS = range(40, 50)
CPU = torch.device("cpu")

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def scenes():
    return {seed: make_examples(seed, size=SIZE) for seed in SEEDS}


def renderer_of(builder, **changes):
    dark = np.zeros(3)
    light = {
        "sun": np.array([0.0, 0.6, 0.8]), "sun_colour": np.ones(3), "sky_colour": dark,
        "ground_colour": dark, "fill": np.array([0.0, 0.0, 1.0]), "fill_colour": dark,
        "lamp": np.array([0.0, 0.0, 9.0]), "lamp_colour": dark, "softness": 0.02, "contact": 0.0,
        "horizon": dark, "zenith": dark,
    }  # fmt: skip
    scene = Scene(
        shapes=tuple(builder.shapes),
        materials=tuple(builder.materials),
        textures=tuple(builder.textures),
        light=Light(**light | changes),
        middle=np.zeros(3),
        reach=4.0,
    )
    return Renderer(scene, device=CPU)


def view_from(eye, aim, *, focal=60.0):
    eye = np.array(eye, dtype=float)
    rotation = look(np.array(aim) - eye)
    return View(eye, rotation, focal, (SIZE / 2, SIZE / 2), (SIZE, SIZE))


def builder_of(seed=3):
    return Builder(seed, np.random.default_rng(seed))


def psnr(first, second):
    error = np.mean((first.astype(float) - second) ** 2)
    return 10 * np.log10(255**2 / max(error, 1e-9))


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_scene(scenes):
    first, again = scenes[SEEDS[0]], make_examples(SEEDS[0], size=SIZE)
    assert len(first) == len(again) > 0
    for one, two in zip(first, again, strict=True):
        for name in ("filled", "truth", "generated", "inverse"):
            np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert not np.array_equal(first[0].truth, scenes[SEEDS[1]][0].truth)


def test_examples_have_the_arrays_that_a_trainer_expects(scenes):
    for examples in scenes.values():
        for example in examples:
            assert example.filled.shape == example.truth.shape == (3, SIZE, SIZE)
            assert example.generated.shape == example.inverse.shape == (SIZE, SIZE)
            assert (
                example.filled.dtype == example.truth.dtype == example.generated.dtype == np.uint8
            )
            assert example.inverse.dtype == np.float32
            assert np.isfinite(example.inverse).all()
            assert 0 <= example.inverse.min() < example.inverse.max()
            assert (example.inverse > 1).mean() <= NEARER


def test_what_the_still_shows_lies_where_the_truth_has_it(scenes):
    aligned, shifted = [], []
    for example in (example for examples in scenes.values() for example in examples):
        seen = example.generated == 0
        aligned.append(psnr(example.filled[:, seen], example.truth[:, seen]))
        beside = np.roll(example.filled, 2, axis=2)
        shifted.append(psnr(beside[:, seen], example.truth[:, seen]))
    assert np.mean(aligned) > 28
    assert np.mean(aligned) > np.mean(shifted) + 5


def test_holes_are_small_and_large_and_worth_filling(scenes):
    examples = [example for examples in scenes.values() for example in examples]
    shares = np.array([(example.generated > 127).mean() for example in examples])
    assert shares.min() > 0.005
    assert shares.max() < 0.65
    assert np.quantile(shares, 0.2) < 0.1 < 0.2 < np.quantile(shares, 0.85)
    holes = [example.generated == 255 for example in examples]
    inside = [psnr(e.filled[:, h], e.truth[:, h]) for e, h in zip(examples, holes, strict=True)]
    assert np.mean(inside) < 25


def test_depth_is_exact_on_a_plane():
    builder = builder_of()
    builder.ground(builder.paint("floor"))
    view = view_from((0.3, -2.0, 1.5), (0.1, 1.0, 0.0))
    depth = renderer_of(builder).depth(view).double().numpy()
    camera = view.camera(np.eye(3))
    steps = (np.arange(SIZE) + 0.5 - SIZE / 2) / 60.0
    x, y = np.meshgrid(steps, steps)
    ways = np.stack([x, y, np.ones_like(x)], -1) @ camera_to_world_cv(camera)[:3, :3].T
    expected = np.where(ways[..., 2] < 0, -1.5 / np.minimum(ways[..., 2], -1e-9), np.inf)
    expected[expected > 380] = np.inf  # the ground ends somewhere
    near = np.isfinite(expected)
    assert near.mean() > 0.3
    np.testing.assert_allclose(depth[near], expected[near], rtol=1e-4)
    assert np.isinf(depth[ways[..., 2] > 0]).all()


ROUND = 60 * 0.5 / np.sqrt(3**2 - 0.5**2)  # pixels: what is seen of half a metre's radius 3 m away


@pytest.mark.parametrize(
    ("kind", "nearest", "pixels"),
    [
        (Kind.BOX, 2.5, 24.0**2),
        (Kind.BALL, 2.5, np.pi * ROUND**2),
        (Kind.ROD, 2.5, 2 * ROUND * 23),  # 24 high in the middle, 20 at its sides
        (Kind.CARD, 3.0, 20.0**2),
        (Kind.DISC, 3.0, np.pi * 10.0**2),
    ],
)
def test_every_kind_of_shape_is_met_where_it_is(kind, nearest, pixels):
    builder = builder_of()
    upright = np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]])
    turn = upright if kind >= Kind.CARD else np.eye(3)
    builder.box((0, 0, 1), (0.5, 0.5, 0.5), builder.paint("thing"), kind=kind, turn=turn)
    depth = renderer_of(builder).depth(view_from((0, -3.0, 1.0), (0, 0, 1.0)))
    assert float(depth.min()) == pytest.approx(nearest, abs=2e-3)
    assert int(torch.isfinite(depth).sum()) == pytest.approx(pixels, rel=0.06)


def test_a_wall_is_solid_but_for_its_openings():
    builder = builder_of()
    builder.wall((0, 0, 1), (5, 0.1, 5), builder.paint("wall"), openings=[(-0.5, 0.5, -0.4, 0.6)])
    depth = renderer_of(builder).depth(view_from((0, -3.0, 1.0), (0, 0, 1.0)))
    open_share = float(torch.isinf(depth).float().mean())
    # It is seen through where its far side, 3.1 m away, leaves it open.
    assert open_share == pytest.approx((60 / 3.1) ** 2 / SIZE**2, rel=0.12)


def test_a_box_casts_a_shadow_away_from_the_sun():
    def ground(builder):
        builder.ground(builder.paint("floor"))
        return builder

    view = view_from((0, -0.01, 6.0), (0, 0, 0))
    empty, _ = renderer_of(ground(builder_of())).render(view, width=1.0)
    builder = ground(builder_of())
    builder.box((0, 0, 0.5), (0.3, 0.3, 0.5), builder.paint("thing"))
    light, depth = renderer_of(builder).render(view, width=1.0)
    floor = depth > 5.9
    assert floor.float().mean() > 0.8
    darker = (light.mean(0) < 0.2 * empty.mean(0)) & floor
    rows = torch.nonzero(darker)[:, 0].float()
    assert len(rows) > 20
    assert rows.mean() > SIZE / 2 + 3  # the sun stands over y > 0, which is up in the picture


def test_edges_are_mixed_and_surfaces_are_not():
    builder = builder_of()
    builder.box((0, 0, 1), (0.5, 0.5, 0.5), builder.paint("thing"), angle=0.3)
    renderer = renderer_of(builder, horizon=np.full(3, 50.0), zenith=np.full(3, 50.0))
    light, depth = renderer.render(view_from((0, -3.0, 1.0), (0, 0, 1.0)), width=1.0)
    grey = light.mean(0)
    mixed = (grey > 3) & (grey < 49)
    solid = torch.isfinite(depth)
    edge = torch.zeros_like(solid)
    edge[1:-1, 1:-1] = torch.stack(
        [solid[1:-1, 1:-1] != solid[1 + y : SIZE - 1 + y, 1 + x : SIZE - 1 + x]
         for y in (-1, 0, 1) for x in (-1, 0, 1)]
    ).any(0)  # fmt: skip
    assert mixed.sum() > 20
    assert not (mixed & ~edge).any()


@pytest.mark.parametrize("number", range(len(FAMILIES)), ids=[f.name for f in FAMILIES])
def test_every_texture_is_finite_and_repeats_without_a_seam(number):
    texture = make_texture(number)
    assert texture.shape == (4, SIDE, SIDE)
    assert torch.isfinite(texture).all()
    assert float(texture.min()) >= 0
    assert float(texture.max()) <= 1
    assert float(texture.std(dim=(1, 2)).max()) > 0.02
    across = (texture[:, :, 1:] - texture[:, :, :-1]).abs().mean((0, 1))
    assert float((texture[:, :, 0] - texture[:, :, -1]).abs().mean()) <= 1.5 * float(across.max())
    if FAMILIES[number].name != "blades":  # these have an upper and a lower end
        down = (texture[:, 1:] - texture[:, :-1]).abs().mean((0, 2))
        assert float((texture[:, 0] - texture[:, -1]).abs().mean()) <= 1.5 * float(down.max())


def test_the_atlas_gives_texels_means_and_what_repeats():
    atlas = Atlas([1, 2], device=CPU)
    words = texels(2).float() / 255
    u, v = torch.tensor([10.5, 3.5]) / SIDE, torch.tensor([20.5, 0.5]) / SIDE
    slot = torch.tensor([1, 1])
    found = atlas.look_up(slot, u, v, torch.zeros(2))
    expected = words[torch.tensor([20 * SIDE + 10, 3])]
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    again = atlas.look_up(slot, u + 3, v - 2, torch.zeros(2))
    torch.testing.assert_close(again, found, atol=2e-3, rtol=0)
    mean = atlas.look_up(slot, u, v, torch.full((2,), 20.0))
    torch.testing.assert_close(mean[0], words[: SIDE**2].mean(0), atol=0.02, rtol=0)


def test_every_layout_can_be_built():
    for maker, _ in LAYOUTS:
        builder = builder_of(7)
        place = maker(builder)
        assert len(builder.shapes) > 3
        assert np.isfinite([place.eye, place.aim, place.middle]).all()
        assert all((shape.half > 0).all() for shape in builder.shapes)
    assert sum(share for _, share in LAYOUTS) == pytest.approx(1)


def test_film_keeps_display_values_in_range_and_in_order():
    light = torch.linspace(0, 20, 50).expand(3, 1, 50)
    for curve in (0.0, 1.0):
        shown = develop(light, Film(exposure=1.0, curve=curve, saturation=1.1, width=1.0))
        assert float(shown.min()) >= 0
        assert float(shown.max()) <= 1
        assert (shown.diff(dim=2) >= -1e-6).all()


def test_the_contact_sheet_has_a_row_a_scene():
    sheet = contact_sheet([40, 41], size=SIZE)
    assert sheet.shape == (2 * SIZE, 8 * SIZE, 3)
    assert sheet.dtype == np.uint8
