"""Muon beside AdamW: which weights each moves, by how much, and against the update computed by singular values."""

import pytest
import torch
from support.models import TINY

from engine.networks import LocalGaussian
from engine.training.config import TrainConfig
from engine.training.muon import Muon
from engine.training.optimizers import Optimizer, matrices


def test_each_weight_has_one_optimizer_and_the_ends_are_adamws():
    network = LocalGaussian(**TINY)
    optimizer = Optimizer(network, TrainConfig("a", "local_gaussian", (), muon=True))
    moved = [weight for part in optimizer.parts for group in part.param_groups for weight in group["params"]]
    assert sorted(w.data_ptr() for w in moved) == sorted(w.data_ptr() for w in network.parameters())
    inside = {id(weight) for weight in matrices(network)}
    ends = (network.unet.enter.weight, network.unet.leave.weight, network.unet.place)
    assert not any(id(weight) in inside for weight in ends)
    assert id(network.unet.bottom_in.conv1.weight) in inside


def test_a_convolution_moves_by_its_gradients_nearest_orthogonal_matrix():
    network = LocalGaussian(**TINY)
    config = TrainConfig("a", "local_gaussian", (), muon=True, rate=1e-3, decay=0.0)
    optimizer = Optimizer(network, config)
    weight = network.unet.bottom_in.conv1.weight
    before, gradient = weight.detach().clone(), torch.randn(weight.shape, generator=torch.Generator().manual_seed(0))
    weight.grad = gradient
    optimizer.step(0.5)
    moved = (before - weight.detach()).flatten(1)
    u, _, v = torch.linalg.svd(gradient.flatten(1), full_matrices=False)
    nearest = 0.5 * config.rate * 0.2 * max(moved.shape) ** 0.5 * (u @ v)
    alike = torch.nn.functional.cosine_similarity(moved.flatten(), nearest.flatten(), 0)
    assert alike > 0.95  # five rounds of Newton and Schulz come this near
    assert 0.6 < moved.norm() / nearest.norm() < 1.3
    assert weight.grad is None


@pytest.mark.parametrize("shape", [(40, 90), (90, 40), (32, 32)])
def test_it_goes_where_torchs_muon_goes(shape):
    """Which rounds to bfloat16 on the way."""
    dice = torch.Generator().manual_seed(1)
    start = torch.randn(shape, generator=dice)
    ours, theirs = start.clone().requires_grad_(), start.clone().requires_grad_()
    both = {
        ours: Muon([ours], lr=0.01, weight_decay=0.1),
        theirs: torch.optim.Muon([theirs], lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
    }
    for _ in range(5):
        gradient = torch.randn(shape, generator=dice)
        for weight, optimizer in both.items():
            weight.grad = gradient.clone()
            optimizer.step()
    way = (theirs - start).norm()
    assert way > 0.1
    assert (ours - theirs).norm() < 0.02 * way
    assert both[ours].state_dict()["state"].keys() == both[theirs].state_dict()["state"].keys()
    assert set(both[ours].state_dict()["state"][0]) == set(both[theirs].state_dict()["state"][0])


def test_a_run_goes_on_with_the_decay_that_is_configured_now():
    network = LocalGaussian(**TINY)
    before, after = (
        Optimizer(network, TrainConfig("a", "local_gaussian", (), muon=True, decay=decay)) for decay in (0.01, 0.1)
    )
    after.load_state_dict(before.state_dict())
    assert [group["weight_decay"] for part in after.parts for group in part.param_groups] == [0.1, 0.1]


def test_without_muon_all_is_adamws():
    network = LocalGaussian(**TINY)
    optimizer = Optimizer(network, TrainConfig("a", "local_gaussian", ()))
    assert len(optimizer.parts) == 1
