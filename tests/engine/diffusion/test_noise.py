"""Noise depends on seed, draw and position in the song, and on nothing else."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.diffusion.noise import BLOCK, Noise

places = st.integers(min_value=0, max_value=5 * BLOCK)


@settings(max_examples=25)
@given(seed=st.integers(0, 2**63), starts=st.lists(places, min_size=1, max_size=4))
def test_a_batch_hears_what_its_items_would_hear_alone(seed, starts):
    x = torch.zeros(len(starts), 2, 700)
    together = Noise(seed, starts)
    together.like(x)
    second = together.like(x)
    for row, start in zip(second, starts, strict=True):
        alone = Noise(seed, [start])
        alone.like(x[:1])
        assert torch.equal(row, alone.like(x[:1])[0])


@settings(max_examples=25)
@given(start=places, shift=st.integers(0, 400))
def test_overlapping_chunks_hear_the_same_noise(start, shift):
    x = torch.zeros(1, 3, 500)
    early, late = Noise(1, [start]).like(x), Noise(1, [start + shift]).like(x)
    assert torch.equal(early[..., shift:], late[..., : 500 - shift])


def test_noise_is_standard_normal_and_white():
    noise = Noise(0, [123]).like(torch.zeros(1, 4, 100_000))[0]
    assert abs(noise.mean()) < 0.01
    assert abs(noise.std() - 1) < 0.01
    covariance = noise @ noise.T / noise.shape[1]
    assert (covariance - torch.eye(4)).abs().max() < 0.02
    assert abs((noise[:, 1:] * noise[:, :-1]).mean()) < 0.01


def test_draws_and_seeds_differ():
    x = torch.zeros(1, 1, 64)
    noise = Noise(0, [0])
    assert not torch.equal(noise.like(x), noise.like(x))
    assert not torch.equal(Noise(0, [0]).like(x), Noise(1, [0]).like(x))
