"""What tests of the draft model share: frames to work on, and a process without a network."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

from backend.models.draft.condition import apply_residual, encode
from backend.models.draft.grain import match_grain
from backend.models.draft.load import random_pipeline
from backend.models.draft.pipeline import DraftPipeline

ROOT = Path(__file__).resolve().parents[1]

# Ends at the first address that is asked for and at the first class that a pickle names; else it
# prints a digest of one frame made with the weights in the folder that it is given.
_OFFLINE = """
import sys

REFUSED = {"socket.connect", "socket.getaddrinfo", "socket.sendto", "pickle.find_class"}

def refuse(event, arguments):
    if event in REFUSED:
        raise SystemExit(f"refused: {event} {arguments}")

sys.addaudithook(refuse)
import hashlib
from pathlib import Path
from backend.models.draft.load import load_pipeline
from tests.drafts import make, ramp

folder = Path(sys.argv[1]) if sys.argv[1:] else None
colour = make(load_pipeline(folder, device="cpu"), ramp(40, 56))
print(hashlib.sha256(colour.numpy().tobytes()).hexdigest())
"""


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame as a pipeline takes it: filled (3, H, W), generated (H, W), inverse (H, W)."""

    filled: torch.Tensor
    generated: torch.Tensor
    inverse: torch.Tensor


def ramp(height: int, width: int, *, holes: tuple[tuple[slice, slice], ...] | None = None) -> Frame:
    """Return a frame of smooth colours before a slanted wall.

    Args:
        height: Of the frame.
        width: Of the frame.
        holes: What is unseen; None for a part of the frame right of its middle.
    """
    y = torch.linspace(0, 1, height)[:, None].expand(height, width)
    x = torch.linspace(0, 1, width)[None].expand(height, width)
    if holes is None:
        holes = ((slice(height // 4, height), slice(width // 2, width // 2 + width // 4 + 1)),)
    generated = torch.zeros(height, width)
    for hole in holes:
        generated[hole] = 1.0
    filled = torch.stack([0.3 + 0.4 * x, 0.3 + 0.4 * y, 0.5 + 0.1 * torch.sin(9 * x + 5 * y)])
    return Frame(filled, generated, 0.2 + 0.6 * x * y)


def make(
    pipeline: DraftPipeline, frame: Frame, *, seed: int = 7, **options: object
) -> torch.Tensor:
    """Return the picture (3, H, W) that a pipeline makes of a frame, on the CPU."""
    generator = torch.Generator().manual_seed(seed)
    made = pipeline(frame.filled, frame.generated, frame.inverse, generator=generator, **options)
    return made.colour.cpu()


def whole(pipeline: DraftPipeline, frame: Frame, *, seed: int = 7, steps: int = 4) -> torch.Tensor:
    """Return what `make` does, in one piece and by Euler steps written out here.

    Both sides of the frame are multiples of what the network asks for.
    """
    editable = frame.generated > 0
    condition = encode(frame.filled, frame.generated, editable, frame.inverse)[None]
    noise = torch.randn(frame.filled.shape, generator=torch.Generator().manual_seed(seed))
    noisy = expected = noise * editable
    for step in range(steps):
        time, after = 1 - step / steps, 1 - (step + 1) / steps
        with torch.inference_mode():
            clean = pipeline.network(noisy[None], condition, torch.tensor([time]))[0] * editable
        if step == 0:  # the network is shown no noise yet
            expected = clean
        noisy = noisy + (after - time) * (noisy - clean) / time
    sample = match_grain(
        noisy,
        expected,
        filled=frame.filled,
        generated=frame.generated,
        inverse=frame.inverse,
        editable=editable,
    )
    return apply_residual(sample, frame.filled, editable)


def small_pipeline(seed: int = 0) -> DraftPipeline:
    """Return a pipeline with random weights, as deep as the one that ships but thin."""
    return random_pipeline(seed, channels=(8, 8, 12, 16))


def digest_offline(folder: Path | None = None) -> str:
    """Return the digest that a process without sockets and pickles prints; None: shipped weights.

    Hugging Face's own variables, which would keep it from the network, are not set in it.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    command = [sys.executable, "-c", _OFFLINE, *([] if folder is None else [str(folder)])]
    ended = subprocess.run(
        command, cwd=ROOT, env=kept, capture_output=True, text=True, check=False, timeout=120
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()
