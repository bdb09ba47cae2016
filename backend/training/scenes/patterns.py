"""The textures themselves. Each function gives (4, SIDE, SIDE) float32: features and cut-out."""

from __future__ import annotations

import numpy as np
import torch

SIDE = 512


def coordinates() -> tuple[torch.Tensor, torch.Tensor]:
    """Return u (1, SIDE) and v (SIDE, 1), texel centres, 0 to 1, v down."""
    line = (torch.arange(SIDE, dtype=torch.float32) + 0.5) / SIDE
    return line[None, :], line[:, None]


def noise(
    rng: np.random.Generator, slope: float, *, stretch: float = 1.0, low: float = 1.0
) -> torch.Tensor:
    """Return periodic Gaussian noise (SIDE, SIDE), mean 0.5, deviation 0.18, cut to 0 to 1.

    Args:
        rng: Where the phases come from.
        slope: Amplitudes fall as 1 / frequency ** slope; natural pictures have about 1.
        stretch: Above 1 it is drawn out along u.
        low: Frequencies below this many periods a tile are left out.
    """
    spectrum = torch.fft.rfft2(_white(rng))
    fx = torch.fft.rfftfreq(SIDE, 1 / SIDE)[None, :] * stretch
    fy = torch.fft.fftfreq(SIDE, 1 / SIDE)[:, None]
    radius = (fx * fx + fy * fy).sqrt_()
    gain = torch.where(radius >= low, radius.clamp_min(1e-6).pow(-slope), 0.0)
    field = torch.fft.irfft2(spectrum * gain, s=(SIDE, SIDE))
    return (field / field.std() * 0.18 + 0.5).clamp_(0, 1)


def pack(
    first: torch.Tensor,
    second: torch.Tensor | float = 0.0,
    third: torch.Tensor | float = 0.0,
    cut: torch.Tensor | float = 1.0,
) -> torch.Tensor:
    """Stack features and cut-out, each (SIDE, SIDE), broadcast or one number, to a texture."""
    result = torch.empty(4, SIDE, SIDE)
    for number, values in enumerate((first, second, third, cut)):
        result[number] = values
    return result.clamp_(0, 1)


def plain(rng: np.random.Generator) -> torch.Tensor:
    """Painted plaster: hardly anything, slowly."""
    depth = rng.uniform(0.05, 0.5)
    slow = noise(rng, rng.uniform(1.4, 2.2))
    fine = noise(rng, rng.uniform(0.2, 0.8), low=8)
    return pack(0.5 + depth * (slow - 0.5) + 0.15 * rng.random() * (fine - 0.5), slow, fine)


def cloud(rng: np.random.Generator) -> torch.Tensor:
    """Noise of a natural slope, sometimes with veins."""
    slope = rng.uniform(0.7, 2.0)
    first, second = noise(rng, slope), noise(rng, slope + rng.uniform(-0.3, 0.3))
    if rng.random() < 0.4:
        first = 1 - (2 * first - 1).abs().pow(rng.uniform(0.3, 0.8))
    return pack(first, second, noise(rng, 0.5, low=16))


def brick(rng: np.random.Generator) -> torch.Tensor:
    """Courses of bricks, each of its own tone, in mortar."""
    rows = 2 * int(rng.integers(2, 12))
    columns = max(2, round(rows * rng.uniform(0.3, 0.6)))
    shift = rng.choice([0.5, 0.5, 0.25, 0.33])
    bond = torch.from_numpy((np.arange(rows) * shift) % 1.0).float()
    return _courses(rng, columns=columns, offsets=bond, gap=rng.uniform(0.03, 0.12), grain=1.0)


def plank(rng: np.random.Generator) -> torch.Tensor:
    """Floor boards, each with its own grain."""
    rows = int(rng.integers(4, 20))
    offsets = torch.from_numpy(rng.random(rows)).float()
    columns = int(rng.integers(1, 4))
    return _courses(
        rng,
        columns=columns,
        offsets=offsets,
        gap=rng.uniform(0.015, 0.05),
        grain=rng.uniform(8, 30),
    )


def tile(rng: np.random.Generator) -> torch.Tensor:
    """Square tiles in grout, plain or with an ornament that repeats."""
    count = int(rng.integers(2, 13))
    u, v = coordinates()
    x, y = u * count, v * count
    column, row = x.long().expand(SIDE, SIDE), y.long().expand(SIDE, SIDE)
    x, y = x - column - 0.5, y - row - 0.5
    tones = torch.from_numpy(rng.random((count, count))).float()[row, column]
    gap = rng.uniform(0.01, 0.06)
    grout = _smooth((torch.maximum(x.abs(), y.abs()) - (0.5 - gap)) * SIDE / count)
    pattern = torch.zeros(SIDE, SIDE)
    if rng.random() < 0.6:
        pattern = _ornament(rng, x, y, sharp=SIDE / count)
    tone = 0.5 + (tones - 0.5) * rng.uniform(0, 0.8) + 0.3 * (noise(rng, 1.2) - 0.5)
    return pack(tone, torch.maximum(pattern * (1 - grout), 0 * grout), grout)


def wood(rng: np.random.Generator) -> torch.Tensor:
    """Grain along u, with rings that wander."""
    _, v = coordinates()
    wander = noise(rng, 1.8, stretch=rng.uniform(3, 10))
    rings = int(rng.integers(2, 9))
    ring = torch.sin(2 * torch.pi * (rings * v + rng.uniform(1, 4) * wander)) * 0.5 + 0.5
    fine = noise(rng, 0.6, stretch=rng.uniform(10, 40), low=4)
    return pack(0.5 * ring + 0.5 * fine, fine, noise(rng, 1.5, stretch=4))


def text(rng: np.random.Generator) -> torch.Tensor:
    """Lines of marks that look like words from afar."""
    lines = int(rng.integers(6, 28))
    columns = int(lines * rng.uniform(5, 9))
    letters = rng.random((lines, 7, columns)) < 0.5
    letters[:, 3] |= rng.random((lines, columns)) < 0.3
    letters[:, 0] = letters[:, 6] = letters[:, :, 0] = letters[:, :, -1] = False
    words = np.repeat(rng.random((lines, -(-columns // 5))) < 0.8, 5, axis=1)[:, None, :columns]
    short = np.arange(columns)[None, None] < columns * rng.uniform(0.4, 1.0, (lines, 1, 1))
    ink = torch.from_numpy((letters & words & short).astype(np.float32)).view(1, 1, lines * 7, -1)
    big = torch.nn.functional.interpolate(ink, size=(SIDE, SIDE), mode="bilinear")[0, 0]
    return pack(0.5 + 0.3 * (noise(rng, 1.4) - 0.5), big, 0.0)


def stripe(rng: np.random.Generator) -> torch.Tensor:
    """Stripes of uneven or even width, along one axis or aslant."""
    u, v = coordinates()
    across, along = int(rng.integers(1, 3)), int(rng.choice([0, 0, 0, 1, -1]))
    place = (u * across + v * along) % 1.0
    count = int(rng.integers(2, 24))
    borders = np.arange(count + 1) / count
    if rng.random() < 0.5:
        borders[1:-1] += rng.uniform(-0.4, 0.4, count - 1) / count
    number = torch.bucketize(place, torch.from_numpy(borders[1:-1]).float())
    tones = rng.random((2, count))
    if rng.random() < 0.5:
        tones = np.stack([np.arange(count) % 2, rng.random(count) < 0.2])
    first, second = torch.from_numpy(tones).float()[:, number]
    mottle = 0.2 * (noise(rng, 1.0) - 0.5)
    return pack((first + mottle).expand(SIDE, SIDE), second, noise(rng, 1.0))


def check(rng: np.random.Generator) -> torch.Tensor:
    """A chequerboard, or a tartan."""
    count = 2 * int(rng.integers(1, 9))
    u, v = coordinates()
    a, b = (u * count).long() % 2, (v * count).long() % 2
    board = (a ^ b).float() if rng.random() < 0.6 else 0.5 * (a + b).float()
    tone = board + 0.25 * (noise(rng, 1.2) - 0.5)
    return pack(tone, noise(rng, 1.0), 0.0)


def gravel(rng: np.random.Generator) -> torch.Tensor:
    """Stones: cells of scattered points, from sand to paving."""
    count = int(2 ** rng.uniform(2, 6))
    near, second, own = _cells(rng, count)
    border = (second - near).clamp(0, 1)
    tones = torch.from_numpy(rng.random(count * count)).float()[own]
    dark = 1 - (border * rng.uniform(2, 8)).clamp(0, 1)
    return pack(0.6 * tones + 0.4 * noise(rng, 0.8, low=4), dark, tones)


def fabric(rng: np.random.Generator) -> torch.Tensor:
    """A weave of threads."""
    count = int(rng.integers(16, 90))
    u, v = coordinates()
    warp, weft = torch.sin(torch.pi * 2 * count * u), torch.sin(torch.pi * 2 * count * v)
    over = ((u * count).long() + (v * count).long()) % 2
    thread = torch.where(over.bool(), warp.abs(), weft.abs())
    uneven = noise(rng, 0.8, stretch=8) + noise(rng, 0.8, stretch=0.125)
    return pack(0.5 * thread + 0.25 * uneven, noise(rng, 1.5), over.float())


def foliage(rng: np.random.Generator) -> torch.Tensor:
    """Leaves that cover all of it, dark between them."""
    cover, tone, rib = _scatter(rng, count=int(rng.integers(8, 26)), layers=4)
    return pack(tone * cover + 0.12 * (1 - cover), rib * cover, 1 - cover)


def leaves(rng: np.random.Generator) -> torch.Tensor:
    """The same with gaps to look through."""
    cover, tone, rib = _scatter(rng, count=int(rng.integers(3, 9)), layers=int(rng.integers(1, 3)))
    return pack(tone, rib, noise(rng, 1.5), cover)


def blades(rng: np.random.Generator) -> torch.Tensor:
    """Grass or reed that grows from the lower edge (v = 1) and thins out upwards."""
    u, v = coordinates()
    cover, tone = torch.zeros(SIDE, SIDE), torch.zeros(SIDE, SIDE)
    for _ in range(int(rng.integers(8, 40))):
        height, width = rng.uniform(0.4, 0.95), rng.uniform(0.006, 0.03)
        up = ((1 - v) / height).clamp_max(1.0)
        centre = rng.random() + rng.uniform(-0.35, 0.35) * up**2
        off = ((u - centre + 0.5) % 1.0 - 0.5).abs()
        blade = (off < width * (1 - up)).float()
        tone = torch.where(blade > 0, rng.uniform(0.2, 1.0) * (0.5 + 0.5 * up), tone)
        cover = torch.maximum(cover, blade)
    return pack(tone, noise(rng, 1.0, stretch=0.1), 0.0, cover)


def pickets(rng: np.random.Generator) -> torch.Tensor:
    """Upright slats with rails."""
    u, v = coordinates()
    count = int(rng.integers(3, 16))
    x = (u * count) % 1.0
    slat = ((x - 0.5).abs() < rng.uniform(0.08, 0.4)).float().expand(SIDE, SIDE)
    rail = torch.zeros(SIDE, 1)
    for place in rng.uniform(0.1, 0.9, int(rng.integers(1, 4))):
        rail = torch.maximum(rail, ((v - place).abs() < rng.uniform(0.01, 0.05)).float())
    wood_grain = noise(rng, 1.0, stretch=0.1)
    return pack(wood_grain, slat * 0.5, 0.0, torch.maximum(slat, rail))


def lattice(rng: np.random.Generator) -> torch.Tensor:
    """A trellis, straight or aslant."""
    u, v = coordinates()
    count, width = int(rng.integers(2, 10)), rng.uniform(0.08, 0.3)
    a, b = (u + v, u - v) if rng.random() < 0.5 else (u + 0 * v, v + 0 * u)
    first, second = (((p * count) % 1.0) < width for p in (a, b))
    return pack(noise(rng, 1.0), first.float(), 0.0, (first | second).float())


def books(rng: np.random.Generator) -> torch.Tensor:
    """Rows of things of many colours side by side, dark above them."""
    u, v = coordinates()
    rows = int(rng.integers(2, 7))
    result = torch.zeros(3, SIDE, SIDE)
    for row in range(rows):
        part = slice(row * SIDE // rows, (row + 1) * SIDE // rows)
        count = int(rng.integers(10, 50))
        borders = np.sort(rng.random(count))
        number = torch.bucketize(u[0], torch.from_numpy(borders).float())
        number[number == count] = 0
        tones = torch.from_numpy(rng.random((3, count))).float()[:, number]
        y = (v[part] * rows) % 1.0
        top = tones[2] * 0.35 + 0.05
        inside = (y > top).float() * (y < 0.93)
        board = (y >= 0.93).float()
        result[0, part] = tones[0] * inside + 0.5 * board
        result[1, part] = tones[1] * inside
        result[2, part] = tones[2] * inside
    return pack(result[0] + 0.1 * (noise(rng, 1.0) - 0.5), result[1], result[2])


def poster(rng: np.random.Generator) -> torch.Tensor:
    """A few large shapes of flat colour, one over another."""
    u, v = coordinates()
    result = torch.zeros(3, SIDE, SIDE)
    for _ in range(int(rng.integers(4, 16))):
        x, y = (u - rng.random() + 0.5) % 1.0 - 0.5, (v - rng.random() + 0.5) % 1.0 - 0.5
        size = rng.uniform(0.04, 0.3)
        kind, slim = rng.integers(3), rng.uniform(0.3, 1.0)
        if kind == 0:
            inside = x * x + y * y < size * size
        elif kind == 1:
            inside = torch.maximum(x.abs(), y.abs() / slim) < size
        else:
            inside = x.abs() + y.abs() / slim < size
        colour = torch.from_numpy(rng.random(3)).float()[:, None, None]
        result = torch.where(inside, colour, result)
    return pack(result[0] + 0.1 * (noise(rng, 1.0) - 0.5), result[1], result[2])


def _white(rng: np.random.Generator) -> torch.Tensor:
    return torch.from_numpy(rng.standard_normal((SIDE, SIDE), dtype=np.float32))


def _smooth(distance: torch.Tensor) -> torch.Tensor:
    """Return 0 below and 1 above a border, a texel soft; distance in texels."""
    return (distance + 0.5).clamp(0, 1)


def _courses(
    rng: np.random.Generator, *, columns: int, offsets: torch.Tensor, gap: float, grain: float
) -> torch.Tensor:
    """Return rows of oblongs: tone with grain along u, the gap, a tone of their own."""
    rows = len(offsets)
    u, v = coordinates()
    y = v * rows
    row = y.long()
    x = (u * columns + offsets[row]) % columns
    column = x.long().clamp_max(columns - 1)
    y, x = y - row - 0.5, x - column - 0.5
    tones = torch.from_numpy(rng.random((rows, columns))).float()[row, column]
    # A gap is as wide across as along: in texels of a row's height.
    across = (x.abs() - 0.5) * (SIDE / columns) + gap * SIDE / rows
    along = ((y.abs() - 0.5) * (SIDE / rows) + gap * SIDE / rows).expand_as(across)
    mortar = _smooth(torch.maximum(across, along))
    fine = noise(rng, rng.uniform(0.5, 1.2), stretch=grain, low=3)
    turn = (tones * 977).long() * 37 % SIDE  # each oblong shows another part of the grain
    index = (torch.arange(SIDE)[None, :] + turn) % SIDE
    fine = torch.gather(fine, 1, index)
    spread = rng.uniform(0.2, 0.9)
    tone = 0.5 + spread * (tones - 0.5) + rng.uniform(0.2, 0.7) * (fine - 0.5)
    return pack(tone * (1 - mortar), mortar * (0.8 + 0.2 * fine), tones * (1 - mortar))


def _ornament(
    rng: np.random.Generator, x: torch.Tensor, y: torch.Tensor, *, sharp: float
) -> torch.Tensor:
    """Return a figure (SIDE, SIDE) that is the same in every tile and meets at their borders."""
    rings, waves = rng.uniform(2, 6), int(rng.integers(1, 4)) * 4
    shape = rng.integers(4)
    if shape == 0:
        value = torch.sin(2 * torch.pi * rings * (x * x + y * y).sqrt())
    elif shape == 1:  # quarter circles round the corners
        value = torch.sin(
            2 * torch.pi * rings * ((0.5 - x.abs()) ** 2 + (0.5 - y.abs()) ** 2).sqrt()
        )
    elif shape == 2:
        value = torch.sin(2 * torch.pi * rings * (x.abs() + y.abs()))
    else:
        radius, angle = (x * x + y * y).sqrt(), torch.atan2(y, x)
        value = radius - 0.25 - 0.12 * torch.cos(waves * angle)
    return (value * sharp * 0.3 + 0.5).clamp(0, 1)


def _cells(rng: np.random.Generator, count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the distances to the two nearest of scattered points, in cells, and whose it is."""
    points = torch.from_numpy(rng.random((2, count, count))).float()
    u, v = coordinates()
    x, y = u * count, v * count
    column, row = x.long(), y.long()
    near = torch.full((SIDE, SIDE), 9.0)
    second = near.clone()
    own = torch.zeros(SIDE, SIDE, dtype=torch.int64)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            r, c = row + down, column + right
            place = (r % count) * count + c % count
            px, py = points[0].flatten()[place] + c, points[1].flatten()[place] + r
            distance = ((px - x) ** 2 + (py - y) ** 2).sqrt_()
            nearer = distance < near
            second = torch.where(nearer, near, torch.minimum(second, distance))
            near = torch.where(nearer, distance, near)
            own = torch.where(nearer, place, own)
    return near, second, own


def _scatter(
    rng: np.random.Generator, *, count: int, layers: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return where leaves lie, their tone and their midribs, each (SIDE, SIDE)."""
    u, v = coordinates()
    x, y = u * count, v * count
    column, row = x.long(), y.long()
    slim = rng.uniform(0.25, 0.6)
    cover, tone, rib = (torch.zeros(SIDE, SIDE) for _ in range(3))
    for layer in range(layers):
        table = torch.from_numpy(rng.random((4, count * count))).float()
        light = 0.35 + 0.65 * (layer + 1) / layers
        for down in (-1, 0, 1):
            for right in (-1, 0, 1):
                r, c = row + down, column + right
                place = (r % count) * count + c % count
                dx, dy, turn, own = table[:, place]
                a, b = x - c - dx, y - r - dy
                cos, sin = torch.cos(turn * 6.2832), torch.sin(turn * 6.2832)
                a, b = a * cos + b * sin, b * cos - a * sin
                length = 0.55 + 0.4 * own
                half = slim * (1 - (a / length) ** 2).clamp_min(0) * length
                inside = (b.abs() < half) & (a.abs() < length)
                tone = torch.where(inside, light * (0.4 + 0.6 * own) * (0.8 + 0.4 * a), tone)
                rib = torch.where(inside, (1 - b.abs() * 18).clamp_min(0), rib)
                cover = torch.where(inside, 1.0, cover)
    return cover, tone, rib
