"""Guidance: the gradient of a loss of the denoised estimate, taken through the denoiser to its noisy input.

Through the estimate it must go: where a mask hides the wanted cells, the gradient of A(x) itself is zero in all of them.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from engine.denoiser import Conditioning, Denoiser, per_item

Loss = Callable[[Tensor], Tensor]  # estimate (batch, sources, samples) to (batch,)
Step = Callable[[Tensor, Tensor], Tensor]  # gradient and sigma (batch, 1, 1) to what the estimate moves against


def guided(denoiser: Denoiser, loss: Loss, step: Step) -> Denoiser:
    """D(x) - step(gradient of loss(D(x)) with respect to x, sigma). NaN when the loss is not finite: whoever samples looks at the
    end, for each look makes a GPU wait.

    Guidance may be put around guidance: the outer gradient goes through the inner estimate and takes the inner step as given.
    """

    def posterior(x: Tensor, sigma: Tensor, conditioning: Conditioning | None = None) -> Tensor:
        nested = x.requires_grad
        with torch.enable_grad():
            leaf = x if nested else x.detach().requires_grad_()
            estimate = denoiser(leaf, sigma, conditioning)
            distance = loss(estimate).sum()
            (slope,) = torch.autograd.grad(distance, leaf, retain_graph=nested)
        slope = torch.where(distance.isfinite(), slope.nan_to_num(), torch.nan)
        return (estimate if nested else estimate.detach()) - step(slope, per_item(sigma, x).detach())

    return posterior


def normalised(strength: float) -> Step:
    """CQTDiff's step (Moliner et al. 2023): whatever the loss, the estimate moves by strength * sigma RMS, each item by itself."""

    def step(slope: Tensor, sigma: Tensor) -> Tensor:
        rms = slope.square().mean((1, 2), keepdim=True).sqrt()
        return strength * sigma * slope / rms.clamp_min(1e-12)

    return step


def norm(difference: Tensor) -> Tensor:
    """Euclidean norm of each item, (batch, ...) to (batch,), with a slope of zero at zero."""
    return (difference.flatten(1).square().sum(1) + 1e-20).sqrt()
