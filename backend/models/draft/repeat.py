"""Patterns: what repeats on a flat surface goes on in its holes.

The network looks some 50 pixels around and makes the bricks of a wall noise as strong as bricks.
Here each plane with a hole is seen face on, where a pattern repeats by one shift all over it. The
shifts by which a surface looks most like itself are found from its autocorrelation (as in He & Sun,
Statistics of patch offsets for image completion, 2012), and each pixel of a hole takes the one
under which what is seen around it fits best. Where none fits well nothing is copied.

Only structure is copied, up to about `_BROAD` pixels; broad colours and light are the hole's own.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from ...wire import Camera
from .filters import blur, luma
from .flats import FaceOn, find_flats, on_plane

_BROAD = 20.0  # pixels of the view face on: sigma of what counts as broad
_SHIFTS = 16  # that are tried
_NEAREST = 5  # pixels: what is shifted by less is like itself without repeating
_ALIKE = 0.12  # correlation from which a shift is tried
_OVERLAP = 0.05  # share of what is seen that has to meet itself for a correlation to count
_CELL = 4  # pixels a side of the cells in which a fit is measured
_SIGMA = 2.0  # cells: of the window a fit is measured in
_WIDER = ((1, 1.0), (3, 0.05), (9, 0.0025))  # wider windows and what they weigh beside narrow ones
_FEW = 1e-5  # known pixels in the window, weighted, from which there is a fit
_FLOOR = 2e-5  # display values squared: differences below are none
_NO_FIT = 0.8  # difference / strength from where on nothing is copied; 1 is chance
_FIT = 0.55  # and down to where a copy is taken for certain
_KNOWN = 0.99  # share of a pixel face on that has to be seen
_WORST = 9.0  # above any fit


def repeat_patterns(
    start: torch.Tensor,
    colour: torch.Tensor,
    generated: torch.Tensor,
    editable: torch.Tensor,
    inverse: torch.Tensor,
    camera: Camera,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the picture (3, H, W) with patterns going on in holes, and how surely (H, W) 0 to 1.

    Args:
        start: (3, H, W) display values 0 to 1, holes filled with broad colours.
        colour: (3, H, W) display values 0 to 1 of what is seen.
        generated: (H, W) share of colour that no still shows, 0 to 1.
        editable: (H, W) bool, the pixels that may be changed.
        inverse: (H, W) inverse depth in any unit, 0 for the sky.
        camera: Of the frame.
    """
    device = start.device
    # On the CPU, where sums have one order: a seed means the same bytes.
    first, colour, inverse = start.cpu(), colour.cpu(), inverse.cpu()
    unseen, wanted = generated.cpu() > 0, editable.cpu()
    copied, sure = torch.zeros_like(colour), torch.zeros_like(inverse)
    for plane in find_flats(inverse, wanted):
        mine = on_plane(inverse, plane)
        holes, known = mine & wanted & (sure == 0), mine & ~unseen
        if not bool(holes.any()) or not bool(known.any()):
            continue
        view = FaceOn(plane, camera, holes, known)
        if not view.says_something:
            continue
        seen, there = view.look(torch.stack([known, mine]).to(colour.dtype)) > _KNOWN
        structure, fit = continue_structure(view.look(colour), seen)
        change = (structure - _structure(view.look(first), there.to(colour.dtype))) * fit
        given = view.give_back(torch.cat([change, fit[None]]))
        copied, sure = copied + given[:3], sure + given[3]
    result = (start + copied.to(device)).clamp(0, 1)
    return result, sure.clamp(0, 1).to(device)


def continue_structure(
    picture: torch.Tensor, seen: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return structure for what is unseen (3, H, W), 0 around grey, and how well it fits (H, W).

    Args:
        picture: (3, H, W) display values 0 to 1 of a surface face on.
        seen: (H, W) bool.
    """
    known = seen.to(picture.dtype)
    structure = _structure(picture, known)
    shade = luma(structure)
    best, result = torch.full_like(known, _WORST), torch.zeros_like(picture)
    for shift in _find_shifts(shade, known):
        there = _shifted(known, shift)
        difference = _misfit(shade, _shifted(shade, shift), known * there)
        difference = torch.where((there > 0) & ~seen, difference, _WORST)
        better = difference < best
        best = torch.where(better, difference, best)
        result = torch.where(better, _shifted(structure, shift), result)
    return result, ((_NO_FIT - best) / (_NO_FIT - _FIT)).clamp(0, 1)


def _structure(picture: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Return what a picture (3, H, W) has beside its broad colours, 0 where it is not known."""
    broad = blur(torch.cat([picture * known, known[None]]), _BROAD)
    return (picture - broad[:3] / broad[3].clamp_min(1e-3)) * known


def _find_shifts(shade: torch.Tensor, known: torch.Tensor) -> list[tuple[int, int]]:
    """Return rows and columns of shifts under which a plane (H, W), 0 where unknown, is alike.

    The squared difference of all that meets under a shift, for all shifts at once, by Fourier
    transforms (Padfield, Masked FFT registration, 2010).
    """
    size = [2 * length for length in shade.shape]
    plane, there, square = (
        torch.fft.rfft2(each, s=size) for each in (shade, known, shade.square())
    )
    met = torch.fft.irfft2(there.conj() * there, s=size)
    product = torch.fft.irfft2(plane.conj() * plane, s=size)
    strength = torch.fft.irfft2(square.conj() * there + there.conj() * square, s=size)
    alike = 2 * product / strength.clamp_min(1e-6 * float(strength.max()) + 1e-9)
    alike = torch.where(met > _OVERLAP * known.sum(), alike, -1)
    middle = [length // 2 for length in size]
    alike = alike.roll(middle, (0, 1))
    highest = functional.max_pool2d(alike[None], 5, stride=1, padding=2)[0]
    rows, columns = torch.nonzero((alike == highest) & (alike > _ALIKE), as_tuple=True)
    value = alike[rows, columns]
    shifts = torch.stack([rows - middle[0], columns - middle[1]], dim=1)
    far = shifts.abs().amax(1) >= _NEAREST
    order = value[far].argsort(descending=True, stable=True)[:_SHIFTS]
    return [(down, right) for down, right in shifts[far][order].tolist()]


def _shifted(maps: torch.Tensor, shift: tuple[int, int]) -> torch.Tensor:
    """Return maps (..., H, W) of what is a shift further down and to the right, 0 beyond."""
    result = torch.zeros_like(maps)
    to, of = zip(
        *(
            (
                slice(max(0, -step), max(0, length - max(0, step))),
                slice(max(0, step), max(0, length + min(0, step))),
            )
            for step, length in zip(shift, maps.shape[-2:], strict=True)
        ),
        strict=True,
    )
    result[..., to[0], to[1]] = maps[..., of[0], of[1]]
    return result


def _misfit(first: torch.Tensor, second: torch.Tensor, both: torch.Tensor) -> torch.Tensor:
    """Return how different (H, W) two planes are around each pixel, of their strength; 1 is chance.

    Measured near a pixel where anything is known there, and farther off where nothing is.
    """
    height, width = both.shape
    sums = torch.stack(
        [
            both,
            both * (first - second).square() + _FLOOR * both,
            both * (first.square() + second.square()) + _FLOOR * both,
        ]
    )
    cells = functional.avg_pool2d(sums[None], _CELL, ceil_mode=True)[0]
    around = torch.zeros_like(cells)
    for wider, weight in _WIDER:
        few = functional.avg_pool2d(cells[None], wider, ceil_mode=True)[0]
        many = functional.interpolate(blur(few, _SIGMA)[None], scale_factor=wider, mode="bilinear")
        around += weight * many[0, :, : cells.shape[1], : cells.shape[2]]
    count, difference, strength = around
    misfit = torch.where(count > _FEW, difference / strength.clamp_min(1e-12), _WORST)
    larger = functional.interpolate(misfit[None, None], scale_factor=_CELL, mode="bilinear")
    return larger[0, 0, :height, :width]
