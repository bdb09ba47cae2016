"""Draft: our own depth-guided video diffusion model, shipped in the box."""

from __future__ import annotations

from ..card import Card, Setting
from ..interface import Model

CARDS = (
    Card(
        id="draft",
        label="Draft",
        family="draft",
        summary="Moves the still along the camera path and generates what it never saw with a small"
        " diffusion model of our own; no download, no account, any computer.",
        licence="GPL-3.0-or-later",
        revision="1fc4207b218f",
        guides=("depth", "flow"),
        settings=(
            Setting(
                name="mean",
                label="Expectation",
                default=False,
                help="Generate the average of all that could be there: smooth, and closest to the"
                " truth on average, if a little less steady; off generates one sharp possibility.",
            ),
            Setting(
                name="steps",
                label="Steps",
                default=4,
                help="Evaluations of the network for one sample; more are slower and finer,"
                " and 1 is the expectation.",
                least=1,
                most=8,
                unless="mean",
            ),
            Setting(
                name="detail",
                label="Detail",
                default=1.0,
                help="How much invented detail: 0 is smooth and the steadiest, 1 a full sample.",
                least=0.0,
                most=1.0,
                unless="mean",
            ),
            Setting(
                name="lock",
                label="Lock seen pixels",
                default=True,
                help="Keep every pixel that a still shows exactly; off lets the model also mend"
                " the outlines of things.",
            ),
        ),
        learned=True,
        takes_seed=True,
        phases=(("projecting", 0.2), ("generating", 0.5), ("compositing", 0.3)),
    ),
)


def load_model(card: Card, *, device: str) -> Model:
    """Load the weights that ship with it, or those DEPTHSHOT_DRAFT_WEIGHTS names."""
    from .load import load_pipeline
    from .model import DraftModel

    return DraftModel(card, pipeline=load_pipeline(device=device), device=device)
