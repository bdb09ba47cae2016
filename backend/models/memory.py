"""Memory plans: the ways in which a large model is held, and what each of them needs.

From best to last. The first three are exact and fast, the fourth is exact and slower, the last two
round the weights. Whatever the plan, the text encoder is there only while words are read. Weights
of four bits (GGUF, torchao) would be a further plan; neither library is among the requirements.

The need of a plan is its weights and the largest of what lives beside them while pictures are
encoded, while noise is taken away, and while pictures are decoded. Blender reads this: the standard
library alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from .card import Autoencoder, Blocks, Card, Layers, Part

CUDA, MPS, CPU = "cuda", "mps", "cpu"  # torch's kinds of devices; AMD's GPUs are "cuda" to it
TEXT_ENCODER = "text_encoder"
HALF, FULL, EIGHTH = 2, 4, 1  # bytes of a number in bfloat16, float32 and float8

# Not measured yet: what a GPU's libraries hold before any tensor is there, what a process of torch
# and diffusers takes of the memory, and how much more than the tensors the allocator holds.
LIBRARIES_VRAM = 700_000_000
PROCESS_RAM = 3_000_000_000
MARGIN = 1.1

# What a block holds at its peak, in its tokens at half precision: counted on the meta device for
# both of Wan VACE's sizes, at three sizes of picture, within 1 %. Attention keeps no table of
# scores (`scaled_dot_product_attention`).
_BLOCK_IN_ATTENTION = 12.1
_BLOCK_IN_FEED_FORWARD = 5.4  # and its inner values twice
# Videos of RGB in float32 beside the networks: what the pipeline was given, its mask and the half
# of it that is not being encoded; what it was given, while noise is taken away and decoded.
_VIDEOS_ENCODING, _VIDEOS_AFTER = 2.7, 1.0
# Tiles are put together in further copies of the video; again counted.
_VIDEOS_TILED = 4.7
_VIDEOS_TILE = 1.4
_WORDS_WIDTH = 4096  # of what the text encoder gives


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """One way to hold a model.

    Attributes:
        id: Its name in settings and records.
        label: Its name in menus.
        help: One sentence for the artist.
        tiling: Whether pictures are encoded and decoded in overlapping tiles.
        offload: What waits in the computer's memory: nothing, each network while another one works,
            or each block of the transformer until its turn.
        fp8: Whether the transformer's weights are kept in 8 bits.
    """

    id: str
    label: str
    help: str
    tiling: bool = False
    offload: Literal["", "networks", "blocks"] = ""
    fp8: bool = False


RESIDENT = MemoryPlan(
    "resident", "Everything on the GPU", "The fastest: all of the model stays on the GPU."
)
TILED = MemoryPlan(
    "tiled",
    "In tiles",
    "All of the model stays on the GPU; pictures are encoded and decoded in tiles.",
    tiling=True,
)
MODEL_OFFLOAD = MemoryPlan(
    "model_offload",
    "One network at a time",
    "Only the network that works is on the GPU, the others wait in the computer's memory.",
    tiling=True,
    offload="networks",
)
GROUP_OFFLOAD = MemoryPlan(
    "group_offload",
    "Block by block",
    "The model waits in the computer's memory and goes through the GPU block by block; slower.",
    tiling=True,
    offload="blocks",
)
FP8 = MemoryPlan(
    "fp8",
    "8-bit weights",
    "The model's weights are rounded to 8 bits, which halves their size and changes fine detail.",
    tiling=True,
    fp8=True,
)
FP8_GROUP_OFFLOAD = MemoryPlan(
    "fp8_group_offload",
    "8-bit weights, block by block",
    "The weights are rounded to 8 bits and go through the GPU block by block: the least memory.",
    tiling=True,
    offload="blocks",
    fp8=True,
)
ON_CPU = MemoryPlan(
    "cpu", "Without a GPU", "All work is done by the processor in full precision; very slow."
)

GPU_PLANS = (RESIDENT, TILED, MODEL_OFFLOAD, GROUP_OFFLOAD, FP8, FP8_GROUP_OFFLOAD)
# A Mac's GPU shares the computer's memory, so that nothing is won by waiting there.
_PLANS = {CUDA: GPU_PLANS, MPS: (RESIDENT, TILED), CPU: (ON_CPU,)}


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes that a job needs: of the GPU's memory, of the computer's, and on disk."""

    vram: int
    ram: int
    disk: int

    def fits(self, *, vram: int, ram: int) -> bool:
        """Whether it fits into so many free bytes, with `MARGIN` to spare."""
        return self.vram * MARGIN <= vram and self.ram * MARGIN <= ram


def plans_for(device: str) -> tuple[MemoryPlan, ...]:
    """Return the plans for a torch device ("cuda:0", "mps", "cpu"), best first."""
    return _PLANS.get(device.partition(":")[0], (ON_CPU,))


def find_plan(plan_id: str) -> MemoryPlan | None:
    """Return the plan with an id, None if there is none."""
    return next((plan for plan in (*GPU_PLANS, ON_CPU) if plan.id == plan_id), None)


def estimate(card: Card, plan: MemoryPlan, *, size: tuple[int, int], frames: int) -> Need:
    """Return what a card's model needs to make `frames` frames of `size` at once.

    With T tokens (a latent frame for the first frame and for every four further ones, a token for
    16 x 16 pixels), a transformer of width C and inner width F that holds k hints needs, in half
    precision,

        2 T C (k + max(12.1, 5.4 + 2 F / C))

    bytes beside its weights. A block has 8 C^2 + 2 C F parameters: two attentions of four matrices
    each, and the feed-forward network. The VAE works in float32, a latent frame at a time, so its
    peak does not grow with the number of frames: 4 w h C x `Autoencoder.decode`, and of a tile
    instead of the picture where it works in tiles. The video itself does grow.

    Of other diffusion networks the card tells what lives at the peak (`Layers`). A network without
    a shape counts by its weights alone; where networks wait, it waits too.

    Zero for a card that tells the shape of none.
    """
    number = FULL if plan is ON_CPU else HALF
    transformers = [part for part in card.parts if isinstance(part.shape, Blocks | Layers)]
    vaes = [part for part in card.parts if isinstance(part.shape, Autoencoder)]
    if not transformers:
        return Need(0, 0, card.download_bytes)
    words = number * sum(part.parameters for part in card.parts if part.name == TEXT_ENCODER)
    pictures = FULL * sum(part.parameters for part in vaes)
    others = number * sum(
        part.parameters for part in card.parts if part.shape is None and part.name != TEXT_ENCODER
    )
    loaded = number * sum(part.parameters for part in transformers)
    kept = sum(_kept_bytes(part) for part in transformers) if plan.fp8 else loaded
    grid = max((part.shape for part in vaes), default=None, key=lambda shape: shape.decode)
    tokens = count_tokens(grid, size, frames)
    denoising = max(_activations(part.shape, tokens, number) for part in transformers)
    encoding, decoding, video = _picture_bytes(grid, size, frames, tiling=plan.tiling)
    denoising += _VIDEOS_AFTER * video
    if plan is ON_CPU:
        most = max(words, encoding, denoising, decoding)
        return Need(0, int(PROCESS_RAM + kept + others + pictures + most), card.download_bytes)
    if plan.offload == "blocks":
        most = max(encoding, _passing(transformers, fp8=plan.fp8) + denoising, decoding)
    elif plan.offload == "networks":
        largest = max(part.parameters for part in transformers) * HALF
        most = max(encoding, largest + denoising, decoding)
    else:
        lifted = _largest_layer(transformers) if plan.fp8 else 0
        most = kept + others + max(encoding, lifted + denoising, decoding)
    waiting = kept + others + pictures if plan.offload else 0
    ram = PROCESS_RAM + max(loaded + others + pictures, waiting + words) + 2 * video
    return Need(int(LIBRARIES_VRAM + pictures + most), int(ram), card.download_bytes)


def choose_plan(
    card: Card, device: str, *, size: tuple[int, int], frames: int, vram: int, ram: int
) -> MemoryPlan | None:
    """Return the best plan that fits into `vram` and `ram` free bytes, None if none does."""
    return _first_fitting(plans_for(device), card, size=size, frames=frames, vram=vram, ram=ram)


def next_plan(
    card: Card, plan: MemoryPlan, device: str, *, size: tuple[int, int], frames: int
) -> MemoryPlan | None:
    """Return the plan to take after `plan` ran out of the device's memory, None for the last one.

    It is the next one that needs less of it.
    """
    plans = plans_for(device)
    if plan not in plans:
        return None
    had = estimate(card, plan, size=size, frames=frames).vram
    for later in plans[plans.index(plan) + 1 :]:
        if estimate(card, later, size=size, frames=frames).vram < had:
            return later
    return None


def _first_fitting(
    plans: Iterable[MemoryPlan],
    card: Card,
    *,
    size: tuple[int, int],
    frames: int,
    vram: int,
    ram: int,
) -> MemoryPlan | None:
    for plan in plans:
        if estimate(card, plan, size=size, frames=frames).fits(vram=vram, ram=ram):
            return plan
    return None


def count_tokens(grid: Autoencoder | None, size: tuple[int, int], frames: int) -> int:
    """Return how many tokens a video has: patches of 1 x 2 x 2 latents."""
    side, time = (16, 4) if grid is None else (2 * grid.space, grid.time)
    width, height = size
    return (
        math.ceil((frames + time - 1) / time) * math.ceil(width / side) * math.ceil(height / side)
    )


def _activations(shape: Blocks | Layers, tokens: int, number: int) -> float:
    if isinstance(shape, Layers):
        return tokens * shape.held * number
    inner = _BLOCK_IN_FEED_FORWARD + 2 * shape.inner / shape.width
    return tokens * shape.width * number * (shape.hints + max(_BLOCK_IN_ATTENTION, inner))


def _picture_bytes(
    grid: Autoencoder | None, size: tuple[int, int], frames: int, *, tiling: bool
) -> tuple[float, float, float]:
    """Return what lives while pictures are encoded and decoded, and the bytes of the video."""
    width, height = size
    video = 3.0 * FULL * width * height * frames
    if grid is None:
        return _VIDEOS_ENCODING * video, _VIDEOS_AFTER * video, video
    tiling = tiling and grid.tile is not None
    area = min(width, grid.tile) * min(height, grid.tile) if tiling else width * height
    picture = FULL * area * grid.width
    encoding = grid.encode * picture + video
    decoding = grid.decode * picture + (_VIDEOS_TILE if tiling else 1.0) * video
    if tiling and area < width * height:
        decoding = max(decoding, _VIDEOS_TILED * video)
    return encoding + _VIDEOS_ENCODING * video, decoding + _VIDEOS_AFTER * video, video


def _block_parameters(shape: Blocks | Layers) -> int:
    if isinstance(shape, Layers):
        return shape.block
    return 8 * shape.width**2 + 2 * shape.width * shape.inner


def _outside(shape: Blocks | Layers) -> int:
    """Return the parameters before and after the blocks: of the time, and of the words."""
    if isinstance(shape, Layers):
        return shape.outside
    return 8 * shape.width**2 + _WORDS_WIDTH * shape.width


def _kept_bytes(part: Part) -> int:
    """Return the bytes of a transformer in 8 bits; what is outside its blocks stays as it is."""
    if isinstance(part.shape, Layers):
        return EIGHTH * part.parameters  # all but a few norms
    return EIGHTH * part.parameters + (HALF - EIGHTH) * _outside(part.shape)


def _passing(transformers: list[Part], *, fp8: bool) -> int:
    """Return the bytes on the GPU where blocks pass: this one, the next, what is outside them."""
    number = EIGHTH if fp8 else HALF
    lifted = _largest_layer(transformers) if fp8 else 0
    return lifted + max(
        2 * number * _block_parameters(part.shape) + HALF * _outside(part.shape)
        for part in transformers
    )


def _largest_layer(transformers: list[Part]) -> int:
    """Return the bytes of the largest layer at half precision: one at a time is brought back."""
    return HALF * max(
        part.shape.layer if isinstance(part.shape, Layers) else part.shape.width * part.shape.inner
        for part in transformers
    )
