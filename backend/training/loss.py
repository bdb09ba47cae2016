"""What the network is trained to do: see the clean residual in a noisy one.

Flow matching along straight paths (Lipman et al. 2023; Liu et al. 2023, rectified flow) from noise
at t = 1 to a residual on top of a first answer (Whang et al. 2022; Mardani et al. 2025, CorrDiff;
here the answer is the projection's own fill, which nobody has to train):

    x_t = (1 - t) x0 + t noise,     loss = w(t) |x0_hat(x_t, condition, t) - x0|^2 / (E + e)

over editable pixels; elsewhere the residual is known to be nothing and x_t is 0. The network says
x0, steps are taken along the velocity (x_t - x0_hat) / t, so an error of x0_hat is one of the
velocity 1 / t times as large: w(t) = 1 / max(t, T_LEAST)^2 is the plain loss of the velocity, but
bounded, because few steps never come near t = 0. E is the mean square of the crop's own residual:
what a large hole holds can hardly be known, and without the division such crops would drown the
rest, smooth walls above all, on which every trace of noise is seen.
"""

from __future__ import annotations

import torch

T_LEAST = 0.25  # where the weight stops growing, at 16: the last of four steps starts here
ENERGY_LEAST = 0.02  # mean square of a crop's residual below which it counts no more for that
T_FIRST = 0.02  # flow times below it are never asked for
PURE_SHARE = 0.5  # of a batch that is at t = 1, so that one evaluation is a good expectation


def draw_times(count: int, *, generator: torch.Generator) -> torch.Tensor:
    """Return flow times (count,): `PURE_SHARE` of them 1, the others spread over (T_FIRST, 1).

    The others are stratified (one in each of as many equal parts as there are others), so that the
    loss of one batch does not hang on which times it drew (Kingma et al. 2021, appendix I.1).
    """
    pure = torch.rand(count, generator=generator) < PURE_SHARE
    parts = torch.randperm(count, generator=generator) + torch.rand(count, generator=generator)
    return torch.where(pure, torch.ones(count), T_FIRST + (1 - T_FIRST) * parts / count)


def mix_noise(
    residual: torch.Tensor, noise: torch.Tensor, editable: torch.Tensor, time: torch.Tensor
) -> torch.Tensor:
    """Return x_t (B, 3, H, W) of residuals and noise (B, 3, H, W) at times (B,).

    Args:
        residual: x0, in units of `RESIDUAL_SCALE`.
        noise: Normal, of the same shape.
        editable: (B, H, W) bool; elsewhere x_t is 0.
        time: t, from 0 to 1.
    """
    t = time[:, None, None, None]
    return ((1 - t) * residual + t * noise) * editable[:, None]


def flow_loss(
    estimate: torch.Tensor, residual: torch.Tensor, editable: torch.Tensor, time: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the weighted loss and the plain squared error at t = 1, both scalars.

    Both are means over the values of editable pixels of the whole batch, so that a crop counts for
    as much as there is to be done in it. The second is nan where no time is 1.

    Args:
        estimate: x0_hat (B, 3, H, W) of the network.
        residual: x0 (B, 3, H, W).
        editable: (B, H, W) bool.
        time: t (B,).
    """
    errors = ((estimate.float() - residual).square() * editable[:, None]).sum(dim=(1, 2, 3))
    values = editable.sum(dim=(1, 2)) * residual.shape[1]
    energies = (residual.square() * editable[:, None]).sum(dim=(1, 2, 3)) / values.clamp_min(1)
    weighted = errors / time.clamp_min(T_LEAST).square() / (energies + ENERGY_LEAST)
    pure = time == 1
    expectation = (errors.detach() * pure).sum() / (values * pure).sum()
    return weighted.sum() / values.sum().clamp_min(1), expectation
