"""Training losses: how far the denoised estimate is from the clean sources, weighed so that no noise level drowns the rest."""

from torch import Tensor, nn

from engine.denoiser import Denoiser, ModelSpec
from engine.networks import LocalGaussian, as_denoiser
from engine.networks.local_gaussian import power
from engine.networks.open_unmix import OpenUnmix
from engine.networks.text_gaussian import TextGaussian
from engine.training.examples import BLIND, Batch

QUIET = 0.01  # how far under the mixture (-20 dB) an error stops to matter
FIT = 1.0  # weight of the powers' fit beside separation
EXPECTED = 0.2  # weight of the fit of what words alone make expect
AUDIBLE = 1e-6  # power in a cell (-60 dB full scale) below which it does not matter there


def loss_of(network: nn.Module, spec: ModelSpec, batch: Batch) -> Tensor:
    """Scalar loss of a batch, in the form that fits the network."""
    if isinstance(network, TextGaussian):
        return text_loss(network, batch)
    if isinstance(network, LocalGaussian):
        return power_loss(network, batch)
    if isinstance(network, OpenUnmix):
        return network.loss(batch.clean)
    return edm_loss(as_denoiser(network, spec), batch, spec.sigma_data)


class Objective(nn.Module):
    """A network whose forward is its loss: what splits a module's work over processes then has all of a step in its hands."""

    def __init__(self, network: nn.Module, spec: ModelSpec):
        super().__init__()
        self.network, self.spec = network, spec

    def forward(self, batch: Batch) -> Tensor:
        return loss_of(self.network, self.spec, batch)


def edm_loss(denoiser: Denoiser, batch: Batch, sigma_data: float) -> Tensor:
    """Karras et al. 2022, eq. 2 with lambda(s) = (s^2 + d^2) / (s d)^2: the loss MSDM was trained with."""
    s, d = batch.sigma[:, None, None], sigma_data
    error = denoiser(batch.clean + s * batch.noise, batch.sigma) - batch.clean
    return ((s**2 + d**2) / (s * d) ** 2 * error.square()).mean()


def power_loss(network: LocalGaussian, batch: Batch) -> Tensor:
    """What the compact network is trained with: everything it says is a power a band, so both terms are measured there.

    Examples with nothing but their mixture to go by (behind noise far louder than any source) learn to separate: the log of
    the error over the mixture, a source and an example at a time, which is what SI-SDR counts and what makes a quiet source as
    important as a loud one. All others learn the powers themselves, by the Itakura-Saito distance between |S|^2 + sigma^2 and
    v + sigma^2: the maximum-likelihood fit of the local Gaussian model (Fevotte, Bertin & Durrieu, 2009), whose minimum is
    v = E[|S|^2 | what is heard] and which pays no heed to what the noise covers. Cells that are known do not count.
    """
    sigma, known = batch.sigma[:, None, None], None
    clean, noise, hidden = network.transform(batch.clean), batch.noise, batch.clean
    if batch.known is not None:
        known = network.known_cells(batch.known)
        noise, hidden = noise * ~batch.known, hidden * ~batch.known
    noisy = network.transform(batch.clean + sigma * noise)
    mixture = network.transform(hidden.sum(1, keepdim=True))
    v = network.powers(noisy, sigma, mixture, batch.has_mixture, known)
    pool, source_power = network.bands.pool, network.bands.pool(power(clean))
    blind = batch.has_mixture & (batch.sigma >= BLIND)
    separation, fit = v.new_zeros(()), v.new_zeros(())
    if blind.any():
        share = v[blind] / v[blind].sum(1, keepdim=True)
        both = pool(mixture.real * clean.real + mixture.imag * clean.imag)[blind]
        cells = share.square() * pool(power(mixture))[blind] - 2 * share * both + source_power[blind]
        whole = network.energy(pool(power(mixture))[blind])
        separation = ((network.energy(cells) + QUIET * whole) / whole).log().sum() / batch.sigma.numel()
    if not blind.all():
        wanted = None if known is None else ~known[~blind]
        fit = misfit(source_power[~blind], v[~blind], sigma[~blind, None] ** 2, wanted).sum() / batch.sigma.numel()
    return separation / len(network.mean_power) + FIT * fit


def text_loss(network: TextGaussian, batch: Batch) -> Tensor:
    """The second term of power_loss for recordings with a sentence about each, and the same of the spectrum that the sentence alone
    makes the network expect: noise hides from the first where words would count most, so it learns them slowly."""
    assert batch.text is not None
    clean, noise_power = network.transform(batch.clean), batch.sigma[:, None, None, None] ** 2
    noisy = clean + noise_power.sqrt() * network.transform(batch.noise)
    v, heard = network.powers_of(noisy, noise_power, batch.text), network.bands.pool(power(clean))
    expected = network.expected_power(batch.text)
    return (misfit(heard, v, noise_power) + EXPECTED * misfit(heard, expected, AUDIBLE)).mean()


def misfit(source_power: Tensor, v: Tensor, noise_power: Tensor | float, wanted: Tensor | None = None) -> Tensor:
    """Itakura-Saito distance between what is heard, |S|^2 + sigma^2, and what was said of it; (batch,), mean over the cells, or
    over those of `wanted`: bool, of a shape that fits theirs."""
    ratio = (source_power + noise_power) / (v + noise_power)
    distance = ratio - ratio.log() - 1
    if wanted is None:
        return distance.mean((1, 2, 3))
    counted = wanted.expand_as(distance)
    return (distance * counted).sum((1, 2, 3)) / counted.sum((1, 2, 3)).clamp_min(1)
