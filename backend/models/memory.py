"""Memory plans: the ways in which a large model is held, and what each of them needs.

From best to last. The first three are exact and fast, the fourth is exact and slower, the last
three round the weights: to 8 bits after all of them were loaded, to 4 bits once, one after another,
so that they are never all in memory as they were published (`video.quantised`). Only cards that say
so have the last, see `Card.four_bits`. Whatever the plan, the text encoder is there only while
words are read.

The need of a plan is its weights and the largest of what lives beside them while pictures are
encoded, while noise is taken away, and while pictures are decoded. Blender reads this: the standard
library alone.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from ..errors import SettingError
from .card import Autoencoder, Blocks, Card, Layers, Part, Value

AUTO = "auto"  # the setting that leaves the choice to us
CUDA, MPS, CPU = "cuda", "mps", "cpu"  # torch's kinds of devices; AMD's GPUs are "cuda" to it
TEXT_ENCODER = "text_encoder"
HALF, FULL, EIGHTH = 2, 4, 1  # bytes of a number in bfloat16, float32 and float8
QUARTER = 18 / 32  # of a weight in GGUF's Q4_0: 32 of them in 16 bytes, and their scale in two
EXACT, EIGHT, FOUR = 16, 8, 4  # bits of a weight

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
        bits: Of a weight of the transformer: 16 as it was published, or rounded to 8 or 4.
    """

    id: str
    label: str
    help: str
    tiling: bool = False
    offload: Literal["", "networks", "blocks"] = ""
    bits: Literal[16, 8, 4] = EXACT


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
    bits=EIGHT,
)
FP8_GROUP_OFFLOAD = MemoryPlan(
    "fp8_group_offload",
    "8-bit weights, block by block",
    "The weights are rounded to 8 bits and go through the GPU block by block: the least of its"
    " memory.",
    tiling=True,
    offload="blocks",
    bits=EIGHT,
)
Q4 = MemoryPlan(
    "q4",
    "4-bit weights",
    "The model's weights are rounded to 4 bits once and kept on the disk: the least of the"
    " computer's memory, and the roughest.",
    tiling=True,
    bits=FOUR,
)
ON_CPU = MemoryPlan(
    "cpu", "Without a GPU", "All work is done by the processor in full precision; very slow."
)

GPU_PLANS = (RESIDENT, TILED, MODEL_OFFLOAD, GROUP_OFFLOAD, FP8, FP8_GROUP_OFFLOAD, Q4)
# A Mac's GPU shares the computer's memory, so that nothing is won by waiting there.
_PLANS = {CUDA: GPU_PLANS, MPS: (RESIDENT, TILED, Q4), CPU: (ON_CPU,)}


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes that a job needs: of the GPU's memory, of the computer's, and on disk."""

    vram: int
    ram: int
    disk: int

    def fits(self, *, vram: int, ram: int) -> bool:
        """Whether it fits into so many free bytes, with `MARGIN` to spare."""
        return self.vram * MARGIN <= vram and self.ram * MARGIN <= ram


def plans_for(device: str, card: Card) -> tuple[MemoryPlan, ...]:
    """Return a card's plans for a torch device ("cuda:0", "mps", "cpu"), best first."""
    plans = _PLANS.get(device.partition(":")[0], (ON_CPU,))
    return tuple(plan for plan in plans if card.four_bits or plan.bits > FOUR)


def check_memory(card: Card, settings: Mapping[str, Value], device: str) -> None:
    """See that the memory plan that is set, where one is, is for a torch device.

    Raises:
        SettingError: it is not; the message has what it may be set to there.
    """
    wanted = settings.get("memory", AUTO)
    here = (AUTO, *(plan.id for plan in plans_for(device, card)))
    if wanted in here:
        return
    choices = next(setting.choices for setting in card.settings if setting.name == "memory")
    names = ", ".join(name for name in choices if name in here)
    raise SettingError(
        f"The memory plan '{wanted}' is not for the device '{device}'; set 'memory' to {names}."
    )


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

    In 4 bits a layer is brought back to half precision in two copies, one of them in float16, and
    what makes the model need few steps stays beside its weights.

    Of other diffusion networks the card tells what lives at the peak (`Layers`). A network without
    a shape counts by its weights alone; where networks wait, it waits too.

    Zero for a card that tells the shape of none.
    """
    number = FULL if plan is ON_CPU else HALF
    disk = card.download_bytes + kept_on_disk(card, plan)
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
    kept = loaded
    if plan.bits < EXACT:
        kept = sum(kept_bytes(part, bits=plan.bits) for part in transformers)
    if plan.bits == FOUR:
        kept += 0 if card.fast is None else card.fast.hub.bytes
        loaded = kept  # it comes from the disk as it is kept
    grid = max((part.shape for part in vaes), default=None, key=lambda shape: shape.decode)
    tokens = count_tokens(grid, size, frames)
    denoising = max(_activations(part.shape, tokens, number) for part in transformers)
    encoding, decoding, video = _picture_bytes(grid, size, frames, tiling=plan.tiling)
    denoising += _VIDEOS_AFTER * video
    if plan is ON_CPU:
        most = max(words, encoding, denoising, decoding)
        return Need(0, int(PROCESS_RAM + kept + others + pictures + most), disk)
    if plan.offload == "blocks":
        most = max(encoding, _passing(transformers, bits=plan.bits) + denoising, decoding)
    elif plan.offload == "networks":
        largest = max(part.parameters for part in transformers) * HALF
        most = max(encoding, largest + denoising, decoding)
    else:
        lifted = _lifted(transformers, bits=plan.bits)
        most = kept + others + max(encoding, lifted + denoising, decoding)
    waiting = kept + others + pictures if plan.offload else 0
    ram = PROCESS_RAM + max(loaded + others + pictures, waiting + words) + 2 * video
    return Need(int(LIBRARIES_VRAM + pictures + most), int(ram), disk)


def choose_plan(
    card: Card,
    device: str,
    *,
    size: tuple[int, int],
    frames: int,
    vram: int,
    ram: int,
    out: Collection[MemoryPlan] = (),
) -> MemoryPlan | None:
    """Return the best plan not `out` that fits into `vram` and `ram` free bytes; None if none."""
    for plan in plans_for(device, card):
        need = estimate(card, plan, size=size, frames=frames)
        if plan not in out and need.fits(vram=vram, ram=ram):
            return plan
    return None


def nearest_plan(
    card: Card,
    device: str,
    *,
    size: tuple[int, int],
    frames: int,
    vram: int,
    ram: int,
    out: Collection[MemoryPlan] = (),
) -> MemoryPlan:
    """Return the plan not `out` that asks for the smallest multiple of what is free.

    For where none fits: one may still work, as what is needed is reckoned. Of several that lack
    the same, it is the best.
    """

    def multiple(plan: MemoryPlan) -> float:
        need = estimate(card, plan, size=size, frames=frames)
        return max(need.vram / max(vram, 1), need.ram / max(ram, 1))

    return min((plan for plan in plans_for(device, card) if plan not in out), key=multiple)


def as_needy(
    card: Card,
    plan: MemoryPlan,
    device: str,
    *,
    size: tuple[int, int],
    frames: int,
    of: Literal["vram", "ram"],
) -> frozenset[MemoryPlan]:
    """Return the plans that need as much of a memory as `plan`, which ran out of it, or more."""

    def need(each: MemoryPlan) -> int:
        return getattr(estimate(card, each, size=size, frames=frames), of)

    had = need(plan)
    return frozenset(each for each in plans_for(device, card) if need(each) >= had)


def next_plan(
    card: Card, plan: MemoryPlan, device: str, *, out: Collection[MemoryPlan]
) -> MemoryPlan | None:
    """Return the plan to take after `plan`, None where all are `out`.

    It is the next one in their order, and after the last the one before `plan`.
    """
    plans = plans_for(device, card)
    place = plans.index(plan)
    later = (*plans[place + 1 :], *reversed(plans[:place]))
    return next((each for each in later if each not in out), None)


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


def kept_bytes(part: Part, *, bits: int, exact: int = HALF) -> int:
    """Return the bytes of a transformer whose weights are rounded.

    What is outside its blocks stays as it is.

    Args:
        part: The transformer.
        bits: Of a rounded weight, 8 or 4.
        exact: Bytes of a number that is not rounded.
    """
    number = QUARTER if bits == FOUR else EIGHTH
    if isinstance(part.shape, Layers):
        return int(number * part.parameters)  # all but a few norms
    outside = _outside(part.shape)
    return int(number * (part.parameters - outside) + exact * outside)


def kept_on_disk(card: Card, plan: MemoryPlan) -> int:
    """Return the bytes that a plan keeps on the disk beside what was downloaded."""
    if plan.bits != FOUR:
        return 0
    transformers = [part for part in card.parts if isinstance(part.shape, Blocks)]
    return sum(kept_bytes(part, bits=FOUR, exact=FULL) for part in transformers)


def _passing(transformers: list[Part], *, bits: int) -> int:
    """Return the bytes on the GPU where blocks pass: this one, the next, what is outside them."""
    number = EIGHTH if bits == EIGHT else HALF
    return _lifted(transformers, bits=bits) + max(
        2 * number * _block_parameters(part.shape) + HALF * _outside(part.shape)
        for part in transformers
    )


def _lifted(transformers: list[Part], *, bits: int) -> int:
    """Return the bytes of the largest layer, brought back to half precision: one at a time is."""
    if bits == EXACT:
        return 0
    copies = 2 if bits == FOUR else 1
    return (
        copies
        * HALF
        * max(
            part.shape.layer
            if isinstance(part.shape, Layers)
            else part.shape.width * part.shape.inner
            for part in transformers
        )
    )
