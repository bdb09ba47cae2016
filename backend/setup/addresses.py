"""Every address on the network that an installation may ask, beside pip's configured index."""

_PYTORCH = "https://download.pytorch.org/whl"

# PyTorch's own indexes, one for each kind of build. Which of them have the pinned version differs
# from version to version, so they are asked in this order.
TORCH_CPU_INDEXES = (f"{_PYTORCH}/cpu",)
TORCH_CUDA_INDEXES = (f"{_PYTORCH}/cu130", f"{_PYTORCH}/cu132", f"{_PYTORCH}/cu126")
TORCH_ROCM_INDEXES = (f"{_PYTORCH}/rocm7.2", f"{_PYTORCH}/rocm7.1")
