"""Whether a folder has the networks of another model of the same family: its shapes say so.

Only the networks' configurations are read. A folder whose shapes are no card's is left to whoever
loads it: it may be a variant that works. Only the standard library is needed here.
"""

from __future__ import annotations

from pathlib import Path

from ..errors import ModelError
from ..fields import read_json
from .card import Blocks, Card

_LARGEST = 1_000_000
Shape = tuple[int, int, int]  # channels of a token, those inside a block, blocks
Shapes = dict[str, Shape]  # by the names of the networks


def other_card(folder: Path, card: Card, cards: tuple[Card, ...]) -> Card | None:
    """Return the card whose networks a folder has where it has not those of `card`; else None.

    Args:
        folder: One that has all that `card` needs.
        card: What it is to be used for.
        cards: Those that it is compared with.

    Raises:
        OSError: a configuration cannot be read.
    """
    family = [each for each in cards if each.family == card.family and each.id != card.id]
    wanted = _shapes(card)
    if not wanted or not family:
        return None
    names = {part.name for each in (card, *family) for part in each.parts}
    found = {name: shape for name in names if (shape := _read(folder / name / "config.json"))}
    if found == wanted:
        return None
    return next((each for each in family if found == _shapes(each)), None)


def _shapes(card: Card) -> Shapes:
    """Return the shapes of a card's transformers."""
    shapes = ((part.name, part.shape) for part in card.parts)
    return {
        name: (shape.width, shape.inner, shape.blocks)
        for name, shape in shapes
        if isinstance(shape, Blocks)
    }


def _read(config: Path) -> Shape | None:
    """Return the shape of a transformer as diffusers configures one of Wan VACE's.

    The names are those of `WanVACETransformer3DModel`; None for another network, or for a file
    that is damaged, which whoever loads it says.
    """
    if not config.is_file():
        return None
    try:
        values = read_json(config, error=ModelError, largest=_LARGEST)
    except ModelError as reason:
        if isinstance(cause := reason.__cause__, OSError):
            raise cause from reason
        return None
    match values:
        case {
            "num_attention_heads": int(heads),
            "attention_head_dim": int(channels),
            "ffn_dim": int(inner),
            "num_layers": int(layers),
            "vace_layers": list(hints),
        }:
            return heads * channels, inner, layers + len(hints)
    return None
