"""Every sampler of the table on a prior whose probability-flow path is known: order measured, noise owned, work stoppable."""

import math

import pytest
import torch

from engine.diffusion.noise import Noise
from engine.diffusion.samplers import CALLS, SAMPLERS, Options
from engine.diffusion.schedules import karras
from engine.evaluation.priors import IndependentGaussians

DEVIATION, TOP, BOTTOM = 0.3, 5.0, 0.05
ORDER = {"euler": 1, "heun": 2, "dpm2m": 2}


def error(sampler: str, steps: int) -> float:
    """Distance to the exact flow x(s) = x(S) sqrt((d^2 + s^2) / (d^2 + S^2)) after `steps` steps from TOP to BOTTOM."""
    prior, x = IndependentGaussians([DEVIATION]), torch.ones(1, 1, 1, dtype=torch.float64)
    sigmas = karras(steps + 1, BOTTOM, TOP)[:-1]
    found = SAMPLERS[sampler](prior, x, sigmas, Noise(0, [0]), Options(), lambda: None)
    exact = math.sqrt((DEVIATION**2 + BOTTOM**2) / (DEVIATION**2 + TOP**2))
    return abs(found.item() - exact)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_sampler_has_the_order_it_claims(sampler):
    measured = math.log2(error(sampler, 80) / error(sampler, 160))
    assert measured == pytest.approx(ORDER[sampler], abs=0.35)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize(("steps", "resamples"), [(1, 1), (2, 1), (7, 3)])
def test_calls_are_counted_as_the_table_says(sampler, steps, resamples):
    calls = []
    prior, noise = IndependentGaussians([0.1, 0.2]), Noise(0, [0])

    def counting(x, sigma, conditioning=None):
        calls.append(float(sigma))
        return prior(x, sigma)

    seen = []
    x = noise.like(torch.zeros(1, 2, 16))
    SAMPLERS[sampler](
        counting, x, karras(steps, 1e-3, 1.0), noise, Options(resamples=resamples), lambda: seen.append(len(calls))
    )
    assert seen == list(range(1, CALLS[sampler](steps, resamples) + 1))
    assert min(calls) > 0


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_samples_have_the_priors_variance(sampler):
    prior, noise = IndependentGaussians([0.05, 0.2]), Noise(11, [0])
    x = 2.0 * noise.like(torch.zeros(1, 2, 50_000))
    found = SAMPLERS[sampler](prior, x, karras(100, 1e-4, 2.0), noise, Options(churn=10.0), lambda: None)
    torch.testing.assert_close(found.std(-1)[0], torch.tensor([0.05, 0.2]), rtol=0.05, atol=0)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_work_stops_when_on_step_raises(sampler):
    class Stop(Exception):
        pass

    calls = iter((False, True))

    def stop():
        if next(calls):
            raise Stop

    with pytest.raises(Stop):
        SAMPLERS[sampler](
            IndependentGaussians([0.1]), torch.ones(1, 1, 8), karras(9, 1e-3, 1.0), Noise(0, [0]), Options(), stop
        )
