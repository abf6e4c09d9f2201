"""The coupling of prompted sources against Gaussians, where the joint that the derivation names is known as a matrix."""

import pytest
import torch

from engine.conditioning.coherent import coherent
from engine.denoiser import per_item
from engine.diffusion.noise import Noise
from engine.diffusion.samplers import SAMPLERS, Options
from engine.diffusion.schedules import karras

V = torch.tensor([0.04, 0.01, 0.09], dtype=torch.float64)  # of three sources by themselves
TOGETHER = {"louder than by chance": 0.3, "as by chance": float(V.sum()), "quieter": 0.05}


def joint(whole: float) -> torch.Tensor:
    """Covariance of q: precision diag(1 / v) + (1 / V - 1 / u) 1 1^T."""
    c = 1 / whole - 1 / V.sum()
    return torch.linalg.inv(torch.diag(1 / V) + c * torch.ones(3, 3, dtype=torch.float64))


def denoise(x: torch.Tensor, sigma: torch.Tensor, whole: float) -> torch.Tensor:
    v = V.to(x)[None, :, None].expand_as(x)
    return coherent(x, per_item(sigma, x) ** 2, v, x.new_full((len(x), 1, x.shape[-1]), whole))


@pytest.mark.parametrize("whole", TOGETHER.values(), ids=TOGETHER)
def test_the_joint_has_the_mixture_s_power_and_leaves_what_the_mixture_does_not_say(whole):
    """Straight from the derivation: the sum is distributed as asked, the sources given the sum as independent ones are."""
    covariance, one = joint(whole), torch.ones(3, dtype=torch.float64)
    assert one @ covariance @ one == pytest.approx(whole)
    given_sum = covariance - torch.outer(covariance @ one, covariance @ one) / whole
    torch.testing.assert_close(given_sum, torch.diag(V) - torch.outer(V, V) / V.sum())


@pytest.mark.parametrize("sigma", [1e-4, 0.05, 0.5, 100.0])
@pytest.mark.parametrize("whole", TOGETHER.values(), ids=TOGETHER)
def test_the_estimate_is_the_posterior_mean_of_the_joint(whole, sigma):
    x = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    covariance = joint(whole)
    gain = covariance @ torch.linalg.inv(covariance + sigma**2 * torch.eye(3, dtype=torch.float64))
    expected = torch.einsum("jk,bkn->bjn", gain, x)
    torch.testing.assert_close(denoise(x, torch.tensor(sigma, dtype=x.dtype), whole), expected, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("whole", TOGETHER.values(), ids=TOGETHER)
def test_what_is_sampled_has_the_joint_s_covariance(whole):
    samples = 60_000
    noise, sigmas = Noise(3, [0]), karras(60, 1e-3, 20.0)
    start = 20.0 * noise.like(torch.empty(1, 3, samples))
    made = SAMPLERS["heun"](lambda x, s, _=None: denoise(x, s, whole), start, sigmas, noise, Options(), lambda: None)
    torch.testing.assert_close(torch.cov(made[0].double()), joint(whole), rtol=0.05, atol=2e-3)


def test_one_source_alone_is_left_as_it_is():
    x, v = torch.randn(1, 1, 8), torch.rand(1, 1, 8)
    torch.testing.assert_close(coherent(x, torch.tensor(0.3), v, v), x * v / (v + 0.3))


def test_nothing_blows_up_where_a_mixture_is_all_but_silent_or_deafening_in_float32():
    x, v = torch.randn(1, 3, 1000), torch.rand(1, 3, 1000) * 1e-8
    for whole in (1e-12, 1e4):
        for noise_power in (1e-10, 400.0):
            found = coherent(x, torch.tensor(noise_power), v, torch.full((1, 1, 1000), whole))
            assert found.isfinite().all()
            assert found.abs().max() <= 3 * x.abs().max()
