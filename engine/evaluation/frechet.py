"""The Frechet distance of two Gaussians, and of two clouds of points by their moments."""

import torch
from torch import Tensor


def frechet(mean: Tensor, covariance: Tensor, other_mean: Tensor, other_covariance: Tensor) -> float:
    """Squared distance |m - m'|^2 + tr(S + S' - 2 (S S')^(1/2)) (Dowson & Landau 1982): what Frechet audio and inception distances
    are. Means (n,) and covariances (n, n), float64; these may be singular."""
    # The trace of the root is the sum of the singular values of S^(1/2) S'^(1/2): no root of what rounding left of a zero is in it.
    cross = torch.linalg.svdvals(_root(covariance) @ _root(other_covariance)).sum()
    return float((mean - other_mean).square().sum() + covariance.trace() + other_covariance.trace() - 2 * cross)


def _root(covariance: Tensor) -> Tensor:
    values, basis = torch.linalg.eigh(covariance)
    return basis * values.clamp_min(0).sqrt() @ basis.T


def frechet_of(points: Tensor, others: Tensor) -> float:
    """The same of the Gaussians that have the moments of two clouds, (many, n) each, two points at least. Few points are apart by
    chance alone, and the more the fewer they are: compare distances of equally many only."""
    clouds = points.double(), others.double()
    (mean, covariance), (other_mean, other_covariance) = ((x.mean(0), torch.cov(x.T)) for x in clouds)
    return frechet(mean, covariance, other_mean, other_covariance)
