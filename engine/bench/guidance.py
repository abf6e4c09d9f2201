"""What a gradient through the network costs."""

import statistics
from typing import Any

import torch
from torch.fx.experimental.proxy_tensor import make_fx

from engine.bench.rounds import ratio, turns, whole_call
from engine.cards import read_card
from engine.export import relative_error
from engine.models import DEFAULT, find_model, load_model
from engine.networks.core import core_inputs, core_of, probe


def bench_guidance(model: str = DEFAULT, rounds: int = 5) -> list[dict[str, Any]]:
    """What guidance asks of the network, a call and the product of a vector with its Jacobian: by torch's autograd, as guidance
    does it, and by one graph of both, traced by `make_fx`, of which autograd is no part.

    milliseconds: medians, ratio: autograd's over this one's in the same round. error: of the product, relative to autograd's.
    """
    card = read_card(find_model(model))
    denoiser = load_model(card.folder).denoiser
    inputs = core_inputs(denoiser, probe(card.spec, 1, card.spec.chunk))
    core, given = core_of(denoiser).requires_grad_(False), (*inputs, torch.randn_like(core_of(denoiser)(*inputs)))

    def autograd(x: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            return torch.autograd.grad(core(x, *others[:-1]), x, others[-1])[0]

    with torch.backends.mkldnn.flags(enabled=False):  # whose LSTM keeps what a graph cannot: traced as its single steps
        graph = make_fx(autograd)(*given)
    tried = {
        "the call alone": whole_call(core, inputs),
        "autograd": whole_call(autograd, given),
        "graph": whole_call(graph, given),
    }
    with torch.no_grad():
        wanted, found = autograd(*given), graph(*given)
        times = turns(tried, rounds)
    return [
        {
            "way": way, "milliseconds": 1000 * statistics.median(seconds), "ratio": ratio(times["autograd"], seconds),
            "error": relative_error(found, wanted) if way == "graph" else None,
        }
        for way, seconds in times.items()
    ]  # fmt: skip
