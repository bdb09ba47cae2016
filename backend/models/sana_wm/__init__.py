"""SANA-WM: a video model that is led by the camera's path itself, and by words."""

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
    from .generator import SanaWmGenerator

    generator = SanaWmGenerator(card, weights_folder(card), device=torch.device(device))
    return VideoModel(card, generator, device=device)
