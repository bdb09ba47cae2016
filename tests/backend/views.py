"""Views along the analytic path as the projection takes them: cameras, surfaces and sources."""

from functools import cache

import torch

from backend.projection.source import prepare_source
from backend.projection.surface import describe_surface, inverse_depth
from tests.analytic import path, render

CPU = torch.device("cpu")
SIZE = (208, 120)


def surface_of(depth):
    return describe_surface(inverse_depth(depth, device=CPU))


@cache
def view(index, scene="room"):
    """Return camera, colour (antialiased) and depth of a frame of the analytic path."""
    camera = path(12, size=SIZE)[index]
    return camera, *look(camera, scene)


def look(camera, scene="room"):
    return render(camera, SIZE, scene=scene, samples=4)[0], render(camera, SIZE, scene=scene)[1]


@cache
def source_of(index, scene="room"):
    camera, colour, depth = view(index, scene)
    return prepare_source(colour, depth, camera, device=CPU)
