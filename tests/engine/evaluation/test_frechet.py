"""The Frechet distance against its closed forms and against scipy's matrix square root."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from engine.evaluation.frechet import frechet, frechet_of

rng = np.random.default_rng(0)


def gaussian(size: int, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance, of that rank."""
    factor = rng.standard_normal((size, rank))
    return rng.standard_normal(size), factor @ factor.T


def distance(one, other) -> float:
    return frechet(*(torch.from_numpy(part) for part in (*one, *other)))


def test_of_two_gaussians_with_common_axes_it_is_that_of_means_and_of_deviations():
    basis = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    deviations, others = np.array([1.0, 2.0, 0.0]), np.array([1.5, 0.5, 3.0])
    one, other = (basis @ np.diag(d**2) @ basis.T for d in (deviations, others))
    apart = np.array([3.0, 0.0, -4.0])
    expected = 25 + ((deviations - others) ** 2).sum()
    assert distance((apart, one), (np.zeros(3), other)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("rank", "other_rank"), [(12, 12), (12, 4), (3, 12)])
def test_it_equals_the_formula_by_scipys_square_root(rank, other_rank):
    (mean, covariance), (other_mean, other_covariance) = gaussian(8, rank), gaussian(8, other_rank)
    root = np.real(sqrtm(covariance @ other_covariance))
    expected = ((mean - other_mean) ** 2).sum() + np.trace(covariance + other_covariance - 2 * root)
    assert distance((mean, covariance), (other_mean, other_covariance)) == pytest.approx(expected, rel=1e-4)


def test_of_clouds_it_is_nothing_to_themselves_and_a_shift_counts_squared():
    cloud = torch.from_numpy(rng.standard_normal((50, 6)))
    assert frechet_of(cloud, cloud) == pytest.approx(0, abs=1e-9)
    assert frechet_of(cloud, cloud.flip(0) + 2.0) == pytest.approx(6 * 4.0, rel=1e-9)


def test_of_many_draws_it_nears_that_of_what_they_are_drawn_from():
    one, other = gaussian(4, 6), gaussian(4, 6)
    clouds = (torch.from_numpy(rng.multivariate_normal(*side, 20_000)) for side in (one, other))
    assert frechet_of(*clouds) == pytest.approx(distance(one, other), rel=0.05)
