"""What the network costs, counted."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from ..models.draft.network import COLOURS, DraftNetwork
from .checkpoint import arguments_of


def count_parameters(network: DraftNetwork) -> int:
    """Return how many numbers the network has learned."""
    return sum(parameter.numel() for parameter in network.parameters())


def count_cost(network: DraftNetwork, height: int, width: int) -> float:
    """Return the GFLOP of one evaluation at a size; a multiplication and an addition are two.

    Nothing is computed.
    """
    empty = DraftNetwork(**arguments_of(network)).to("meta")
    noisy = torch.empty(1, COLOURS, height, width, device="meta")
    condition = torch.empty(1, network.config["conditions"], height, width, device="meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        empty(noisy, condition, torch.ones(1, device="meta"))
    return counter.get_total_flops() / 1e9
