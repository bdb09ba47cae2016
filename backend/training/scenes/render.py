"""Pictures of a scene: what rays meet, coloured, lit and filtered as a renderer's pixels are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from .atlas import Atlas
from .light import Light, Shadows
from .shapes import Kind, Material, Shape
from .textures import SIDE
from .views import Hits, View, trace

# Four samples of a pixel, no two in a row or column, and its centre first: depth is known there.
_OFFSETS = ((0.0, 0.0), (-0.125, -0.375), (0.375, -0.125), (0.125, 0.375), (-0.375, 0.125))
CREASE = 0.98  # cosine between neighbours' normals below which a pixel has several colours
LONGEST = 4  # taps along the longer side of a pixel's footprint


@dataclass(frozen=True, slots=True)
class Film:
    """How light becomes display values.

    Attributes:
        exposure: Factor.
        curve: 0 clips, 1 rolls off like film.
        saturation: Factor around grey.
        width: Of a pixel's filter, pixels.
    """

    exposure: float
    curve: float
    saturation: float
    width: float


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything a picture needs but the camera.

    Attributes:
        shapes: What is there.
        materials: How it looks.
        textures: Numbers of the textures the materials' slots stand for.
        light: What lights it.
        middle: (3,) of the part that matters.
        reach: Its radius, metres.
    """

    shapes: tuple[Shape, ...]
    materials: tuple[Material, ...]
    textures: tuple[int, ...]
    light: Light
    middle: np.ndarray
    reach: float


class Renderer:
    """Renders one scene from any camera."""

    def __init__(self, scene: Scene, *, device: torch.device) -> None:
        self.scene, self._device = scene, device
        self._atlas = Atlas(list(scene.textures), device=device)
        self._shadows = Shadows(
            scene.shapes,
            scene.materials,
            self._atlas,
            light=scene.light,
            middle=scene.middle,
            reach=scene.reach,
            device=device,
        )
        shapes, materials = scene.shapes, scene.materials
        self._centre = self._table([s.centre for s in shapes]).T.contiguous()
        rows = self._table([s.rotation.T.flatten() for s in shapes])  # own axis by own axis
        self._rotation = rows.T.contiguous()
        self._half = self._table([s.half for s in shapes]).T.contiguous()
        self._anchor = self._table([s.anchor for s in shapes]).T.contiguous()
        self._kind = self._table([int(s.kind) for s in shapes], torch.int64)
        self._faces = self._table([s.materials for s in shapes], torch.int64)
        self._slot = self._table([m.slot for m in materials], torch.int64)
        self._metres = self._table([m.metres for m in materials])
        self._colours = self._table([m.colours.flatten() for m in materials]).T.contiguous()
        self._mottle = self._table([m.mottle for m in materials], torch.int64)
        self._mottle_metres = self._table([m.mottle_metres for m in materials])
        self._mottling = self._table([m.mottling for m in materials])
        self._gloss = self._table([m.gloss for m in materials])

    def depth(self, view: View) -> torch.Tensor:
        """Return planar depth (H, W) at pixel centres, inf for the sky."""
        scene = self.scene
        hits = trace(view, scene.shapes, scene.materials, self._atlas, device=self._device)
        return hits.depth[0]

    def render(self, view: View, *, width: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Return linear light (3, H, W) and planar depth (H, W), inf for the sky.

        Args:
            view: The camera.
            width: Of a pixel's filter, pixels.
        """
        scene = self.scene
        offsets = tuple((x * width, y * width) for x, y in _OFFSETS)
        hits = trace(
            view, scene.shapes, scene.materials, self._atlas, offsets=offsets, device=self._device
        )
        own = torch.arange(hits.depth[0].numel(), device=self._device)
        picture, normal = self._shade(view, hits, own, width=width)
        normal = normal.view(3, *hits.depth.shape[1:])
        mixed = (hits.number[1:] != hits.number[:1]).any(0) | _creases(normal)
        edge = torch.nonzero(mixed.flatten())[:, 0]
        count = len(_OFFSETS) - 1
        samples = (torch.arange(count, device=self._device)[:, None] + 1) * len(own) + edge
        light, _ = self._shade(view, hits, samples.flatten(), width=width)
        picture[:, edge] = light.view(3, count, -1).mean(1)
        return picture.view_as(normal), hits.depth[0]

    def _table(self, rows: list, kind: torch.dtype = torch.float32) -> torch.Tensor:
        return torch.from_numpy(np.array(rows)).to(self._device, kind)

    def _shade(
        self, view: View, hits: Hits, where: torch.Tensor, *, width: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return light (3, N) and normals (3, N) of samples `where` (N,), places in `hits`."""
        number = hits.number.flatten()[where].to(torch.int64)
        way = hits.direction.flatten(1)[:, where]
        result, normals = torch.empty_like(way), torch.zeros_like(way)
        empty = torch.nonzero(number < 0)[:, 0]
        result[:, empty] = self._sky(way[:, empty])
        solid = torch.nonzero(number >= 0)[:, 0]
        if len(solid) == 0:
            return result, normals
        way, number = way[:, solid], number[solid]
        depth = hits.depth.flatten()[where[solid]]
        point = hits.origin[:, 0, 0] + way * depth
        normal, along, down, uv, material = self._surface(number, point, way)
        right_step, down_step = (
            self._footprint(view, axis, way, normal, depth, width) for axis in (0, 1)
        )
        steps = [
            torch.stack([_dot(along, step), _dot(down, step)]) for step in (right_step, down_step)
        ]
        albedo = self._albedo(uv, steps, material)
        result[:, solid] = self._lit(point, normal, way, albedo, self._gloss[material])
        normals[:, solid] = normal
        return result, normals

    def _surface(
        self, number: torch.Tensor, point: torch.Tensor, way: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return normals and the two axes of texture (3, N) each, uv (2, N) metres, material."""
        axes = self._rotation[:, number].view(3, 3, -1)  # own axis, world axis, point
        away = point - self._centre[:, number]
        local = torch.stack([_dot(axis, away) for axis in axes])
        half, kind = self._half[:, number], self._kind[number]
        share = local / half
        far = share.abs()
        flat = kind >= Kind.CARD
        side = (kind == Kind.ROD) & (far[2] < 1 - 1e-4)
        flat |= (kind == Kind.ROD) & ~side
        first = (far[0] >= far[1]) & (far[0] >= far[2]) & ~flat
        last = flat | (~first & (far[2] >= far[1]))
        axis = torch.where(first, 0, torch.where(last, 2, 1))
        normal = torch.where(first, axes[0], torch.where(last, axes[2], axes[1]))
        # The texture's axes on faces across x: y and -z; across y: x and -z; across z: x and -y.
        along = torch.where(first, axes[1], axes[0])
        down = -torch.where(last, axes[1], axes[2])
        placed = local + self._anchor[:, number]
        uv = torch.stack(
            [
                torch.where(first, placed[1], placed[0]),
                -torch.where(last, placed[1], placed[2]),
            ]
        )
        bent = torch.nonzero(side | (kind == Kind.BALL))[:, 0]
        if len(bent):
            gradient = share[:, bent] / half[:, bent]
            round_ = side[bent]
            gradient[2] *= ~round_
            gradient *= _dot(gradient, gradient).clamp_min(1e-18).rsqrt()
            own = axes[:, :, bent]
            normal[:, bent] = sum(own[number] * gradient[number] for number in range(3))
            around = own[1] * gradient[0] - own[0] * gradient[1]
            along[:, bent] = torch.where(round_, around, along[:, bent])
            down[:, bent] = torch.where(round_, -own[2], down[:, bent])
            turned = torch.atan2(share[1, bent], share[0, bent]) * half[0, bent]
            unrolled = torch.stack([turned, -placed[2, bent]])
            uv[:, bent] = torch.where(round_, unrolled, uv[:, bent])
            axis[bent] *= ~round_
        normal *= torch.where(_dot(normal, way) > 0, -1.0, 1.0)
        return normal, along, down, uv, self._faces[number, axis]

    def _footprint(
        self,
        view: View,
        axis: int,
        way: torch.Tensor,
        normal: torch.Tensor,
        depth: torch.Tensor,
        width: float,
    ) -> torch.Tensor:
        """Return how far (3, N) on the surface a step of one pixel goes."""
        step = torch.from_numpy(view.rotation[:, axis]).to(way)[:, None]
        steep = _dot(normal, way)
        steep = torch.where(steep.abs() < 0.01, -0.01, steep)
        slide = _dot(normal, step) / steep
        return (step - way * slide) * (depth * (width / view.focal))

    def _albedo(
        self, uv: torch.Tensor, steps: list[torch.Tensor], material: torch.Tensor
    ) -> torch.Tensor:
        """Return colours (3, N): the texture's mean over the footprint, up to LONGEST taps."""
        metres = self._metres[material]
        lengths = [(step[0] * step[0] + step[1] * step[1]).sqrt_() for step in steps]
        wide = lengths[0] > lengths[1]
        longer = torch.where(wide, steps[0], steps[1])
        most = torch.maximum(*lengths)
        area = (steps[0][0] * steps[1][1] - steps[0][1] * steps[1][0]).abs()
        least = torch.maximum(area / most.clamp_min(1e-9), most / LONGEST)
        level = (least / metres * SIDE).clamp_min(1e-6).log2()
        slot = self._slot[material]
        features = torch.zeros(len(slot), 4, device=uv.device)
        for places, taps in (
            (torch.nonzero(most <= 1.5 * least)[:, 0], 1),
            (torch.nonzero(most > 1.5 * least)[:, 0], LONGEST),
        ):
            start, way, tile = uv[:, places], longer[:, places], metres[places]
            mean = torch.zeros(len(places), 4, device=uv.device)
            for tap in range(taps):
                at = (start + way * ((tap + 0.5) / taps - 0.5)) / tile
                mean += self._atlas.look_up(slot[places], at[0], at[1], level[places])
            features[places] = mean / taps
        colours = self._colours[:, material].view(4, 3, -1)
        albedo = colours[0]
        for number in range(3):
            albedo = torch.addcmul(albedo, colours[number + 1], features[:, number])
        places = torch.nonzero(self._mottling[material] > 0)[:, 0]
        kind = material[places]
        metres = self._mottle_metres[kind]
        level = (most[places] / metres * SIDE).clamp_min(1e-6).log2()
        at = uv[:, places] / metres
        patches = self._atlas.look_up(self._mottle[kind], at[0], at[1], level)[:, 1]
        albedo[:, places] *= 1 + self._mottling[kind] * (2 * patches - 1)
        return albedo.clamp_(0.01, 0.95)

    def _lit(
        self,
        point: torch.Tensor,
        normal: torch.Tensor,
        way: torch.Tensor,
        albedo: torch.Tensor,
        gloss: torch.Tensor,
    ) -> torch.Tensor:
        light = self.scene.light
        vector = {
            name: torch.from_numpy(np.asarray(getattr(light, name))).to(point)[:, None]
            for name in (
                "sun", "sun_colour", "sky_colour", "ground_colour", "fill", "fill_colour",
                "lamp", "lamp_colour",
            )
        }  # fmt: skip
        lean = _dot(normal, vector["sun"])
        sun = lean.clamp_min(0)
        facing = torch.nonzero(sun > 0)[:, 0]
        sun[facing] *= self._shadows.sun_share(point[:, facing], lean[facing])
        up = 0.5 + 0.5 * normal[2]
        around = vector["sky_colour"] * up + vector["ground_colour"] * (1 - up)
        around = around + vector["fill_colour"] * (0.5 + 0.5 * _dot(normal, vector["fill"]))
        towards = vector["lamp"] - point
        square = _dot(towards, towards).clamp_min_(0.04)
        lamp = (_dot(normal, towards) * square.rsqrt()).clamp_min(0) / square
        around = (around + vector["lamp_colour"] * lamp) * self._shadows.sky_share(point)
        result = albedo * (around + vector["sun_colour"] * sun)
        shiny = torch.nonzero((gloss > 0) & (sun > 0))[:, 0]
        if len(shiny):
            eye = -way[:, shiny]
            middle = eye * _dot(eye, eye).rsqrt() + vector["sun"]
            spot = _dot(normal[:, shiny], middle) * _dot(middle, middle).rsqrt()
            spot = spot.clamp_min(0).pow(60)
            result[:, shiny] += vector["sun_colour"] * (spot * gloss[shiny] * sun[shiny])
        return result

    def _sky(self, way: torch.Tensor) -> torch.Tensor:
        light = self.scene.light
        up = (way[2] * _dot(way, way).rsqrt()).clamp(0, 1).sqrt()
        horizon, zenith = (
            torch.from_numpy(colour).to(way)[:, None] for colour in (light.horizon, light.zenith)
        )
        return horizon + (zenith - horizon) * up


def develop(light: torch.Tensor, film: Film) -> torch.Tensor:
    """Return display values (3, H, W) 0 to 1 of linear light."""
    light = light * film.exposure
    grey = light.mean(0, keepdim=True)
    light = (grey + (light - grey) * film.saturation).clamp_min(0)
    # Narkowicz, ACES filmic tone mapping curve, 2016, mixed with none.
    rolled = light * (2.51 * light + 0.03) / (light * (2.43 * light + 0.59) + 0.14)
    light = torch.lerp(light, rolled, film.curve).clamp(0, 1)
    return torch.where(
        light <= 0.0031308, light * 12.92, 1.055 * light.clamp_min(1e-6).pow(1 / 2.4) - 0.055
    )


def meter(light: torch.Tensor) -> float:
    """Return the exposure that makes a picture (3, H, W) neither dull nor burnt out."""
    grey = light.mean(0)
    middle, bright = (float(torch.quantile(grey[::4, ::4], level)) for level in (0.5, 0.93))
    return min(0.2 / max(middle, 1e-3), 0.8 / max(bright, 1e-3))


def _creases(normal: torch.Tensor) -> torch.Tensor:
    """Return the pixels (H, W) whose normals (3, H, W) differ from a neighbour's."""
    result = torch.zeros_like(normal[0], dtype=torch.bool)
    bent = _dot(normal[:, 1:], normal[:, :-1]) < CREASE
    result[1:] |= bent
    result[:-1] |= bent
    bent = _dot(normal[:, :, 1:], normal[:, :, :-1]) < CREASE
    result[:, 1:] |= bent
    result[:, :-1] |= bent
    return result


def _dot(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return the dot products (N,) of columns (3, N); torch's own reductions are slower."""
    return first[0] * second[0] + first[1] * second[1] + first[2] * second[2]
