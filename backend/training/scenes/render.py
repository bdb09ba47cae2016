"""Pictures of a scene: what rays meet, coloured, lit and filtered as a renderer's pixels are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from .atlas import Atlas
from .light import Light, Shadows
from .shapes import Kind, Material, Shape
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
        self._centre = self._table([s.centre for s in shapes])
        self._rotation = self._table([s.rotation.T for s in shapes])  # rows are its own axes
        self._half = self._table([s.half for s in shapes])
        self._anchor = self._table([s.anchor for s in shapes])
        self._kind = self._table([int(s.kind) for s in shapes], torch.int64)
        self._faces = self._table([s.materials for s in shapes], torch.int64)
        self._slot = self._table([m.slot for m in materials], torch.int64)
        self._metres = self._table([m.metres for m in materials])
        self._colours = self._table([m.colours for m in materials])
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
        centre = torch.zeros_like(hits.number[0], dtype=torch.bool) | True
        picture, normal = self._shade(view, hits, 0, centre, width=width)
        normal = normal.view(3, *hits.depth.shape[1:])
        mixed = (hits.number[1:] != hits.number[:1]).any(0) | _creases(normal)
        samples = [
            self._shade(view, hits, sample, mixed, width=width)[0]
            for sample in range(1, len(_OFFSETS))
        ]
        picture[:, mixed.flatten()] = torch.stack(samples).mean(0)
        return picture.view_as(normal), hits.depth[0]

    def _table(self, rows: list, kind: torch.dtype = torch.float32) -> torch.Tensor:
        return torch.from_numpy(np.array(rows)).to(self._device, kind)

    def _shade(
        self, view: View, hits: Hits, sample: int, where: torch.Tensor, *, width: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return light (3, N) and normals (3, N) of one sample of the pixels `where` (H, W)."""
        way = hits.direction[:, sample][:, where]
        number = hits.number[sample][where].to(torch.int64)
        result = self._sky(way)
        normals = torch.zeros_like(way)
        solid = torch.nonzero(number >= 0)[:, 0]
        if len(solid) == 0:
            return result, normals
        way, number = way[:, solid], number[solid]
        depth = hits.depth[sample][where][solid]
        point = hits.origin[:, 0, 0] + way * depth
        normal, along, down, uv, material = self._surface(number, point, way)
        right_step, down_step = (
            self._footprint(view, axis, way, normal, depth, width) for axis in (0, 1)
        )
        steps = [
            torch.stack([(along * step).sum(0), (down * step).sum(0)])
            for step in (right_step, down_step)
        ]
        albedo = self._albedo(uv, steps, material)
        result[:, solid] = self._lit(point, normal, way, albedo, self._gloss[material])
        normals[:, solid] = normal
        return result, normals

    def _surface(
        self, number: torch.Tensor, point: torch.Tensor, way: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return normals and the two axes of texture (3, N) each, uv (2, N) metres, material."""
        rotation = self._rotation[number]
        local = (rotation * (point.T - self._centre[number])[:, None]).sum(2)
        half, kind = self._half[number], self._kind[number]
        share = local / half
        ball, rod, card = kind == Kind.BALL, kind == Kind.ROD, kind == Kind.CARD
        side = rod & (share[:, 2].abs() < 1 - 1e-4)
        axis = share.abs().argmax(1)
        axis = torch.where(card | (rod & ~side), 2, axis)
        own = torch.nn.functional.one_hot(axis, 3).to(local.dtype)
        gradient = share / half
        gradient[:, 2] *= ~side
        bent = (ball | side)[:, None]
        normal = torch.where(bent, gradient, own * torch.where(share < 0, -1.0, 1.0))
        normal = normal / normal.norm(dim=1, keepdim=True).clamp_min(1e-9)
        # The texture's axes on faces across x: y and -z; across y: x and -z; across z: x and -y.
        along, down = torch.zeros_like(local), torch.zeros_like(local)
        along[:, 0] = (axis != 0).float()
        along[:, 1] = (axis == 0).float()
        down[:, 2] = -(axis != 2).float()
        down[:, 1] = -(axis == 2).float()
        placed = local + self._anchor[number]
        u, v = (placed * along).sum(1), (placed * down).sum(1)
        around = torch.stack([-normal[:, 1], normal[:, 0], torch.zeros_like(u)], 1)
        along = torch.where(side[:, None], around, along)
        down[:, 1] *= ~side
        down[:, 2] = torch.where(side, -1.0, down[:, 2])
        u = torch.where(side, torch.atan2(share[:, 1], share[:, 0]) * half[:, 0], u)
        v = torch.where(side, -placed[:, 2], v)
        axis = torch.where(side, 0, axis)
        back = rotation.transpose(1, 2)
        normal, along, down = ((back * part[:, None]).sum(2).T for part in (normal, along, down))
        turned = torch.where((normal * way).sum(0) > 0, -1.0, 1.0)
        return normal * turned, along, down, torch.stack([u, v]), self._faces[number, axis]

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
        steep = (normal * way).sum(0)
        steep = torch.where(steep.abs() < 0.01, -0.01, steep)
        slide = (normal * step).sum(0) / steep
        return (step - way * slide) * (depth * (width / view.focal))

    def _albedo(
        self, uv: torch.Tensor, steps: list[torch.Tensor], material: torch.Tensor
    ) -> torch.Tensor:
        """Return colours (3, N): the texture's mean over the footprint, up to LONGEST taps."""
        metres = self._metres[material]
        lengths = [step.norm(dim=0) for step in steps]
        wide = lengths[0] > lengths[1]
        longer = torch.where(wide, steps[0], steps[1])
        most = torch.maximum(*lengths)
        area = (steps[0][0] * steps[1][1] - steps[0][1] * steps[1][0]).abs()
        least = torch.maximum(area / most.clamp_min(1e-9), most / LONGEST)
        level = (least / metres * 512).clamp_min(1e-6).log2()
        slot = self._slot[material]
        features = self._atlas.look_up(slot, uv[0] / metres, uv[1] / metres, level)
        stretched = torch.nonzero(most > 1.5 * least)[:, 0]
        if len(stretched):
            total = torch.zeros(len(stretched), 4, device=uv.device)
            for tap in range(LONGEST):
                share = (tap + 0.5) / LONGEST - 0.5
                moved = uv[:, stretched] + longer[:, stretched] * share
                moved = moved / metres[stretched]
                total += self._atlas.look_up(slot[stretched], moved[0], moved[1], level[stretched])
            features[stretched] = total / LONGEST
        colours = self._colours[material]
        albedo = colours[:, 0] + (colours[:, 1:] * features[:, :3, None]).sum(1)
        metres = self._mottle_metres[material]
        level = (most / metres * 512).clamp_min(1e-6).log2()
        patches = self._atlas.look_up(
            self._mottle[material], uv[0] / metres, uv[1] / metres, level
        )[:, 1]
        albedo *= (1 + self._mottling[material] * (2 * patches - 1))[:, None]
        return albedo.T.clamp(0.01, 0.95)

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
        lean = (normal * vector["sun"]).sum(0)
        sun = lean.clamp_min(0)
        facing = torch.nonzero(sun > 0)[:, 0]
        sun[facing] *= self._shadows.sun_share(point[:, facing], lean[facing])
        up = 0.5 + 0.5 * normal[2]
        around = vector["sky_colour"] * up + vector["ground_colour"] * (1 - up)
        around = around + vector["fill_colour"] * (0.5 + 0.5 * (normal * vector["fill"]).sum(0))
        towards = vector["lamp"] - point
        square = (towards * towards).sum(0).clamp_min(0.04)
        lamp = ((normal * towards).sum(0) / square.sqrt()).clamp_min(0) / square
        around = (around + vector["lamp_colour"] * lamp) * self._shadows.sky_share(point)
        result = albedo * (around + vector["sun_colour"] * sun)
        shiny = torch.nonzero((gloss > 0) & (sun > 0))[:, 0]
        if len(shiny):
            eye = -way[:, shiny]
            middle = eye / eye.norm(dim=0) + vector["sun"]
            middle = middle / middle.norm(dim=0)
            spot = (normal[:, shiny] * middle).sum(0).clamp_min(0).pow(60)
            result[:, shiny] += vector["sun_colour"] * (spot * gloss[shiny] * sun[shiny])
        return result

    def _sky(self, way: torch.Tensor) -> torch.Tensor:
        light = self.scene.light
        up = (way[2] / way.norm(dim=0)).clamp(0, 1).sqrt()
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


def _creases(normal: torch.Tensor) -> torch.Tensor:
    """Return the pixels (H, W) whose normals (3, H, W) differ from a neighbour's."""
    result = torch.zeros_like(normal[0], dtype=torch.bool)
    bent = (normal[:, 1:] * normal[:, :-1]).sum(0) < CREASE
    result[1:] |= bent
    result[:-1] |= bent
    bent = (normal[:, :, 1:] * normal[:, :, :-1]).sum(0) < CREASE
    result[:, 1:] |= bent
    result[:, :-1] |= bent
    return result
