"""Wan VACE: large video models guided by depth, kept stills, and what the stills show."""

from __future__ import annotations

from ..card import Card
from ..interface import Model
from .cards import CARDS

__all__ = ["CARDS", "load_model"]


def load_model(card: Card, *, device: str) -> Model:
    """Load the weights that were downloaded, or those in a folder of the user's own."""
    import torch

    from ..video.job import VideoModel
    from ..weights import weights_folder
    from .generator import WanVaceGenerator

    generator = WanVaceGenerator(card, weights_folder(card), device=torch.device(device))
    return VideoModel(card, generator, device=device)
