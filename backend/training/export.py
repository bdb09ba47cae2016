"""Trained weights to what ships: half precision, as diffusers saves a pipeline."""

from __future__ import annotations

from pathlib import Path

from ..errors import DepthshotError
from ..models.draft.load import save_pipeline
from ..models.weights import MAX_BYTES
from .checkpoint import load_network, writing
from .evaluate import scheduler_of
from .flops import count_parameters

_HALF = 2  # bytes of a number in half precision


def export(place: Path, folder: Path, *, shift: float = 1.0) -> int:
    """Write the weights at `place` (see `load_network`) to a folder; return their bytes.

    Args:
        place: A run's folder, a checkpoint, or weights.
        folder: Where they go; earlier ones are replaced.
        shift: Of the scheduler, as in `flow_times`.

    Raises:
        DepthshotError: they would be larger than MAX_BYTES; nothing is written.
        StorageError: the folder cannot be written.
    """
    network = load_network(place)
    bytes_ = count_parameters(network) * _HALF
    if bytes_ > MAX_BYTES:
        raise DepthshotError(
            f"The weights of {place} take {bytes_ / 1e6:.1f} MB and {MAX_BYTES / 1e6:.0f} are"
            " allowed; train a narrower network."
        )
    with writing(folder):
        save_pipeline(network, folder, scheduler=scheduler_of(shift))
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
