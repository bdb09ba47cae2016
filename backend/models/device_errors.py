"""What an error of torch says of the device: that its memory ran out, or that it is gone."""

from __future__ import annotations

# What torch says that has no class of its own: on a CPU (Linux and macOS, Windows), on a GPU
# outside torch's own allocator, in the libraries of CUDA; and the system, of a file to be mapped.
_NO_MEMORY = (
    "can't allocate memory",
    "Cannot allocate memory",
    "not enough memory",
    "out of memory",
    "ALLOC_FAILED",
)
_LOST = ("CUDA error", "CUDA driver error", "HIP error", "CUDNN_STATUS_EXECUTION_FAILED")


def is_out_of_memory(reason: BaseException) -> bool:
    """Return whether `reason` says so."""
    import torch

    return isinstance(reason, MemoryError | torch.OutOfMemoryError) or any(
        words in str(reason) for words in _NO_MEMORY
    )


def is_device_lost(reason: BaseException) -> bool:
    """Return whether `reason` says that a GPU, or its driver, does not answer any more.

    After that, nothing works on it in this process.
    """
    import torch

    if is_out_of_memory(reason):
        return False
    return isinstance(reason, torch.AcceleratorError) or str(reason).startswith(_LOST)
