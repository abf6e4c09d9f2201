"""The compact network: exact for Gaussians before training, and the algebra that holds whatever it has learnt."""

import pytest
import torch
from support.models import TINY

from engine.denoiser import Conditioning
from engine.networks.bands import Bands
from engine.networks.local_gaussian import LocalGaussian, power
from engine.networks.unet2d import Overview

SAMPLES = 9001


def network(trained: bool) -> LocalGaussian:
    torch.manual_seed(0)
    made = LocalGaussian(4, **TINY).eval()
    if trained:
        torch.nn.init.normal_(made.unet.leave.weight, std=0.5)
        torch.nn.init.normal_(made.unet.overview.leave.weight, std=0.5)
    return made


@pytest.fixture
def noisy() -> torch.Tensor:
    return 0.1 * torch.randn(2, 4, SAMPLES, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("samples", [1, 255, 512, 9001])
def test_the_transform_is_undone_exactly(samples):
    x = torch.randn(2, 3, samples)
    made = network(False)
    torch.testing.assert_close(made.inverse(made.transform(x), samples), x, rtol=1e-4, atol=1e-5)


def test_white_noise_has_its_variance_in_every_cell():
    cells = network(False).transform(0.3 * torch.randn(1, 1, 400_000))
    torch.testing.assert_close(power(cells)[..., 1:-1, 4:-4].mean(-1), torch.full((1, 1, 255), 0.09), rtol=0.15, atol=0)


def test_before_training_it_is_the_wiener_filter_of_its_mean_spectrum(noisy):
    made, sigma = network(False), torch.tensor(0.02)
    expected = noisy * 1e-4 / (1e-4 + 0.02**2)  # mean_power is 1e-4 everywhere: one gain for all
    with torch.no_grad():
        torch.testing.assert_close(made(noisy, sigma), expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("sigma", [1e-3, 0.1, 3.0])
def test_with_the_mixture_the_estimates_add_up_to_it(noisy, sigma):
    mixture = noisy.sum(1) + 0.05
    with torch.no_grad():
        stems = network(True)(noisy, torch.tensor(sigma), Conditioning(mixture))
    torch.testing.assert_close(stems.sum(1), mixture, rtol=0, atol=1e-5)


def test_without_noise_the_estimate_is_what_was_given(noisy):
    with torch.no_grad():
        torch.testing.assert_close(network(True)(noisy, torch.tensor(1e-6)), noisy, rtol=0, atol=1e-4)


def test_with_all_noise_and_a_mixture_what_was_noisy_does_not_matter(noisy):
    made, mixture = network(False), noisy.sum(1)
    with torch.no_grad():
        one, other = (made(100.0 * x, torch.tensor(100.0), Conditioning(mixture)) for x in (noisy, noisy.flip(0)))
    torch.testing.assert_close(one, other, rtol=0, atol=1e-3)
    torch.testing.assert_close(one, mixture[:, None].expand_as(one) / 4, rtol=0, atol=1e-3)


def test_a_batch_of_both_kinds_equals_each_alone(noisy):
    made = network(True)
    cells, mixture = made.transform(noisy), made.transform(noisy.sum(1, keepdim=True))
    sigma = torch.full((2, 1, 1), 0.05)
    with torch.no_grad():
        both = made.estimate(cells, sigma, mixture, torch.tensor([True, False]))
        given = made.estimate(cells, sigma, mixture)
        alone = made.estimate(cells, sigma, None)
    torch.testing.assert_close(both[0], given[0], rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(both[1], alone[1], rtol=1e-3, atol=1e-5)


def test_sigma_may_differ_by_item(noisy):
    made = network(True)
    with torch.no_grad():
        together = made(noisy, torch.tensor([0.01, 0.5]))
        torch.testing.assert_close(together[1:], made(noisy[1:], torch.tensor(0.5)), rtol=1e-3, atol=1e-5)


def test_gradients_reach_the_input(noisy):
    x = noisy.requires_grad_()
    network(True)(x, torch.tensor(0.1)).square().sum().backward()
    assert x.grad.abs().sum() > 0


def test_bands_keep_power_and_cover_every_bin():
    bands = Bands(1025, 512)
    flat = torch.rand(1, 1025, 3)
    pooled = bands.pool(flat)
    assert pooled.shape == (1, 512, 3)
    torch.testing.assert_close((pooled * bands.width[:, None]).sum(1), flat.sum(1))
    assert bands.width.sum() == 1025
    torch.testing.assert_close(bands.pool(bands.spread(pooled)), pooled)


def test_an_overview_hears_all_bands_at_any_time():
    torch.manual_seed(0)
    levels = torch.randn(1, 6, 64, 9)
    changed = levels.clone()
    changed[:, :, 60, 4] += 5.0
    overview = Overview(6, 4, 64, 16, 1)
    torch.nn.init.normal_(overview.leave.weight)
    with torch.no_grad():
        moved = (overview(changed) - overview(levels)).abs().amax((0, 1))
    assert moved.shape == (64, 9)  # an odd number of frames comes back whole
    assert (moved > 1e-4).all(), "a change at the top is heard in every band, before and after it"
