"""The compact network: exact for Gaussians before training, and the algebra that holds whatever it has learnt."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.models import TINY

from engine.denoiser import Conditioning
from engine.networks.bands import Bands
from engine.networks.local_gaussian import LocalGaussian, power
from engine.networks.unet2d import Across, Overview

SAMPLES = 9001


def network(trained: bool, **arguments) -> LocalGaussian:
    torch.manual_seed(0)
    made = LocalGaussian(4, **TINY, **arguments).eval()
    if trained:
        for ending in (made.unet.leave, made.unet.overview.leave, made.unet.down[0].across.expand):
            torch.nn.init.normal_(ending.weight, std=0.5)
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


def test_steady_noise_is_what_it_takes_sources_for_before_training(noisy):
    made, mixture = network(False), noisy.sum(1)
    made.mean_power.copy_(10 ** torch.empty(4, 64).uniform_(-6, -2, generator=torch.Generator().manual_seed(2)))
    made.mean_power[:, 20] = 0  # a band that nobody plays in
    wanted = torch.tensor([[True] * 4, [True, False, True, True]])
    with torch.no_grad():
        found = made.stationary(mixture, wanted)
        masked = made(torch.zeros_like(noisy), torch.tensor(1000.0), Conditioning(mixture))
    torch.testing.assert_close(found[0], masked[0], rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(found.sum(1), mixture, rtol=0, atol=1e-5)
    assert not found[1, 1].any()
    assert not made.stationary(mixture, wanted & False).any()


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


def test_what_is_known_comes_back_and_the_rest_adds_up_to_its_mixture(noisy):
    made, known = network(True, hears_known=True), torch.zeros(noisy.shape, dtype=torch.bool)
    known[0, 1] = known[1, :, 3000:6000] = True
    mixture = (noisy * ~known).sum(1) + 0.05 * ~known.all(1)
    with torch.no_grad():
        stems = made(noisy, torch.tensor(0.5), Conditioning(mixture, known=known))
    torch.testing.assert_close(stems[0, 1], noisy[0, 1], rtol=0, atol=1e-5)
    torch.testing.assert_close(stems[1, :, 3600:5400], noisy[1, :, 3600:5400], rtol=0, atol=1e-5)  # whole frames
    torch.testing.assert_close(stems[0, [0, 2, 3]].sum(0), mixture[0], rtol=0, atol=1e-5)
    torch.testing.assert_close(stems[1, :, :2400].sum(0), mixture[1, :2400], rtol=0, atol=1e-5)


def test_others_hear_what_is_known_and_before_training_they_do_not_care(noisy):
    known = torch.zeros(noisy.shape, dtype=torch.bool)
    known[:, 0] = True
    other = noisy.clone()
    other[:, 0] *= 3
    told, sigma = Conditioning(known=known), torch.tensor(0.5)
    with torch.no_grad():
        deaf, fresh, trained = network(True), network(False, hears_known=True), network(True, hears_known=True)
        torch.testing.assert_close(deaf(noisy, sigma, told), deaf(noisy, sigma))
        torch.testing.assert_close(fresh(noisy, sigma, told)[:, 1:], fresh(other, sigma, told)[:, 1:])
        assert (trained(noisy, sigma, told) - trained(other, sigma, told))[:, 1:].abs().max() > 1e-5
        assert (trained(noisy, sigma, told) - trained(noisy, sigma))[:, 1:].abs().max() > 1e-5


@given(st.integers(1, 4000), st.lists(st.integers(0, 4000), max_size=6))
def test_a_frame_is_known_when_all_it_hears_is(samples, unknown):
    made, known = network(False, hears_known=True), torch.ones(1, 1, samples, dtype=torch.bool)
    known[..., [place for place in unknown if place < samples]] = False
    found = made.known_cells(known)[0, 0, 0]
    touched = made.transform((~known).float())[0, 0].abs().amax(0) > 0
    assert len(found) == 1 + samples // made.hop
    assert not (touched & found).any(), "no frame with unknown samples in it counts as known"
    frames = torch.arange(len(found))[:, None] * made.hop + torch.arange(made.fft)[None] - made.fft // 2
    inside = (frames >= 0) & (frames < samples)
    expected = (known[0, 0, frames.clamp(0, samples - 1)] | ~inside).all(1)
    assert torch.equal(found, expected)


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


def test_rows_are_heard_across_in_every_channel_alike_and_in_no_other_column():
    torch.manual_seed(0)
    heard, found = (torch.randn(2, 3, 16, 5).contiguous(memory_format=torch.channels_last) for _ in range(2))
    across = Across(16, 4)
    torch.testing.assert_close(across(heard, found), found)  # before training
    torch.nn.init.normal_(across.expand.weight)
    with torch.no_grad():
        said = across(heard, found)
        squeezed = torch.nn.functional.silu(across.squeeze(heard.transpose(2, 3)))
        torch.testing.assert_close(said, found + across.expand(squeezed).transpose(2, 3))
        changed = heard.clone()
        changed[0, 1, 15, 2] += 5.0
        moved = (across(changed, found) - said).abs()
    assert (moved[0, 1, :, 2] > 1e-4).all()
    moved[0, 1, :, 2] = 0
    assert moved.max() == 0
