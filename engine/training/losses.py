"""Training losses: how far the denoised estimate is from the clean sources, weighed so that no noise level drowns the rest."""

import torch
from torch import Tensor

from engine.denoiser import Denoiser, ModelSpec
from engine.networks import LocalGaussian, as_denoiser
from engine.networks.local_gaussian import POWER_FLOOR, power
from engine.training.examples import Batch

CONDITIONAL = 8.0


def loss_of(network: torch.nn.Module, spec: ModelSpec, batch: Batch) -> Tensor:
    """Scalar loss of a batch, in the form that fits the network."""
    if isinstance(network, LocalGaussian):
        return cell_loss(network, batch)
    return edm_loss(as_denoiser(network, spec), batch, spec.sigma_data)


def edm_loss(denoiser: Denoiser, batch: Batch, sigma_data: float) -> Tensor:
    """Karras et al. 2022, eq. 2 with lambda(s) = (s^2 + d^2) / (s d)^2: the loss MSDM was trained with."""
    s, d = batch.sigma[:, None, None], sigma_data
    error = denoiser(batch.clean + s * batch.noise, batch.sigma) - batch.clean
    return ((s**2 + d**2) / (s * d) ** 2 * error.square()).mean()


def cell_loss(network: LocalGaussian, batch: Batch) -> Tensor:
    """The same in the transform, with lambda taken band by band from the mean spectrum (d^2 = mean power of the band), times
    weights made of what the network is given, so that the conditional mean stays the minimum:

    low bands count a little more (the fourth root of their power), as ears and SI-SDR have it; where the mixture is given and
    noise hides the rest, quiet cells count as much as loud ones in amplitude (mean level of the band over level of the mixture
    in the cell) and all count CONDITIONAL times, which makes both kinds of example about equally heavy when training begins.
    """
    clean, noise = network.transform(batch.clean), network.transform(batch.noise)
    sigma = batch.sigma[:, None, None]
    mixture = clean.sum(1, keepdim=True)
    noisy = clean + sigma[..., None] * noise
    estimate = network.estimate(noisy, sigma, mixture, batch.has_mixture)
    error = network.bands.pool(power(estimate - clean))
    mean = network.mean_power.sum(0)[:, None] + POWER_FLOOR
    noise_power = sigma[..., None] ** 2
    weight = (mean + noise_power) / (mean * noise_power) * (mean / mean.mean()) ** 0.25
    level = (network.bands.pool(power(mixture)) / mean).clamp_min(1e-3).rsqrt()
    hidden = noise_power / (mean + noise_power) * batch.has_mixture[:, None, None, None]
    weight = weight * (CONDITIONAL * level) ** hidden
    return (weight * error).mean()
