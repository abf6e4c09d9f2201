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
        """conditioning.known: the samples without noise, the same in all items."""
        if conditioning is not None and conditioning.known is not None:
            return self._given_known(x, sigma, conditioning.known[0, 0])
        estimate = _denoised(x[:, 0].double(), sigma, self.weights.log(), self.means[:, None], self.scales, self.bases)
        return estimate[:, None].to(x)

    def _given_known(self, x: Tensor, sigma: Tensor, known: Tensor) -> Tensor:
        """The same for the mixture that is left when some samples are known. known: bool (n,)."""
        weights, means, covariances = self._conditioned(known, x[:, 0, known])
        scales, bases = torch.linalg.eigh(covariances)
        estimate = _denoised(x[:, 0, ~known].double(), sigma, weights, means, scales, bases)
        whole = x.clone()
        whole[:, 0, ~known] = estimate.to(x)
        return whole

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
        weights, means, covariances = self._conditioned(known, values[None])
        share = weights[0].softmax(0)
        mean = torch.einsum("k,kn->n", share, means[:, 0])
        apart = means[:, 0] - mean
        spread = covariances + apart[:, :, None] * apart[:, None, :]
        return mean, torch.einsum("k,knm->nm", share, spread)

    def _conditioned(self, known: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The mixture over the unknown samples, given values of the known ones, (batch, known): log weights (batch, K) but for a
        constant, means (K, batch, m), covariances (K, m, m)."""
        weights, means, covariances = [], [], []
        for weight, mean, covariance in zip(self.weights, self.means, self.covariances, strict=True):
            inside, across = covariance[known][:, known], covariance[known][:, ~known]
            gain = torch.linalg.solve(inside, across).T
            missed = values.double() - mean[known]
            means.append(mean[~known] + missed @ gain.T)
            covariances.append(covariance[~known][:, ~known] - gain @ across)
            fit = (missed * torch.linalg.solve(inside, missed.T).T).sum(1) + torch.logdet(inside)
            weights.append(weight.log() - fit / 2)
        return torch.stack(weights, 1), torch.stack(means), torch.stack(covariances)


def _denoised(x: Tensor, sigma: Tensor, prior: Tensor, means: Tensor, scales: Tensor, bases: Tensor) -> Tensor:
    """E[x0 | x = x0 + sigma n], (batch, m), under K Gaussians. prior: log weights, (K,) or (batch, K); means: (K, batch or 1, m);
    scales (K, m), bases (K, m, m): of the covariances."""
    noise = sigma.double().reshape(-1, 1, 1) ** 2
    centred = torch.einsum("knm,kbn->bkm", bases, x - means)
    variance = scales + noise
    shrunk = torch.einsum("knm,bkm->bkn", bases, scales / variance * centred) + means.transpose(0, 1)
    evidence = prior - 0.5 * (centred.square() / variance + variance.log()).sum(-1)
    return torch.einsum("bk,bkn->bn", evidence.softmax(-1), shrunk)


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
