"""A stock diffusers pipeline on a device under a memory plan, and off it again."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import torch
from diffusers import DiffusionPipeline
from diffusers.hooks import HookRegistry, apply_group_offloading

from ..memory import CUDA, EIGHT, EXACT, FOUR, MARGIN, MPS, MemoryPlan

_CPU = torch.device("cpu")
_DENOISERS = ("transformer", "transformer_2", "unet")
_READERS = ("image_encoder",)  # of the still; read once a window
# What diffusers calls the hooks of its group offloading; it has no call that takes them off.
_OFFLOADING = ("layer_execution_tracker", "lazy_prefetch_group_offloading", "group_offloading")
_CASTING = "layerwise_casting"
_WORDS_BYTES = 1_000_000_000  # beside a text encoder while it works; not measured yet


def place(pipeline: DiffusionPipeline, plan: MemoryPlan, device: torch.device) -> None:
    """Put a pipeline's networks where a plan wants them, from wherever they are.

    Plans go one way: weights that were rounded to 8 bits stay so, and every later plan rounds them.
    Those of 4 bits were loaded as such. No network is given another dtype as a whole: Wan's norms
    stay in float32.

    Args:
        pipeline: With a VAE and one or two networks that denoise, and without a text encoder.
        plan: How its networks are held.
        device: Where they work.

    Raises:
        ValueError: the weights have other bits than the plan wants; load them again.
    """
    denoisers = tuple(_networks(pipeline, *_DENOISERS))
    for bits in map(_bits, denoisers):
        if bits != plan.bits and (bits, plan.bits) != (EXACT, EIGHT):
            raise ValueError(f"Weights in {bits} bits cannot be placed by the plan '{plan.id}'.")
    release(pipeline, device)
    if plan.bits == EIGHT:
        for network in denoisers:
            if _bits(network) == EXACT:  # on the CPU: on the device the exact ones might not fit
                network.enable_layerwise_casting(
                    storage_dtype=torch.float8_e4m3fn, compute_dtype=network.dtype
                )
    if hasattr(pipeline.vae, "use_tiling"):  # else it has no way to
        if plan.tiling:
            pipeline.vae.enable_tiling()
        else:
            pipeline.vae.disable_tiling()
    if plan.offload == "networks":
        pipeline.enable_model_cpu_offload(device=device)
    elif plan.offload == "blocks":
        streams = device.type == CUDA
        for network in denoisers:
            network.enable_group_offload(
                onload_device=device,
                offload_device=_CPU,
                offload_type="block_level",
                num_blocks_per_group=1,
                use_stream=streams,
                # Pinned a block at a time: all of it at once would need the weights twice.
                low_cpu_mem_usage=streams,
            )
        for network in _networks(pipeline, *_READERS):
            _pass_layers(network, device)
        pipeline.vae.to(device)
    else:
        pipeline.to(device)


def release(pipeline: DiffusionPipeline, device: torch.device) -> None:
    """Take a pipeline off the device, with every hook of a plan; it can be placed again.

    After an error, let go of the exception first: its traceback holds what the device was full of.
    """
    if device.type == CUDA:
        torch.cuda.synchronize(device)
    pipeline.remove_all_hooks()
    for network in _networks(pipeline, *_DENOISERS, *_READERS):
        registry = HookRegistry.check_if_exists_or_initialize(network)
        for hook in _OFFLOADING:
            registry.remove_hook(hook, recurse=True)
    for network in _networks(pipeline, *_DENOISERS, *_READERS, "vae"):
        network.to(_CPU)
    if hasattr(pipeline.vae, "clear_cache"):  # frames of a video that was not finished
        pipeline.vae.clear_cache()
    free_memory(device)


def place_text(
    encoder: torch.nn.Module, device: torch.device, *, free: int | None = None
) -> torch.nn.Module:
    """Put a text encoder on a device: whole where it fits, else layer by layer while it works.

    Args:
        encoder: On the CPU.
        device: Where it works.
        free: Bytes that are free there; None asks the device.

    Returns:
        The encoder.
    """
    size = sum(values.nbytes for values in (*encoder.parameters(), *encoder.buffers()))
    if free is None:
        free = free_bytes(device)
    if free is None or size * MARGIN + _WORDS_BYTES <= free:
        return encoder.to(device)
    _pass_layers(encoder, device)
    return encoder


def free_bytes(device: torch.device) -> int | None:
    """Return how much of a GPU's own memory is free; None for a device that has none."""
    if device.type != CUDA:
        return None
    free_memory(device)  # what the allocator keeps is free for us
    return torch.cuda.mem_get_info(device)[0]


def free_memory(device: torch.device) -> None:
    """Give memory back that nothing holds any more."""
    gc.collect()
    if device.type == CUDA:
        torch.cuda.empty_cache()
        torch.accelerator.empty_host_cache()
    elif device.type == MPS:
        torch.mps.empty_cache()


def _pass_layers(network: torch.nn.Module, device: torch.device) -> None:
    """Let a network wait on the CPU, and each of its layers go to the device for its turn."""
    streams = device.type == CUDA
    apply_group_offloading(
        network,
        onload_device=device,
        offload_device=_CPU,
        offload_type="leaf_level",
        use_stream=streams,
        low_cpu_mem_usage=streams,
    )


def _networks(pipeline: DiffusionPipeline, *names: str) -> Iterator[torch.nn.Module]:
    for name in names:
        network = getattr(pipeline, name, None)
        if network is not None:
            yield network


def _bits(network: torch.nn.Module) -> int:
    """Return how many bits a network's weights have: of 16 (or 32) as they were published."""
    if any(hasattr(values, "quant_type") for values in network.parameters()):  # as of GGUF
        return FOUR
    hooks = (getattr(module, "_diffusers_hook", None) for module in network.modules())
    if any(registry is not None and registry.get_hook(_CASTING) for registry in hooks):
        return EIGHT
    return EXACT
