"""Pixels of a shot and a take: stills and guides decoded, frames encoded.

Headers and caps are checked first (`png`, `exr`), so that a decoder is only ever given a whole
file of an allowed size. Arrays have the top row first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import OpenImageIO

from . import exr, exr_encode, png
from .errors import ShotError

NO_HIT = 1e9  # metres; Blender writes 1e10 where nothing is hit
FLOW_NAMES = ("prev_u", "prev_v", "next_u", "next_v")
VECTOR_SIGNS = (1, -1, -1, 1)  # Blender's Vector.X/Y/Z/W: previous = (X, -Y), next = (-Z, W)

# A file that is no EXR after all must not be offered to the readers of other formats.
OpenImageIO.attribute("try_all_readers", 0)


@dataclass(frozen=True, slots=True, eq=False)
class StillPixels:
    """A decoded still.

    Attributes:
        pixels: (H, W, 3) float32, 0 to 1, sRGB display values; alpha composited over black.
        bits: Bits a sample of the file, 8 or 16 (fewer count as 8).
        had_alpha: Whether any pixel of the file was not opaque.
    """

    pixels: np.ndarray
    bits: int
    had_alpha: bool


def read_still(path: Path, *, place: str | None = None) -> StillPixels:
    """Decode an 8- or 16-bit PNG; profiles and gamma in it are not applied.

    Args:
        path: The file.
        place: How a message names it, by default by its file name.

    Raises:
        ShotError: it is no PNG, is damaged, or exceeds the caps.
    """
    place = place or path.name
    header, data = png.read_clean(path, place=place)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as reason:
        raise ShotError(f"{place} is a damaged PNG file; save it again.") from reason
    if image is None or image.shape[:2] != (header.height, header.width):
        raise ShotError(f"{place} is a damaged PNG file; save it again.")
    largest = np.float32(np.iinfo(image.dtype).max)
    image = image[..., None] if image.ndim == 2 else image
    samples = image.shape[2]
    color = image[..., [0, 0, 0]] if samples < 3 else image[..., 2::-1]
    pixels = color.astype(np.float32) / largest
    alpha = None
    if samples in (2, 4):
        alpha = image[..., -1:].astype(np.float32) / largest
    elif header.grey_key is not None:
        key = header.grey_key * (largest / (2**header.bits - 1))  # 1, 2 and 4 bits come as 8
        alpha = (image[..., :1] != key).astype(np.float32)
    had_alpha = alpha is not None and bool(alpha.min() < 1)
    if had_alpha:
        pixels *= alpha
    return StillPixels(np.ascontiguousarray(pixels), max(8, header.bits), had_alpha)


def to_8bit(pixels: np.ndarray) -> np.ndarray:
    """Round display values from 0..1 to uint8, halves up."""
    return (np.clip(pixels, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)


def read_depth(path: Path, *, size: tuple[int, int], place: str) -> np.ndarray:
    """Read planar depth.

    The channel is `Z`, else the one whose last words are `Depth.Z`, else `Depth.V`, else a single
    `V` or `Y`, else `R`: what other programs write, and what Blender can write by itself. Its
    `Denoising Depth.Z` is another pass.

    Args:
        path: An EXR file.
        size: (W, H) it must have.
        place: How a message names the frame and file.

    Returns:
        (H, W) float32, metres; +inf where nothing is hit (values from 1e9 on).

    Raises:
        ShotError: no EXR, no depth channel, another size, not 32-bit float, or a value that is
            NaN, zero or negative (the message names the first such pixel).
    """
    header = _header(path, size=size, place=place)
    channel = _depth_channel(header, place=place)
    return _as_depth(_read_channels(path, header, (channel,), place=place)[..., 0], place=place)


def read_flow(path: Path, *, size: tuple[int, int], place: str) -> np.ndarray:
    """Read where each pixel's surface point is in the previous and the next frame.

    Channels are `prev_u prev_v next_u next_v`, or Blender's own ending in `Vector.X/Y/Z/W`.

    Args:
        path: An EXR file; it may be the same as the depth's.
        size: (W, H) it must have.
        place: How a message names the frame and file.

    Returns:
        (H, W, 4) float32: prev_u, prev_v, next_u, next_v; pixels of `size`, y down.

    Raises:
        ShotError: no EXR, a channel is missing, another size, or a value that is not finite.
    """
    header = _header(path, size=size, place=place)
    chosen, signs = _flow_channels(header, place=place)
    return _as_flow(_read_channels(path, header, chosen, place=place), signs, place=place)


def read_share(path: Path, *, size: tuple[int, int], place: str) -> np.ndarray:
    """Read how much of each pixel is to be kept.

    A PNG holds a share: white keeps, black does not; of colours it is their mean. An EXR holds
    Blender's object index: 0 keeps, every other index does not.

    Args:
        path: A PNG of 8 or 16 bits, or an EXR; it may be the same as the depth's.
        size: (W, H) it must have.
        place: How a message names the frame and file.

    Returns:
        (H, W) float32, 0 to 1.

    Raises:
        ShotError: neither of the two, damaged, without an object index, or of another size.
    """
    if path.suffix.lower() == ".exr":
        header = _header(path, size=size, place=place)
        index = _read_channels(path, header, (_index_channel(header, place=place),), place=place)
        return (index[..., 0] == 0).astype(np.float32)
    pixels = read_still(path, place=place).pixels
    height, width = pixels.shape[:2]
    if (width, height) != size:
        raise ShotError(
            f"{place} is {width} x {height}, not {size[0]} x {size[1]} as the shot is; save it at"
            " the shot's size."
        )
    return pixels.mean(axis=2, dtype=np.float32)


def read_depth_and_flow(
    path: Path, *, size: tuple[int, int], depth_place: str, flow_place: str
) -> tuple[np.ndarray, np.ndarray]:
    """Read both from one file that holds both, decoding it once.

    Returns:
        What `read_depth` and `read_flow` return.

    Raises:
        ShotError: as those two say, with `depth_place` or `flow_place` in front.
    """
    header = _header(path, size=size, place=depth_place)
    depth_channel = _depth_channel(header, place=depth_place)
    flow_channels, signs = _flow_channels(header, place=flow_place)
    both = _read_channels(path, header, (depth_channel, *flow_channels), place=depth_place)
    depth = _as_depth(np.ascontiguousarray(both[..., 0]), place=depth_place)
    return depth, _as_flow(np.ascontiguousarray(both[..., 1:]), signs, place=flow_place)


def write_depth(path: Path, depth: np.ndarray) -> None:
    """Write (H, W) float32 planar depth in metres as an EXR with one channel `Z`."""
    path.write_bytes(exr_encode.encode_depth(depth))


def encode_depth(depth: np.ndarray) -> bytes:
    """Return the bytes that `write_depth` writes."""
    return exr_encode.encode_depth(depth)


def encode_png(image: np.ndarray, *, text: Mapping[str, str] | None = None) -> bytes:
    """Return a PNG file of (H, W, 3) uint8 or uint16 sRGB pixels with text chunks by keyword."""
    if image.ndim != 3:
        raise ValueError(f"expected (H, W, 3), not {image.shape}")
    return png.encode(image, text=text)


def encode_mask(mask: np.ndarray) -> bytes:
    """Return a grey PNG file of (H, W) uint8."""
    if mask.ndim != 2:
        raise ValueError(f"expected (H, W), not {mask.shape}")
    return png.encode(mask)


def nothing_hit(depth: np.ndarray) -> bool:
    """Return whether no pixel of a depth map shows a surface."""
    return not bool(np.isfinite(depth).any())


def _header(path: Path, *, size: tuple[int, int], place: str) -> exr.ExrHeader:
    if path.suffix.lower() != ".exr":
        raise ShotError(f"{place} must be an EXR file whose name ends in '.exr'.")
    header = exr.read_header(path, place=place)
    if (header.width, header.height) != tuple(size):
        raise ShotError(
            f"{place} is {header.width} x {header.height}, but the shot is"
            f" {size[0]} x {size[1]}; render the guide at the shot's size."
        )
    return header


def _depth_channel(header: exr.ExrHeader, *, place: str) -> exr.Channel:
    plain = {channel.name: channel for channel in header.channels}
    luminance = [plain[name] for name in ("V", "Y") if name in plain]
    found = (
        plain.get("Z")
        or _ending(header, "Depth.Z", place=place)
        or _ending(header, "Depth.V", place=place)
        or (luminance[0] if len(luminance) == 1 else None)
        or plain.get("R")
    )
    if found is None:
        raise ShotError(f"{place} has no depth channel (Z); it has {_names(header)}.")
    if found.kind != exr.FLOAT:
        raise ShotError(
            f"{place}: the channel '{found.name}' is not 32-bit float; depth needs all 32 bits."
        )
    return found


def _index_channel(header: exr.ExrHeader, *, place: str) -> exr.Channel:
    """Return the object index: `IndexOB.X` up to Blender 4.5, `Object Index.X` since."""
    endings = ("IndexOB.X", "Object Index.X")
    found = [_ending(header, ending, place=place) for ending in endings]
    if found == [None, None]:
        raise ShotError(
            f"{place} has no object index, which says what may move; render it with that pass, or"
            f" give a grey PNG. It has {_names(header)}."
        )
    return found[0] or found[1]


def _flow_channels(
    header: exr.ExrHeader, *, place: str
) -> tuple[tuple[exr.Channel, ...], tuple[int, ...]]:
    """Return the four channels of flow, and what to multiply each with."""
    by_name = {channel.name: channel for channel in header.channels}
    if all(name in by_name for name in FLOW_NAMES):
        chosen, signs = tuple(by_name[name] for name in FLOW_NAMES), (1, 1, 1, 1)
    else:
        chosen = tuple(_ending(header, f"Vector.{letter}", place=place) for letter in "XYZW")
        signs = VECTOR_SIGNS
    if None in chosen:
        raise ShotError(
            f"{place} has no flow: it needs the channels {', '.join(FLOW_NAMES)},"
            f" or Blender's Vector.X, Y, Z and W; it has {_names(header)}."
        )
    if any(channel.kind not in (exr.HALF, exr.FLOAT) for channel in chosen):
        raise ShotError(f"{place}: flow must be stored as float.")
    return chosen, signs


def _as_depth(depth: np.ndarray, *, place: str) -> np.ndarray:
    _refuse(~(depth > 0), depth, "depth must be above 0 metres", place=place)
    depth[depth >= NO_HIT] = np.inf
    return depth


def _as_flow(flow: np.ndarray, signs: tuple[int, ...], *, place: str) -> np.ndarray:
    _refuse(~np.isfinite(flow).all(axis=2), flow, "flow must be finite", place=place)
    flow *= np.asarray(signs, np.float32)
    return flow


def _ending(header: exr.ExrHeader, end: str, *, place: str) -> exr.Channel | None:
    found = [c for c in header.channels if c.name == end or c.name.endswith(f".{end}")]
    if len(found) > 1:
        raise ShotError(
            f"{place} has more than one channel ending in '{end}'; write one view layer alone."
        )
    return found[0] if found else None


def _names(header: exr.ExrHeader) -> str:
    names = [channel.name[:40] for channel in header.channels]
    return ", ".join(names[:8]) + (" and more" if len(names) > 8 else "")


def _read_channels(
    path: Path, header: exr.ExrHeader, channels: tuple[exr.Channel, ...], *, place: str
) -> np.ndarray:
    """Return (H, W, len(channels)) float32, reading neighbouring channels in one go."""
    damaged = ShotError(f"{place} is a damaged EXR file; write it again.")
    source = OpenImageIO.ImageInput.open(str(path))
    if source is None:
        OpenImageIO.geterror()  # takes the message from OpenImageIO, which says no more than this
        raise damaged
    result = np.empty((header.height, header.width, len(channels)), np.float32)
    try:
        for part in dict.fromkeys(channel.part for channel in channels):
            if not source.seek_subimage(part, 0):
                raise damaged
            names = list(source.spec().channelnames)
            wanted = [i for i, channel in enumerate(channels) if channel.part == part]
            places = [_position(channels[i].name, names, damaged) for i in wanted]
            first, last = min(places), max(places)
            spans = (
                [(first, last + 1, wanted, places)]
                if last - first + 1 == len(places)
                else [(p, p + 1, [i], [p]) for i, p in zip(wanted, places, strict=True)]
            )
            for begin, end, targets, sources in spans:
                pixels = source.read_image(part, 0, begin, end, OpenImageIO.FLOAT)
                if pixels is None or pixels.shape != (*result.shape[:2], end - begin):
                    raise damaged
                for target, position in zip(targets, sources, strict=True):
                    result[..., target] = pixels[..., position - begin]
    finally:
        source.close()
    return result


def _position(name: str, names: list[str], damaged: ShotError) -> int:
    if name not in names:
        raise damaged
    return names.index(name)


def _refuse(bad: np.ndarray, values: np.ndarray, rule: str, *, place: str) -> None:
    if not bad.any():
        return
    y, x = np.unravel_index(int(np.argmax(bad)), bad.shape)
    value = np.atleast_1d(values[y, x])
    worst = next((float(v) for v in value if not math.isfinite(v)), float(value[0]))
    raise ShotError(f"{place}: {rule}, but pixel ({x}, {y}) is {worst:g}; render it again.")
