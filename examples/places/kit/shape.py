"""A mesh collected piece by piece in plain Python, of any number of materials."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import bpy
from mathutils import Matrix, Vector

Point = Sequence[float]
Color = tuple[float, float, float]
WHITE: Color = (1.0, 1.0, 1.0)

# Corner indices of a box's faces (bit 0 = +x, bit 1 = +y, bit 2 = +z), counter-clockwise
# from outside, and the two axes that span each face.
_BOX_FACES = (
    ((0, 4, 6, 2), (1, 2)),
    ((1, 3, 7, 5), (1, 2)),
    ((0, 1, 5, 4), (0, 2)),
    ((2, 6, 7, 3), (0, 2)),
    ((0, 2, 3, 1), (0, 1)),
    ((4, 5, 7, 6), (0, 1)),
)


@dataclass(slots=True)
class Shape:
    """Faces of several materials that become one object.

    Materials are named by key and given to `to_object`. UVs are metres on the surface unless
    a method says otherwise, so one texture has one size everywhere. `tint` multiplies the
    material's colour (linear RGB).
    """

    rng: random.Random = field(default_factory=lambda: random.Random(1))
    frame: Matrix = field(default_factory=lambda: Matrix.Identity(4))
    _points: list[tuple[float, float, float]] = field(default_factory=list)
    _faces: list[tuple[int, ...]] = field(default_factory=list)
    _keys: list[str] = field(default_factory=list)
    _smooth: list[bool] = field(default_factory=list)
    _uvs: list[float] = field(default_factory=list)
    _tints: list[float] = field(default_factory=list)

    def place(self, x: float, y: float, z: float = 0.0, *, turn: float = 0.0) -> Shape:
        """Set where the following pieces stand: an origin and a turn about Z in degrees."""
        self.frame = Matrix.Translation((x, y, z)) @ Matrix.Rotation(math.radians(turn), 4, "Z")
        return self

    def face(
        self,
        points: Sequence[Point],
        key: str,
        *,
        uv: Sequence[tuple[float, float]],
        tint: Color = WHITE,
    ) -> None:
        """Add one flat face of four points, counter-clockwise from outside."""
        self.sheet(
            [points[:2], [points[3], points[2]]],
            key,
            uv=[uv[:2], [uv[3], uv[2]]],
            tint=tint,
            smooth=False,
        )

    def sheet(
        self,
        rows: Sequence[Sequence[Point]],
        key: str,
        *,
        uv: Sequence[Sequence[tuple[float, float]]],
        tint: Color = WHITE,
        smooth: bool = True,
    ) -> None:
        """Add a grid of quads over `rows` x columns of points, with a UV for every point."""
        start, columns = len(self._points), len(rows[0])
        self._points += [tuple(self.frame @ Vector(p)) for row in rows for p in row]
        for i in range(len(rows) - 1):
            for j in range(columns - 1):
                corners = ((i, j), (i, j + 1), (i + 1, j + 1), (i + 1, j))
                self._faces.append(tuple(start + a * columns + b for a, b in corners))
                self._keys.append(key)
                self._smooth.append(smooth)
                for a, b in corners:
                    self._uvs += uv[a][b]
                    self._tints += (*tint, 1.0)

    def box(
        self,
        center: Point,
        size: Point,
        key: str,
        *,
        turn: Point = (0.0, 0.0, 0.0),
        tint: Color = WHITE,
        grain: bool = True,
    ) -> None:
        """Add a box, turned by Euler degrees about its own centre.

        With `grain` the u axis of every face runs along its longer side, from a random start,
        as in a sawn board. Without, u and v are the two positions in place, so that the
        texture of neighbouring boxes runs on (walls).
        """
        half = Vector(size) * 0.5
        rotation = Matrix.Rotation(math.radians(turn[2]), 4, "Z")
        rotation @= Matrix.Rotation(math.radians(turn[1]), 4, "Y")
        rotation @= Matrix.Rotation(math.radians(turn[0]), 4, "X")
        corners = [
            Vector([half[a] if n >> a & 1 else -half[a] for a in range(3)]) for n in range(8)
        ]
        start = (self.rng.uniform(0, 50), self.rng.uniform(0, 50)) if grain else (0.0, 0.0)
        origin = Vector((0, 0, 0)) if grain else Vector(center)
        for indices, (u, v) in _BOX_FACES:
            if grain and size[v] > size[u]:
                u, v = v, u
            uv = [
                (start[0] + corners[n][u] + origin[u], start[1] + corners[n][v] + origin[v])
                for n in indices
            ]
            points = [Vector(center) + rotation @ corners[n] for n in indices]
            self.face(points, key, uv=uv, tint=tint)

    def tube(
        self,
        path: Sequence[Point],
        radius: float | Sequence[float],
        key: str,
        *,
        sides: int = 8,
        tint: Color = WHITE,
    ) -> None:
        """Add a round bar along `path`, open at both ends, with one radius or one a point."""
        spine = [Vector(p) for p in path]
        radii = [radius] * len(spine) if isinstance(radius, int | float) else list(radius)
        rows, uv, length = [], [], self.rng.uniform(0, 50)
        side = None
        for n, point in enumerate(spine):
            ahead = spine[min(n + 1, len(spine) - 1)] - spine[max(n - 1, 0)]
            ahead.normalize()
            # Carried along from the ring before, so that the tube doesn't twist.
            side = ahead.orthogonal() if side is None else side - ahead * side.dot(ahead)
            side.normalize()
            up = ahead.cross(side)
            if n:
                length += (point - spine[n - 1]).length
            angles = [2 * math.pi * k / sides for k in range(sides + 1)]
            rows.append(
                [point + (side * math.cos(a) + up * math.sin(a)) * radii[n] for a in angles]
            )
            uv.append([(length, a * radii[n]) for a in angles])
        self.sheet(rows, key, uv=uv, tint=tint)

    def lathe(
        self,
        profile: Sequence[tuple[float, float]],
        center: Point,
        key: str,
        *,
        sides: int = 20,
        tint: Color = WHITE,
    ) -> None:
        """Add a turned body: `profile` is (radius, height) from the bottom up."""
        rows, uv = [], []
        for radius, height in profile:
            angles = [2 * math.pi * k / sides for k in range(sides + 1)]
            rows.append(
                [
                    Vector(center) + Vector((radius * math.cos(a), radius * math.sin(a), height))
                    for a in angles
                ]
            )
            uv.append([(a * 0.15, height) for a in angles])
        self.sheet(rows, key, uv=uv, tint=tint)

    def blade(
        self,
        base: Point,
        direction: Point,
        key: str,
        *,
        length: float,
        width: float,
        droop: float,
        tint: Color = WHITE,
        steps: int = 5,
    ) -> None:
        """Add a leaf: it leaves `base` along `direction` and bends down by `droop` radians.

        UV: u from 0 to 1 across the leaf, v from 0 to 1 along it.
        """
        point, ahead = Vector(base), Vector(direction).normalized()
        across = ahead.cross(Vector((0, 0, 1)))
        across = Vector((1, 0, 0)) if across.length < 1e-3 else across.normalized()
        rows, uv = [], []
        for n in range(steps + 1):
            v = n / steps
            # Widest at a third of the length, a point at the end; the middle rib lies lower.
            half = across * (width * 0.5 * max(math.sin(math.pi * v**0.7), 0.04 if v < 1 else 0))
            fold = across.cross(ahead) * (half.length * 0.35)
            rows.append([point - half + fold, point, point + half + fold])
            uv.append([(0.0, v), (0.5, v), (1.0, v)])
            point = point + ahead * (length / steps)
            ahead = Matrix.Rotation(-droop / steps, 3, across) @ ahead
        self.sheet(rows, key, uv=uv, tint=tint)

    def to_object(
        self,
        name: str,
        collection: bpy.types.Collection,
        materials: dict[str, bpy.types.Material],
    ) -> bpy.types.Object:
        """Make the object; `materials` has one for every key used."""
        mesh = bpy.data.meshes.new(name)
        mesh.from_pydata(self._points, [], self._faces)
        keys = sorted(set(self._keys))
        for key in keys:
            mesh.materials.append(materials[key])
        mesh.polygons.foreach_set("material_index", [keys.index(key) for key in self._keys])
        mesh.polygons.foreach_set("use_smooth", self._smooth)
        mesh.uv_layers.new(name="UVMap").uv.foreach_set("vector", self._uvs)
        mesh.color_attributes.new("tint", "FLOAT_COLOR", "CORNER").data.foreach_set(
            "color", self._tints
        )
        mesh.update()
        made = bpy.data.objects.new(name, mesh)
        collection.objects.link(made)
        return made
