"""Projection: geometry alone carries the still along the path; holes are filled classically."""

from __future__ import annotations

from ..card import Card, Setting
from ..interface import Model

CARDS = (
    Card(
        id="projection",
        label="Projection",
        family="projection",
        summary="Moves the still's own pixels along the camera path and fills what it never saw"
        " from the background; no learning, no download, any computer.",
        licence="GPL-3.0-or-later",
        revision="1",
        guides=("depth", "flow"),
        settings=(
            Setting(
                name="fill",
                label="Fill holes",
                default=True,
                help="Fill what no still shows from the background beside it; off leaves it black.",
            ),
        ),
        learned=False,
        phases=(("projecting", 1.0),),
    ),
)


def load_model(card: Card, *, device: str) -> Model:
    """Load the projection pipeline on a torch device."""
    from .pipeline import ProjectionModel

    return ProjectionModel(card, device=device)
