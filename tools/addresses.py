"""Every address on the network that the tools know of."""

# PyTorch's own index of builds without a GPU, asked only where the configured package index
# would hand out a build with gigabytes of GPU libraries that this machine could not use.
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
