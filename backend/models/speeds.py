"""How fast a GPU multiplies matrices and how long a video takes on it: estimates, no promises."""

from __future__ import annotations

import math
import re

from .card import Autoencoder, Blocks, Card, Layers, Part
from .memory import MemoryPlan, count_tokens

# Not measured yet: which share of its rate a GPU keeps up, and what goes through its slot, bytes a
# second, where weights wait in the computer's memory.
SHARE = 0.4
SLOT = 12e9
_WORDS = 512  # tokens of words that attention looks at; each block has two matrices for them alone

# TFLOP a second in bfloat16, sums in float32, without sparsity: about what the makers state, not
# held against their data sheets.
_RATES = {
    "B200": 2250,
    "H200": 989,
    "H100 PCIe": 756,
    "H100": 989,
    "A100": 312,
    "L40S": 362,
    "L40": 181,
    "L4": 121,
    "A40": 150,
    "A10": 125,
    "RTX 6000 Ada": 364,
    "RTX A6000": 155,
    "RTX 5090": 210,
    "RTX 5080": 113,
    "RTX 5070 Ti": 88,
    "RTX 5070": 62,
    "RTX 5060 Ti": 47,
    "RTX 5060": 38,
    "RTX 4090": 165,
    "RTX 4080 SUPER": 104,
    "RTX 4080": 97,
    "RTX 4070 Ti SUPER": 88,
    "RTX 4070 Ti": 80,
    "RTX 4070 SUPER": 71,
    "RTX 4070": 58,
    "RTX 4060 Ti": 44,
    "RTX 4060": 30,
    "RTX 3090 Ti": 80,
    "RTX 3090": 71,
    "RTX 3080 Ti": 68,
    "RTX 3080": 60,
    "RTX 3070": 41,
    "RTX 3060": 25,
    "MI300X": 1307,
    "RX 7900 XTX": 123,
}
_SLOWER = ("laptop", "max-q", "mobile")  # of the same name, with less power


def rate_of(name: str) -> float | None:
    """Return the FLOP a second of a GPU by its name, None for one that is not in the table."""
    if any(word in name.lower() for word in _SLOWER):
        return None
    for known in sorted(_RATES, key=len, reverse=True):
        if re.search(
            rf"(?<![\w-]){re.escape(known)}(?![\w])(?! (?:Ti|SUPER|NVL)\b)", name, re.IGNORECASE
        ):
            return _RATES[known] * 1e12
    return None


def forward_work(card: Card, *, size: tuple[int, int], frames: int) -> float:
    """Return the FLOP of one forward of a card's denoising network; 0 where they are not known.

    With T tokens, P parameters, B blocks and width C: every parameter multiplies every token once,
    but for two matrices a block that multiply the words alone, and attention multiplies every token
    with every other one, and with the words, twice:

        2 T (P - 2 B C^2) + 4 B C T (T + 512)

    Of two transformers one works at a time. For `Layers` the card has what was counted for a token,
    for two of the same frame, of which F frames have T / F each, and for two of all frames:

        T (token + pair T / F + across T)
    """
    grid = next((part.shape for part in card.parts if isinstance(part.shape, Autoencoder)), None)
    tokens = count_tokens(grid, size, frames), count_tokens(grid, size, 1)
    return max((_work(part, *tokens) for part in _denoisers(card)), default=0.0)


def video_seconds(
    card: Card,
    plan: MemoryPlan,
    *,
    size: tuple[int, int],
    windows: tuple[int, ...],
    forwards: int,
    rate: float,
) -> float | None:
    """Return about how many seconds taking the noise away takes, None where it is not known.

    Reading words, encoding and decoding come on top.

    Args:
        card: The model.
        plan: How it is held; weights that wait pass the slot once a forward.
        size: Of the model's pictures.
        windows: Numbers of frames of the videos that are made.
        forwards: Of one video.
        rate: FLOP a second of the GPU, see `rate_of`.
    """
    if not (denoisers := _denoisers(card)):
        return None
    moved = 0.0
    if plan.offload == "blocks":
        moved = max(part.parameters for part in denoisers) * plan.bits / 8 / SLOT
    work = (forward_work(card, size=size, frames=frames) / (rate * SHARE) for frames in windows)
    return forwards * math.fsum(max(each, moved) for each in work)


def _denoisers(card: Card) -> list[Part]:
    return [part for part in card.parts if _is_counted(part.shape)]


def _is_counted(shape: object) -> bool:
    return isinstance(shape, Blocks) or (isinstance(shape, Layers) and shape.token > 0)


def _work(part: Part, tokens: int, of_a_frame: int) -> float:
    shape = part.shape
    if isinstance(shape, Layers):
        return tokens * (shape.token + shape.pair * of_a_frame + shape.across * tokens)
    multiplied = part.parameters - 2 * shape.blocks * shape.width**2
    attention = 4 * shape.blocks * shape.width * tokens * (tokens + _WORDS)
    return 2.0 * tokens * multiplied + attention
