"""Single pixels looked up, and pictures that lend what no still shows."""

import pytest
import torch

from backend.projection.backward import Places, look_up, shows
from backend.projection.frame import see_carried, see_frame
from backend.projection.lend import lend
from backend.projection.source import make_source
from backend.projection.surface import edges
from tests.backend.views import SIZE, source_of, surface_of, view

pytestmark = pytest.mark.usefixtures("one_thread")


def test_single_pixels_are_looked_up_as_the_whole_frame_is():
    (camera, _, depth), source = view(6), source_of(0)
    surface = surface_of(depth)
    silhouette = edges(surface)
    whole = look_up(source, surface, silhouette, camera)
    cells = torch.arange(5, SIZE[0] * SIZE[1], 7)
    places = Places.listed(cells, SIZE)
    listed = surface.flatten(1)[:, None, cells]
    some = look_up(source, listed, silhouette.flatten()[None, cells], camera, places)
    seen = whole.seen.flatten()[cells]
    assert (some.seen[0] == seen).float().mean() > 0.999
    both = some.seen[0] & seen
    assert torch.allclose(
        some.colour[:, 0][:, both], whole.colour.flatten(1)[:, cells][:, both], atol=1e-4
    )
    assert torch.equal(shows(source, listed, camera, places), some.seen)


@pytest.mark.parametrize("known", [True, False], ids=["known depth", "carried"])
def test_the_first_picture_that_shows_a_pixel_lends_it(known):
    """A still from the left; two pictures from the right in two colours, of which each offers half.

    Nothing they do not offer is taken, and nothing that the still shows.
    """
    sight = sight_of(0, 6, known=known)
    camera, _, depth = view(8)
    left = torch.zeros(SIZE[1], SIZE[0], dtype=torch.bool)
    left[:, : SIZE[0] * 3 // 4] = True
    pictures = []
    for tone, part in ((0.25, left), (0.75, torch.ones_like(left))):
        flat = torch.full((3, SIZE[1], SIZE[0]), tone)
        pictures.append(make_source(flat, surface_of(depth), camera, offered=part))
    wanted = ~sight.seen
    both = lend(pictures, sight, wanted)
    first, second = lend(pictures[:1], sight, wanted), lend(pictures[1:], sight, wanted)
    assert (both.taken & ~wanted).sum() == 0
    assert both.taken.sum() > 0.8 * wanted.sum()
    assert torch.equal(both.taken, first.taken | second.taken)
    assert first.taken.any()
    assert (second.taken & ~first.taken).any()
    share = 0.99 if known else 0.95  # where depth is an estimate, what is nearer comes first
    assert ((both.colour[:, first.taken] - 0.25).abs() < 1e-3).float().mean() > share
    assert torch.allclose(both.colour[:, both.taken & ~first.taken], torch.tensor(0.75), atol=1e-6)
    assert torch.equal(both.colour[:, sight.seen], sight.colour[:, sight.seen])


def test_nothing_is_lent_where_nothing_is_wanted():
    sight = sight_of(0, 6, known=True)
    lent = lend([source_of(8)], sight, torch.zeros_like(sight.seen))
    assert not lent.taken.any()
    assert lent.colour is sight.colour


def sight_of(still, index, *, known):
    camera, _, depth = view(index)
    if known:
        return see_frame([source_of(still)], surface_of(depth), camera, nearness=[1.0])
    return see_carried([source_of(still)], camera)
