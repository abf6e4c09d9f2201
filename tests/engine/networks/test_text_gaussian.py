"""The text-conditioned network: what holds before any training, and what its guidance does."""

import pytest
import torch
from support.models import TINY

from engine.denoiser import Conditioning, ModelSpec
from engine.errors import ModelError
from engine.networks import TextGaussian, build

SPEC = ModelSpec(("recording",), 22050, 32768, 0.05, text="words")


def network(trained: bool = True) -> TextGaussian:
    torch.manual_seed(0)
    net = build("text_gaussian", TINY, SPEC).eval()
    if trained:
        for parameter in (net.unet.leave.weight, net.spectrum[-1].weight, net.told.weight):
            torch.nn.init.normal_(parameter, std=0.3)
    return net


def batch(size: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    text = torch.nn.functional.normalize(torch.randn(size, 384, generator=generator), dim=1)
    return 0.1 * torch.randn(size, 1, 5000, generator=generator), text


def test_before_training_it_is_a_wiener_filter_for_the_mean_spectrum_whatever_is_said():
    x, text = batch()
    net = network(trained=False)
    sigma = torch.tensor(0.02)
    found = net(x, sigma, Conditioning(text=text))
    torch.testing.assert_close(found, x * 1e-4 / (1e-4 + 4e-4), rtol=1e-3, atol=1e-6)


def test_each_item_goes_by_its_own_text():
    x, text = batch()
    x[1] = x[0]
    net, sigma = network(), torch.tensor([0.05, 0.05])
    both = net(x, sigma, Conditioning(text=text))
    assert (both[0] - both[1]).abs().max() > 1e-3
    torch.testing.assert_close(both[:1], net(x[:1], sigma[:1], Conditioning(text=text[:1])), rtol=1e-4, atol=1e-6)


def test_no_text_is_the_zero_vector():
    x, text = batch()
    net, sigma = network(), torch.tensor(0.05)
    torch.testing.assert_close(net(x, sigma), net(x, sigma, Conditioning(text=0 * text)))


def test_guidance_is_a_geometric_mean_of_powers_and_1_leaves_them():
    x, text = batch()
    net = network()
    noisy, noise_power = net.transform(x), torch.full((2, 1, 1, 1), 1e-3)
    told, untold, twice = (
        net.powers_of(noisy, noise_power, t, w) for t, w in ((text, 1.0), (0 * text, 1.0), (text, 2.0))
    )
    torch.testing.assert_close(net.powers_of(noisy, noise_power, text, 0.0), untold, rtol=1e-4, atol=1e-10)
    near = (told / untold).log().abs() < 2  # where the soft limit of the range does nothing much
    assert near.any()
    torch.testing.assert_close(twice[near].log(), (told**2 / untold)[near].log(), rtol=0.05, atol=0.2)


def test_a_gradient_goes_through_to_the_noisy_input():
    x, text = batch()
    x.requires_grad_()
    network()(x, torch.tensor(0.05), Conditioning(text=text))[..., :2000].square().sum().backward()
    assert x.grad.isfinite().all()
    assert x.grad[..., 2200:2400].abs().max() > 0  # what lies past what was looked at is told by it


def test_more_than_one_source_is_refused():
    with pytest.raises(ModelError, match="one source"):
        build("text_gaussian", TINY, ModelSpec(("bass", "drums"), 22050, 32768, 0.05))


def test_words_can_be_given_their_spectra_before_any_training():
    net, generator = network(trained=False), torch.Generator().manual_seed(2)
    meaning = 2 * torch.randn(3, net.bands.count, generator=generator)  # log spectra of three words
    words = torch.nn.functional.normalize(torch.randn(3, 384, generator=generator), dim=1)
    which = torch.arange(60) % 3
    heard = (meaning[which] + 0.3 * torch.randn(60, net.bands.count, generator=generator)).exp() * 1e-4
    net.fit_spectrum(heard, words[which], ridge=1e-3)
    found = (net.expected_power(words)[:, 0, :, 0] / 1e-4).log()
    assert (found - meaning).abs().mean() < 0.15
    blurred = net.expected_power(words[:1] + words[1:2])[0, 0, :, 0].log()
    assert torch.isfinite(blurred).all()


def test_words_are_given_their_spectra_on_the_network_s_own_device():
    net = network(trained=False).to("meta")  # a device without numbers, on which every machine can look for others
    net.fit_spectrum(torch.ones(60, net.bands.count, device="meta"), torch.ones(60, 384, device="meta"))
