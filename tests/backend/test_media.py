"""Pixels in and out: PNG of every kind, EXR as other programs and Blender write it, and caps."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import OpenImageIO
import PIL.Image
import PIL.ImageCms
import pytest

from backend import exr_encode, media
from backend import png as png_module
from backend.errors import ShotError
from tests.analytic import write_exr
from tests.pngs import CHANNELS, chunk, header, png

SIZE = (13, 9)
BITS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
KINDS = [
    (color, bits, transparent)
    for color in BITS
    for bits in BITS[color]
    for transparent in ((False, True) if color in (0, 2, 3) else (True,))
]


def known_png(color: int, bits: int, transparent: bool, interlace: bool):
    """Return a PNG file and the straight colour (H, W, 3) and alpha (H, W) it must decode to."""
    rng = np.random.default_rng(bits * 10 + color)
    samples = rng.integers(0, 2**bits, (SIZE[1], SIZE[0], CHANNELS[color]))
    most = 2**bits - 1
    before = [chunk(b"gAMA", struct.pack(">I", 100_000))]  # says linear: must not be applied
    alpha = np.ones(samples.shape[:2])
    if color == 3:
        palette = rng.integers(0, 256, (2**bits, 3))
        before.append(chunk(b"PLTE", palette.astype(np.uint8).tobytes()))
        straight = palette[samples[..., 0]] / 255
        if transparent:
            alphas = rng.integers(0, 256, 2**bits)
            before.append(chunk(b"tRNS", alphas.astype(np.uint8).tobytes()))
            alpha = alphas[samples[..., 0]] / 255
    elif color in (4, 6):
        straight, alpha = samples[..., [0, 0, 0] if color == 4 else [0, 1, 2]] / most, None
        alpha = samples[..., -1] / most
    else:
        straight = samples[..., [0, 0, 0] if color == 0 else [0, 1, 2]] / most
        if transparent:
            key = samples[4, 5]
            before.append(chunk(b"tRNS", key.astype(">u2").tobytes()))
            alpha = 1.0 - (samples == key).all(-1)
    content = png(samples, bits=bits, color=color, before=before, interlace=interlace)
    return content, straight, alpha


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


class TestStill:
    @pytest.mark.parametrize("interlace", [False, True])
    @pytest.mark.parametrize(("color", "bits", "transparent"), KINDS)
    def test_every_kind_of_png(self, tmp_path, color, bits, transparent, interlace):
        content, straight, alpha = known_png(color, bits, transparent, interlace)
        still = media.read_still(write(tmp_path / "a.png", content))
        assert still.pixels.dtype == np.float32
        np.testing.assert_allclose(still.pixels, straight * alpha[..., None], atol=1e-6)
        assert still.had_alpha == bool((alpha < 1).any())
        assert still.bits == max(8, bits)

    def test_16_bit_of_opencv_keeps_every_value(self, tmp_path):
        values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
        image = np.stack([values, values[::-1], values.T], -1)
        cv2.imwrite(str(tmp_path / "a.png"), image[..., ::-1])
        still = media.read_still(tmp_path / "a.png")
        assert (np.round(still.pixels.astype(np.float64) * 65535) == image).all()

    def test_a_profile_is_not_applied(self, tmp_path):
        image = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
        profile = PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("LAB"))
        PIL.Image.fromarray(image).save(tmp_path / "a.png", icc_profile=profile.tobytes())
        assert b"iCCP" in (tmp_path / "a.png").read_bytes()
        still = media.read_still(tmp_path / "a.png")
        assert (media.to_8bit(still.pixels) == image).all()

    def test_8_bit_comes_back_exactly(self, tmp_path):
        image = np.random.default_rng(0).integers(0, 256, (40, 64, 3), dtype=np.uint8)
        still = media.read_still(write(tmp_path / "a.png", media.encode_png(image)))
        assert (media.to_8bit(still.pixels) == image).all()

    def test_rounding_to_8_bit_is_to_the_nearest(self):
        values = np.arange(65536)
        rounded = media.to_8bit((values / np.float32(65535)).astype(np.float32))
        assert (rounded == np.floor(values * 255 / 65535 + 0.5)).all()

    @pytest.mark.parametrize(
        "size", [(8193, 1), (1, 8193), (8000, 5001), (2**31 - 1, 2**31 - 1), (0, 4), (4, 0)]
    )
    def test_caps_hold_before_the_pixels_are_looked_at(self, tmp_path, size):
        content = b"\x89PNG\r\n\x1a\n" + header(*size, 8, 2) + b"no pixels at all"
        with pytest.raises(ShotError, match=f"{size[0]} x {size[1]}"):
            media.read_still(write(tmp_path / "a.png", content))

    def test_pixel_data_that_inflates_beyond_its_size_is_refused(self, tmp_path):
        bomb = zlib.compress(bytes(200_000_000), 9)
        content = b"\x89PNG\r\n\x1a\n" + header(4, 4, 8, 2) + chunk(b"IDAT", bomb) + chunk(b"IEND")
        with pytest.raises(ShotError, match="damaged"):
            media.read_still(write(tmp_path / "a.png", content))

    def test_a_text_bomb_beside_the_pixels_is_never_inflated(self, tmp_path):
        bomb = b"Comment\0\0" + zlib.compress(bytes(200_000_000), 9)
        content = png(np.zeros((4, 4, 3), int), bits=8, color=2, before=[chunk(b"zTXt", bomb)])
        read, kept = png_module.read_clean(write(tmp_path / "a.png", content), place="a.png")
        assert len(kept) < 200
        assert (read.width, read.height) == (4, 4)

    def test_a_million_chunks_take_no_time(self, tmp_path):
        """Looking back over all chunks at each would take minutes here."""
        good = png(np.zeros((4, 4, 3), int), bits=8, color=2)
        empty = chunk(b"tEXt") * 600_000 + chunk(b"IDAT") * 600_000
        media.read_still(write(tmp_path / "a.png", good[:33] + empty + good[33:]))

    @pytest.mark.parametrize(
        "change",
        [
            lambda data: data[:-20],
            lambda data: data[:40] + bytes([data[40] ^ 1]) + data[41:],
            lambda data: data.replace(chunk(b"IEND"), b""),
            lambda data: data[:33] + chunk(b"ABCD") + data[33:],
            lambda data: data[:33] + header(13, 9, 8, 2) + data[33:],
            lambda data: data[:33] + chunk(b"tRNS", b"12345") + data[33:],
            lambda data: data.replace(data[33:], chunk(b"IEND")),
        ],
        ids=["cut", "flipped", "no end", "unknown", "two headers", "odd tRNS", "no pixels"],
    )
    def test_damage_is_one_sentence(self, tmp_path, change):
        good = png(np.zeros((9, 13, 3), int), bits=8, color=2)
        media.read_still(write(tmp_path / "good.png", good))
        with pytest.raises(ShotError, match=r"^bad\.png is a damaged PNG file; save it again\.$"):
            media.read_still(write(tmp_path / "bad.png", change(good)))

    def test_a_palette_image_without_a_palette(self, tmp_path):
        content = png(np.zeros((4, 4, 1), int), bits=8, color=3)
        with pytest.raises(ShotError, match="damaged"):
            media.read_still(write(tmp_path / "a.png", content))

    @pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff\xe0JFIF", b"II*\0" + bytes(100)])
    def test_what_is_no_png(self, tmp_path, content):
        with pytest.raises(ShotError, match="not a PNG"):
            media.read_still(write(tmp_path / "a.png", content))

    def test_a_folder_instead_of_a_file(self, tmp_path):
        with pytest.raises(ShotError, match="cannot be read"):
            media.read_still(tmp_path)


class TestEncode:
    @pytest.mark.parametrize("shape", [(1, 1, 3), (5, 1, 3), (1, 7, 3), (40, 64, 3)])
    def test_pillow_reads_the_same_pixels(self, tmp_path, shape):
        image = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
        with PIL.Image.open(write(tmp_path / "a.png", media.encode_png(image))) as read:
            assert read.mode == "RGB"
            assert (np.asarray(read) == image).all()

    def test_a_mask_is_grey(self, tmp_path):
        mask = np.random.default_rng(1).integers(0, 256, (9, 13), dtype=np.uint8)
        with PIL.Image.open(write(tmp_path / "a.png", media.encode_mask(mask))) as read:
            assert read.mode == "L"
            assert (np.asarray(read) == mask).all()

    def test_the_same_bytes_twice(self):
        image = np.random.default_rng(1).integers(0, 256, (9, 13, 3), dtype=np.uint8)
        assert media.encode_png(image) == media.encode_png(image.copy())

    @pytest.mark.parametrize(
        "wrong", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3))]
    )
    def test_other_arrays_are_a_mistake(self, wrong):
        with pytest.raises(ValueError, match="expected"):
            media.encode_png(wrong)


def depth_like(shape=(SIZE[1], SIZE[0])) -> np.ndarray:
    return np.random.default_rng(2).uniform(0.5, 50, shape).astype(np.float32)


def read_depth(path: Path, size=SIZE) -> np.ndarray:
    return media.read_depth(path, size=size, place="Frame 7, 'd.exr'")


class TestDepth:
    @pytest.mark.parametrize("shape", [(1, 1), (9, 13), (16, 5), (17, 64), (120, 208)])
    def test_ours_is_read_exactly_by_openimageio(self, tmp_path, shape):
        depth = depth_like(shape)
        depth[0, 0] = np.inf
        media.write_depth(tmp_path / "d.exr", depth)
        image = OpenImageIO.ImageBuf(str(tmp_path / "d.exr"))
        assert image.spec().channelnames == ("Z",)
        assert image.spec().format == OpenImageIO.FLOAT
        assert (image.get_pixels(OpenImageIO.FLOAT)[..., 0] == depth).all()
        assert (read_depth(tmp_path / "d.exr", shape[::-1]) == depth).all()

    @pytest.mark.parametrize("compression", ["none", "rle", "zips", "zip", "piz"])
    def test_lossless_compressions(self, tmp_path, compression):
        depth = depth_like()
        write_exr(tmp_path / "d.exr", depth[..., None], ("Z",), compression=compression)
        assert (read_depth(tmp_path / "d.exr") == depth).all()

    @pytest.mark.parametrize(
        ("names", "chosen"),
        [
            (("Z",), 0),
            (("R", "G", "B", "Z"), 3),
            (("ViewLayer.Depth.Z", "Z"), 1),
            (("View.Layer.Combined.R", "View.Layer.Depth.Z"), 1),
            (("Depth.Z",), 0),
            (("ViewLayer.Denoising Depth.Z", "ViewLayer.Depth.Z"), 1),
            (("Depth.V", "Image.R"), 0),
            (("Image.R", "Pass.Depth.V"), 1),
            (("V",), 0),
            (("Y",), 0),
            (("R", "G", "B", "A"), 0),
            (("V", "Y", "R"), 2),
        ],
    )
    def test_channel_rules(self, tmp_path, names, chosen):
        pixels = np.stack([np.full(SIZE[::-1], i + 1, np.float32) for i in range(len(names))], -1)
        write_exr(tmp_path / "d.exr", pixels, names)
        assert (read_depth(tmp_path / "d.exr") == chosen + 1).all()

    def test_one_part_a_pass_as_blender_5_writes(self, tmp_path):
        flow = np.random.default_rng(0).normal(size=(9, 13, 4)).astype(np.float32)
        depth = depth_like()
        parts = [
            (("ViewLayer.Combined.R", "ViewLayer.Combined.G"), flow[..., :2]),
            (("ViewLayer.Depth.Z",), depth[..., None]),
            (tuple(f"ViewLayer.Vector.{letter}" for letter in "XYZW"), flow),
        ]
        write_parts(tmp_path / "d.exr", parts)
        assert (read_depth(tmp_path / "d.exr") == depth).all()
        read = media.read_flow(tmp_path / "d.exr", size=SIZE, place="p")
        assert (read == flow * np.float32([1, -1, -1, 1])).all()

    def test_far_away_is_infinite(self, tmp_path):
        depth = depth_like()
        depth[0, :3] = 1e9, 1e10, np.inf
        depth[0, 3] = 9.9e8
        media.write_depth(tmp_path / "d.exr", depth)
        read = read_depth(tmp_path / "d.exr")
        assert np.isinf(read[0, :3]).all()
        assert np.isfinite(read[0, 3:]).all()
        assert not media.nothing_hit(read)

    def test_nothing_hit_anywhere_is_readable(self, tmp_path):
        media.write_depth(tmp_path / "d.exr", np.full((9, 13), np.inf, np.float32))
        assert media.nothing_hit(read_depth(tmp_path / "d.exr"))

    @pytest.mark.parametrize(
        ("value", "shown"), [(np.nan, "nan"), (0.0, "0"), (-1.5, "-1.5"), (-np.inf, "-inf")]
    )
    def test_impossible_values_name_frame_and_pixel(self, tmp_path, value, shown):
        depth = depth_like()
        depth[4, 11] = value
        media.write_depth(tmp_path / "d.exr", depth)
        with pytest.raises(ShotError, match=rf"Frame 7.*pixel \(11, 4\) is {shown};"):
            read_depth(tmp_path / "d.exr")

    def test_another_size(self, tmp_path):
        media.write_depth(tmp_path / "d.exr", depth_like((10, 13)))
        with pytest.raises(ShotError, match=r"Frame 7.* is 13 x 10, but the shot is 13 x 9"):
            read_depth(tmp_path / "d.exr")

    def test_half_floats_are_too_coarse(self, tmp_path):
        write_exr(tmp_path / "d.exr", depth_like()[..., None], ("Z",), kind="half")
        with pytest.raises(ShotError, match="32-bit"):
            read_depth(tmp_path / "d.exr")

    def test_two_view_layers(self, tmp_path):
        pixels = np.ones((9, 13, 2), np.float32)
        write_exr(tmp_path / "d.exr", pixels, ("A.Depth.Z", "B.Depth.Z"))
        with pytest.raises(ShotError, match="more than one"):
            read_depth(tmp_path / "d.exr")

    def test_no_depth_says_what_there_is(self, tmp_path):
        write_exr(tmp_path / "d.exr", np.ones((9, 13, 2), np.float32), ("N.X", "N.Y"))
        with pytest.raises(ShotError, match=r"no depth channel.*N\.X, N\.Y"):
            read_depth(tmp_path / "d.exr")

    def test_a_cropped_render(self, tmp_path):
        spec = OpenImageIO.ImageSpec(13, 9, 1, "float")
        spec.channelnames = ("Z",)
        spec.full_width, spec.full_height = 20, 20
        output = OpenImageIO.ImageOutput.create("d.exr")
        assert output.open(str(tmp_path / "d.exr"), spec)
        assert output.write_image(np.ones((9, 13, 1), np.float32))
        output.close()
        with pytest.raises(ShotError, match="without a border"):
            read_depth(tmp_path / "d.exr")

    def test_tiles_are_read(self, tmp_path):
        depth = depth_like((40, 70))
        spec = OpenImageIO.ImageSpec(70, 40, 1, "float")
        spec.channelnames, spec.tile_width, spec.tile_height = ("Z",), 32, 16
        output = OpenImageIO.ImageOutput.create("d.exr")
        assert output.open(str(tmp_path / "d.exr"), spec)
        assert output.write_image(depth[..., None])
        output.close()
        assert (read_depth(tmp_path / "d.exr", (70, 40)) == depth).all()

    @pytest.mark.parametrize("box", [(0, 0, 8192, 0), (0, 0, 8000, 8000), (0, 0, 2**31 - 1, 1),
                                     (-(2**31), 0, 2**31 - 1, 1)])  # fmt: skip
    def test_caps_hold_before_decoding(self, tmp_path, box):
        content = exr_encode.encode_depth(depth_like())
        window = struct.pack("<4i", 0, 0, 12, 8)
        assert content.count(window) == 2
        (tmp_path / "d.exr").write_bytes(content.replace(window, struct.pack("<4i", *box)))
        with pytest.raises(ShotError, match="at most 8192 pixels a side and 40 megapixels"):
            read_depth(tmp_path / "d.exr")

    def test_a_torn_file_is_damaged(self, tmp_path):
        content = exr_encode.encode_depth(depth_like((120, 208)))
        for length in range(5, len(content), 997):
            (tmp_path / "d.exr").write_bytes(content[:length])
            with pytest.raises(ShotError):
                read_depth(tmp_path / "d.exr", (208, 120))

    def test_what_is_no_exr_is_offered_to_no_other_reader(self, tmp_path):
        cv2.imwrite(str(tmp_path / "d.png"), np.ones((9, 13, 3), np.uint8))
        (tmp_path / "d.png").rename(tmp_path / "d.exr")
        with pytest.raises(ShotError, match="not an EXR"):
            read_depth(tmp_path / "d.exr")
        media.write_depth(tmp_path / "d.tga", depth_like())
        with pytest.raises(ShotError, match=r"'\.exr'"):
            read_depth(tmp_path / "d.tga")


class TestFlow:
    def test_our_names(self, tmp_path):
        flow = np.random.default_rng(0).normal(size=(9, 13, 4)).astype(np.float32)
        order = (2, 0, 3, 1)
        names = tuple(media.FLOW_NAMES[i] for i in order)
        write_exr(tmp_path / "f.exr", flow[..., order], names)
        assert (media.read_flow(tmp_path / "f.exr", size=SIZE, place="p") == flow).all()

    def test_blenders_names_and_signs(self, tmp_path):
        vector = np.tile(np.float32([1, 2, 3, 4]), (9, 13, 1))
        write_exr(tmp_path / "f.exr", vector, tuple(f"Layer.Vector.{c}" for c in "XYZW"))
        flow = media.read_flow(tmp_path / "f.exr", size=SIZE, place="p")
        assert flow[0, 0].tolist() == [1, -2, -3, 4]

    def test_channels_apart_in_the_file(self, tmp_path):
        values = np.tile(np.arange(6, dtype=np.float32), (9, 13, 1))
        names = ("prev_u", "prev_v", "a", "b", "next_u", "next_v")
        write_exr(tmp_path / "f.exr", values, names)
        flow = media.read_flow(tmp_path / "f.exr", size=SIZE, place="p")
        assert flow[3, 3].tolist() == [0, 1, 4, 5]

    def test_lost_w_is_said(self, tmp_path):
        write_exr(tmp_path / "f.exr", np.ones((9, 13, 3), np.float32),
                  tuple(f"Vector.{c}" for c in "XYZ"))  # fmt: skip
        with pytest.raises(ShotError, match="has no flow"):
            media.read_flow(tmp_path / "f.exr", size=SIZE, place="p")

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_only_finite_values(self, tmp_path, value):
        flow = np.zeros((9, 13, 4), np.float32)
        flow[2, 3, 1] = value
        write_exr(tmp_path / "f.exr", flow, media.FLOW_NAMES)
        with pytest.raises(ShotError, match=r"pixel \(3, 2\)"):
            media.read_flow(tmp_path / "f.exr", size=SIZE, place="p")


def write_parts(path: Path, parts: list[tuple[tuple[str, ...], np.ndarray]]) -> None:
    """Write a multi-part EXR with OpenImageIO."""
    specs = []
    for names, pixels in parts:
        spec = OpenImageIO.ImageSpec(pixels.shape[1], pixels.shape[0], len(names), "float")
        spec.channelnames = names
        specs.append(spec)
    output = OpenImageIO.ImageOutput.create(str(path))
    assert output.open(str(path), tuple(specs)), output.geterror()
    for number, (_, pixels) in enumerate(parts):
        if number:
            assert output.open(str(path), specs[number], "AppendSubimage"), output.geterror()
        assert output.write_image(np.ascontiguousarray(pixels)), output.geterror()
    output.close()
