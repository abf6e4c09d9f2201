"""Priors whose posterior is known in closed form: independent Gaussian sources."""

import torch
from torch import Tensor

from engine.denoiser import Conditioning, per_item


class GaussianPrior:
    """Sources x_j ~ N(0, deviations[j]^2 I), independent: its denoiser is exact, x s_j^2 / (s_j^2 + sigma^2)."""

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
