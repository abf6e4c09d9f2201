"""Muon (Jordan et al. 2024), in the type of numbers the processor is good at.

Torch's computes in bfloat16 whatever runs it; a processor that only imitates that takes several times as long for it as for all
the rest of a step.
"""

from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor

from engine.devices import multiplies_bfloat16

# Of the quintic whose slope at zero is the steepest; singular values end near one.
COEFFICIENTS = (3.4445, -4.775, 2.0315)
ITERATIONS = 5
MOMENTUM = 0.95


class Muon(torch.optim.Optimizer):
    """For matrices, and for convolutions, which are matrices from all they hear to their channels. Momentum as Nesterov's; the rate
    is scaled to AdamW's usual step (Liu et al. 2025, section 2.2). What it puts down of its state is what torch.optim.Muon does."""

    def __init__(self, weights: Iterable[Tensor], lr: float, weight_decay: float):
        super().__init__(weights, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            updates = all_orthogonal([self._ahead(weight) for weight in weights])
            for weight, update in zip(weights, updates, strict=True):
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.add_(update.view_as(weight), alpha=-group["lr"] * 0.2 * max(update.shape) ** 0.5)

    def _ahead(self, weight: Tensor) -> Tensor:
        assert weight.grad is not None
        gradient = weight.grad.flatten(1)
        momentum = self.state[weight].setdefault("momentum_buffer", torch.zeros_like(gradient))
        momentum.lerp_(gradient, 1 - MOMENTUM)
        return gradient.lerp(momentum, MOMENTUM)


def all_orthogonal(matrices: list[Tensor]) -> list[Tensor]:
    """`orthogonal` of each. Processes that train together hold the same matrices: each does some, and gives them to the others."""
    if not (dist.is_available() and dist.is_initialized()):
        return [orthogonal(matrix) for matrix in matrices]
    largest_first = sorted(range(len(matrices)), key=lambda index: -matrices[index].numel())
    owner = {index: place % dist.get_world_size() for place, index in enumerate(largest_first)}
    mine = dist.get_rank()
    updates = [
        orthogonal(each) if owner[index] == mine else each.new_empty(each.shape) for index, each in enumerate(matrices)
    ]
    for index, update in enumerate(updates):
        dist.broadcast(update, owner[index])
    return updates


def orthogonal(matrix: Tensor) -> Tensor:
    """About the nearest orthogonal matrix, by Newton and Schulz's iteration: (rows, columns), singular values 0.7 to 1.2."""
    a, b, c = COEFFICIENTS
    kind = torch.bfloat16 if multiplies_bfloat16(matrix.device) else torch.float32
    x = matrix.to(kind) if len(matrix) <= matrix.shape[1] else matrix.to(kind).T
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    found = x if len(matrix) <= matrix.shape[1] else x.T
    return found.to(matrix.dtype).contiguous()  # processes send one another memory as it lies
