"""Tiles of a frame: who owns which pixel, and how many pixels are looked at."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from backend.models.draft.tiles import MARGIN, batch, cover


@given(data=st.data())
def test_tiles_own_each_pixel_once(data):
    multiple = data.draw(st.sampled_from([4, 16]))
    height, width = (multiple * data.draw(st.integers(1, 20)) for _ in range(2))
    editable = np.zeros((height, width), bool)
    for _ in range(data.draw(st.integers(0, 5))):
        y, x = (data.draw(st.integers(0, length - 1)) for length in (height, width))
        editable[y : y + data.draw(st.integers(1, 90)), x : x + data.draw(st.integers(1, 90))] = 1
    most = data.draw(st.sampled_from([1, 128 * 128, 256 * 256]))
    tiles = cover(editable, multiple=multiple, most=most)
    owners = np.zeros((height, width), int)
    for tile in tiles:
        top, bottom, left, right = tile.inner
        owners[top:bottom, left:right] += 1
        assert all(edge % multiple == 0 for edge in tile.inner + tile.outer)
        wide = (top - MARGIN, bottom + MARGIN, left - MARGIN, right + MARGIN)
        assert tile.outer == (
            max(wide[0], 0), min(wide[1], height), max(wide[2], 0), min(wide[3], width),
        )  # fmt: skip
        assert tile.pixels <= most or (bottom - top) * (right - left) <= multiple**2
    assert owners.max() <= 1
    assert (owners[editable] == 1).all()
    batches = list(batch(tiles, most=most))
    assert sorted((tile for alike in batches for tile in alike), key=str) == sorted(tiles, key=str)
    assert all(len({tile.shape for tile in alike}) == 1 for alike in batches)


def test_a_large_frame_full_of_specks_takes_little_more_than_the_frame():
    editable = np.random.default_rng(0).random((2160, 3840)) > 0.9999
    tiles = cover(editable, multiple=16)
    assert sum(tile.pixels for tile in tiles) < 2 * editable.size
