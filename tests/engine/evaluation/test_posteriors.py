"""Known cells against posteriors in closed form, and the gradient that must go through the estimate."""

import numpy as np
import pytest
import torch

from engine.diffusion.noise import Noise
from engine.evaluation import posteriors
from engine.evaluation.priors import one_process, three_processes
from engine.likelihoods import KNOWN, LikelihoodOptions
from engine.likelihoods.gradient import guided, norm, normalised
from engine.stemgrid import StemGrid


@pytest.mark.parametrize("make", [one_process, three_processes])
def test_the_exact_denoiser_is_the_mean_of_what_could_have_been(make):
    """Against importance sampling: E[x0 | x0 + sigma n] by weighing many draws of the prior."""
    prior, generator = make(), torch.Generator().manual_seed(0)
    clean = prior.sample(1, generator)
    noisy = clean + 6.0 * torch.randn(clean.shape, generator=generator)
    draws = prior.sample(100_000, generator)
    weights = torch.softmax(-(noisy - draws).square().sum((1, 2)).double() / (2 * 36.0), 0)
    mean = (weights[:, None, None] * draws).sum(0)
    torch.testing.assert_close(prior(noisy, torch.tensor(6.0))[0].double(), mean, atol=0.1, rtol=0)


def test_the_closed_form_of_a_gap_is_kriging():
    """Against scikit-free numpy: conditioning a joint Gaussian by its precision matrix."""
    prior, known = one_process(), torch.ones(96, dtype=torch.bool)
    known[40:50] = False
    values = prior.sample(1, torch.Generator().manual_seed(2))[0, 0, known]
    mean, covariance = prior.given(known, values)
    precision = np.linalg.inv(prior.covariances[0].numpy())
    gap, rest = ~known.numpy(), known.numpy()
    expected = np.linalg.inv(precision[np.ix_(gap, gap)])
    np.testing.assert_allclose(covariance.numpy(), expected, atol=1e-8)
    np.testing.assert_allclose(
        mean.numpy(), -expected @ precision[np.ix_(gap, rest)] @ values.double().numpy(), atol=1e-6
    )


def test_reconstruction_guidance_is_twice_as_close_as_replacement(monkeypatch):
    names = ("replacement", "reconstruction, normalised 0.2, 3 repeats")
    monkeypatch.setattr(posteriors, "METHODS", {name: posteriors.METHODS[name] for name in names})
    rows = {(row.prior, row.method): row for row in posteriors.infill_table(observations=6, samples=100)}
    for prior in posteriors.PRIORS:
        plain, guided_rows = (rows[prior, name] for name in names)
        assert guided_rows.distance < plain.distance / 2
        assert guided_rows.bias < plain.bias


def test_dirac_and_gaussian_lie_on_either_side_of_the_truth_and_correction_helps():
    rows = {row.method: row for row in posteriors.separation_table(samples=60)}
    for name in ("dirac", "gaussian"):
        assert rows[f"{name}, corrected"].distance < rows[name].distance


@pytest.mark.parametrize("name", [name for name in KNOWN if name != "replacement"])
def test_the_gradient_reaches_the_gap_through_the_estimate(name):
    """A(x) in place of A(D(x)) has no gradient in the gap at all; ours has, and it is what moves the gap."""
    prior, known = one_process(), torch.ones(1, 1, 96, dtype=torch.bool)
    known[..., 40:56] = False
    clean = prior.sample(1, torch.Generator().manual_seed(0))
    grid = StemGrid(clean * known, known)
    x, sigma = clean + torch.randn(clean.shape, generator=torch.Generator().manual_seed(1)), torch.tensor(1.0)
    steps = torch.tensor([[1.0, 0.5], [0.5, 0.0]])
    weak, strong = (
        KNOWN[name](prior, grid, LikelihoodOptions(guidance=g, noise=Noise(0, [0]), steps=steps))(x, sigma)
        for g in (0.0, 0.2)
    )
    assert (weak - strong)[~known].abs().max() > 1e-3
    wrong = guided(lambda x, sigma, conditioning=None: x, lambda e: norm((grid.known - e) * known), normalised(0.2))
    assert (wrong(x, sigma) - x)[~known].abs().max() == 0


def test_the_steps_of_table_methods_are_all_measured():
    assert {name for name, _, _ in posteriors.METHODS.values()} == set(KNOWN)
