"""Draft's weights on disk: writing them, and reading them with no network and no pickle.

A folder of weights is what diffusers' `save_pretrained` writes: `model_index.json`, `network/` and
`scheduler/`. Its parts are loaded one by one, with classes that are named here: the module paths in
`model_index.json` would not survive a move, and must not choose what is imported.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path

import torch
from diffusers.schedulers.scheduling_flow_match_euler_discrete import (
    FlowMatchEulerDiscreteScheduler,
)
from safetensors import SafetensorError

from ...errors import ModelError
from ..weights import variable, weights_folder
from . import CARDS
from .network import DraftNetwork
from .pipeline import DraftPipeline, flow_times

_PARTS = {
    "network": DraftNetwork.__name__,
    "scheduler": FlowMatchEulerDiscreteScheduler.__name__,
}
_UNREADABLE = (OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError)


def load_pipeline(folder: Path | None = None, *, device: str | torch.device) -> DraftPipeline:
    """Return the pipeline with the weights of a folder, float32, in evaluation mode.

    Args:
        folder: What `save_pipeline` wrote; None for the folder that the environment variable
            DEPTHSHOT_DRAFT_WEIGHTS names or, where there is none, for the one that ships.
        device: Where the network is put.

    Raises:
        ModelError: something is missing or damaged, or these are another model's weights.
    """
    folder = weights_folder(CARDS[0]) if folder is None else folder
    _check_index(folder / "model_index.json")
    network = _load_network(folder / "network")
    scheduler = _load_scheduler(folder / "scheduler")
    network.to(device, memory_format=torch.channels_last).requires_grad_(False)
    return DraftPipeline(network, scheduler)


def save_pipeline(
    network: DraftNetwork,
    folder: Path,
    *,
    scheduler: FlowMatchEulerDiscreteScheduler | None = None,
) -> None:
    """Write `network` as float16 safetensors and the scheduler to a folder, made if missing.

    Args:
        network: Left as it is.
        folder: Files of earlier weights in it are replaced.
        scheduler: With the `shift` to sample with; None for diffusers' default, evenly spaced.
    """
    halved = copy.deepcopy(network).cpu()
    for weight in halved.parameters():
        weight.data = weight.data.half()
    pipeline = DraftPipeline(halved, scheduler or FlowMatchEulerDiscreteScheduler())
    pipeline.save_pretrained(folder, safe_serialization=True)


def random_pipeline(seed: int, **config: object) -> DraftPipeline:
    """Return a pipeline that has learnt nothing: what weights are worth is measured against it.

    Every layer starts as torch would start it, those too that training starts at zero (with which
    the fill would come out unchanged).

    Args:
        seed: Of the weights.
        **config: Arguments of `DraftNetwork`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = DraftNetwork(**config)
        for layer in network.modules():
            if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
                layer.reset_parameters()
    network.to(memory_format=torch.channels_last).eval().requires_grad_(False)
    return DraftPipeline(network, FlowMatchEulerDiscreteScheduler())


def _load_network(folder: Path) -> DraftNetwork:
    config, file = folder / "config.json", folder / "diffusion_pytorch_model.safetensors"
    if _read_json(config).get("_class_name") != DraftNetwork.__name__:
        raise _error(config, "does not belong to Draft")
    if not file.is_file():
        raise _error(file, "is missing")
    try:
        network, found = DraftNetwork.from_pretrained(
            folder,
            dtype=torch.float32,
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
        )
    except _UNREADABLE as reason:
        raise _error(file, "cannot be loaded") from reason
    if any(found.values()):
        raise _error(file, "does not belong to the network beside it")
    if not all(weight.isfinite().all() for weight in network.parameters()):
        raise _error(file, "has numbers that are not finite")
    return network


def _load_scheduler(folder: Path) -> FlowMatchEulerDiscreteScheduler:
    config = folder / "scheduler_config.json"
    content = _read_json(config)
    if content.get("_class_name") != FlowMatchEulerDiscreteScheduler.__name__:
        raise _error(config, "does not belong to Draft")
    shift = content.get("shift")
    if not isinstance(shift, int | float) or isinstance(shift, bool) or not 0.01 <= shift <= 100:
        raise _error(config, f"has the shift {shift!r}, which is none")
    # Others would draw noise of their own, or go backwards: a seed would mean nothing.
    usual = FlowMatchEulerDiscreteScheduler().config
    for name, value in content.items():
        if name != "shift" and not name.startswith("_") and value != usual.get(name):
            raise _error(config, f"has the setting {name} = {value!r}, which Draft does not use")
    try:
        scheduler = FlowMatchEulerDiscreteScheduler.from_pretrained(folder, local_files_only=True)
        scheduler.set_timesteps(sigmas=flow_times(2))
    except _UNREADABLE as reason:
        raise _error(config, "cannot be loaded") from reason
    return scheduler


def _check_index(file: Path) -> None:
    """Raise ModelError unless the index of a folder names Draft's own classes."""
    index = _read_json(file)
    named = {name: index.get(name) for name in _PARTS}
    classes = {name: pair[-1] for name, pair in named.items() if isinstance(pair, list) and pair}
    if index.get("_class_name") != DraftPipeline.__name__ or classes != _PARTS:
        raise _error(file, "does not belong to Draft")


def _read_json(file: Path) -> dict[str, object]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as reason:
        raise _error(file, "is missing") from reason
    except (OSError, ValueError) as reason:
        raise _error(file, "cannot be read") from reason
    if not isinstance(content, dict):
        raise _error(file, "cannot be read")
    return content


def _error(file: Path, what: str) -> ModelError:
    return ModelError(
        f"Draft's weights cannot be used, because '{file}' {what}; install Depthshot again, or"
        f" clear the environment variable {variable(CARDS[0].id)} if it names this folder."
    )
