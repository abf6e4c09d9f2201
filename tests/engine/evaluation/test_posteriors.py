"""Known cells against posteriors in closed form, and the gradient that must go through the estimate."""

import numpy as np
import pytest
import torch

from engine.denoiser import Conditioning
from engine.diffusion.noise import Noise
from engine.errors import PresetError
from engine.evaluation import posteriors
from engine.evaluation.priors import GaussianMixture, IndependentGaussians, one_process, three_processes
from engine.likelihoods import KNOWN, LikelihoodOptions, classifier
from engine.likelihoods.gradient import guided, norm, normalised
from engine.stemgrid import StemGrid

GAP = slice(42, 50)


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


def with_noisy_copies(prior: GaussianMixture, where: slice, sigma: float) -> GaussianMixture:
    """The prior of its samples and, after them, of noisy copies of some."""
    copies = torch.cat([torch.eye(96).double(), torch.eye(96).double()[where]])
    noise = torch.diag(torch.cat([torch.zeros(96), torch.full((len(copies) - 96,), sigma**2)])).double()
    covariances = copies @ prior.covariances @ copies.T + noise
    return GaussianMixture(prior.weights, prior.means @ copies.T, covariances)


@pytest.mark.parametrize("make", [one_process, three_processes])
def test_told_what_is_known_the_exact_denoiser_is_between_what_could_have_been_and_what_is_seen(make):
    """Both in closed form: the posterior's mean with all noise; with less, that of the samples and their noisy copies together."""
    prior, generator, known = make(), torch.Generator().manual_seed(0), torch.ones(1, 1, 96, dtype=torch.bool)
    known[..., GAP] = False
    clean = prior.sample(1, generator)
    mean, _ = prior.given(known[0, 0], clean[0, 0, known[0, 0]])
    lost = prior(clean, torch.tensor(1e6), Conditioning(known=known))
    torch.testing.assert_close(lost[~known].double(), mean, atol=1e-4, rtol=0)
    assert torch.equal(lost[known], clean[known])
    noisy = clean + ~known * 0.5 * torch.randn(clean.shape, generator=generator)
    found = prior(noisy, torch.tensor(0.5), Conditioning(known=known))
    mean, _ = with_noisy_copies(prior, GAP, 0.5).given(
        torch.cat([known[0, 0], torch.ones(8, dtype=torch.bool)]), torch.cat([noisy[known], noisy[~known]])
    )
    torch.testing.assert_close(found[~known].double(), mean, atol=1e-3, rtol=0)
    torch.testing.assert_close(prior(noisy, torch.tensor(1e-4), Conditioning(known=known)), noisy, atol=1e-2, rtol=0)


def test_a_denoiser_that_hears_known_cells_leads_to_the_posterior_itself(monkeypatch):
    names = ("heard", "reconstruction, normalised 0.2, 3 repeats")
    monkeypatch.setattr(posteriors, "METHODS", {name: posteriors.METHODS[name] for name in names})
    rows = {(row.prior, row.method): row for row in posteriors.infill_table(observations=6, samples=100)}
    for prior in posteriors.PRIORS:
        exact, guided_rows = (rows[prior, name] for name in names)
        assert exact.distance < guided_rows.distance
        assert exact.bias < 0.1  # what is left is the sampler's


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


@pytest.mark.parametrize("name", [name for name in KNOWN if name not in ("replacement", "heard")])
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
    assert {name for name, *_ in posteriors.METHODS.values()} == set(KNOWN)


def test_classifier_guidance_is_the_gradient_of_the_cross_entropy_through_the_denoiser():
    """Against the chain rule on paper: for D(x) = k x and log odds <a_c, sum of wanted D>, the slope is k sum_c (p_c - y_c) a_c."""
    prior, generator = IndependentGaussians([0.3, 0.3]), torch.Generator().manual_seed(0)
    x, a = torch.randn(1, 2, 64, generator=generator), torch.randn(3, 64, generator=generator)
    sigma, label = torch.tensor(0.4), torch.tensor([1.0, 0.0, 0.0])
    known = torch.zeros(1, 2, 64, dtype=torch.bool)
    known[:, 1] = True
    options = LikelihoodOptions(guidance=0.5, classify=lambda samples: samples @ a.T, label=label)
    found = classifier(prior, StemGrid(x * known, known), options)(x, sigma)
    k = 0.3**2 / (0.3**2 + 0.4**2)
    slope = torch.zeros_like(x)
    slope[:, 0] = k * ((k * x[:, 0] @ a.T).sigmoid() - label) @ a
    expected = k * x - 0.5 * 0.4 * slope / slope.square().mean().sqrt()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
    entropy = torch.nn.functional.binary_cross_entropy_with_logits
    before, after = (entropy(d[:, 0] @ a.T, label[None]) for d in (k * x, found))
    assert after < before


def test_a_classifier_that_returns_nan_hides_nothing():
    grid = StemGrid(torch.zeros(1, 2, 64), torch.zeros(1, 2, 64, dtype=torch.bool))
    options = LikelihoodOptions(classify=lambda samples: samples[:, :2] * torch.nan, label=torch.tensor([1.0, 0.0]))
    found = classifier(IndependentGaussians([0.3, 0.3]), grid, options)(torch.randn(1, 2, 64), torch.tensor(0.4))
    assert found.isnan().any(), "who samples says so at the end: tests/engine/test_round_trips.py"
    with pytest.raises(PresetError, match="--towards"):
        classifier(IndependentGaussians([0.3, 0.3]), grid, LikelihoodOptions())
