"""PNG files that Depthshot has written are read without a decoder; any other is refused."""

import numpy as np
import pytest

from backend import png
from backend.errors import ShotError
from tests import pngs


def picture(height, width):
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)


def decode(content, most_pixels=10_000):
    return png.decode(content, most_pixels=most_pixels, place="The look")


@pytest.mark.parametrize("size", [(1, 1), (60, 104), (3, 257)])
def test_what_was_written_is_read(size):
    image = picture(*size)
    np.testing.assert_array_equal(decode(png.encode(image)), image)
    np.testing.assert_array_equal(decode(png.encode(image, text={"Title": "ä"})), image)


def test_a_file_cut_off_anywhere_is_refused():
    content = png.encode(picture(5, 7))
    for length in range(len(content)):
        with pytest.raises(ShotError, match="The look is"):
            decode(content[:length])


def test_a_changed_byte_is_refused():
    content = png.encode(picture(5, 7))
    for at in range(len(content)):
        with pytest.raises(ShotError, match="The look is"):
            decode(content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1 :])


def test_one_that_is_larger_than_is_shown_is_refused():
    with pytest.raises(ShotError, match="The look is 104 x 60, larger"):
        decode(png.encode(picture(60, 104)), most_pixels=6239)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (png.encode(np.zeros((4, 4), np.uint8)), "8 bits RGB"),
        (png.encode(np.zeros((4, 4, 3), np.uint16)), "8 bits RGB"),
        (pngs.png(picture(9, 9), bits=8, color=2, interlace=True), "8 bits RGB"),
        (pngs.png(picture(9, 9), bits=8, color=2), "another program"),
    ],
)
def test_another_kind_is_refused(content, said):
    with pytest.raises(ShotError, match=said):
        decode(content)
