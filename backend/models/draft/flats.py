"""Flat surfaces that holes lie on, and each of them seen face on.

Inverse depth is linear in the pixels of a plane: 1 / z = p . (x, y, 1), with pixel centres at half
integers. With the camera's intrinsics K the same plane is 1 / z = (K^T p) . ray, which gives its
normal and its distance.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.nn import functional

from ...geometry import intrinsics
from ...projection.surface import describe_surface
from ...wire import Camera

_SAME = 0.002  # relative difference of inverse depths up to which a pixel lies on a plane
_MOST = 6  # planes
_LEAST = 0.002  # share of a frame's pixels from which a plane is worth its time
_TRIES = 64  # pixels whose planes are tried
_ASKED = 3000  # pixels that say which of them is shared by most
_FITS = 3  # rounds of least squares
_FINER = 0.8  # of the median size of a hole's pixel: a pixel of the view face on
_AROUND = 256  # pixels of the view on each side of the holes
_LONGEST = 1024  # pixels of the view's longer side
_SHORTEST = 24  # pixels below which a view is too narrow to say anything


def find_flats(inverse: torch.Tensor, holes: torch.Tensor) -> Iterator[torch.Tensor]:
    """Yield the planes p (3,) float64 that most of the holes lie on, largest first.

    Planes of single pixels are tried on others (random sample consensus, Fischler & Bolles 1981),
    always the same ones.

    Args:
        inverse: (H, W) inverse depth, 0 for the sky; on the CPU.
        holes: (H, W) bool.
    """
    surface = describe_surface(inverse)
    left = holes & (inverse > 0)
    # One order of all pixels, so that a pixel more or less changes next to nothing.
    order = torch.randperm(inverse.numel(), generator=torch.Generator().manual_seed(0))
    least = _LEAST * inverse.numel()
    for _ in range(_MOST):
        places = order[left.flatten()[order]]
        if len(places) < least:
            return
        plane = _most_shared(surface, places)
        for _ in range(_FITS):
            mine = left & on_plane(inverse, plane)
            if int(mine.sum()) < 3:
                break
            at = _homogeneous(torch.nonzero(mine.flatten())[:, 0], inverse.shape[1])
            plane = torch.linalg.lstsq(at, inverse[mine].double()[:, None]).solution[:, 0]
        mine = left & on_plane(inverse, plane)
        if not bool(mine.any()):
            return
        left = left & ~mine
        if int(mine.sum()) >= least:
            yield plane


def on_plane(inverse: torch.Tensor, plane: torch.Tensor) -> torch.Tensor:
    """Return which pixels (H, W) bool of a map of inverse depth lie on a plane (3,)."""
    rows, columns = (torch.arange(length, dtype=torch.float64) + 0.5 for length in inverse.shape)
    there = plane[0] * columns + (plane[1] * rows + plane[2])[:, None]
    return ((there - inverse).abs() < _SAME * inverse) & (inverse > 0)


class FaceOn:
    """A plane as it looks from straight before it, around holes in it.

    Attributes:
        shape: Rows and columns.
    """

    def __init__(
        self, plane: torch.Tensor, camera: Camera, holes: torch.Tensor, known: torch.Tensor
    ) -> None:
        """Choose what is looked at and how finely.

        Args:
            plane: (3,) of `find_flats`.
            camera: Of the frame.
            holes: (H, W) bool pixels on the plane that are unseen; one at least.
            known: (H, W) bool pixels on the plane that are seen; one at least.
        """
        self._holes = holes
        self._intrinsics = torch.from_numpy(intrinsics(camera))
        self._by_ray = self._intrinsics.T @ plane
        distance = 1 / self._by_ray.norm()
        normal = self._by_ray * distance
        upright = torch.eye(3, dtype=torch.float64)[2 if abs(float(normal[1])) > 0.9 else 1]
        right = torch.linalg.cross(upright, normal)
        right = right / right.norm()
        self._axes = torch.stack([right, torch.linalg.cross(normal, right)])
        self._foot = normal * distance
        pixels = _pixels(holes)
        self._at = self._to_plane(pixels)
        steps = [
            (self._to_plane(pixels + step[:, None]) - self._at).norm(dim=0)
            for step in torch.eye(3, dtype=torch.float64)[:2]
        ]
        # Beside the horizon a pixel has no end.
        self._pixel = _FINER * float(torch.maximum(*steps).nan_to_num(nan=torch.inf).median())
        seen = self._to_plane(_pixels(known))
        around = _AROUND * self._pixel
        ends = torch.tensor([0.01, 0.99], dtype=torch.float64)
        first, last = _quantiles(self._at, ends) + around * torch.tensor([[-1.0], [1.0]])
        first = first.maximum(torch.minimum(seen.amin(1), self._at.amin(1)))
        last = last.minimum(torch.maximum(seen.amax(1), self._at.amax(1)))
        size = last - first
        self._pixel = max(self._pixel, float(size.max()) / _LONGEST)
        columns, rows = (int(length) for length in (size / self._pixel).nan_to_num(nan=0))
        self._first, self.shape = first, (rows, columns)

    @property
    def says_something(self) -> bool:
        """Whether it is large enough to be looked at."""
        return min(self.shape) >= _SHORTEST

    def look(self, maps: torch.Tensor) -> torch.Tensor:
        """Return maps (C, H, W) of the frame as they look from there (C, rows, columns).

        0 where the frame does not show the plane.
        """
        rows, columns = (torch.arange(length, dtype=torch.float64) for length in self.shape)
        down, along = torch.meshgrid(rows, columns, indexing="ij")
        there = self._first[:, None, None] + torch.stack([along, down]) * self._pixel
        place = self._foot[:, None, None] + torch.tensordot(self._axes.T, there, dims=1)
        before = place[2] > 0
        x, y, _ = torch.tensordot(self._intrinsics, place, dims=1) / torch.where(
            before, place[2], 1
        )
        return _read(maps, torch.where(before, x, -torch.inf), y)

    def give_back(self, maps: torch.Tensor) -> torch.Tensor:
        """Return maps (C, rows, columns) in the holes of the frame (C, H, W), 0 elsewhere."""
        x, y = (self._at - self._first[:, None]) / self._pixel + 0.5
        frame = maps.new_zeros(len(maps), *self._holes.shape)
        frame[:, self._holes] = _read(maps, x[None], y[None])[:, 0]
        return frame

    def _to_plane(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return where (2, N) on the plane pixels (3, N) lie, in the unit of depth."""
        rays = torch.linalg.solve(self._intrinsics, pixels)
        return self._axes @ (rays / (self._by_ray @ rays))


def _most_shared(surface: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Return the plane (3,) of one of the first pixels that most of the others share.

    Args:
        surface: (4, H, W) of `describe_surface`.
        places: (N,) of pixels among all, in the order in which they are asked.
    """
    tried, asked = (
        (surface[:3].flatten(1)[:, some].double(), _homogeneous(some, surface.shape[2]))
        for some in (places[:_TRIES], places[:_ASKED])
    )
    (deep, right, down), at = tried
    planes = torch.stack([right, down, deep - right * at[:, 0] - down * at[:, 1]])
    (deep, *_), at = asked
    shared = (at @ planes - deep[:, None]).abs() < _SAME * deep[:, None]
    return planes[:, shared.sum(0).argmax()]


def _pixels(mask: torch.Tensor) -> torch.Tensor:
    """Return the centres x, y, 1 (3, N) float64 of the pixels in a mask (H, W)."""
    return _homogeneous(torch.nonzero(mask.flatten())[:, 0], mask.shape[1]).T


def _homogeneous(places: torch.Tensor, width: int) -> torch.Tensor:
    """Return the centres x, y, 1 (N, 3) float64 of pixels counted (N,) row by row."""
    rows, columns = places.div(width, rounding_mode="floor"), places % width
    return torch.stack([columns + 0.5, rows + 0.5, torch.ones_like(rows)], dim=1).double()


def _quantiles(values: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    """Return values (C, N) at shares (K,) of their order, (K, C)."""
    ordered = values.sort(dim=1).values
    return ordered[:, (shares * (values.shape[1] - 1)).round().to(torch.int64)].T


def _read(maps: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return maps (C, H, W) at places (h, w), bilinear, 0 outside."""
    height, width = maps.shape[-2:]
    places = torch.stack([x / width, y / height], dim=-1).clamp(-9, 9) * 2 - 1
    return functional.grid_sample(maps[None], places[None].to(maps.dtype), align_corners=False)[0]
