"""What back ends compute without a gradient is what the network computes, whatever runs its core, however many threads share it."""

import pytest
import torch
from support.models import TINY

from engine.denoiser import Conditioning
from engine.networks.core import core_of, replace_core
from engine.networks.local_gaussian import LocalGaussian
from engine.networks.side_by_side import side_by_side


def network(hears_known: bool, **arguments) -> LocalGaussian:
    torch.manual_seed(0)
    made = LocalGaussian(4, **TINY | arguments, hears_known=hears_known).eval().requires_grad_(False)
    torch.nn.init.normal_(made.unet.leave.weight, std=0.5)
    return made


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("hears_known", [True, False])
@pytest.mark.parametrize("mixed", [True, False])
@pytest.mark.parametrize("known", [True, False])
def test_items_side_by_side_are_the_batch_whoever_runs_the_core(threads, hears_known, mixed, known):
    x, before = 0.1 * torch.randn(3, 4, 9001), torch.get_num_threads()
    told = Conditioning(x.sum(1) if mixed else None, known=torch.rand(3, 4, 9001) > 1e-3 if known else None)
    given = x, torch.tensor([1e-3, 0.1, 3.0]), told
    whole = network(hears_known)
    torch.set_num_threads(threads)
    try:
        for run in (
            core_of(whole),
            lambda *inputs: core_of(whole)(*inputs),
        ):  # torch runs the first, who knows what the second
            found = replace_core(network(hears_known), run)(*given)
            torch.testing.assert_close(found, whole(*given), rtol=0, atol=1e-5)
            with torch.inference_mode():  # as a job runs it; each thread has a mode of its own
                assert torch.equal(replace_core(network(hears_known), run)(*given), found)
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("hop", [96, 128, 256])
@pytest.mark.parametrize("samples", [1, 5000])
def test_any_hop_and_length_is_laid_together(hop, samples):
    whole = network(False, hop=hop)
    given = 0.1 * torch.randn(2, 4, samples), torch.tensor(0.1)
    torch.testing.assert_close(
        replace_core(network(False, hop=hop), core_of(whole))(*given), whole(*given), rtol=0, atol=1e-5
    )


def test_side_by_side_keeps_order_shares_the_threads_and_raises_what_went_wrong():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        assert side_by_side(lambda i: (i, torch.get_num_threads()), 2) == [(0, 2), (1, 2)]
        assert side_by_side(lambda i: (i, torch.get_num_threads()), 1) == [(0, 4)]
        assert [threads for _, threads in side_by_side(lambda i: (i, torch.get_num_threads()), 9)] == [1] * 9
        with pytest.raises(ZeroDivisionError):
            side_by_side(lambda i: 1 // i, 3)
        assert torch.get_num_threads() == 4
    finally:
        torch.set_num_threads(before)
