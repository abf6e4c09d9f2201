"""Training losses: how far the denoised estimate is from the clean sources, weighed so that no noise level drowns the rest."""

from torch import Tensor, nn

from engine.denoiser import Denoiser, ModelSpec
from engine.networks import LocalGaussian, as_denoiser
from engine.networks.local_gaussian import POWER_FLOOR, power
from engine.training.examples import Batch

BLIND = 4.0


def loss_of(network: nn.Module, spec: ModelSpec, batch: Batch) -> Tensor:
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
    """Mean magnitude of the error in the cells of the transform, in units of what is left to know there: the deviation
    sqrt(d^2 s^2 / (d^2 + s^2)) of EDM's weighting with d^2 the mean power of the band, times the amplitude of the band (its
    root, where less is left to know).

    With nothing but the mixture to go by this is the plain L1 distance of complex spectra, which trains separators faster than
    squares do; with little noise it counts errors relative to the noise. Its minimum is the conditional median. Examples that
    hear the mixture behind all that noise count BLIND times: their errors are the smallest in these units and matter most.
    """
    clean, noise = network.transform(batch.clean), network.transform(batch.noise)
    sigma = batch.sigma[:, None, None]
    noisy = clean + sigma[..., None] * noise
    estimate = network.estimate(noisy, sigma, clean.sum(1, keepdim=True), batch.has_mixture)
    error = (power(estimate - clean) + POWER_FLOOR).sqrt()
    mean, noise_power = network.mean_power.sum(0)[:, None] + POWER_FLOOR, sigma[..., None] ** 2
    left = mean * noise_power / (mean + noise_power)
    blind = batch.has_mixture[:, None, None, None] * noise_power / (mean + noise_power)
    weight = left.rsqrt() * (mean / mean.mean()) ** (0.25 + 0.25 * blind)
    return (weight * BLIND**blind * network.bands.pool(error)).mean()
