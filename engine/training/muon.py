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
    """For matrices. Momentum as Nesterov's; the rate is scaled to AdamW's usual step (Liu et al. 2025, section 2.2). What it puts
    down of its state is what torch.optim.Muon does."""

    def __init__(self, matrices: Iterable[Tensor], lr: float, weight_decay: float):
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            matrices = [matrix for matrix in group["params"] if matrix.grad is not None]
            updates = all_orthogonal([self._ahead(matrix) for matrix in matrices])
            for matrix, update in zip(matrices, updates, strict=True):
                matrix.mul_(1 - group["lr"] * group["weight_decay"])
                matrix.add_(update, alpha=-group["lr"] * 0.2 * max(matrix.shape) ** 0.5)

    def _ahead(self, matrix: Tensor) -> Tensor:
        assert matrix.grad is not None
        momentum = self.state[matrix].setdefault("momentum_buffer", torch.zeros_like(matrix))
        momentum.lerp_(matrix.grad, 1 - MOMENTUM)
        return matrix.grad.lerp(momentum, MOMENTUM)


def all_orthogonal(matrices: list[Tensor]) -> list[Tensor]:
    """`orthogonal` of each. Processes that train together hold the same matrices: each does some, and gives them to the others."""
    if not (dist.is_available() and dist.is_initialized()):
        return [orthogonal(matrix) for matrix in matrices]
    largest_first = sorted(range(len(matrices)), key=lambda index: -matrices[index].numel())
    owner = {index: place % dist.get_world_size() for place, index in enumerate(largest_first)}
    mine = dist.get_rank()
    updates = [
        (orthogonal(each) if owner[index] == mine else torch.empty_like(each)).contiguous()
        for index, each in enumerate(matrices)
    ]  # rows first everywhere, for what is sent is memory
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
    return (x if len(matrix) <= matrix.shape[1] else x.T).to(matrix.dtype)
