"""Priors whose denoiser and posterior are known in closed form: what samplers and likelihoods are measured against."""

import torch
from torch import Tensor

from engine.denoiser import Conditioning, per_item


class GaussianMixture:
    """One source of n samples, a mixture of K Gaussians; K = 1 is a Gaussian process. A Denoiser for (batch, 1, n), exact.

    weights: (K,). means: (K, n). covariances: (K, n, n). All float64.
    """

    def __init__(self, weights: Tensor, means: Tensor, covariances: Tensor):
        self.weights, self.means, self.covariances = weights, means, covariances
        self.scales, self.bases = torch.linalg.eigh(covariances)

    def __call__(self, x: Tensor, sigma: Tensor, conditioning: Conditioning | None = None) -> Tensor:
        noise = per_item(sigma.double(), x.double())[:, 0] ** 2
        centred = torch.einsum("knm,bkn->bkm", self.bases, x.double() - self.means)
        variance = self.scales + noise[:, None]
        shrunk = torch.einsum("knm,bkm->bkn", self.bases, self.scales / variance * centred) + self.means
        evidence = self.weights.log() - 0.5 * (centred.square() / variance + variance.log()).sum(-1)
        return torch.einsum("bk,bkn->bn", evidence.softmax(-1), shrunk)[:, None].to(x)

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """(count, 1, n) float32."""
        which = torch.multinomial(self.weights, count, replacement=True, generator=generator)
        white = torch.randn(count, self.means.shape[1], generator=generator, dtype=torch.float64)
        drawn = white * self.scales[which].clamp_min(0).sqrt()
        for k, basis in enumerate(self.bases):
            drawn[which == k] = drawn[which == k] @ basis.T + self.means[k]
        return drawn[:, None].float()

    def given(self, known: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Mean (m,) and covariance (m, m) of the unknown samples given the known ones. known: bool (n,); values: (known,)."""
        means, covariances, evidence = [], [], []
        for weight, mean, covariance in zip(self.weights, self.means, self.covariances, strict=True):
            inside = covariance[known][:, known]
            gain = torch.linalg.solve(inside, covariance[known][:, ~known]).T
            missed = values.double() - mean[known]
            means.append(mean[~known] + gain @ missed)
            covariances.append(covariance[~known][:, ~known] - gain @ covariance[known][:, ~known])
            fit = missed @ torch.linalg.solve(inside, missed) + torch.logdet(inside)
            evidence.append(weight.log() - fit / 2)
        share = torch.stack(evidence).softmax(0)
        mean = torch.einsum("k,kn->n", share, torch.stack(means))
        apart = torch.stack(means) - mean
        spread = torch.stack(covariances) + apart[:, :, None] * apart[:, None, :]
        return mean, torch.einsum("k,knm->nm", share, spread)


class IndependentGaussians:
    """Sources x_j ~ N(0, deviations[j]^2 I), independent: its denoiser is exact, x s_j^2 / (s_j^2 + sigma^2).

    A Denoiser for (batch, sources, samples)."""

    def __init__(self, deviations: list[float]):
        self.variance = torch.tensor(deviations, dtype=torch.float64)[None, :, None] ** 2

    def __call__(self, x: Tensor, sigma: Tensor, conditioning: Conditioning | None = None) -> Tensor:
        variance = self.variance.to(x)
        return x * variance / (variance + per_item(sigma, x) ** 2)

    def sample(self, batch: int, samples: int, seed: int = 0) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        shape = (batch, self.variance.shape[1], samples)
        return (torch.randn(shape, generator=generator, dtype=torch.float64) * self.variance.sqrt()).float()

    def wiener_gains(self) -> Tensor:
        """E[x_j | sum] / sum: the posterior mean's share of the mixture, (sources,)."""
        return (self.variance / self.variance.sum()).flatten()


def smooth_process(samples: int = 96, length: float = 12.0, period: float = 16.0) -> Tensor:
    """Covariance (samples, samples) of a tone whose phase and level drift: unit variance, correlated over `length` samples."""
    lag = (torch.arange(samples)[:, None] - torch.arange(samples)[None]).abs().double()
    return torch.exp(-lag / length) * torch.cos(2 * torch.pi * lag / period) + 1e-4 * torch.eye(samples).double()


def one_process() -> GaussianMixture:
    """A Gaussian prior of 96 samples."""
    return GaussianMixture(torch.ones(1).double(), torch.zeros(1, 96).double(), smooth_process()[None])


def three_processes() -> GaussianMixture:
    """A prior of three kinds of 96 samples: a slow, a fast and a quiet tone."""
    covariances = torch.stack(
        [smooth_process(period=24.0), smooth_process(period=8.0), 0.1 * smooth_process(length=30.0)]
    )
    return GaussianMixture(torch.full((3,), 1 / 3).double(), torch.zeros(3, 96).double(), covariances)
